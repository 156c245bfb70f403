"""The text of an answer as its tokens come.

Rule: only whole characters are shown, and nothing that may turn out to belong to a stop text.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class GrowingText:
    """Takes the bytes of tokens, gives the text that is certain."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = [stop for stop in stops if stop]
        # Bytes that are no UTF-8 are dropped, and so is the half of a character at the very end.
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._held = ""
        self.stopped = False

    def add(self, token: bytes) -> str:
        """What can be shown now; `stopped` says whether a stop text has come, which ends the answer."""
        self._held += self._decoder.decode(token)
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        safe = len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0)
        text, self._held = self._held[:safe], self._held[safe:]
        return text

    def rest(self) -> str:
        """What was held back for a stop text that never came."""
        text, self._held = self._held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
