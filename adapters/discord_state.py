"""What the Discord adapter knows from its earlier processes: which commands are set up, when it identified.

Rule: a loop of crashes cannot use up the sessions that Discord allows in a day; beyond the first few, one
session begins every 90 seconds.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

FREE = 5
"""Sessions that may begin at once."""

EVERY_S = 90.0
"""After that one each; 960 a day, of the 1,000 that Discord allows."""


class State:
    """Kept in `file`; one that cannot be read counts as empty. `clock` gives seconds since 1970."""

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._commands = ""
        self._identified: list[float] = []
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            self._commands = str(kept["commands"])
            self._identified = [float(at) for at in kept["identified"]]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError):
            log.warning("%s cannot be read; the commands are set up anew", file)

    @property
    def commands(self) -> str:
        """The hash of the commands that Discord took last; empty before."""
        return self._commands

    def keep_commands(self, hash: str) -> None:
        """Notes what Discord took."""
        self._commands = hash
        self._write()

    def pause_s(self, *, shards: int = 1, apart_s: float = 0.0) -> float:
        """How long to wait before the next session may begin, `apart_s` after the last at the earliest; each
        shard has one of its own."""
        now, free = self._clock(), FREE * shards
        used, last = 0.0, 0.0
        for at in self._identified:
            # A bucket that holds `free` sessions and gets one back each EVERY_S.
            at = min(at, now)  # the clock may have been set back
            used, last = max(0.0, used - max(0.0, at - last) / EVERY_S) + 1, at
        used = max(0.0, used - (now - last) / EVERY_S)
        apart = last + apart_s - now if self._identified else 0.0
        return max(0.0, apart, (used + 1 - free) * EVERY_S)

    def note_identify(self) -> None:
        """Notes that a session begins now."""
        now = self._clock()
        kept = [at for at in self._identified if at > now - 86400.0]
        self._identified = [*kept[-200:], now]
        self._write()

    def _write(self) -> None:
        text = json.dumps({"commands": self._commands, "identified": self._identified})
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_suffix(".new")
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._file)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._file, error.strerror)
