"""Questions that the documents of an index ask and answer themselves.

Rule: nothing is invented: a question is made of a heading, a term or a table's row by a fixed form of
words, and its answer is the sentence or the cell that stands there.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.evidence import Unit, cells, units
from bot.finetuning.grounded import Pair
from bot.followup import leans
from bot.languages import language_of
from bot.words import content_words
from knowledge.documents import Passage
from knowledge.store import IndexedChunk

ORIGIN = "index"
MOST_OF_A_DOCUMENT = 12
SHARE_OF_TWO, SHARE_OF_FOLLOWING = 0.15, 0.15
_ABOUT = {"en": "What does {title} say about {heading}?", "de": "Was steht in {title} zu {heading}?"}
_IS = {"en": "What {verb} {term}?", "de": "Was {verb} {term}?"}
_CELL = {"en": "What is the {column} for {key}?", "de": "Was ist {column} bei {key}?"}
_TOLD = {"en": "The {column} for {key} is {value}", "de": "{column} bei {key}: {value}"}
_AND = {"en": "and", "de": "und"}
_AND_ABOUT = {"en": "And about {heading}?", "de": "Und zu {heading}?"}
_AND_FOR = {"en": "And for {key}?", "de": "Und bei {key}?"}
_DEFINED = {
    "en": re.compile(r"(?P<term>[A-Z][\w’'/-]*(?: [\w’'/-]+){0,4}) (?P<verb>is|are) (?:an?|the) \S.{15,}"),
    "de": re.compile(
        r"(?P<term>[A-ZÄÖÜ][\w’'/-]*(?: [\w’'/-]+){0,4}) (?P<verb>ist|sind) (?:eine?|der|die|das) \S.{15,}"
    ),
}
_NO_TERM = frozenset(
    """it this that there these those he she they we you here what if when who as in at on for no
    es dies das dieser diese hier was wenn wer sie er wir man""".split()
)
_PLAIN = re.compile(
    r"overview|introduction|background|summary|notes?|links?|resources?|faqs?|contents|scope|general|misc.*"
    r"|überblick|einleitung|allgemeines|hinweise?|inhalt|sonstiges",
    re.IGNORECASE,
)


def index_pairs(chunks: Sequence[IndexedChunk], licence: str, *, seed: int = 0) -> list[Pair]:
    """Pairs from `chunks`, each document's in reading order, in an order of chance.

    Some have two facts from two passages, some follow an earlier question that they need.
    """
    documents: dict[str, list[IndexedChunk]] = {}
    for item in chunks:
        documents.setdefault(item.chunk.document_id, []).append(item)
    made: list[Pair] = []
    for name in sorted(documents):
        chance = random.Random(f"{seed} {name}")  # noqa: S311 (a sample, not a secret)
        alone: list[tuple[int, Pair]] = []
        following: list[Pair] = []
        for place, item in enumerate(documents[name]):
            found = _Found(item, licence)
            fresh = place == 0 or documents[name][place - 1].chunk.headings != item.chunk.headings
            alone += [(place, pair) for pair in found.alone(fresh=fresh)]
            following += found.following()
        following += _headings(alone)
        chance.shuffle(alone)
        alone = alone[:MOST_OF_A_DOCUMENT]
        made += [pair for _, pair in alone]
        made += _some(following, len(alone) * SHARE_OF_FOLLOWING, chance)
        made += _some(list(_of_two(alone)), len(alone) * SHARE_OF_TWO, chance)
    random.Random(seed).shuffle(made)  # noqa: S311
    return list({pair.ask + "\n".join(pair.earlier): pair for pair in made}.values())


class _Found:
    """What one chunk asks and answers."""

    def __init__(self, item: IndexedChunk, licence: str) -> None:
        self._item = item
        self._licence = licence
        self._language = language_of(item.chunk.text)
        chunk = item.chunk
        passage = Passage(chunk, item.title, None, 0.0, None, None, item.source, item.collection)
        self._units = units([passage])

    def alone(self, *, fresh: bool) -> Iterator[Pair]:
        """Questions that stand on their own; `fresh` is a chunk that begins under its heading."""
        if fresh:
            yield from self._of_heading()
        yield from self._of_sentences()
        yield from self._of_table()

    def following(self) -> Iterator[Pair]:
        """A row of a table after another one."""
        found = list(self._rows())
        form = _AND_FOR.get(self._language)
        for (before, _, _), (_, key, answer) in itertools.pairwise(found):
            if form is not None and leans(ask := form.format(key=key), self._language):
                yield replace(self._pair(ask, answer), earlier=(before,))

    def _of_heading(self) -> Iterator[Pair]:
        headings = self._item.chunk.headings
        heading = headings[-1].strip() if headings else ""
        first = next((unit for unit in self._units if _tells(unit, self._language)), None)
        if not heading or first is None or _PLAIN.fullmatch(heading) or first.text.startswith("|"):
            return
        if heading.endswith("?"):
            yield self._pair(heading, first.text)
        elif (form := _ABOUT.get(self._language)) and heading != self._item.title:
            yield self._pair(form.format(title=self._item.title, heading=heading), first.text)

    def _of_sentences(self) -> Iterator[Pair]:
        """A question in the text with the sentence after it, and what a term is."""
        pattern, form = _DEFINED.get(self._language), _IS.get(self._language)
        for unit in self._units:
            asked, _, said = unit.text.partition("?")
            if said.strip() and "\n" not in asked and len(asked) < 120:
                yield self._pair(f"{asked.strip()}?", said.strip())
                continue
            found = pattern.match(unit.text) if pattern else None
            if found is None or form is None or not unit.text.rstrip().endswith("."):
                continue
            term = _bare(found["term"])
            if term.split()[0].casefold() not in _NO_TERM and _tells(unit, self._language):
                yield self._pair(form.format(verb=found["verb"], term=term), unit.text)

    def _of_table(self) -> Iterator[Pair]:
        for ask, _, answer in self._rows():
            yield self._pair(ask, answer)

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        """For each row of the chunk's table: the question for one of its cells, its key, and the answer."""
        lines = [line for line in self._item.chunk.text.split("\n") if line.lstrip().startswith("|")]
        ask, told = _CELL.get(self._language), _TOLD.get(self._language)
        if len(lines) < 4 or ask is None or told is None:
            return
        header = cells(lines[0])
        for place, line in enumerate(lines[2:]):
            row = cells(line)
            if len(row) != len(header) or len(row) < 2 or not row[0]:
                continue
            column = 1 + place % (len(row) - 1)
            if not 1 < len(header[column]) < 40 or not 0 < len(row[column]) < 120 or len(row[0]) > 60:
                continue
            names = {"column": header[column], "key": row[0], "value": row[column]}
            yield ask.format(**names), row[0], told.format(**names)

    def _pair(self, ask: str, answer: str) -> Pair:
        only = frozenset({self._item.collection})
        return Pair(" ".join(ask.split()), " ".join(answer.split()), ORIGIN, self._licence, collections=only)


