"""What time it is on a chat platform, as its answers tell.

Rule: a platform's times are held against its own clock, never against this machine's, which may be wrong
and may be set while the bot runs.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


class PlatformClock:
    """Follows the platform from its last answer on; until the first, this machine's clock has to do."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def told(self, date: str) -> None:
        """Takes the header Date of an answer; what is no date changes nothing."""
        try:
            self._ahead = parsedate_to_datetime(date).timestamp() - time.monotonic()
        except ValueError:
            return

    def now(self) -> float:
        """Seconds since 1970, good to about a second."""
        return time.time() if self._ahead is None else time.monotonic() + self._ahead
