"""The way of one question: search, judge, write, check, cite.

Rule: whatever fails, an asker gets an answer, a refusal or one line that says what went wrong; and
nothing that the passages do not carry is ever shown.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields, replace
from typing import Literal, Protocol

from bot.answer import LEAD_END, Answer, Timings
from bot.citations import cite
from bot.drafting import Draft, Drafting, stands_in, tells
from bot.evidence import Unit
from bot.followup import may_stand_alone, understood
from bot.greetings import asks, asks_about_the_bot
from bot.languages import REFUSALS
from bot.likelihood import Judge, reads
from bot.looking import Looking, Pointed, Selection, Sight, evidence_alone, whole_passages
from bot.prompt import compose
from bot.question import NO_LORA, Question
from bot.quoting import choose, choose_few, quoted
from bot.refusing import OUT_OF_TIME, greeted, refusal, too_many
from bot.words import content_words
from knowledge.documents import Passage
from knowledge.store import Readable
from models.embedding.embedder import Embedder
from models.embedding.remembering import LATEST, RememberingEmbedder
from models.engine.generator import GREEDY, Asking, Delta, Generator, ModelIdentity, Sampling, Waiting
from models.errors import ModelBusy, ModelError

REFUSE_BELOW = 0.2
"""Likelihood of the best evidence below which a question is refused; docs/decisions/007 has the data."""

SURE = 0.5
"""Likelihood from which a small model's own "it does not say" is not believed."""

POINTED = 0.02
"""Likelihood from which the judge's own words of the best evidence stand for a small model's that do not hold."""

POINTED_SURELY = 0.35
"""Likelihood from which a small model's sentence must share a word with them; docs/decisions/022."""

LEADING = 0.3
"""Likelihood from which they lead quotes, where the model's do not: seven of ten are right; docs/decisions/026."""

Quote = Literal["always", "never"]

Show = Callable[[str], None]
"""Takes the next sentence of an answer, with its number, as soon as it has been checked."""

Wait = Callable[[Waiting], None]
"""Takes the place in the model's queue, at once and whenever it changes; never called without waiting."""


class PassageSearch(Protocol):
    """Where passages come from; `knowledge.retrieval.Retriever` is one."""

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        """The best `limit` passages for `query`, of those that are `readable`."""
        ...


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How answers are made.

    The model reads the `prompt_passages` best of the `passages` found, or, with `only_evidence`, of all of them the
    sentences and table rows with the best evidence; it is stopped after `most_sentences`. `quote` puts the
    documents' own words below the model's: what a small one says is seldom wrong by its passage and often beside
    the point. `refuse_below` bounds the likelihood
    of the best evidence, for some collections by `refuse_below_in`. `lora` is the name of the LoRA that
    answers, for some collections another by `lora_in`; the first passage's collection decides both. `lora_sha256` names their files for the answer.
    A `trained` model has a LoRA merged into it: it is treated as one with a LoRA. With `pointing` the judge may name
    the answer's words where the model's do not hold.
    """

    passages: int = 8
    max_answer_tokens: int = 160
    deadline_s: float = 120.0
    question_characters: int = 4000
    persona: str = ""
    sampling: Sampling = GREEDY
    quote: Quote = "never"
    most_sentences: int = 12
    prompt_passages: int = 8
    only_evidence: bool = False
    pointing: bool = False
    refuse_below: float | None = None
    refuse_below_in: Mapping[str, float] = field(default_factory=dict)
    lora: str | None = None
    lora_in: Mapping[str, str] = field(default_factory=dict)
    lora_sha256: Mapping[str, str] = field(default_factory=dict)
    trained: bool = False

    @property
    def selection(self) -> Selection:
        """What of the passages the model reads."""
        return evidence_alone if self.only_evidence else whole_passages(self.prompt_passages)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked of the model, for whom, since when, and who hears of it meanwhile."""

    query: str
    asking: Asking
    began: float
    show: Show | None
    waiting: Wait | None
    persona: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class _Written:
    """What holds of the model's text for one question, how long it waited, and when its first token and its
    first sentence came."""

    draft: Draft
    queue_ms: int
    first_token_ms: int | None
    first_words_ms: int | None
    last: Delta


