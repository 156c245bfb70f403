"""The same questions answered in several ways: with and without the LoRA, with and without passages.

Rule: a question is searched once for all arms, and judged once; only the model is asked anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bot.assistant import AnswerSettings, Assistant, PassageSearch
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.closed_book import answer_alone
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.given import written
from bot.languages import language_of
from bot.likelihood import Judge
from bot.looking import Looking
from bot.question import Question
from knowledge.documents import Passage
from knowledge.retrieval import EVERYTHING
from knowledge.store import Readable
from models.embedding.embedder import Embedder
from models.engine.generator import Generator

Given = Literal["nothing", "found", "oracle", "distractors"]
"""What an arm answers from: nothing, what the search finds, the question's own paragraph among distractors,
or distractors alone."""

_NAMES: dict[Given, str] = {
    "nothing": "",
    "found": "+retrieval",
    "oracle": "+oracle",
    "distractors": "+distractors",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of answering. `lora` is the LoRA's name, None for the bare model."""

    lora: str | None
    given: Given

    @property
    def name(self) -> str:
        """Such as "base", "base+retrieval", "LoRA", "LoRA+retrieval"."""
        return ("base" if self.lora is None else "LoRA") + _NAMES[self.given]


@dataclass(frozen=True, slots=True)
class Parts:
    """What answers are made with. `searches` has a search for every `Given` but "nothing"; "found" must be
    among them, for what it finds is what the words of arms without passages are held against. Without a
    generator answers are quotes, and no arm may answer from nothing."""

    generator: Generator | None
    embedder: Embedder
    judge: Judge | None
    settings: AnswerSettings
    searches: Mapping[Given, PassageSearch]


def arms_of(lora: str | None, *, oracle: bool) -> tuple[Arm, ...]:
    """The arms of one comparison: without and with `lora`, each closed book and with retrieval; with `oracle`
    also from given passages. The last of the first four is the one that others are held against."""
    given: tuple[Given, ...] = (
        ("nothing", "found", "oracle", "distractors") if oracle else ("nothing", "found")
    )
    loras = (None,) if lora is None else (None, lora)
    return tuple(Arm(one, some) for one in loras for some in given)


async def ask_arms(
    questions: Sequence[tuple[ReferenceQuestion, str]],
    arms: Sequence[Arm],
    parts: Parts,
    *,
    known: Sequence[Mapping[str, AskedQuestion]] = (),
    done: Callable[[int, Mapping[str, AskedQuestion]], None] = lambda _number, _answers: None,
) -> dict[str, list[AskedQuestion]]:
    """Every question, which comes with its document, asked in every arm; by the arms' names.

    The first questions are not asked again where their answers are `known`, but for the last of these. `done`
    is called after each of the others with how many are done and what its arms gave.
    """
    searches = {given: _OneSearch(search) for given, search in parts.searches.items()}
    kept = replace(parts, searches=searches)
    assistants = {arm: _assistant(arm, kept) for arm in arms if arm.given != "nothing"}
    rows = {arm.name: [answers[arm.name] for answers in known] for arm in arms}
    if 0 < len(known) < len(questions):
        # A model goes on from what it has read last; read anew, a near tie would fall the other way.
        await _ask(*questions[len(known) - 1], arms, kept, assistants)
    for number, (question, document) in enumerate(questions[len(known) :], len(known) + 1):
        answers = await _ask(question, document, arms, kept, assistants)
        for name, row in answers.items():
            rows[name].append(row)
        done(number, answers)
    return rows


async def _ask(
    question: ReferenceQuestion,
    document: str,
    arms: Sequence[Arm],
    parts: Parts,
    assistants: Mapping[Arm, Assistant],
) -> dict[str, AskedQuestion]:
    """What became of one question in every arm."""
    answers: dict[str, AskedQuestion] = {}
    sights: dict[Given, _Sight] = {}
    for given in dict.fromkeys(("found", *(arm.given for arm in arms))):
        if given != "nothing":
            sights[given] = await asyncio.to_thread(_sight, question.ask, given, parts)
    for arm in arms:
        if arm.given == "nothing":
            assert parts.generator is not None
            answer = await answer_alone(
                question.ask,
                parts.generator,
                settings=parts.settings,
                lora=arm.lora,
                beside=sights["found"].passages,
            )
            answers[arm.name] = AskedQuestion(question, document, answer, alone=True)
            continue
        answer = await assistants[arm].answer(Question(question.ask))
        sight = sights[arm.given]
        # From distractors alone, every question is one to refuse.
        right = replace(question, references=()) if arm.given == "distractors" else question
        answers[arm.name] = AskedQuestion(
            right, document, answer, read=sight.read, confidence=sight.confidence
        )
    return answers


@dataclass(frozen=True, slots=True)
class _Sight:
    """What was found for a question, which of it a model would read, and how likely it answers."""

    passages: tuple[Passage, ...]
    read: tuple[int, ...]
    confidence: float


def _sight(ask: str, given: Given, parts: Parts) -> _Sight:
    query, language = written(ask), language_of(written(ask))
    passages = parts.searches[given].search(query, limit=parts.settings.passages, readable=EVERYTHING)
    seen = Looking(parts.embedder, parts.judge, parts.settings.selection).at(query, passages, language)
    return _Sight(tuple(passages), tuple(seen.shown), seen.likelihood)


def _assistant(arm: Arm, parts: Parts) -> Assistant:
    settings = replace(parts.settings, lora=arm.lora, lora_in={})
    return Assistant(
        parts.searches[arm.given], parts.embedder, parts.generator, settings=settings, judge=parts.judge
    )


class _OneSearch:
    """A search that remembers what it found last, for the next arm."""

    def __init__(self, search: PassageSearch) -> None:
        self._search = search
        self._last: tuple[str, list[Passage]] | None = None

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        if self._last is None or self._last[0] != query:
            self._last = (query, self._search.search(query, limit=limit, readable=readable))
        return self._last[1]
