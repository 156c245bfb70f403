"""An answer in the documents' own words, for when the model has none that hold.

Rule: nothing is said that does not stand in a passage; each quoted run carries its number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from bot.citations import unmarked
from bot.evidence import LIST_ITEM, Evidence, Unit, in_context
from bot.words import words
from knowledge.documents import Passage

MOST_UNITS = 6
MOST_OF_A_PASSAGE = 4
ALIKE = 0.6
FEW = 2
NEAR = 0.3
"""A unit is quoted beside the best one when its score is at most so much lower."""

_ENDS = tuple(".,!?:;…([{\\")
_BULLET = re.compile(r"^\s*[-*+•‣◦–]\s+")
_NUMBER = re.compile(r"^(\d{1,9}[.)]|#{1,6})\s")
_BLOCK = re.compile(r">|\||`{3}|~{3}|\[[^]\n]+\]:|[-=_*](?:\s*[-=_*])*$")
"""What begins a quote, a table, code, a link's definition or a rule in Markdown."""


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
    """`units` as text: what is of one passage in order, its number at the end. What stands above a list is said once;
    list items and what ends without a full stop, such as a table row or a line of code, have lines of their own."""
    blocks = []
    for number, group in groupby(units, key=lambda unit: unit.passage):
        lines: list[str] = []
        for piece in _pieces(list(group)):
            if lines and not piece.apart and _may_go_on(lines[-1]):
                lines[-1] += f" {piece.text}"
            else:
                lines.append(piece.text)
        blocks.append("\n".join(map(_as_text, lines)) + f" [{number}]")
    return "\n".join(blocks)


def _may_go_on(line: str) -> bool:
    """Whether more may stand behind `line`: a sentence that has ended, or what announces it."""
    return line.endswith(":") if LIST_ITEM.match(line) else line.endswith(_ENDS)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line to be quoted; `apart` is one that never goes on behind another."""

    text: str
    apart: bool


def _pieces(units: Sequence[Unit]) -> list[_Piece]:
    """What is to be read of `units`. A single item of a list is no list: it is without its bullet. The lines below one
    that announces them keep their indent."""
    pieces: list[_Piece] = []
    for unit in units:
        intro = _Piece(_intro(unit), apart=False)
        if intro.text and not any(intro.text in piece.text for piece in pieces):
            pieces.append(intro)
        first, *below = (unit.text if intro.text else unit.reading).split("\n")
        pieces.append(_Piece(" ".join(first.split()), LIST_ITEM.match(first) is not None))
        pieces += [_Piece(line, apart=True) for line in _tidied([line for line in below if line.strip()])]
    bulleted = [piece for piece in pieces if _BULLET.match(piece.text)]
    if len(bulleted) > 1:
        return pieces
    return [
        _Piece(_BULLET.sub("", piece.text), apart=False) if piece in bulleted else piece for piece in pieces
    ]


def _tidied(lines: Sequence[str]) -> list[str]:
    """The items of a list, each on one line, or the lines of another block as they are."""
    tidied: list[str] = []
    for line in lines:
        if tidied and LIST_ITEM.match(lines[0]) and not LIST_ITEM.match(line):
            tidied[-1] += f" {line.strip()}"
        else:
            tidied.append(line.rstrip().expandtabs(4))
    return tidied


def _intro(unit: Unit) -> str:
    """The line above a list that its item is read with, or nothing."""
    intro = unit.reading.removesuffix(unit.text) if unit.reading.endswith(unit.text) else ""
    return " ".join(intro.split())


def _as_text(line: str) -> str:
    """`line` such that no Markdown reader takes it for more than text: a list of several would be numbered anew and take
    the next line in, a comment would be a heading."""
    text = _NUMBER.sub("\\1\u00a0", _BULLET.sub("• ", line.lstrip()))
    indent = len(line) - len(line.lstrip()) or int(_BLOCK.match(text) is not None)
    return "\u00a0" * indent + unmarked(text)
