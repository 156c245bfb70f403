"""The sentences and table rows of the passages that speak to the question, best first.

Rule: a unit is verbatim passage text at a known place, so that whatever is quoted can be found again.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bot.asked_kind import asked_kind, holds_kind
from bot.table_rows import cells, is_head, is_row, is_rule, read_row
from bot.words import content_words
from knowledge.documents import Passage
from knowledge.sentences import sentence_spans
from models.embedding.embedder import Embedder

SHORT = 240
"""A paragraph or list item of so many characters is quoted as a whole; docs/decisions/026 has the data."""

LIST = 800
"""So many characters of a list are quoted with the line above it that announces it."""

WORDS_WEIGHT = 0.5
MISSING_KIND = 0.2
LATEST_WEIGHT = 4
LATEST_COSINE = 0.5
LIKELIHOOD_SLOPE = 7.0
LIKELIHOOD_OFFSET = -4.9
"""Weights and calibration: docs/decisions/007-when-to-refuse.md has the data and the commands."""

LIST_ITEM = re.compile(r"\s*(?:[-*+•‣◦–]|\d{1,3}[.)]|[a-zA-Z][.)])\s+")
"""How an item of a list begins."""


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
    """A unit with how well it speaks to the question.

    `score` is the cosine of question and unit, and half the share of the question's content words,
    weighted by rarity, that stand in the unit, its headings or its document's title; less `MISSING_KIND`
    when the question asks for a kind of thing (a time, an amount) that the unit does not hold.
    """

    unit: Unit
    score: float

    @property
    def likelihood(self) -> float:
        """How likely a question whose best evidence scores this is answered by the documents, 0 to 1."""
        return 1 / (1 + math.exp(-(LIKELIHOOD_SLOPE * self.score + LIKELIHOOD_OFFSET)))


def units(passages: Sequence[Passage]) -> list[Unit]:
    """All units of all passages, in reading order."""
    return [unit for number, passage in enumerate(passages, 1) for unit in _units_of(passage, number)]


def in_context(unit: Unit, passage: Passage) -> Unit:
    """The whole paragraph or list item that `unit` of `passage` stands in where it is short, else `unit`: what a
    sentence is about often stands in the one before it. Where it ends in a colon, with what it announces."""
    text = passage.chunk.text
    start, stop = text.rfind("\n", 0, unit.start) + 1, text.find("\n", unit.end)
    line = text[start : len(text) if stop < 0 else stop]
    start += len(line) - len(line.lstrip())
    line = line.strip()
    if is_row(unit.text):
        return unit
    if len(line) > SHORT:
        return _with_below(unit, text)
    intro = unit.reading.removesuffix(unit.text) if unit.reading.endswith(unit.text) else ""
    return _with_below(
        Unit(unit.passage, start, start + len(line), line, intro + " ".join(line.split())), text
    )


def _with_below(unit: Unit, text: str) -> Unit:
    """`unit` with what it introduces: the items of the list below it in `text`, or the lines of the block, such as a
    command, as many as are short together. The rows of a table are units of their own."""
    below = text[unit.end :]
    if not unit.text.endswith(":") or not below[:1].isspace():
        return unit
    begin = unit.end + len(below) - len(below.lstrip())
    listed = LIST_ITEM.match(text, begin) is not None
    most = LIST if listed else SHORT
    lines: list[str] = []
    end = begin
    for start, stop in _line_spans(text[begin : begin + most + 1]):
        line = text[begin + start : begin + stop]
        whole = text[begin + stop : begin + stop + 1] in ("", "\n") and stop <= most
        if not whole or is_row(line) or not _goes_on(line, listed=listed):
            break
        if line.strip():
            lines.append(line)
            end = begin + stop
    reading = "\n".join([unit.reading, *lines])
    return replace(unit, end=end, text=text[unit.start : end], reading=reading) if lines else unit


def _goes_on(line: str, *, listed: bool) -> bool:
    """Whether a list, or another block, has `line`: the items of a list may stand apart, and go on indented."""
    if not line.strip():
        return listed
    item = LIST_ITEM.match(line) is not None
    return item or line[0].isspace() if listed else not item


def find_evidence(
    question: str, passages: Sequence[Passage], embedder: Embedder, language: str, *, latest: str = ""
) -> list[Evidence]:
    """Every unit of `passages` with its score for `question`, best first.

    `latest` is the end of a `question` that was put together from a conversation; its words weigh more.
    """
    found = units(passages)
    if not found:
        return []
    texts = [f"{_heading(passages[unit.passage - 1])}: {unit.reading}" for unit in found]
    vectors = embedder.embed_documents(texts)
    cosines = vectors @ embedder.embed_query(question)
    if latest:
        # The conversation tells the topic; what is asked now tells which sentence of it.
        near = vectors @ embedder.embed_query(latest)
        cosines = cosines + LATEST_COSINE * (near - near.mean())
    wanted = rarity(question, passages, language, latest=latest)
    kind = asked_kind(question)
    rows = []
    for unit, cosine in zip(found, cosines, strict=True):
        passage = passages[unit.passage - 1]
        around = f"{passage.title} {passage.chunk.location}"
        score = float(cosine) + WORDS_WEIGHT * covered(wanted, f"{around}\n{unit.reading}", language)
        rows.append(Evidence(unit, score if holds_kind(unit.reading, kind) else score - MISSING_KIND))
    return sorted(rows, key=lambda row: (-row.score, row.unit.passage, row.unit.start))


def rarity(
    question: str, passages: Sequence[Passage], language: str, *, latest: str = ""
) -> dict[str, float]:
    """The question's content words, each weighted by how few of the passages have it (sums to 1)."""
    new = set(content_words(latest, language))
    stems = set(content_words(question, language))
    counts: Counter[str] = Counter()
    for passage in passages:
        text = f"{passage.title}\n{passage.chunk.location}\n{passage.chunk.text}"
        counts.update(stems & set(content_words(text, language)))
    raw = {
        stem: math.log(1 + (len(passages) + 1) / (counts[stem] + 0.5)) * (LATEST_WEIGHT if stem in new else 1)
        for stem in stems
    }
    total = sum(raw.values())
    return {stem: weight / total for stem, weight in raw.items()} if total else {}


def covered(wanted: dict[str, float], text: str, language: str) -> float:
    """The share of the weights of `wanted` whose words stand in `text`, 0 to 1."""
    there = set(content_words(text, language))
    return sum(weight for stem, weight in wanted.items() if stem in there)


def _heading(passage: Passage) -> str:
    return passage.chunk.headings[-1] if passage.chunk.headings else passage.title


def _units_of(passage: Passage, number: int) -> Iterator[Unit]:
    text = passage.chunk.text
    header: list[str] | None = None
    prose = _Prose(text, number)
    for (start, end), (below, stop) in pairwise([*_line_spans(text), (len(text), len(text))]):
        line = text[start:end]
        if not is_row(line):
            header = None
            yield from prose.units_of(line, start)
        elif is_rule(line):
            continue
        elif header is None:
            if is_head(line, text[below:stop]):
                header = cells(line)
            else:
                yield Unit(number, start, end, line, line.strip())
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
        listed = LIST_ITEM.match(line) is not None
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
