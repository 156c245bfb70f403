"""Questions that the documents of an index ask and answer themselves.

Rule: nothing is invented: a question is made of a heading, a term, a name in a list, a count or a table's row by a
fixed form of words, and its answer is the sentence, the count or the cell that stands there.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.evidence import Unit, units
from bot.finetuning.grounded import Pair
from bot.followup import leans
from bot.languages import language_of
from bot.table_rows import cells, is_row
from bot.words import FUNCTION_WORDS, content_words
from knowledge.documents import Passage
from knowledge.store import IndexedChunk

ORIGIN = "index"
MOST_OF_A_DOCUMENT, MOST_OF_HEADINGS = 12, 2
SHARE_OF_TWO, SHARE_OF_FOLLOWING = 0.15, 0.15
_ABOUT = {"en": "What does {title} say about {heading}?", "de": "Was steht in {title} zu {heading}?"}
_ABOUT_ANY = [
    re.compile(re.escape(form).replace(r"\{title\}", "(.+)").replace(r"\{heading\}", "(.+)"))
    for form in _ABOUT.values()
]
_IS = {"en": "What {verb} {term}?", "de": "Was {verb} {term}?"}
_CELL = {
    "en": (
        "What is the {column} for {key}?",
        "{key}: {column}?",
        "Which {column} does {key} have?",
        "{column} {key}",
    ),
    "de": ("Was ist {column} bei {key}?", "{key}: {column}?", "{column} {key}"),
}
_NAMED = {
    "en": ("What about {name} in {heading}?", "{heading}: {name}?", "{name}, what does {heading} say?"),
    "de": ("Was gilt bei {heading} für {name}?", "{heading}: {name}?"),
}
_COUNT = {
    "en": re.compile(
        r"(?<![\w.,:/$€£#-])(?P<count>\d{1,3}(?:[.,]\d+)*|two|three|four|five|six|ten) [a-z]{3,}s\b"
    ),
    "de": re.compile(
        r"(?<![\w.,:/$€£#-])(?P<count>\d{1,3}(?:[.,]\d+)*|zwei|drei|vier|fünf|sechs|zehn) [A-ZÄÖÜ][a-zäöü]{2,}\b"
    ),
}
_HOW_MANY = {"en": "how many", "de": "wie viele"}
_ITEM = re.compile(r"(?:[-*+•] +)?(?P<name>[^\W\d_][^:.!?|\n]{2,48}): \S.{7,}")
_SPEAKER = re.compile(r"^(?:[-*+•] +)?(?:[QAFq]|Frage|Antwort)[:.)] *")
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
_MARKS = frozenset("x yes no ja nein – -".split())
_KEY = re.compile(r"[^\W\d_]{3}|\w{3,}[-/.]\w{2,}")
_COLUMN = re.compile(r"[^\W\d_].{1,38}")
_NUMBERED = re.compile(r"(?:\d+(?:\.\d+)*[.)]?|§ ?\d+|[A-Z][.)]) +")
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
            found = _Found(item, licence, chance)
            fresh = place == 0 or documents[name][place - 1].chunk.headings != item.chunk.headings
            alone += [(place, pair) for pair in found.alone(fresh=fresh)]
            following += found.following()
        following += _headings(alone)
        chance.shuffle(alone)
        alone = _few_headings(alone)[:MOST_OF_A_DOCUMENT]
        made += [pair for _, pair in alone]
        made += _some(following, len(alone) * SHARE_OF_FOLLOWING, chance)
        made += _some(list(_of_two(alone)), len(alone) * SHARE_OF_TWO, chance)
    random.Random(seed).shuffle(made)  # noqa: S311
    return list({pair.ask + "\n".join(pair.earlier): pair for pair in made}.values())


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of a table: what it is about, and its other cells by their columns."""

    key: str
    columns: dict[str, str]


