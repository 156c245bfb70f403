"""The assistant of a bot that is asked before its model is loaded.

Rule: a question waits for what it needs and for nothing else; a model that cannot be used is tried
again later and later, and meanwhile the documents' own words answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from bot.answer import Answer
from bot.assistant import Show, Wait, without_model
from bot.errors import BotError
from bot.question import Question
from bot.schedule import retry_after_s
from knowledge.errors import KnowledgeError
from models.errors import ModelError

log = logging.getLogger(__name__)


class Answering(Protocol):
    """Answers one question; `bot.assistant.Assistant` does."""

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        """The answer."""
        ...


class Starting(Protocol):
    """A model that can be made ready ahead of its first use."""

    async def start(self) -> None:
        """Makes it ready; raises `ModelError`."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...


M = TypeVar("M", bound=Starting)


class LateAssistant(Generic[M]):
    """Answers as soon as `assistant` could be made; `run` makes it.

    `model` gives the model, or None where none is wanted; `assistant` gets it, and what answers say of its
    absence. Both are called in a thread. `state` is "loading", "ready", "none", or "failed: " and why.
    """

    def __init__(
        self,
        model: Callable[[], M | None],
        assistant: Callable[[M | None, str | None], Answering],
        *,
        retry_after: Callable[[int], float] = retry_after_s,
    ) -> None:
        self._make_model = model
        self._make_assistant = assistant
        self._retry_after = retry_after
        self._model: M | None = None
        self._assistant: Answering | None = None
        self._there = asyncio.Event()
        self._made = False
        self.state = "loading"

    async def run(self) -> None:
        """Makes the assistant and makes its model ready; ends when that is done."""
        failures = 0
        while not await self._tried():
            failures += 1
            await asyncio.sleep(self._retry_after(failures))

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        """The answer, as soon as there is an assistant to give it."""
        await self._there.wait()
        assert self._assistant is not None
        return await self._assistant.answer(question, show=show, waiting=waiting)

    async def close(self) -> None:
        """Ends the model."""
        if self._model is not None:
            await self._model.close()

    async def _tried(self) -> bool:
        """One go; whether everything is as wanted."""
        missing: ModelError | None = None
        try:
            if self._model is None:
                self._model = await asyncio.to_thread(self._make_model)
                self._made = False
        except ModelError as error:
            missing = error
        try:
            if not self._made:
                note = without_model(missing) if missing is not None else None
                self._assistant = await asyncio.to_thread(self._make_assistant, self._model, note)
                self._made = True
                self._there.set()
            if missing is not None:
                raise missing
            if self._model is not None:
                await self._model.start()
        except (BotError, KnowledgeError, ModelError) as error:
            self.state = f"failed: {error}"
            log.error("the model is not ready: %s", error)
            return False
        self.state = "none" if self._model is None else "ready"
        log.info("the model is %s", "ready" if self._model is not None else "none: answers are quotes")
        return True
