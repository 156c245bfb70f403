"""The health page: what it tells, when it calls the bot ready, and that it tells nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.errors import ConfigError
from bot.health import AWAY_S, Connection, Health, HealthPage

WELL = Health(
    "1.2",
    platforms={"slack": True},
    model="ready",
    questions={"answered": 3, "open": 1},
    index_version=7,
    next_sync="2026-11-21T15:00:00+00:00",
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def page(health: Health) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    served = HealthPage("127.0.0.1", 0, lambda: health)
    port = await served.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield f"http://127.0.0.1:{port}", session
    finally:
        await served.close()


def test_healthz_tells_everything_that_is_known_in_one_value() -> None:
    async def run() -> None:
        async with page(WELL) as (url, session), session.get(f"{url}/healthz") as reply:
            assert reply.status == 200
            assert await reply.json() == {
                "status": "ok",
                "version": "1.2",
                "platforms": {"slack": True},
                "model": "ready",
                "questions": {"answered": 3, "open": 1},
                "index_version": 7,
                "next_sync": "2026-11-21T15:00:00+00:00",
                "held_since": None,
            }

    asyncio.run(run())


def test_readyz_is_503_with_the_reason_while_healthz_stays_200() -> None:
    async def run() -> None:
        ill = Health("1.2", unready="slack: was never connected")
        async with page(ill) as (url, session):
            async with session.get(f"{url}/readyz") as reply:
                assert reply.status == 503
                assert (await reply.json())["reason"] == "slack: was never connected"
            async with session.get(f"{url}/healthz") as reply:
                assert reply.status == 200
                assert (await reply.json())["status"] == "unready"
        async with page(WELL) as (url, session), session.get(f"{url}/readyz") as reply:
            assert reply.status == 200

    asyncio.run(run())


def test_nothing_else_is_served() -> None:
    async def run() -> None:
        async with page(WELL) as (url, session):
            for path in ("/", "/metrics", "/healthz/x"):
                async with session.get(url + path) as reply:
                    assert reply.status == 404
            async with session.post(f"{url}/healthz") as reply:
                assert reply.status == 405

    asyncio.run(run())


def test_port_that_is_taken_is_told_with_its_key() -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(
                ConfigError, match=rf"\[web\] cannot listen on 127.0.0.1:{port} .*change host or port"
            ):
                await HealthPage("127.0.0.1", port, lambda: WELL).start()

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0..1", ".", "x\0y", "a" * 70])
async def test_host_that_can_be_no_address_is_told_with_its_key(host: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^\[web\] host = '.*' is neither an address nor a name .*; correct it$"
    ):
        await HealthPage(host, 0, lambda: WELL).start()


def test_platform_is_missing_until_it_was_connected_once() -> None:
    connection = Connection(Clock())
    assert connection.missing() == "was never connected"
    connection.problem = "the token is refused"
    assert connection.missing() == "the token is refused"
    connection.note(connected=True)
    assert connection.missing() is None
    assert connection.problem is None


def test_platform_is_missing_again_when_it_was_away_for_more_than_a_minute() -> None:
    clock = Clock()
    connection = Connection(clock)
    connection.note(connected=True)
    clock.now += 500
    connection.note(connected=False)
    assert connection.missing() is None
    clock.now += AWAY_S
    connection.note(connected=False)
    assert connection.missing() is None
    clock.now += 1
    assert connection.missing() == "disconnected for 61 s"
    connection.note(connected=True)
    assert connection.missing() is None
