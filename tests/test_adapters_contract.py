"""Slack and Discord keep what every chat platform promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.discord import Discord
from adapters.discord_settings import DiscordSettings
from adapters.slack import Slack
from adapters.slack_settings import SlackSettings
from bot.access import Access, AccessRules
from bot.answering import Answering
from bot.asked import Asked
from bot.channel_store import ChannelStore
from bot.curated import CuratedAnswers
from bot.desk import Desk
from bot.inbox import Inbox
from bot.journal import Journal
from bot.platform import Platform
from knowledge.database import Database
from tests.discord_bench import Shelf
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import ADA, GENERAL, FakeSlack
from tests.slack_stage import Answers
from tests.test_bot_platform_contract import PlatformContract, Stage


@asynccontextmanager
async def heard(
    folder: Path, make: Callable[[Desk], Platform], ask: Callable[[], object]
) -> AsyncIterator[tuple[Platform, Asked]]:
    """A platform that hears one question, which nobody works on."""
    database = Database.open(folder / "groundling.sqlite")
    inbox, access = Inbox(database), Access(AccessRules(readers={"main": {"everyone"}}))
    channels = ChannelStore(database, {}, collections=frozenset(), loras=frozenset())
    answering, curated = Answering(inbox, Answers(), access), CuratedAnswers(database, None)
    desk = Desk(inbox, answering, access, Journal(database), Shelf(), channels, curated)
    platform = make(desk)
    serving = asyncio.create_task(platform.serve())
    try:
        async with asyncio.timeout(60):
            while not platform.connected:  # noqa: ASYNC110 (nothing signals it)
                await asyncio.sleep(0.01)
            ask()
            while not (entries := await inbox.open()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield platform, entries[0].asked
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await platform.close()
        await inbox.close()
        database.close()


class TestSlack(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with FakeSlack() as fake:

            def make(desk: Desk) -> Slack:
                tokens = {"bot_token": fake.bot_token, "app_token": fake.app_token}
                return Slack(desk, **tokens, settings=SlackSettings(pause_s=0.01), api_url=fake.url)

            async with heard(folder, make, lambda: fake.mention(ADA, GENERAL, "How many?")) as (slack, asked):
                yield Stage(
                    slack, asked, lambda: [one.shown for one in fake.answers(GENERAL) if not one.deleted]
                )


class TestSlackByEdits(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with FakeSlack() as fake:

            def make(desk: Desk) -> Slack:
                tokens = {"bot_token": fake.bot_token, "app_token": fake.app_token}
                settings = SlackSettings(streaming="edit", pause_s=0.01)
                return Slack(desk, **tokens, settings=settings, api_url=fake.url)

            async with heard(folder, make, lambda: fake.direct(ADA, "How many?")) as (slack, asked):
                place = fake.direct_channel(ADA)
                yield Stage(
                    slack, asked, lambda: [one.shown for one in fake.answers(place) if not one.deleted]
                )


class TestDiscord(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with FakeDiscord() as fake:
            settings = DiscordSettings(
                guilds=(str(fake.guild.id),), edit_pause_s=0.01, servers_wait_s=0.1, sessions_apart_s=0.1
            )

            def make(desk: Desk) -> Discord:
                return Discord(
                    desk,
                    token=fake.token,
                    settings=settings,
                    state=folder / "discord.json",
                    api_url=fake.api_url,
                    gateway_url=fake.gateway_url,
                )

            def texts() -> list[str]:
                return [
                    one.text
                    for one in fake.world.messages.values()
                    if one.author.id == fake.bot.id and not one.deleted and one.text
                ]

            async with heard(folder, make, lambda: fake.mention(fake.ada, fake.general, "How many?")) as (
                discord,
                asked,
            ):
                yield Stage(discord, asked, texts)
