"""The sentences and table rows of the passages that speak to the question, best first.

Rule: a unit is verbatim passage text at a known place, so that whatever is quoted can be found again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from knowledge.documents import Passage
from knowledge.sentences import sentence_spans
from models.embedding.judge import Claim, Judge

_LIST_ITEM = re.compile(r"\s*(?:[-*+•‣◦–]|\d{1,3}[.)]|[a-zA-Z][.)])\s+")
_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")


@dataclass(frozen=True, slots=True)
class Unit:
    """One sentence, list item, line of code or table row of a passage.

    `passage` is the passage's number, counting from 1; `text` is `passage.chunk.text[start:end]`.
    `reading` is how it reads on its own: a table row with the names of its columns, else the text.
    """

    passage: int
    start: int
    end: int
    text: str
    reading: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A unit with how likely it answers the question, 0 to 1, as the judge sees it."""

    unit: Unit
    likelihood: float


def units(passages: Sequence[Passage]) -> list[Unit]:
    """All units of all passages, in reading order."""
    return [unit for number, passage in enumerate(passages, 1) for unit in _units_of(passage, number)]


def find_evidence(question: str, passages: Sequence[Passage], judge: Judge) -> list[Evidence]:
    """Every unit of `passages` with its likelihood, the likeliest first."""
    found = units(passages)
    likelihoods = judge.judge(question, [_claim(found, place, passages) for place in range(len(found))])
    rows = [Evidence(unit, likelihood) for unit, likelihood in zip(found, likelihoods, strict=True)]
    return sorted(rows, key=lambda row: (-row.likelihood, row.unit.passage, row.unit.start))


def _claim(found: Sequence[Unit], place: int, passages: Sequence[Passage]) -> Claim:
    unit = found[place]
    passage = passages[unit.passage - 1]
    names = dict.fromkeys([passage.title, *passage.chunk.headings[-1:]])
    before = found[place - 1] if place and found[place - 1].passage == unit.passage else None
    return Claim(" › ".join(names), before.reading if before else "", unit.reading)


def _units_of(passage: Passage, number: int) -> Iterator[Unit]:
    text = passage.chunk.text
    header: list[str] | None = None
    prose = _Prose(text, number)
    for start, end in _line_spans(text):
        line = text[start:end]
        if not line.lstrip().startswith("|"):
            header = None
            yield from prose.units_of(line, start)
        elif _RULE.fullmatch(line):
            continue
        elif header is None:
            header = cells(line)
        elif cells(line) != header:
            yield Unit(number, start, end, line, read_row(header, cells(line)))
    yield from prose.rest()


class _Prose:
    """Reads lines of running text. A line that ends in a colon is read before each item of the list
    below it; a question that the document asks itself is read with the sentence after it."""

    def __init__(self, text: str, number: int) -> None:
        self._text = text
        self._number = number
        self._intro = ""
        self._asked: Unit | None = None

    def units_of(self, line: str, start: int) -> Iterator[Unit]:
        listed = _LIST_ITEM.match(line) is not None
        if line.strip() and not listed:
            self._intro = ""
        for sentence in _sentences(line, start, self._number):
            unit = _with_question(self._asked, sentence, self._text) if self._asked else sentence
            self._asked = None
            if unit is sentence and unit.text.endswith("?"):
                self._asked = unit
                continue
            yield replace(unit, reading=f"{self._intro} {unit.reading}") if self._intro else unit
            if unit.text.endswith(":") and not listed:
                self._intro = unit.text

    def rest(self) -> Iterator[Unit]:
        if self._asked is not None:
            yield self._asked


def _with_question(asked: Unit, answer: Unit, text: str) -> Unit:
    both = text[asked.start : answer.end]
    return Unit(asked.passage, asked.start, answer.end, both, " ".join(both.split()))


def _sentences(line: str, offset: int, number: int) -> Iterator[Unit]:
    for start, end in sentence_spans(line):
        text = line[start:end].rstrip()
        lead = len(text) - len(text.lstrip())
        begin, stop = offset + start + lead, offset + start + len(text)
        if begin < stop:
            yield Unit(number, begin, stop, text.lstrip(), text.lstrip())


def _line_spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.split("\n"):
        yield start, start + len(line)
        start += len(line) + 1


def cells(line: str) -> list[str]:
    """The cells of one row of a pipe table."""
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def read_row(header: Sequence[str], row: Sequence[str]) -> str:
    """A table row as words: "City: Oslo; Per night: 120"."""
    pairs = zip(header, row, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
