"""Training rows out of questions with an answer that somebody gave, over the team's own index.

Rule: every question is searched anew, and only an answer that the passages found carry, sentence for
sentence, becomes a row; what they do not carry is counted, never taught.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from bot.assistant import PassageSearch
from bot.citations import without_markers
from bot.evaluation.split import is_test
from bot.evidence import units
from bot.finetuning.prepare import SEARCHED, Made, Progress, Shares, mixed, moved, row_for
from bot.followup import standalone
from bot.languages import REFUSALS, language_of
from bot.looking import Looking
from bot.support import check
from bot.words import content_words, words
from knowledge.documents import Passage
from knowledge.sentences import sentence_spans
from knowledge.store import Readable
from models.engine.generator import Generator, Turn
from models.finetune.rows import Row

MOST_SENTENCES = 4
UNSUPPORTED = "not supported by the index"
NOTHING_FOUND = "nothing found to refuse from"
REFUSED_ENOUGH = "refusals enough"
_DECISIONS = frozenset("yes no ja nein".split())
_POLITE = frozenset("hi hello hey hallo thank thanks welcom sure ok okay cheer dank gern gruss".split())
TOO_LONG = "answer too long"
ONE_PASSAGE = "one passage says both"


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the answer that somebody stands behind, from `origin`.

    `earlier` are the questions asked before it in the same conversation. With `collections` it is searched
    in these and in what everyone may read, and its row is for their readers. An answer is cited from
    `passages` different ones at least. `questions` are the journal's names of what it was made from.
    """

    ask: str
    answer: str
    origin: str
    licence: str
    earlier: tuple[str, ...] = ()
    collections: frozenset[str] = frozenset()
    passages: int = 1
    questions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ground:
    """What rows stand on: the project's search, how it looks at passages, a model that counts tokens, and
    the collections that `everyone` may read."""

    search: PassageSearch
    looking: Looking
    generator: Generator
    everyone: Set[str] = frozenset()

    def audience(self, collections: Set[str]) -> str:
        """The mark of a row that draws on `collections`: those that not everyone may read."""
        return ", ".join(sorted(collections - self.everyone))

    def readable(self, pair: Pair) -> Readable:
        """What `pair` is searched in."""
        return Readable(frozenset(self.everyone | pair.collections) if pair.collections else None)


@dataclass(frozen=True, slots=True)
class Grounded:
    """The rows to train on, those of the test fifth, and how many pairs of an origin were left out why.
    `questions` are the journal's names of what stands in a row, by the row's id."""

    rows: tuple[Row, ...]
    test: tuple[Row, ...]
    left_out: Mapping[tuple[str, str], int]
    questions: Mapping[str, frozenset[str]] = field(default_factory=dict)


async def grounded_rows(
    pairs: Sequence[Pair],
    ground: Ground,
    *,
    shares: Shares = Shares(),
    seed: int = 0,
    most: int | None = None,
    golden: tuple[Sequence[Made], Sequence[Made]] = ((), ()),
    progress: Progress = lambda _what, _done, _of: None,
) -> Grounded:
    """The rows of `pairs`, at most `most` to train on; of some a second one, whose passages do not answer.
    Before them go the `golden` ones, to train and to measure on; the shares are those of all together.

    An answer of a document of the test fifth makes a row to measure on; none of its passages stands in
    the others.
    """
    ground = replace(ground, looking=ground.looking.remembering())
    train, test = list(golden[0]), list(golden[1])
    refusals = sum(one.kind != "answer" for one in train)
    left_out: Counter[tuple[str, str]] = Counter()
    questions: dict[str, frozenset[str]] = {}
    for done, pair in enumerate(pairs):
        progress("questions", done, len(pairs))
        if most is not None and len(train) - refusals >= most * 1.3:
            break
        asking = _Asking(pair, ground, shares, random.Random(f"{seed} {pair.ask}"))  # noqa: S311
        before = len(train), len(test)
        reason = await asking.make(train, test)
        for one in (*train[before[0] :], *test[before[1] :]) if pair.questions else ():
            questions[one.row.id] = questions.get(one.row.id, frozenset()) | pair.questions
        if reason:
            left_out[pair.origin, reason] += 1
    chance = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    rows, measured = (mixed(made, shares, chance) for made in (train, test))
    kept = set(map(id, rows))
    left_out.update((one.row.origin, REFUSED_ENOUGH) for one in golden[0] if id(one) not in kept)
    if most is not None:
        rows = mixed(rows[:most], shares, chance)  # the first ones may refuse more often than all
    return Grounded(
        tuple(one.row for one in rows), tuple(one.row for one in measured), dict(left_out), questions
    )


