"""An answer in the documents' own words, for when the model has none that hold.

Rule: nothing is said that does not stand in a passage; each quoted run carries its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bot.evidence import Evidence, Unit

MOST_UNITS = 6
MOST_OF_A_PASSAGE = 4
NEAR = 0.3
"""A unit is quoted beside the best one when its score is at most so much lower."""


def choose(evidence: Sequence[Evidence]) -> list[Unit]:
    """The units to quote: the best, and those that come near it; the best one's passage first.

    No more than `MOST_OF_A_PASSAGE` are of one passage: the rows of a table are all alike.
    """
    near: list[Unit] = []
    for row in evidence:
        if len(near) == MOST_UNITS or row.score < evidence[0].score - NEAR:
            break
        if sum(unit.passage == row.unit.passage for unit in near) < MOST_OF_A_PASSAGE:
            near.append(row.unit)
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
