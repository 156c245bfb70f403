"""Answers before the model is loaded: questions wait, and a model that cannot be used keeps nobody waiting."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from bot.answer import Answer
from bot.assistant import Show, Wait
from bot.late_assistant import LateAssistant
from bot.question import Question
from models.errors import ModelUnavailable


@dataclass
class Model:
    """Is started when `faults` are used up."""

    faults: list[Exception] = field(default_factory=list)
    started: int = 0
    closed: bool = False

    async def start(self) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.started += 1

    async def close(self) -> None:
        self.closed = True


@dataclass
class Told:
    """Answers with what it was made of."""

    model: Model | None
    note: str | None

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        return Answer(
            question.text, "model" if self.model else "quotes", "answered", "en", "none", note=self.note
        )


def test_question_waits_for_the_assistant_and_the_loop_goes_on() -> None:
    async def run() -> None:
        gate = threading.Event()

        def slowly(model: Model | None, note: str | None) -> Told:
            gate.wait(30)
            return Told(model, note)

        model = Model()
        late = LateAssistant(lambda: model, slowly)
        making = asyncio.create_task(late.run())
        asking = asyncio.create_task(late.answer(Question("q")))
        turns = 0
        for _ in range(50):
            await asyncio.sleep(0.001)
            turns += 1
        assert turns == 50
        assert not asking.done()
        assert late.state == "loading"
        gate.set()
        assert (await asyncio.wait_for(asking, 30)).text == "model"
        await making
        assert late.state == "ready"
        await late.close()
        assert model.closed

    asyncio.run(run())


def test_who_could_answer_without_the_model_goes_on_until_somebody_can_with_it() -> None:
    async def run() -> None:
        found: list[Model | Exception] = [ModelUnavailable("no file"), Model()]
        faults: list[Exception] = []
        answers: list[str] = []

        def model() -> Model:
            one = found.pop(0)
            if isinstance(one, Exception):
                raise one
            faults.append(ModelUnavailable("no index"))
            return one

        def made(model: Model | None, note: str | None) -> Told:
            if faults:
                raise faults.pop()
            return Told(model, note)

        def pause(failures: int) -> float:
            if failures == 2:
                asking.append(asyncio.create_task(late.answer(Question("q"))))
            return 0.01

        asking: list[asyncio.Task[Answer]] = []
        late = LateAssistant(model, made, retry_after=pause)
        await late.run()
        answers.append((await asking[0]).text)
        answers.append((await late.answer(Question("q"))).text)
        assert answers == ["quotes", "model"]

    asyncio.run(run())


def test_missing_model_is_told_by_the_answers_until_it_is_there() -> None:
    async def run() -> None:
        found: list[Model | Exception] = [ModelUnavailable("no file"), ModelUnavailable("no file"), Model()]

        def look() -> Model:
            one = found.pop(0)
            if isinstance(one, Exception):
                raise one
            return one

        pause = asyncio.Event()
        late = LateAssistant(look, Told, retry_after=lambda _failures: 0.01 if pause.is_set() else 0.3)
        making = asyncio.create_task(late.run())
        answer = await asyncio.wait_for(late.answer(Question("q")), 30)
        assert answer.text == "quotes"
        assert "no file" in (answer.note or "")
        assert late.state == "failed: no file"
        pause.set()
        await asyncio.wait_for(making, 30)
        answer = await late.answer(Question("q"))
        assert (answer.text, answer.note) == ("model", None)
        assert late.state == "ready"

    asyncio.run(run())


def test_model_that_does_not_start_is_started_again_and_made_once() -> None:
    async def run() -> None:
        model = Model([ModelUnavailable("too little memory"), ModelUnavailable("too little memory")])
        made: list[Model] = []

        def make() -> Model:
            made.append(model)
            return model

        late = LateAssistant(make, Told, retry_after=lambda _failures: 0.01)
        await asyncio.wait_for(late.run(), 30)
        assert (len(made), model.started, late.state) == (1, 1, "ready")

    asyncio.run(run())


def test_assistant_that_cannot_be_made_is_made_as_soon_as_it_can() -> None:
    async def run() -> None:
        tries = 0

        def make(model: Model | None, note: str | None) -> Told:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise ModelUnavailable("the embedder is missing")
            return Told(model, note)

        late = LateAssistant(lambda: None, make, retry_after=lambda _failures: 0.01)
        making = asyncio.create_task(late.run())
        assert (await asyncio.wait_for(late.answer(Question("q")), 30)).text == "quotes"
        await making
        assert late.state == "none"

    asyncio.run(run())
