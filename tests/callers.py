"""A language model that answers when it is let, and callers who note what they get."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from models.engine.generator import GREEDY, NOBODY, Asking, Delta, Generator, Sampling, Turn
from models.engine.scripted import ScriptedGenerator
from models.errors import ModelError, ModelUnavailable

REPLY = "The office opens at nine and it closes at six."


class Doors(ScriptedGenerator):
    """Writes the answer to a prompt when its door is opened, all of it or `opened` pieces.

    A prompt in `failing` raises after its first piece. `begun` are the prompts in the order in which
    they were begun; `running` are those now being answered.
    """

    def __init__(self, *, pause_s: float = 0.0) -> None:
        super().__init__(REPLY, pause_s=pause_s)
        self.begun: list[str] = []
        self.running: list[str] = []
        self.most_running = 0
        self.failing: set[str] = set()
        self._doors: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    def open(self, name: str, pieces: int = 1000) -> None:
        for _ in range(pieces):
            self._doors[name].release()

    async def stream(
        self,
        turns: Sequence[Turn],
        *,
        max_tokens: int,
        deadline_s: float | None = None,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        asking: Asking = NOBODY,
    ) -> AsyncGenerator[Delta, None]:
        name = turns[-1].text
        self.begun.append(name)
        self.running.append(name)
        self.most_running = max(self.most_running, len(self.running))
        answer = super().stream(
            turns, max_tokens=max_tokens, deadline_s=deadline_s, stop=stop, sampling=sampling, asking=asking
        )
        try:
            async with contextlib.aclosing(answer):
                await self._doors[name].acquire()
                async for delta in answer:
                    yield delta
                    if name in self.failing:
                        raise ModelUnavailable(name)
                    await self._doors[name].acquire()
        finally:
            self.running.remove(name)


class Caller:
    """Someone who reads one answer to its end; `ends` counts how often it ended."""

    def __init__(
        self,
        queue: Generator,
        name: str,
        asker: str = "",
        *,
        audience: str = "",
        deadline_s: float | None = None,
        sampling: Sampling = GREEDY,
    ) -> None:
        self.name = name
        self.deltas: list[Delta] = []
        self.ends: list[str] = []
        self.error: ModelError | None = None
        self._stream = queue.stream(
            [Turn("user", name)],
            max_tokens=64,
            deadline_s=deadline_s,
            sampling=sampling,
            asking=Asking(asker, audience),
        )
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self._stream) as stream:
                async for delta in stream:
                    self.deltas.append(delta)
                    if delta.finished is not None:
                        self.ends.append(delta.finished)
        except ModelError as error:
            self.error = error
            self.ends.append("error")
        except asyncio.CancelledError:
            if not self.ends:
                self.ends.append("left")

    @property
    def places(self) -> list[int]:
        return [delta.waiting.place for delta in self.deltas if delta.waiting is not None]

    @property
    def waits(self) -> bool:
        return not self.ends and bool(self.deltas) and self.deltas[-1].waiting is not None

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def run(use: Callable[[], Awaitable[None]]) -> None:
    async def checked() -> None:
        await use()
        await settle()

    asyncio.run(checked())


async def finished(inner: Doors, callers: Sequence[Caller]) -> None:
    """Opens the doors of what is begun until every caller has its end."""
    while not all(caller.task.done() for caller in callers):
        for name in list(inner.running):
            inner.open(name)
        await settle()
