"""Takes over a changed configuration while the bot serves, as far as that is possible.

Rule: a file that is wrong changes nothing and is told in one line; what needs a restart is named.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from bot.chat_rules import plans
from bot.config import Config, load
from bot.config_sections import CollectionSection
from bot.errors import ConfigError

log = logging.getLogger(__name__)

LOOK_S = 1.0
AT_ONCE = ("access", "channel", "collection", "source")
"""The sections that hold as soon as the file is changed: of [[collection]] the readers, of [[source]] what is read."""


class Reload:
    """Watches `file`, of which `config` was read, and hands each newer configuration to `apply`."""

    def __init__(self, file: Path, config: Config, apply: Callable[[Config], None]) -> None:
        self._file = file
        self._begun_with = config
        self._apply = apply
        self._asked = asyncio.Event()
        self._stamp: tuple[int, int, int] | None = None

    def now(self) -> None:
        """Reads the file anew, changed or not."""
        self._asked.set()

    async def watch(self) -> None:
        """Goes on until it is cancelled. What was changed since `config` was read is taken over at once."""
        self._stamp = _stamp(self._file)
        if self._stamp is not None:
            await self._read(only_new=True)
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_S)
            except TimeoutError:
                pass
            stamp = _stamp(self._file)
            if self._asked.is_set() or stamp != self._stamp:
                self._asked.clear()
                self._stamp = stamp
                await self._read()

    async def _read(self, *, only_new: bool = False) -> None:
        try:
            config = await asyncio.to_thread(load, self._file)
        except ConfigError as error:
            log.error("the configuration stays as it was: %s", error)
            return
        if only_new and config == self._begun_with:
            return
        self._apply(config)
        late = needs_restart(self._begun_with, config)
        log.info("read %s anew%s", self._file.name, f"; restart to apply: {', '.join(late)}" if late else "")


def needs_restart(before: Config, after: Config) -> list[str]:
    """The sections whose changes hold after a restart."""
    late = [
        name
        for name in type(after).model_fields
        if name not in AT_ONCE and getattr(before, name) != getattr(after, name)
    ]
    if _without_readers(before) != _without_readers(after):
        late.append("collection")
    if before.source != after.source and plans(before, Path()) != plans(after, Path()):
        late.append("source")
    return late


def _without_readers(config: Config) -> list[CollectionSection]:
    """What else than readers is said of collections."""
    told = [one.model_copy(update={"readers": ()}) for one in config.collection]
    return [one for one in told if one != CollectionSection(name=one.name)]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 (one call of the system, on the event loop)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
