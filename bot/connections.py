"""Keeps the chat platforms connected, each by itself.

Rule: one platform's trouble is never another's: it is logged, told by the health page, and tried again.
Only where every platform is refused before it was ever connected is there nothing to serve.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from bot.errors import ConfigError
from bot.health import Connection
from bot.platform import Platform

log = logging.getLogger(__name__)

LOOK_S = 0.1
REFUSED_S = 300.0
"""How long until a platform is tried again that refused a token, a scope or an intent, in seconds."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Connections:
    """`platforms` by name; those in `refused` could not even be made. `first` is told when one is connected
    for the first time, and told again where it raises."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        refused: Mapping[str, ConfigError],
        *,
        first: Callable[[str], Awaitable[None]],
    ) -> None:
        self.platforms = platforms
        self.states = {name: Connection() for name in (*platforms, *refused)}
        self._refused = dict(refused)
        self._first = first
        self._told: set[str] = set()
        self._untold: set[str] = set()
        self._hopeless = asyncio.Event()
        for name, error in refused.items():
            self._refuse(name, error)

    async def serve(self) -> None:
        """Serves every platform until it is cancelled; they can still deliver until `close`. Raises the
        first `ConfigError` where every platform is refused before it was ever connected."""
        tasks = [
            asyncio.create_task(self._keep(name, platform), name=f"platform {name}")
            for name, platform in self.platforms.items()
        ]
        tasks.append(asyncio.create_task(self._look(), name="connections"))
        try:
            await self._hopeless.wait()
            raise next(iter(self._refused.values()))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self, seconds: float) -> None:
        """Ends every connection, each in at most so many seconds."""
        await asyncio.gather(*(self._closed(name, one, seconds) for name, one in self.platforms.items()))

    def missing(self) -> str | None:
        """Which platforms are away and why, in one line; None where none is."""
        away = [f"{name}: {why}" for name, state in self.states.items() if (why := state.missing())]
        return "; ".join(away) or None

    async def _keep(self, name: str, platform: Platform) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await platform.serve()
                problem, pause = "it ended", None
            except ConfigError as error:
                self._refuse(name, error)
                problem, pause = str(error), REFUSED_S
            except Exception as error:
                log.exception("%s fell over", name)
                # Everybody may look at the health page, and what a library says may hold a secret.
                problem, pause = f"it fell over ({type(error).__name__}); the log says more", None
            long = asyncio.get_running_loop().time() - began > _LONGEST_PAUSE_S
            failures = 1 if long else failures + 1
            if pause is None:
                pause = min(_FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE_S)
            self._note(name, connected=False)
            self.states[name].problem = problem
            log.warning("%s is tried again in %.0f s", name, pause)
            await asyncio.sleep(pause)

    async def _look(self) -> None:
        while True:
            for name, platform in self.platforms.items():
                self._note(name, connected=platform.connected)
                if platform.connected and name not in self._told:
                    await self._tell(name)
            await asyncio.sleep(LOOK_S)

    async def _tell(self, name: str) -> None:
        """Tells `first`; what goes wrong there is logged once, and met again at the next look."""
        try:
            await self._first(name)
        except Exception:
            if name not in self._untold:
                log.exception("%s is connected, but cannot go on yet; trying again", name)
            self._untold.add(name)
        else:
            self._told.add(name)

    def _note(self, name: str, *, connected: bool) -> None:
        state = self.states[name]
        if connected != state.connected:
            log.info("%s is %s", name, "connected" if connected else "disconnected")
        if connected:
            self._refused.pop(name, None)
        state.note(connected=connected)

    def _refuse(self, name: str, error: ConfigError) -> None:
        log.error("%s: %s", name, error)
        state = self.states[name]
        state.problem = str(error)
        if not state.ever:
            self._refused[name] = error
        if len(self._refused) == len(self.states):
            self._hopeless.set()

    @staticmethod
    async def _closed(name: str, platform: Platform, seconds: float) -> None:
        try:
            await asyncio.wait_for(platform.close(), seconds)
        except Exception as error:
            log.warning("%s did not close: %r", name, error)
