"""The way of one question: search, judge, write, check, cite.

Rule: whatever fails, an asker gets an answer, a refusal or one line that says what went wrong; and
nothing that the passages do not carry is ever shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.answer import Answer, Timings
from bot.citations import cite
from bot.drafting import Draft, checked, tells
from bot.evidence import Evidence, find_evidence
from bot.followup import standalone
from bot.languages import CLOSEST, REFUSALS, language_of
from bot.prompt import compose
from bot.question import Question
from bot.quoting import choose, quoted
from bot.refusal import REFUSE_BELOW, answerability, signals
from knowledge.documents import Passage
from knowledge.retrieval import Retriever
from models.embedding.embedder import Embedder
from models.engine.generator import Delta, Generator
from models.errors import ModelError

Show = Callable[[str], None]
"""Takes the next piece of an answer as soon as it has been checked."""


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How answers are made. `refuse_below` is a bound on `refusal.answerability`, per collection if given."""

    passages: int = 5
    max_answer_tokens: int = 160
    deadline_s: float = 120.0
    question_characters: int = 4000
    persona: str = ""
    refuse_below: float = REFUSE_BELOW
    refuse_below_in: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Written:
    """What the model wrote for one question, and when its first token came."""

    text: str
    first_token_ms: int | None
    last: Delta


class Assistant:
    """Answers questions from what `retriever` finds, in the words of `generator` where they hold.

    Without a generator, or when it fails, the answer is made of quotes and says so.
    """

    def __init__(
        self,
        retriever: Retriever,
        embedder: Embedder,
        generator: Generator | None,
        *,
        settings: AnswerSettings = AnswerSettings(),
        index_version: Callable[[], int] = lambda: 0,
        without_model: str | None = None,
    ) -> None:
        self._retriever = retriever
        self._embedder = embedder
        self._generator = generator
        self._settings = settings
        self._index_version = index_version
        self._without_model = without_model

    async def answer(self, question: Question, *, show: Show | None = None) -> Answer:
        """The answer to `question`; `show` gets its text in pieces that are already checked."""
        began = time.monotonic()
        text = question.text[: self._settings.question_characters].encode("utf-8", "replace").decode()
        language = language_of(text)
        query = standalone(text, question.earlier, language)
        passages = await asyncio.to_thread(
            self._retriever.search, query, limit=self._settings.passages, readable=question.readable
        )
        evidence = await asyncio.to_thread(find_evidence, query, passages, self._embedder, language)
        found = await asyncio.to_thread(signals, query, passages, evidence, self._embedder, language)
        timings = Timings(retrieve_ms=_since(began))
        blank = Answer(
            question=question.text,
            text="",
            status="refused",
            language=language,
            voice="none",
            passages=tuple(passages),
            model=self._generator.identity if self._generator else None,
            index_version=self._index_version(),
        )
        if answerability(found) < self._bound(passages):
            answer = _refusal(blank)
        else:
            answer, timings = await self._written(blank, query, evidence, timings, began)
        if show is not None:
            show(answer.text)
        return replace(answer, timings=replace(timings, total_ms=_since(began)))

    def _bound(self, passages: Sequence[Passage]) -> float:
        if not passages:
            return 2.0
        return self._settings.refuse_below_in.get(passages[0].collection, self._settings.refuse_below)

    async def _written(
        self, blank: Answer, query: str, evidence: Sequence[Evidence], timings: Timings, began: float
    ) -> tuple[Answer, Timings]:
        written, note = None, self._without_model
        if self._generator is not None:
            try:
                written = await self._write(self._generator, query, blank, began)
            except ModelError as error:
                note = without_model(error)
        if written is None:
            return _in_quotes(blank, evidence, note), timings
        timings = replace(
            timings,
            first_token_ms=written.first_token_ms,
            prompt_tokens=written.last.prompt_tokens,
            reused_tokens=written.last.reused_tokens,
            completion_tokens=written.last.completion_tokens,
        )
        whole = written.last.finished == "stop"
        draft = checked(written.text, query, blank.passages, blank.language, whole=whole)
        if draft.gave_up and not draft.sentences:
            return _refusal(blank), timings
        if tells(draft, evidence[0].unit, query, blank.language):
            return _in_model_words(blank, draft), timings
        return _in_quotes(blank, evidence, note), timings

    async def _write(self, generator: Generator, query: str, blank: Answer, began: float) -> _Written:
        settings = self._settings
        turns = await compose(
            query,
            blank.passages,
            generator,
            max_tokens=settings.max_answer_tokens,
            language=blank.language,
            persona=settings.persona,
        )
        parts: list[str] = []
        first, last = None, Delta("")
        async for last in generator.stream(
            turns, max_tokens=settings.max_answer_tokens, deadline_s=settings.deadline_s
        ):
            if last.text and first is None:
                first = _since(began)
            parts.append(last.text)
        return _Written("".join(parts), first, last)


def without_model(error: ModelError) -> str:
    """The line that tells a reader why there are only quotes."""
    return f"The language model could not be used ({error}); these are the documents' own words."


def _in_model_words(blank: Answer, draft: Draft) -> Answer:
    text = " ".join(f"{sentence.text} [{sentence.unit.passage}]" for sentence in draft.sentences)
    cited = cite(blank.passages, [sentence.unit for sentence in draft.sentences])
    return replace(blank, text=text, status="answered", voice="model", citations=cited)


def _in_quotes(blank: Answer, evidence: Sequence[Evidence], note: str | None) -> Answer:
    chosen = choose(evidence)
    cited = cite(blank.passages, chosen)
    return replace(blank, text=quoted(chosen), status="answered", voice="quotes", citations=cited, note=note)


def _refusal(blank: Answer) -> Answer:
    language = blank.language if blank.language in REFUSALS else "en"
    names = list(dict.fromkeys(passage.title for passage in blank.passages))[:3]
    text = REFUSALS[language]
    if names:
        text += f" {CLOSEST[language]} " + "; ".join(names) + "."
    return replace(blank, text=text, status="refused", voice="none", citations=())


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
