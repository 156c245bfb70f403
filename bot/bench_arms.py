"""What is measured against each other: an arm takes one question at a time or many, and says what it did.

Rule: an arm that is not asked is silent, so that it takes nothing from the one that is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.engine.generator import Asking, Turn
from models.engine.process import LocalModel


@dataclass(frozen=True, slots=True)
class Written:
    """One answer. `first_at` is when its first text came, of time.perf_counter.

    What an arm does not tell is None."""

    first_at: float
    completion_tokens: int
    prompt_tokens: int | None = None
    reused_tokens: int | None = None


class Arm(Protocol):
    """One of what is compared. Raises ModelError or BotError when it cannot answer."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None:
        """The process whose memory counts; None where it cannot be looked at."""
        ...

    @property
    def warms_up(self) -> bool:
        """Whether it is shown the whole pool before it is measured."""
        ...

    async def start(self) -> None:
        """Loads what it needs."""
        ...

    async def ask(self, turns: Sequence[Turn], *, tokens: int, asker: str) -> Written:
        """Writes `tokens` tokens, or fewer where the model ends and cannot be kept from it."""
        ...

    async def close(self) -> None: ...


class EngineArm:
    """Our own engine."""

    def __init__(self, name: str, model: LocalModel, *, warms_up: bool) -> None:
        self.name = name
        self.warms_up = warms_up
        self._model = model

    @property
    def pid(self) -> int | None:
        return self._model.pid

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    async def start(self) -> None:
        await self._model.start()

    async def count_tokens(self, turns: Sequence[Turn]) -> int:
        return await self._model.count_tokens(turns)

    async def ask(self, turns: Sequence[Turn], *, tokens: int, asker: str) -> Written:
        first_at = None
        written = Written(0.0, 0)
        async for delta in self._model.stream(turns, max_tokens=tokens, asking=Asking(asker=asker)):
            if first_at is None and delta.text:
                first_at = time.perf_counter()
            written = Written(
                first_at or time.perf_counter(),
                delta.completion_tokens,
                delta.prompt_tokens,
                delta.reused_tokens,
            )
        return written

    async def close(self) -> None:
        await self._model.close()
