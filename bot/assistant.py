"""The way of one question: search, judge, write, check, cite.

Rule: whatever fails, an asker gets an answer, a refusal or one line that says what went wrong; and
nothing that the passages do not carry is ever shown.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot import citations, quoting, support
from bot.answer import Answer, Timings
from bot.evidence import Evidence, Unit, find_evidence, units
from bot.followup import standalone
from bot.languages import CLOSEST, REFUSALS, language_of
from bot.prompt import compose
from bot.question import Question
from bot.refusal import REFUSE_BELOW, answerability, signals
from knowledge.documents import Passage
from knowledge.retrieval import Retriever
from knowledge.sentences import sentence_spans
from models.embedding.embedder import Embedder
from models.engine.generator import Delta, Generator
from models.errors import ModelError

Show = Callable[[str], None]
"""Takes the next piece of an answer as soon as it has been checked."""

_GIVES_UP = re.compile(
    r"\b(?:not (?:mentioned|stated|specified|provided|in the sources)|no (?:information|answer|mention)"
    r"|do(?:es)? not (?:mention|say|state|specify|contain|provide)|cannot answer|can't answer|don't know)\b",
    re.IGNORECASE,
)


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


@dataclass(slots=True)
class _Draft:
    """What the model wrote, sentence by sentence, and which units carry it."""

    sentences: list[str] = field(default_factory=list)
    carriers: list[Unit] = field(default_factory=list)
    gave_up: bool = False
    first_token_ms: int | None = None
    last: Delta = Delta("")


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
        draft, note = _Draft(), self._without_model
        if self._generator is not None:
            try:
                draft = await self._draft(self._generator, query, blank, began)
            except ModelError as error:
                note = f"The language model could not be used ({error}); these are the documents' own words."
        timings = replace(
            timings,
            first_token_ms=draft.first_token_ms,
            prompt_tokens=draft.last.prompt_tokens,
            reused_tokens=draft.last.reused_tokens,
            completion_tokens=draft.last.completion_tokens,
        )
        if draft.gave_up and not draft.sentences:
            return _refusal(blank), timings
        chosen = quoting.choose(evidence)
        if draft.sentences and {unit for unit in draft.carriers} & set(chosen):
            lines = [f"{s} [{u.passage}]" for s, u in zip(draft.sentences, draft.carriers, strict=True)]
            used, voice, text = draft.carriers, "model", " ".join(lines)
        else:
            used, voice, text = chosen, "quotes", quoting.quoted(chosen)
        cited = citations.cite(blank.passages, used)
        answer = replace(blank, text=text, status="answered", voice=voice, citations=cited, note=note)
        return answer, timings

    async def _draft(self, generator: Generator, query: str, blank: Answer, began: float) -> _Draft:
        settings = self._settings
        turns = await compose(
            query,
            blank.passages,
            generator,
            max_tokens=settings.max_answer_tokens,
            language=blank.language,
            persona=settings.persona,
        )
        draft, pending = _Draft(), ""
        known = units(blank.passages)
        async for delta in generator.stream(
            turns, max_tokens=settings.max_answer_tokens, deadline_s=settings.deadline_s
        ):
            if delta.text and draft.first_token_ms is None:
                draft.first_token_ms = _since(began)
            draft.last = delta
            pending += delta.text
        for start, end in sentence_spans(pending):
            sentence = citations.without_markers(pending[start:end])
            draft.gave_up = draft.gave_up or _GIVES_UP.search(sentence) is not None
            carried = support.check(sentence, blank.passages, known, blank.language)
            if carried.unit is not None and sentence not in draft.sentences:
                draft.sentences.append(sentence)
                draft.carriers.append(carried.unit)
        return draft


def _refusal(blank: Answer) -> Answer:
    language = blank.language if blank.language in REFUSALS else "en"
    names = list(dict.fromkeys(passage.title for passage in blank.passages))[:3]
    text = REFUSALS[language]
    if names:
        text += f" {CLOSEST[language]} " + "; ".join(names) + "."
    return replace(blank, text=text, status="refused", voice="none", citations=())


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
