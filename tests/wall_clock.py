"""The machine's clock, as somebody sets it while the program runs.

Rule: only the standard library's and the scheduler's clock are moved, for all of the process; platforms on
this machine keep their own time, and no clock that measures durations is touched.
"""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Protocol

import pytest

HOUR = 3600.0


class Platform(Protocol):
    """A fake whose clock can be put forward, or back."""

    def advance(self, seconds: float) -> None: ...


class WallClock:
    """Gives seconds since 1970, `ahead` of the truth; the clocks of `platforms` stay true."""

    def __init__(self, patch: pytest.MonkeyPatch, *platforms: Platform) -> None:
        self.ahead = 0.0
        self._true = time.time
        self._platforms = platforms
        patch.setattr(time, "time", self)
        wall = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(wall(), tz)

        patch.setattr("apscheduler.schedulers.base.datetime", Moved)

    def __call__(self) -> float:
        return self._true() + self.ahead

    def jump(self, seconds: float) -> None:
        """Sets the clock so much ahead, or back."""
        self.ahead += seconds
        for platform in self._platforms:
            platform.advance(-seconds)
