"""An answer in the documents' own words, for when the model has none that hold.

Rule: nothing is said that does not stand in a passage; each quoted run carries its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bot.citations import unmarked
from bot.evidence import Evidence, Unit, in_context
from bot.words import words
from knowledge.documents import Passage

MOST_UNITS = 6
MOST_OF_A_PASSAGE = 4
ALIKE = 0.6
FEW = 2
NEAR = 0.3
"""A unit is quoted beside the best one when its score is at most so much lower."""


def choose(evidence: Sequence[Evidence], passages: Sequence[Passage]) -> list[Unit]:
    """The units to quote: the best, and those that come near it, each in its paragraph or list item where that is
    short; the best one's passage first.

    No more than `MOST_OF_A_PASSAGE` are of one passage: the rows of a table are all alike. A unit is left
    out when a newer document of the same title has one that says it in much the same words.
    """
    near = _near(evidence, passages)
    order = list(dict.fromkeys(unit.passage for unit in near))
    return sorted(near, key=lambda unit: (order.index(unit.passage), unit.start))


def choose_few(evidence: Sequence[Evidence], passages: Sequence[Passage]) -> list[Unit]:
    """The units to quote where a short answer is wanted: the best, and the best beside it in its passage."""
    near = _near(evidence, passages)
    return sorted([u for u in near if u.passage == near[0].passage][:FEW], key=lambda unit: unit.start)


def _near(evidence: Sequence[Evidence], passages: Sequence[Passage]) -> list[Unit]:
    """The best unit and those near it, as `choose` says, the best first."""
    near: list[Unit] = []
    close = [row.unit for row in evidence if row.score >= evidence[0].score - NEAR]
    for unit in close:
        if len(near) == MOST_UNITS:
            break
        crowded = sum(one.passage == unit.passage for one in near) >= MOST_OF_A_PASSAGE
        if crowded or any(_replaces(other, unit, passages) for other in close):
            continue
        whole = in_context(unit, passages[unit.passage - 1])
        if not any(_share_words(whole, one) for one in near):
            near.append(whole)
    return near


def _share_words(one: Unit, other: Unit) -> bool:
    return one.passage == other.passage and one.start < other.end and other.start < one.end


def _replaces(newer: Unit, older: Unit, passages: Sequence[Passage]) -> bool:
    """Whether `newer` is the same sentence in a later version of the document."""
    one, other = passages[newer.passage - 1], passages[older.passage - 1]
    if one.updated_at is None or other.updated_at is None or one.updated_at <= other.updated_at:
        return False
    if one.title.casefold() != other.title.casefold() or one.chunk.document_id == other.chunk.document_id:
        return False
    said, before = set(words(newer.reading)), set(words(older.reading))
    return len(said & before) >= ALIKE * min(len(said), len(before))


def quoted(units: Sequence[Unit]) -> str:
    """`units` as text: a line for each passage, its sentences in order, its number at the end. What stands above a
    list is said once."""
    lines = []
    for number, group in groupby(units, key=lambda unit: unit.passage):
        parts: list[str] = []
        for unit in group:
            told = _intro(unit) and any(_intro(unit) in part for part in parts)
            own = (unit.text if told else unit.reading).split("\n")
            parts.append(_joined([" ".join(line.split()) for line in own if line.strip()]))
        lines.append(f"{_joined([unmarked(part) for part in parts])} [{number}]")
    return "\n".join(lines)


def _intro(unit: Unit) -> str:
    """The line above a list that its item is read with, or nothing."""
    intro = unit.reading.removesuffix(unit.text) if unit.reading.endswith(unit.text) else ""
    return " ".join(intro.split())


def _joined(parts: Sequence[str]) -> str:
    text = ""
    for part in parts:
        if text and text[-1] not in ".,!?:;…([{\\":
            text += ";"
        text = f"{text} {part}".strip()
    return text
