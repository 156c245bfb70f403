"""The platforms' connections: each is kept by itself, and only all of them refused is a reason to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from bot.connections import Connections
from bot.errors import ConfigError
from knowledge.errors import Busy
from tests.fakes.platform import FakePlatform


class Moody(FakePlatform):
    """Does in its serves what `moods` say, one after the other, and stays connected after the last."""

    def __init__(self, *moods: Exception | None, hangs: bool = False) -> None:
        super().__init__()
        self.moods = list(moods)
        self.connected = False
        self.served = 0
        self.closed = False
        self.hangs = hangs

    async def serve(self) -> None:
        self.served += 1
        try:
            mood = self.moods.pop(0) if self.moods else None
            if mood is not None:
                raise mood
            self.connected = True
            await asyncio.Event().wait()
        finally:
            self.connected = False

    async def close(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.closed = True


@asynccontextmanager
async def kept(
    platforms: Mapping[str, Moody], refused: Mapping[str, ConfigError] | None = None
) -> AsyncIterator[tuple[Connections, asyncio.Task[None], list[str]]]:
    first: list[str] = []

    async def told(name: str) -> None:
        first.append(name)

    connections = Connections(platforms, refused or {}, first=told)
    serving = asyncio.create_task(connections.serve())
    try:
        yield connections, serving, first
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await connections.close(0.1)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_only_platform_that_refuses_its_token_ends_everything_with_its_line() -> None:
    async def run() -> None:
        async with kept({"slack": Moody(ConfigError("SLACK_BOT_TOKEN is refused"))}) as (_, serving, _first):
            with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN is refused"):
                await asyncio.wait_for(serving, 30)

    asyncio.run(run())


def test_refused_platform_leaves_the_other_alone_and_is_told_by_its_name() -> None:
    async def run() -> None:
        platforms = {"slack": Moody(ConfigError("SLACK_APP_TOKEN is refused")), "discord": Moody()}
        refused = {"teams": ConfigError("TEAMS_TOKEN is not set")}
        async with kept(platforms, refused) as (connections, serving, first):
            await until(lambda: connections.states["discord"].connected and platforms["slack"].served)
            await until(lambda: connections.missing() is not None)
            missing = connections.missing() or ""
            assert "slack: SLACK_APP_TOKEN is refused" in missing
            assert "teams: TEAMS_TOKEN is not set" in missing
            assert "discord" not in missing
            assert first == ["discord"]
            assert not serving.done()

    asyncio.run(run())


def test_all_refused_one_after_the_other_end_everything() -> None:
    async def run() -> None:
        platforms = {"slack": Moody(ConfigError("first")), "discord": Moody(ConfigError("second"))}
        async with kept(platforms) as (_, serving, _first):
            with pytest.raises(ConfigError, match="first"):
                await asyncio.wait_for(serving, 30)

    asyncio.run(run())


def test_platform_that_falls_over_is_served_again_and_first_is_told_once() -> None:
    async def run() -> None:
        platform = Moody(KeyError("guild_id"), RuntimeError("closed"))
        async with kept({"discord": platform}) as (connections, serving, first):
            await until(lambda: connections.states["discord"].connected)
            assert platform.served == 3
            platform.connected = False
            await until(lambda: not connections.states["discord"].connected)
            platform.connected = True
            await until(lambda: connections.states["discord"].connected)
            assert first == ["discord"]
            assert connections.missing() is None
            assert not serving.done()

    asyncio.run(run())


def test_page_does_not_tell_what_a_library_said_when_a_platform_fell_over() -> None:
    async def run() -> None:
        platform = Moody(*(RuntimeError("no route to wss://slack/?ticket=canary") for _ in range(3)))
        async with kept({"discord": platform}) as (connections, _, _first):
            await until(lambda: connections.missing() != "discord: was never connected")
            assert connections.missing() == "discord: it fell over (RuntimeError); the log says more"

    asyncio.run(run())


def test_platform_that_refuses_after_it_was_connected_is_no_reason_to_end() -> None:
    class Revoked(Moody):
        async def serve(self) -> None:
            self.served += 1
            self.connected = True
            await until(lambda: self.seen())
            self.connected = False
            raise ConfigError("SLACK_BOT_TOKEN was revoked")

        def seen(self) -> bool:
            return bool(self.told)

        told: list[str]

    async def run() -> None:
        platform = Revoked()
        async with kept({"slack": platform}) as (connections, serving, first):
            platform.told = first
            await until(lambda: connections.states["slack"].problem)
            assert connections.states["slack"].problem == "SLACK_BOT_TOKEN was revoked"
            assert not serving.done()

    asyncio.run(run())


def test_close_waits_for_no_platform_for_ever() -> None:
    async def run() -> None:
        platforms = {"slack": Moody(hangs=True), "discord": Moody()}
        async with kept(platforms) as (connections, _serving, _first):
            await until(lambda: all(state.connected for state in connections.states.values()))
        assert platforms["discord"].closed
        assert not platforms["slack"].closed

    asyncio.run(run())


def test_first_that_fails_is_told_again_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        told: list[str] = []

        async def first(name: str) -> None:
            told.append(name)
            if told.count("slack") < 3 and name == "slack":
                raise Busy("the database is held by another process; try again")

        platforms = {"slack": Moody(), "discord": Moody()}
        connections = Connections(platforms, {}, first=first)
        serving = asyncio.create_task(connections.serve())
        await until(lambda: told.count("slack") == 3)
        platforms["slack"].connected = False
        await until(lambda: not connections.states["slack"].connected)
        assert (told.count("slack"), told.count("discord")) == (3, 1)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(run())
    assert caplog.text.count("slack is connected, but cannot go on yet") == 1
