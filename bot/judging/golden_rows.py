"""Rows out of golden questions and the pages they are about: questions as colleagues ask them, and near misses.

Rule: a set of questions belongs to one side as a whole, by its file's name: who asks of an organisation that is
measured on is never learned from.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import WrongUse
from bot.evaluation.golden import GoldenQuestion, holds, load_golden
from bot.judging.nearest import nearest
from bot.judging.pages import page_of
from bot.judging.question_alone import levelled
from bot.judging.rows import Row, Side, row, side_of
from bot.judging.sentence_rows import Sentences, taken_for_answers
from bot.likelihood import Judge
from knowledge.chunking import Chunker
from knowledge.documents import Passage
from models.embedding.embedder import Embedder
from models.embedding.remembering import RememberingEmbedder
from models.judge.pairs import shown

FOUND = 3
"""So many passages that do not answer stand beside a question, the nearest ones."""

UNRELATED = 60
"""So many questions about other things are asked of each set of pages."""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Golden questions and the folder of the Markdown pages that they are about."""

    name: str
    questions: tuple[GoldenQuestion, ...]
    pages: Path

    @property
    def documents(self) -> list[str]:
        """The documents that the questions name, each once, in their order."""
        return list(dict.fromkeys(name for question in self.questions for name in question.documents))

    def page(self, document: str) -> Path:
        """The file of `document`."""
        return self.pages / document.partition(":")[2]


@dataclass(frozen=True, slots=True)
class _Place:
    """A chunk and the id of its document."""

    document: str
    passage: Passage

    @property
    def text(self) -> str:
        return self.passage.chunk.text


def question_sets(folder: Path, public: Mapping[str, Path]) -> list[QuestionSet]:
    """Each `NAME.toml` in `folder`, about the pages in `public[NAME]` or in the folder of the same name. Raises
    `WrongUse` naming a folder or file that holds no golden questions, or a page that cannot be read."""
    sets = []
    for file in sorted(folder.glob("*.toml")):
        pages = public.get(file.stem, file.with_suffix(""))
        one = QuestionSet(file.stem, tuple(load_golden(file)), pages)
        for document in one.documents:
            try:
                one.page(document).open("rb").close()
            except OSError as error:
                raise WrongUse(f"the questions name {document}, which cannot be read: {error}") from None
        sets.append(one)
    if not sets:
        raise WrongUse(f"{folder} holds no golden questions, such as NAME.toml")
    return sets


def golden_rows(
    sets: Sequence[QuestionSet],
    side: Side,
    chunker: Chunker,
    embedder: Embedder,
    choice: random.Random,
    unrelated: Sequence[str] = (),
    judge: Judge | None = None,
) -> Iterator[Row]:
    """The rows of those of `sets` that are of `side`; among them some of the questions `unrelated`, which are
    about something else. Beside near misses stands what `judge` takes for an answer, without one what is nearest.
    Questions that are learned from are levelled before."""
    sentences = Sentences(RememberingEmbedder(embedder), choice)
    mine = [one for one in sets if side_of(one.name) == side]
    for one in _levelled(mine, choice) if side == "learn" else mine:
        places = list(_places(one, chunker))
        texts = [shown(place.passage.title, place.passage.chunk.location, place.text) for place in places]
        near = nearest([question.ask for question in one.questions], texts, embedder)
        for question, found in zip(one.questions, near, strict=True):
            yield from _rows(question, places, [places[place] for place in found], sentences, judge)
        asked = choice.sample(unrelated, min(UNRELATED, len(unrelated)))
        for text, found in zip(asked, nearest(asked, texts, embedder), strict=True):
            yield from _unanswered(text, [places[place] for place in found], "unrelated", sentences, most=1)


def _levelled(sets: Sequence[QuestionSet], choice: random.Random) -> Iterator[QuestionSet]:
    left = levelled({one.name: one.questions for one in sets}, choice)
    for one in sets:
        yield replace(
            one,
            questions=tuple(
                question
                for question in one.questions
                if not question.documents or (one.name, question.id) in left
            ),
        )


def _places(one: QuestionSet, chunker: Chunker) -> Iterator[_Place]:
    for document in one.documents:
        page = page_of(one.page(document), chunker)
        for chunk in page.chunks:
            yield _Place(document, Passage(chunk, page.title, None, 0.0, None, None, "", ""))


def _rows(
    question: GoldenQuestion,
    places: Sequence[_Place],
    found: Sequence[_Place],
    sentences: Sentences,
    judge: Judge | None,
) -> Iterator[Row]:
    if not question.answerable and question.documents:
        if judge is not None:
            passages = [one.passage for one in found]
            found = [found[place] for place in taken_for_answers(question.ask, passages, judge)]
        yield from _unanswered(question.ask, found, "near miss golden", sentences, most=FOUND, judge=judge)
        return
    if not question.answerable:
        yield from _unanswered(question.ask, found, "outside golden", sentences, most=1)
        return
    own = [one for one in places if one.document in question.documents and question.met_by(one.text)]
    own.sort(key=lambda one: found.index(one) if one in found else len(found))
    if not own:
        return
    said = [form for form in question.facts[0] if form in own[0].text]
    answer = said[0] if said else ""
    once = answer if own[0].text.count(answer) == 1 else ""
    yield _row(question.ask, own[0], "golden", answers=1, answer=once)
    others = [one for one in found if not any(holds(one.text, form) for form in question.facts[0])]
    for one in others[:FOUND]:
        yield _row(question.ask, one, "golden found", answers=0)
    if answer:
        wrong = [one.passage for one in others]
        yield from sentences.answered(question.ask, [own[0].passage], wrong, answer, kind="golden sentence")


def _unanswered(
    ask: str,
    found: Sequence[_Place],
    kind: str,
    sentences: Sentences,
    *,
    most: int,
    judge: Judge | None = None,
) -> Iterator[Row]:
    for one in found[:most]:
        yield _row(ask, one, kind, answers=0)
    yield from sentences.unanswered(ask, [one.passage for one in found], f"{kind} sentence", judge)


def _row(ask: str, one: _Place, kind: str, *, answers: int, answer: str = "") -> Row:
    return row(ask, one.passage.title, one.passage.chunk, kind, answers=answers, answer=answer)
