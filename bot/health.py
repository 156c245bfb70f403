"""Tells how the serving bot is: `/healthz` while the process lives, `/readyz` while it can answer.

Rule: nothing is told that is secret or that anybody asked; the page is never reason to wait for anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from bot.errors import ConfigError

AWAY_S = 60.0
"""How long a platform may be disconnected before the bot is no longer called ready, in seconds."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the bot is now.

    `platforms` says which are connected, `model` is "ready", "loading", "none" or "failed: " and why,
    `questions` counts outcomes, `next_sync` is a time (ISO 8601) or None. `unready` is why the bot cannot
    answer, in one line, or None; `held_since` is since when (ISO 8601) a newer index is held back, or None.
    """

    version: str
    platforms: Mapping[str, bool] = field(default_factory=dict)
    model: str = "loading"
    questions: Mapping[str, int] = field(default_factory=dict)
    index_version: int | None = None
    next_sync: str | None = None
    unready: str | None = None
    held_since: str | None = None


def in_lines(health: Health, *, syncing: str, troubles: Sequence[str]) -> str:
    """The same for an administrator; `syncing` is what follows the next sync, `troubles` are lines of their own."""
    counts = ", ".join(f"{count} {name}" for name, count in health.questions.items())
    platforms = ", ".join(
        f"{name} {'connected' if there else 'not connected'}" for name, there in health.platforms.items()
    )
    lines = [
        f"Groundling {health.version}: {platforms}",
        f"Model: {health.model}",
        f"Index: version {health.index_version or 0}; next sync {health.next_sync or 'not planned'}{syncing}",
        f"Questions: {counts}",
        *troubles,
    ]
    return "\n".join(lines if health.unready is None else [*lines, f"Not ready: {health.unready}"])


class Connection:
    """How long a platform has been connected or not; `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self.connected = False
        self.ever = False
        self.problem: str | None = None

    def note(self, *, connected: bool) -> None:
        """Takes down how it is now."""
        if connected != self.connected:
            self._since = self._clock()
        self.connected = connected
        if connected:
            self.ever = True
            self.problem = None

    def missing(self) -> str | None:
        """Why the platform counts as away, or None."""
        if self.connected:
            return None
        if not self.ever:
            return self.problem or "was never connected"
        away = self._clock() - self._since
        return f"disconnected for {away:.0f} s" if away > AWAY_S else None


class HealthPage:
    """Serves `/healthz` and `/readyz` with what `health` gives."""

    def __init__(self, host: str, port: int, health: Callable[[], Health]) -> None:
        self._host = host
        self._port = port
        self._health = health
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listens; gives the port. Raises `ConfigError` where that is not possible."""
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(
                f"[web] cannot listen on {self._host}:{self._port} ({error.strerror or error}); change host or port"
            ) from None
        except ValueError:  # what can be no name of a machine is never looked up
            await runner.cleanup()
            raise ConfigError(
                f"[web] host = {self._host!r} is neither an address nor a name of a machine; correct it"
            ) from None
        self._runner = runner
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """Listens no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        health = self._health()
        return web.json_response(
            {
                "status": "ok" if health.unready is None else "unready",
                "version": health.version,
                "platforms": dict(health.platforms),
                "model": health.model,
                "questions": dict(health.questions),
                "index_version": health.index_version,
                "next_sync": health.next_sync,
                "held_since": health.held_since,
            }
        )

    async def _readyz(self, _request: web.Request) -> web.Response:
        why = self._health().unready
        if why is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "unready", "reason": why}, status=503)