class Assistant:
    """Answers questions from what `retriever` finds, in the words of `generator` where they hold.

    Without a generator, or when it fails, the answer is made of quotes and says so. A `judge` reads the
    passages found before the model does; what it says counts for whether the question is refused. `settings`
    may be exchanged at any time; an answer that is being written then is written to its end with its LoRA.
    """

    def __init__(
        self,
        retriever: PassageSearch,
        embedder: Embedder,
        generator: Generator | None,
        *,
        settings: AnswerSettings = AnswerSettings(),
        index_version: Callable[[], int] = lambda: 0,
        without_model: str | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._retriever = retriever
        self._embedder = RememberingEmbedder(embedder, most=LATEST)
        self._generator = generator
        self.settings = settings
        self._index_version = index_version
        self._without_model = without_model
        self._judge = judge

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        """The answer to `question`. `show` gets the model's sentences as they come and hold, where they are
        to stand as they are; the answer begins with what was shown. `waiting` hears of the question's place
        while the model answers others; where too many wait already, the answer is "failed" and says so."""
        began = time.monotonic()
        text = question.text[: self.settings.question_characters].encode("utf-8", "replace").decode()
        query, language = understood(text, question.earlier, question.language)
        latest = text if query != text else ""
        if not asks(text) or (asks_about_the_bot(text) and not latest):
            return replace(greeted(question.text, language), index_version=self._index_version())
        passages, sight = await asyncio.to_thread(self._look, query, question, language, latest)
        refused = self._refuses(query, passages, sight)
        if refused and latest and may_stand_alone(text, language):
            query = text
            passages, sight = await asyncio.to_thread(self._look, query, question, language, "")
            refused = self._refuses(query, passages, sight)
        timings = Timings(retrieve_ms=_since(began))
        blank = Answer(
            question=question.text,
            text="",
            status="refused",
            language=language,
            voice="none",
            passages=tuple(passages),
            model=self._identity(self._lora(question, passages)),
            index_version=self._index_version(),
        )
        if refused:
            answer = refusal(blank)
        else:
            asking = Asking(question.asker, _audience(question), self._lora(question, passages))
            settings = self.settings
            request = _Request(
                query,
                asking,
                began,
                show,
                waiting,
                persona=settings.persona if question.persona is None else question.persona,
                max_tokens=question.max_answer_tokens or settings.max_answer_tokens,
            )
            answer, timings = await self._written(blank, request, sight, timings)
        return replace(answer, timings=replace(timings, total_ms=_since(began)))

    def _look(
        self, query: str, question: Question, language: str, latest: str
    ) -> tuple[list[Passage], Sight]:
        passages = self._retriever.search(query, limit=self.settings.passages, readable=question.readable)
        looking = Looking(self._embedder, self._judge, self.settings.selection)
        return passages, looking.at(query, passages, language, latest=latest)

    def over(self, search: PassageSearch) -> Assistant:
        """The same assistant with another search, as it is set now; it asks the same model in the same queue."""
        other = copy.copy(self)
        other._retriever = search
        return other

    def _refuses(self, query: str, passages: Sequence[Passage], sight: Sight) -> bool:
        return not sight.evidence or sight.likelihood < self._bound(query, passages)

    def _bound(self, query: str, passages: Sequence[Passage]) -> float:
        wanted = self.settings.refuse_below_in.get(passages[0].collection, self.settings.refuse_below)
        if wanted is not None:
            return wanted
        judge = self._judge
        calibration = judge.calibration if judge is not None and reads(query) else None
        return REFUSE_BELOW if calibration is None else calibration.refuse_below

    def _lora(self, question: Question, passages: Sequence[Passage]) -> str | None:
        if question.lora is not None:
            return None if question.lora == NO_LORA else question.lora
        collection = passages[0].collection if passages else ""
        return self.settings.lora_in.get(collection, self.settings.lora)

    def _sampling(self, asking: Asking, language: str) -> Sampling:
        """A model that learned the fixed refusal says it too often: what is refused was refused before."""
        if not self._trained(asking):
            return self.settings.sampling
        return replace(self.settings.sampling, avoid=REFUSALS.get(language, REFUSALS["en"]))

    def _trained(self, asking: Asking) -> bool:
        return asking.lora is not None or self.settings.trained

    def _identity(self, lora: str | None) -> ModelIdentity | None:
        """What would write the answer with `lora`."""
        if self._generator is None:
            return None
        if lora is None:
            return self._generator.identity
        return replace(self._generator.identity, lora=lora, lora_sha256=self.settings.lora_sha256.get(lora))

    async def _written(
        self, blank: Answer, request: _Request, sight: Sight, timings: Timings
    ) -> tuple[Answer, Timings]:
        written, note = None, self._without_model
        quoting = self.settings.quote == "always"
        evidence = sight.evidence
        early = None if quoting else request.show
        if self._generator is not None:
            try:
                written = await self._write(self._generator, replace(request, show=early), blank, sight)
            except ModelBusy as busy:
                return too_many(blank, busy), timings
            except ModelError as error:
                note = without_model(error)
        pointed = self._pointed(sight, request.query, blank.language, LEADING if quoting else POINTED)
        if written is None:
            return _in_quotes(blank, choose(evidence, blank.passages), note, pointed), timings
        timings = replace(
            timings,
            queue_ms=written.queue_ms,
            first_token_ms=written.first_token_ms,
            first_words_ms=written.first_words_ms,
            prompt_tokens=written.last.prompt_tokens,
            reused_tokens=written.last.reused_tokens,
            completion_tokens=written.last.completion_tokens,
        )
        draft, trained = written.draft, self._trained(request.asking)
        if written.last.finished == "deadline" and not draft.sentences:
            note = OUT_OF_TIME
        doubtful = not quoting or sight.likelihood < SURE
        if draft.gave_up and not draft.sentences and doubtful:
            return refusal(blank), timings
        best = evidence[0].unit
        # A model that was trained to answer from passages answers in fewer words than the evidence has.
        brief = trained and bool(draft.sentences) and (not quoting or stands_in(draft, best))
        telling = brief or tells(draft, best, request.query, blank.language)
        if trained and not quoting:
            chosen = [] if pointed else choose_few(evidence, blank.passages)
        else:
            chosen = choose(evidence, blank.passages)
        if not telling and not (early and draft.sentences):
            return _in_quotes(blank, chosen, note, pointed), timings
        return _in_model_words(blank, draft, chosen if quoting or not telling else ()), timings

    def _pointed(self, sight: Sight, query: str, language: str, least: float) -> Pointed | None:
        """The judge's words, where they are as likely as `least` and tell more than the question did."""
        pointed = sight.pointed
        if not self.settings.pointing or pointed is None or pointed.likelihood < least:
            return None
        new = set(content_words(pointed.words, language)) - set(content_words(query, language))
        return pointed if new else None

    async def _write(
        self,
        generator: Generator,
        request: _Request,
        blank: Answer,
        sight: Sight,
    ) -> _Written:
        settings = self.settings
        turns = await compose(
            request.query,
            sight.shown,
            generator,
            max_tokens=request.max_tokens,
            language=blank.language,
            persona=request.persona,
        )
        sure = self._pointed(sight, request.query, blank.language, POINTED_SURELY)
        agreed = sure.words if sure else ""
        drafting = Drafting(request.query, blank.passages, sight.units, blank.language, sure=agreed)
        queue_ms, first, words, last = 0, None, None, Delta("")
        asked, waited = time.monotonic(), False
        stream = generator.stream(
            turns,
            max_tokens=request.max_tokens,
            deadline_s=settings.deadline_s,
            sampling=self._sampling(request.asking, blank.language),
            asking=request.asking,
        )
        async with aclosing(stream):
            async for last in stream:
                if last.waiting is not None:
                    waited = True
                    if request.waiting is not None:
                        request.waiting(last.waiting)
                    continue
                if waited:
                    queue_ms, waited = _since(asked), False
                if last.text and first is None:
                    first = _since(request.began)
                new = drafting.add(last.text)
                if last.finished is not None:
                    new = [*new, *drafting.finish(whole=last.finished == "stop")]
                if request.show is not None:
                    words = _since(request.began) if new and words is None else words
                    for sentence in new:
                        request.show(f"{sentence.text} [{sentence.unit.passage}] ")
                if drafting.seen >= settings.most_sentences:
                    break
        return _Written(drafting.draft, queue_ms, first, words, last)


def _audience(question: Question) -> str:
    """The question's own audience, or a name for all who may read the same."""
    if question.audience:
        return question.audience
    limits = [(limit.name, getattr(question.readable, limit.name)) for limit in fields(question.readable)]
    named = [(name, names if names is None else sorted(names)) for name, names in limits]
    return "readable:" + hashlib.sha256(repr(named).encode()).hexdigest()


def without_model(error: ModelError) -> str:
    """The line that tells a reader why there are only quotes."""
    return f"The language model could not be used ({error}); these are the documents' own words."


def _in_model_words(blank: Answer, draft: Draft, quotes: Sequence[Unit]) -> Answer:
    """The draft's sentences, and below them those of `quotes` that it does not repeat."""
    lead = " ".join(f"{sentence.text} [{sentence.unit.passage}]" for sentence in draft.sentences)
    added = [unit for unit in quotes if unit.reading.rstrip(".") not in lead]
    used = [sentence.unit for sentence in draft.sentences] + added
    text = f"{lead}{LEAD_END}{quoted(added)}" if added else lead
    return replace(blank, text=text, status="answered", voice="model", citations=cite(blank.passages, used))


def _in_quotes(
    blank: Answer, quotes: Sequence[Unit], note: str | None, pointed: Pointed | None = None
) -> Answer:
    """The quotes, below the words that are `pointed` at."""
    parts = [f"{pointed.words} [{pointed.unit.passage}]"] if pointed else []
    parts += [quoted(quotes)] if quotes else []
    used = [*([pointed.unit] if pointed else []), *quotes]
    return replace(
        blank,
        text=LEAD_END.join(parts),
        status="answered",
        voice="quotes",
        citations=cite(blank.passages, used),
        note=note,
    )


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
