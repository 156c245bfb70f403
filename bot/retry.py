"""Work on the database that is tried again until it is done.

Rule: what the database did not take changed nothing, so the same work can be tried again as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from knowledge.errors import KnowledgeError

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5

T = TypeVar("T")


class Retry:
    """Waits between two tries at most `longest_pause_s`. Once `ending` is set, what goes wrong is raised."""

    def __init__(self, longest_pause_s: float) -> None:
        self._longest_pause_s = longest_pause_s
        self.ending = False

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, however long the database is held or full. Raises `KnowledgeError` only when
        ending."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return await work()
            except KnowledgeError as error:
                if self.ending:
                    raise
                log.error("a question waits for the database: %s", error)
                await asyncio.sleep(min(pause, self._longest_pause_s))
                pause *= 2
