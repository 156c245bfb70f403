"""Keeps a request that may have ended the model's process apart from all others when it is tried again.

Rule: requests run side by side until one is under suspicion; that one runs alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Quarantine:
    """`together` for requests that nothing is known against, `alone` for the others, each in turn."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._together = 0
        self._suspects = 0
        self._one_runs = False

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Waits until no suspect waits or runs."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._suspects == 0)
            self._together += 1
        try:
            yield
        finally:
            self._together -= 1
            await self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until nothing else runs."""
        self._suspects += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._together == 0 and not self._one_runs)
                self._one_runs = True
            try:
                yield
            finally:
                self._one_runs = False
        finally:
            self._suspects -= 1
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
