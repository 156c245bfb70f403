"""Questions that came while nobody listened."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from slack_bolt.app.async_app import AsyncApp

from adapters.slack_calls import SlackCalls
from adapters.slack_settings import SlackSettings
from adapters.slack_socket import SlackSockets
from tests.fakes.slack import ADA, BEN, GENERAL, FakeSlack
from tests.slack_stage import QUICK, stage


async def asked_while_away(folder: Path, fake: FakeSlack) -> str:
    """A question that came after the bot had listened once."""
    fake.sockets.when_closed = "lost"
    async with stage(folder, fake) as bot:
        await bot.outcome(GENERAL, fake.mention(ADA, GENERAL, "Before?"))
    return fake.mention(ADA, GENERAL, "Meanwhile?")


async def test_questions_that_came_meanwhile_are_answered_once(tmp_path: Path) -> None:
    async with FakeSlack() as fake:
        fake.sockets.when_closed = "lost"
        other = fake.add_channel("other", [ADA, BEN])
        async with stage(tmp_path, fake) as bot:
            before = fake.mention(ADA, GENERAL, "Before?")
            await bot.outcome(GENERAL, before)
        missed = fake.mention(ADA, GENERAL, "Meanwhile?")
        follow = fake.post(BEN, GENERAL, "And for managers?", before)
        within = fake.mention(BEN, GENERAL, "In a thread?", fake.post(BEN, GENERAL, "Some talk"))
        elsewhere = fake.mention(BEN, other, "Elsewhere?")
        direct = fake.direct(BEN, "Directly?")
        fake.post(BEN, GENERAL, "No question for the bot")
        fake.post(BEN, GENERAL, f"<@{ADA}> not for the bot", before)
        async with stage(tmp_path, fake) as bot:
            for channel, ts in (
                (GENERAL, missed),
                (GENERAL, follow),
                (GENERAL, within),
                (other, elsewhere),
                (fake.direct_channel(BEN), direct),
            ):
                assert (await bot.outcome(channel, ts)).outcome == "answered"
            assert len(await bot.entries()) == 6
        async with stage(tmp_path, fake) as bot:
            last = fake.mention(ADA, GENERAL, "After?")
            await bot.outcome(GENERAL, last)
            assert len(await bot.entries()) == 7
        assert len(fake.answers(GENERAL, missed)) == 1


async def test_first_start_reads_nothing_back(tmp_path: Path) -> None:
    async with FakeSlack() as fake:
        fake.sockets.when_closed = "lost"
        fake.mention(ADA, GENERAL, "Long before the bot?")
        async with stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "Now?")
            await bot.outcome(GENERAL, ts)
            assert len(await bot.entries()) == 1
        assert fake.called("conversations.history") == []


async def test_reading_back_can_be_switched_off(tmp_path: Path) -> None:
    settings: SlackSettings = replace(QUICK, backfill_s=0.0)
    async with FakeSlack() as fake:
        fake.sockets.when_closed = "lost"
        async with stage(tmp_path, fake, settings=settings) as bot:
            await bot.outcome(GENERAL, fake.mention(ADA, GENERAL, "Before?"))
        fake.mention(ADA, GENERAL, "Meanwhile?")
        async with stage(tmp_path, fake, settings=settings) as bot:
            await bot.outcome(GENERAL, fake.mention(ADA, GENERAL, "After?"))
            assert len(await bot.entries()) == 2


async def test_reading_back_goes_on_through_faults_and_without_scopes(tmp_path: Path) -> None:
    async with FakeSlack() as fake:
        missed = await asked_while_away(tmp_path, fake)
        fake.add_channel("secret", [ADA, BEN], kind="private")
        fake.world.scopes -= {"groups:history"}
        fake.fail("conversations.list", [(429, "0.1"), 500])
        fake.fail("conversations.history", ["ratelimited"])
        async with stage(tmp_path, fake) as bot:
            assert (await bot.outcome(GENERAL, missed)).outcome == "answered"


async def test_what_could_not_be_read_back_is_read_after_the_next_start(tmp_path: Path) -> None:
    """A question that is heard meanwhile says nothing about those before it."""
    async with FakeSlack() as fake:
        missed = await asked_while_away(tmp_path, fake)
        fake.advance(3_600.0)
        fake.fail("conversations.history", [500] * 100)
        async with stage(tmp_path, fake) as bot:
            sockets = bot.slack._sockets
            assert sockets is not None
            await fake.until(lambda: fake.called("conversations.history") and sockets.listening)
            assert (await bot.outcome(GENERAL, fake.mention(ADA, GENERAL, "Now?"))).outcome == "answered"
        fake.advance(3_600.0)
        fake.api.faults.planned.clear()
        async with stage(tmp_path, fake) as bot:
            assert (await bot.outcome(GENERAL, missed)).outcome == "answered"


async def test_questions_of_a_long_gap_are_answered_though_the_process_lived(tmp_path: Path) -> None:
    """What is heard again must not count as heard before it was read back."""
    settings: SlackSettings = replace(QUICK, ping_s=0.2, ticket_s=0.3, gap_s=0.1)
    async with FakeSlack() as fake:
        fake.sockets.when_closed = "lost"
        async with stage(tmp_path, fake, settings=settings) as bot:
            await bot.outcome(GENERAL, fake.mention(ADA, GENERAL, "Before?"))
            sockets = bot.slack._sockets
            assert sockets is not None
            await fake.until(lambda: sockets.listening)
            fake.refuse_tickets(10_000)
            fake.sockets.reset()
            await fake.until(lambda: sockets._deaf_since is not None)
            missed = fake.mention(ADA, GENERAL, "Meanwhile?")
            fake.advance(3_600.0)
            fake.refuse_tickets(0)
            assert (await bot.outcome(GENERAL, missed)).outcome == "answered"
            await fake.until(lambda: sockets.listening)
            assert len(fake.answers(GENERAL, missed)) == 1


async def test_nothing_counts_as_heard_until_the_gap_is_taken_up() -> None:
    settings: SlackSettings = replace(QUICK, ping_s=0.2, ticket_s=0.3, gap_s=0.0)
    async with FakeSlack() as fake:
        calls = SlackCalls(fake.bot_token, fake.app_token, api_url=fake.url)
        asked: list[tuple[bool, bool]] = []

        async def back() -> bool:
            asked.append((sockets.connected, sockets.listening))
            return len(asked) > 1

        sockets = SlackSockets(AsyncApp(token=fake.bot_token), calls, settings, back=back)
        fake.refuse_tickets(2)
        watching = asyncio.create_task(sockets.watch())
        try:
            await fake.until(lambda: sockets.listening and asked)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await calls.close()
        assert asked == [(True, False), (True, False)]


async def test_all_of_a_long_thread_is_read_back(tmp_path: Path) -> None:
    """So many questions a minute are answered, by when they were written."""
    async with FakeSlack() as fake:
        fake.sockets.when_closed = "lost"
        async with stage(tmp_path, fake, settings=replace(QUICK, questions_a_minute=2)) as bot:
            before = fake.mention(ADA, GENERAL, "Before?")
            await bot.outcome(GENERAL, before)
        missed = []
        for number in range(5):
            fake.advance(120.0)
            missed.append(fake.mention(BEN, GENERAL, f"Question {number}?", before))
        async with stage(tmp_path, fake, settings=replace(QUICK, questions_a_minute=2)) as bot:
            for ts in missed:
                assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
