"""The go at one question that is under way, which can be ended from outside before its own end.

Rule: whatever ends it, what was shown so far is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal

from bot.assistant import Show
from bot.platform import Delivery, Reply

Why = Literal["stopped", "withdrawn", "revised"]
"""What ended it: somebody stopped the answer, deleted the question, or changed it."""


class UnderWay:
    """The go at the question `id`, asked at `asked_at` of the monotonic clock. `why` says what ended it from
    outside, `shown` is what people saw of the answer, `begun` whether this try was counted, and `making` is
    True until there is a reply."""

    def __init__(self, id: str, *, asked_at: float) -> None:
        self.id = id
        self.asked_at = asked_at
        self.task: asyncio.Task[None] | None = None
        self.why: Why | None = None
        self.shown = ""
        self.begun = False
        self.making = False
        self._making: asyncio.Task[Reply] | None = None

    def end(self, why: Why) -> None:
        """Ends it; once there is a reply, that stays."""
        self.why = why
        if self._making is not None:
            self._making.cancel()

    async def run(self, making: Awaitable[Reply]) -> Reply | None:
        """What `making` gives; None where `end` came first."""
        self.shown, self.begun = "", False
        self._making = asyncio.ensure_future(making)
        if self.why is not None:
            self._making.cancel()
        self.making = True
        try:
            await asyncio.wait([self._making])
            self.making = False
        except asyncio.CancelledError:
            self._making.cancel()
            await asyncio.wait([self._making])
            raise
        return None if self._making.cancelled() else self._making.result()

    def shower(self, delivery: Delivery) -> Show:
        """Takes the pieces of the answer for `delivery`."""

        def show(piece: str) -> None:
            if not self.shown:
                delivery.phase("writing")
            self.shown += piece
            delivery.show(self.shown)

        return show