def _tells(unit: Unit, language: str) -> bool:
    text = unit.text.strip()
    return len(content_words(text, language)) >= 4 and len(text) <= 240 and text[-1] not in ":?"


def _bare(term: str) -> str:
    """A term as it stands in the middle of a sentence: its article in lower case."""
    first, blank, rest = term.partition(" ")
    return f"{first.lower()}{blank}{rest}" if first in ("The", "A", "An", "Der", "Die", "Das") else term


def _headings(alone: Sequence[tuple[int, Pair]]) -> Iterator[Pair]:
    """A question about a heading after the one about the heading before."""
    for language, form in _ABOUT.items():
        pattern = re.compile(re.escape(form).replace(r"\{title\}", "(.+)").replace(r"\{heading\}", "(.+)"))
        asked = [(pair, found) for _, pair in alone if (found := pattern.fullmatch(pair.ask))]
        for (before, _), (pair, found) in itertools.pairwise(asked):
            ask = _AND_ABOUT[language].format(heading=found[2])
            if leans(ask, language):
                yield replace(pair, ask=ask, earlier=(before.ask,))


def _of_two(alone: Sequence[tuple[int, Pair]]) -> Iterator[Pair]:
    """Two questions of one document in one, which two passages answer."""
    for (place, one), (other_place, other) in itertools.pairwise(alone):
        language = language_of(one.ask)
        if abs(place - other_place) > 1 and language == language_of(other.ask) and language in _AND:
            ask = f"{one.ask.rstrip('?')}, {_AND[language]} {other.ask[0].lower()}{other.ask[1:]}"
            yield replace(one, ask=ask, answer=f"{one.answer}\n{other.answer}", passages=2)


def _some(pairs: list[Pair], share: float, chance: random.Random) -> list[Pair]:
    count = min(len(pairs), int(share + chance.random()))
    return chance.sample(pairs, count)