class _Found:
    """What one chunk asks and answers."""

    def __init__(self, item: IndexedChunk, licence: str, chance: random.Random) -> None:
        self._item = item
        self._chance = chance
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
        """A row of a table after the one above it, asked for the same column."""
        form = _AND_FOR.get(self._language)
        for before, row in itertools.pairwise(self._rows()):
            if form is None or not leans(ask := form.format(key=row.key), self._language):
                continue
            for column in row.columns:
                if column in before.columns:
                    yield replace(self._cell(row, column, ask=ask), earlier=(self._cell(before, column).ask,))
                    break

    def _of_heading(self) -> Iterator[Pair]:
        headings = self._item.chunk.headings
        heading = _NUMBERED.sub("", headings[-1].strip(), count=1) if headings else ""
        told = [unit for unit in self._units if not is_row(unit.text)]
        first = next((unit for unit in told if _tells(unit, self._language)), None)
        if first is None or not heading[:1].isalpha() or len(heading) > 80 or _PLAIN.fullmatch(heading):
            return
        if heading.endswith("?"):
            yield self._pair(heading, first.text)
        elif (form := _ABOUT.get(self._language)) and self._item.title not in heading:
            yield self._pair(form.format(title=self._item.title, heading=heading), first.text)

    def _of_sentences(self) -> Iterator[Pair]:
        """A question in the text with the sentence after it, what a term is, a name in a list, and a count."""
        pattern, form = _DEFINED.get(self._language), _IS.get(self._language)
        for unit in self._units:
            if is_row(unit.text):
                continue
            asked, _, said = unit.text.partition("?")
            if said.strip() and "\n" not in asked and len(asked) < 120:
                yield from self._of_question(f"{asked.strip()}?", said.strip())
                continue
            yield from self._of_name(unit)
            if not unit.text.rstrip().endswith("."):
                continue
            yield from self._of_count(unit)
            found = pattern.match(unit.text) if pattern else None
            if found is None or form is None:
                continue
            term = _bare(found["term"])
            if term.split()[0].casefold() not in _NO_TERM and _tells(unit, self._language):
                yield self._pair(form.format(verb=found["verb"], term=term), unit.text)

    def _of_question(self, asked: str, said: str) -> Iterator[Pair]:
        asked, said = _SPEAKER.sub("", asked), _SPEAKER.sub("", said)
        if not said.endswith("?") and content_words(said, self._language) and any(map(str.isalpha, said)):
            yield self._pair(asked, said)

    def _of_name(self, unit: Unit) -> Iterator[Pair]:
        """A list's "Name: what is said of it", asked for by the name and the heading above."""
        headings, forms = self._item.chunk.headings, _NAMED.get(self._language)
        found = _ITEM.fullmatch(unit.text.strip())
        if found is None or not headings or forms is None or not _tells(unit, self._language):
            return
        words = {"name": found["name"], "heading": _NUMBERED.sub("", headings[-1], count=1)}
        yield self._pair(self._chance.choice(forms).format(**words), found[0].lstrip("-*+• "))

    def _of_count(self, unit: Unit) -> Iterator[Pair]:
        """A sentence with one count, asked with "how many" in its place."""
        pattern = _COUNT.get(self._language)
        found = list(pattern.finditer(unit.text)) if pattern else []
        if len(found) != 1 or not 40 <= len(unit.text) <= 200 or "\n" in unit.text or ":" in unit.text:
            return
        start, end = found[0].span("count")
        asked = f"{unit.text[:start]}{_HOW_MANY[self._language]}{unit.text[end:]}".strip(" .-*+•")
        yield self._pair(f"{asked[0].upper()}{asked[1:]}?", found[0][0])

    def _of_table(self) -> Iterator[Pair]:
        """One cell of each row, of another column each time; a row whose key asks is a question itself."""
        for place, row in enumerate(self._rows()):
            columns = list(row.columns)
            column = columns[place % len(columns)]
            if row.key.endswith("?") and column == columns[0]:
                yield from self._of_question(row.key, row.columns[column])
            else:
                yield self._cell(row, column)

    def _rows(self) -> Iterator[_Line]:
        """The rows of the chunk's table whose key names something."""
        lines = [line for line in self._item.chunk.text.split("\n") if is_row(line)]
        if len(lines) < 4 or self._language not in _CELL:
            return
        header = cells(lines[0])
        for line in lines[2:]:
            row = cells(line)
            if len(row) != len(header) or not _KEY.search(row[0]) or len(row[0]) > 60:
                continue
            columns = {
                name: cell
                for name, cell in zip(header[1:], row[1:], strict=True)
                if self._names(name) and 0 < len(cell) < 120 and cell.casefold() not in _MARKS
            }
            if columns:
                yield _Line(row[0], columns)

    def _names(self, column: str) -> bool:
        """Whether the column's name is that of a thing, so that one can ask for it."""
        first = column.split()[0].casefold() if column.strip() else ""
        asks = first in FUNCTION_WORDS.get(self._language, frozenset())
        return _COLUMN.fullmatch(column) is not None and not asks and not column.endswith("?")

    def _cell(self, row: _Line, column: str, *, ask: str = "") -> Pair:
        first = column.split()[0]
        kept = self._language == "de" or not first[1:].islower()
        name = column if kept else column[0].lower() + column[1:]
        form = self._chance.choice(_CELL[self._language])
        asked = form.format(column=name, key=row.key.rstrip("?"))
        return self._pair(ask or asked, f"{column}: {row.columns[column]}")

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
    for language, pattern in zip(_ABOUT, _ABOUT_ANY, strict=True):
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


def _few_headings(alone: Sequence[tuple[int, Pair]]) -> list[tuple[int, Pair]]:
    """`alone` with at most `MOST_OF_HEADINGS` questions about a whole heading: every page could give a dozen."""
    left, kept = MOST_OF_HEADINGS, []
    for place, pair in alone:
        about = any(form.fullmatch(pair.ask) for form in _ABOUT_ANY)
        if not about or left > 0:
            kept.append((place, pair))
        left -= about
    return kept


def _some(pairs: list[Pair], share: float, chance: random.Random) -> list[Pair]:
    count = min(len(pairs), int(share + chance.random()))
    return chance.sample(pairs, count)