class _Asking:
    """One pair on its way to its rows."""

    def __init__(self, pair: Pair, ground: Ground, shares: Shares, chance: random.Random) -> None:
        self._pair = pair
        self._ground = ground
        self._shares = shares
        self._chance = chance
        earlier = [Turn("user", text) for text in pair.earlier]
        self._language = language_of(pair.ask)
        self._query = standalone(pair.ask, earlier, self._language)

    async def make(self, train: list[Made], test: list[Made]) -> str:
        """Adds the rows where they belong; gives why there are none, or nothing."""
        sentences = _sentences(self._pair.answer, self._language)
        if len(sentences) > MOST_SENTENCES or sum(map(len, sentences)) > self._shares.answer_characters * 2:
            return TOO_LONG
        found = self._ground.search.search(
            self._query, limit=SEARCHED * 2, readable=self._ground.readable(self._pair)
        )
        made, there = test, found
        shown = self._told(there)
        carriers = _carriers(sentences, shown, self._language)
        if not any(is_test(shown[number].title) for number in carriers):
            made, there = train, [passage for passage in found if not is_test(passage.title)]
            shown = self._told(there)
            carriers = _carriers(sentences, shown, self._language)
        if not carriers:
            return UNSUPPORTED
        if len(set(carriers)) < self._pair.passages:
            return ONE_PASSAGE
        pairs = zip(sentences, carriers, strict=True)
        answer = " ".join(f"{text.rstrip(' .')} [{number}]." for text, number in pairs)
        document = shown[carriers[0]].title
        made.append(Made(await self._row(answer, shown, document), "answer"))
        if self._chance.random() < self._shares.taken_out:
            rest = [one for one in there if not _says(one, sentences, self._language)]
            if without := self._told(rest):
                refusal = REFUSALS.get(self._language, REFUSALS["en"])
                made.append(Made(await self._row(refusal, without, document), "refusal"))
        return ""

    def _told(self, found: Sequence[Passage]) -> dict[int, Passage]:
        """What the model would read of `found`; at times in an order of chance."""
        served = found[:SEARCHED]
        latest = self._pair.ask if self._query != self._pair.ask else ""
        seen = self._ground.looking.at(self._query, served, self._language, latest=latest)
        return moved(seen.shown, self._shares, self._chance)

    async def _row(self, answer: str, passages: Mapping[int, Passage], document: str) -> Row:
        read = {passage.collection for passage in passages.values()}
        return await row_for(
            self._query,
            answer,
            passages,
            self._ground.generator,
            origin=self._pair.origin,
            licence=self._pair.licence,
            document=document,
            audience=self._ground.audience(read | self._pair.collections),
        )


def _sentences(answer: str, language: str) -> list[str]:
    """The sentences of `answer` that say something, without the numbers of sources and marks of lists; a
    mere yes or no stays with the sentence after it."""
    found: list[str] = []
    decided = ""
    for line in answer.splitlines():
        plain = without_markers(line).lstrip(" >*-•\t")
        for start, end in sentence_spans(plain):
            text = " ".join(plain[start:end].split())
            told = set(words(text))
            if told and told <= _DECISIONS:
                decided = f"{text} "
            elif set(content_words(text, language)) - _POLITE:
                found.append(f"{decided}{text}")
                decided = ""
    return found


def _carriers(sentences: Sequence[str], shown: Mapping[int, Passage], language: str) -> list[int]:
    """The number of the passage that carries each sentence; none where one has no carrier."""
    numbers, passages = list(shown), list(shown.values())
    there = units(passages)
    carriers = []
    for sentence in sentences:
        unit = check(sentence, passages, there, language).unit
        if unit is None:
            return []
        carriers.append(numbers[unit.passage - 1])
    return carriers


def _says(passage: Passage, sentences: Sequence[str], language: str) -> bool:
    """Whether `passage` carries any of `sentences`."""
    there = units([passage])
    return any(check(sentence, [passage], there, language).unit for sentence in sentences)
