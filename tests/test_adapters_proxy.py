"""Everything goes over the proxy that is set: the hosts of these tests can be reached in no other way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.discord_rest import Rest
from adapters.slack_calls import SlackBusy, SlackCalls, SlackUnsure
from bot.platform import DeliveryFailed
from tests.discord_bench import bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import ADA, GENERAL, FakeSlack
from tests.forwarding_proxy import ForwardingProxy
from tests.slack_stage import stage

SLACK, DISCORD = "slack.test", "discord.test"


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "HTTP_PROXY"])
async def test_slack_is_reached_over_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """O06."""
    async with FakeSlack() as fake, ForwardingProxy() as proxy:
        proxy.way[SLACK] = port_of(fake.url)
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.setenv("NO_PROXY", SLACK)
        fake.url = fake.world.url = f"http://{SLACK}/api/"
        fake.sockets.url = f"ws://{SLACK}"
        async with stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
            fake.command(ADA, GENERAL, "/ask", "help")
            await fake.until(lambda: fake.called("response_url"))
        assert proxy.upgraded == {f"GET {SLACK}": 2}
        assert set(proxy.asked) <= {f"GET {SLACK}", f"POST {SLACK}"}


async def test_discord_is_reached_over_its_own_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """O06."""
    async with FakeDiscord() as discord, ForwardingProxy() as proxy:
        proxy.way[DISCORD] = port_of(discord.api_url)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        discord.server.origin = discord.world.origin = f"http://{DISCORD}"
        discord.gateway.url = f"ws://{DISCORD}/gateway"
        async with bench(tmp_path, discord, chosen=settings(discord, proxy=proxy.url)) as made:
            message = discord.mention(discord.bob, discord.general, "How much notice?")
            await made.done()
            assert len(made.answers_to(message)) == 1
        assert proxy.upgraded == {f"GET {DISCORD}": 1}


async def test_several_connections_to_discord_all_go_over_the_proxy(tmp_path: Path) -> None:
    """O06."""
    async with FakeDiscord() as discord, ForwardingProxy() as proxy:
        proxy.way[DISCORD] = port_of(discord.api_url)
        discord.server.origin = discord.world.origin = f"http://{DISCORD}"
        discord.gateway.url = f"ws://{DISCORD}/gateway"
        async with bench(tmp_path, discord, chosen=settings(discord, proxy=proxy.url, shards=2)):
            pass
        assert proxy.upgraded == {f"GET {DISCORD}": 2}


async def test_the_real_addresses_are_asked_for_by_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """O06."""
    async with ForwardingProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        calls = SlackCalls("xoxb-1", "xapp-1")
        with pytest.raises((SlackBusy, SlackUnsure)):
            await calls.identity()
        with pytest.raises((SlackBusy, SlackUnsure)):
            await calls.respond("https://hooks.slack.com/commands/1", {"text": "x"})
        await calls.close()
        assert proxy.asked == {"CONNECT slack.com:443": 1, "CONNECT hooks.slack.com:443": 1}


async def test_a_proxy_that_is_away_is_no_wrong_token(tmp_path: Path) -> None:
    """O06."""
    async with FakeDiscord() as discord, ForwardingProxy() as proxy:
        port = port_of(discord.api_url)
        discord.server.origin = f"http://{DISCORD}"
        rest = Rest("a.b.c", api_url=discord.api_url, proxy=proxy.url, timeout_s=1.0)
        with pytest.raises(DeliveryFailed):
            await rest.open()
        assert proxy.asked[f"GET {DISCORD}"] > 0
        discord.gateway.url = f"ws://{DISCORD}/gateway"
        chosen = replace(settings(discord, proxy=proxy.url), connect_timeout_s=1.0)
        async with bench(tmp_path, discord, chosen=chosen, wait=False) as made:
            await asyncio.sleep(1.5)
            assert not made.serving.done()
            proxy.way[DISCORD] = port
            await made.until(lambda: made.platform.connected, 30)
