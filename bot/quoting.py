"""An answer in the documents' own words, for when the model has none that hold.

Rule: nothing is said that does not stand in a passage; each quoted run carries its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bot.evidence import Evidence, Unit

MOST_UNITS = 6
NEAR = 0.35
"""A unit is quoted beside the best one when its score is at most so much lower."""


def choose(evidence: Sequence[Evidence]) -> list[Unit]:
    """The units to quote: the best, and those that come near it; the best one's passage first."""
    if not evidence:
        return []
    best = evidence[0]
    near = [row.unit for row in evidence[:MOST_UNITS] if row.score >= best.score - NEAR]
    order = list(dict.fromkeys(unit.passage for unit in near))
    return sorted(near, key=lambda unit: (order.index(unit.passage), unit.start))


def quoted(units: Sequence[Unit]) -> str:
    """`units` as text: a line for each passage, its sentences in order, its number at the end."""
    lines = []
    for number, group in groupby(units, key=lambda unit: unit.passage):
        parts = [" ".join(unit.reading.split()) for unit in group]
        lines.append(f"{_joined(parts)} [{number}]")
    return "\n".join(lines)


def _joined(parts: Sequence[str]) -> str:
    text = ""
    for part in parts:
        if text and text[-1] not in ".!?:;…":
            text += ";"
        text = f"{text} {part}".strip()
    return text
