"""The machine's clock is set by an hour while the program runs: nothing is lost, doubled or held up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.answering import AnsweringSettings
from bot.schedule import Plan
from knowledge.database import Database
from tests.discord_bench import Answers as DiscordAnswers
from tests.discord_bench import bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import ADA, BEN, GENERAL, FakeSlack
from tests.slack_stage import FAST, QUICK, stage
from tests.test_bot_scheduler import Syncs, scheduled
from tests.wall_clock import HOUR, WallClock

STRICT = replace(FAST, oldest_s=HOUR / 2)
BOTH = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with contextlib.closing(Database.open(tmp_path / "data" / "groundling.sqlite")) as made:
        yield made


@BOTH
async def test_open_questions_in_slack_outlive_a_jump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """O05."""
    async with FakeSlack() as fake:
        wall = WallClock(monkeypatch, fake)
        chosen = replace(QUICK, ping_s=0.2)
        async with stage(
            tmp_path, fake, settings=chosen, answering_settings=STRICT, opened=False, clock=wall
        ) as bot:
            asked = [fake.mention(user, GENERAL, f"How much notice, {user}?") for user in (ADA, BEN)]
            await fake.until(lambda: len(bot.answers.asked) == 2)
            waits = fake.mention(ADA, GENERAL, "And for managers?", asked[0])
            await fake.until(lambda: bot.answering.busy_with == 3)
            wall.jump(jump)
            for one in list(fake.deliveries):
                fake.redeliver(one, new_id=True)
            before, opened = len(fake.calls), fake.sockets.opened
            await asyncio.sleep(1.5)
            assert bot.slack.connected
            assert fake.sockets.opened == opened
            assert len(fake.calls) - before < 30
            bot.answers.gate.set()
            for ts in (*asked, waits):
                assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
            wall.jump(-jump)
            later = fake.mention(BEN, GENERAL, "After both jumps?")
            assert (await bot.outcome(GENERAL, later)).outcome == "answered"
            assert len(await bot.entries()) == 4
        assert [len(fake.answers(GENERAL, ts)) for ts in (asked[1], later)] == [1, 1]
        assert len(fake.answers(GENERAL, asked[0])) == 2


@BOTH
async def test_open_questions_in_discord_outlive_a_jump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """O05."""
    async with FakeDiscord() as discord:
        wall = WallClock(monkeypatch, discord)
        answers = DiscordAnswers()
        answers.gate.clear()
        strict = AnsweringSettings(oldest_s=HOUR / 2, longest_pause_s=0.2)
        async with bench(tmp_path, discord, answers=answers, answering_settings=strict, clock=wall) as made:
            message = discord.mention(discord.bob, discord.general, "How much notice?")
            used = discord.slash(discord.ada, discord.general, "ask", {"question": "And alone?"})
            await made.until(lambda: len(answers.asked) == 2)
            wall.jump(jump)
            discord.deliver_again(message)
            before, begun = len(discord.calls), discord.identifies
            await asyncio.sleep(1.5)
            assert made.platform.connected
            assert discord.identifies == begun
            assert len(discord.calls) - before < 30
            answers.gate.set()
            await made.done(2)
            wall.jump(-jump)
            later = discord.mention(discord.bob, discord.general, "After both jumps?")
            await made.done(3)
            assert len(await made.entries()) == 3
            assert [len(made.answers_to(one)) for one in (message, later)] == [1, 1]
            # Its token is as good as before: the answer stands where the command was used.
            assert "And alone?" in (await made.shown(used, "five days")).text
            assert made.answering.counts["notice"] == 0


async def test_what_slack_lost_is_read_back_though_the_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O05."""
    async with FakeSlack() as fake:
        wall = WallClock(monkeypatch, fake)
        fake.sockets.when_closed = "lost"
        async with stage(tmp_path, fake, clock=wall) as bot:
            await bot.outcome(GENERAL, fake.mention(ADA, GENERAL, "Before?"))
        wall.jump(HOUR)
        async with stage(tmp_path, fake, clock=wall):
            await asyncio.sleep(1.0)  # long enough to note that it listens
        missed = fake.mention(ADA, GENERAL, "Meanwhile?")
        async with stage(tmp_path, fake, clock=wall) as bot:
            assert (await bot.outcome(GENERAL, missed)).outcome == "answered"
            assert len(await bot.entries()) == 2


@BOTH
async def test_what_discord_lost_is_read_back_though_the_clock_was_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """O05."""
    async with FakeDiscord() as discord:
        wall = WallClock(monkeypatch, discord)
        chosen = settings(discord, mark_every_s=0.05)
        async with bench(tmp_path, discord, chosen=chosen, clock=wall) as made:
            discord.mention(discord.bob, discord.general, "Before?")
            await made.done()
            wall.jump(jump)
            await asyncio.sleep(0.5)
        missed = discord.mention(discord.bob, discord.general, "Meanwhile?")
        wall.jump(-jump)
        async with bench(tmp_path, discord, chosen=chosen, clock=wall) as made:
            await made.until(lambda: made.answering.counts["answered"])
            assert len(made.answers_to(missed)) == 1
            assert len(await made.entries()) == 2


async def test_half_open_connection_is_found_out_though_the_clock_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O05, S10."""
    async with FakeSlack() as fake:
        wall = WallClock(monkeypatch, fake)
        chosen = replace(QUICK, ping_s=0.2)
        async with stage(tmp_path, fake, settings=chosen, clock=wall) as bot:
            await asyncio.sleep(0.5)
            opened = fake.sockets.opened
            fake.sockets.freeze()
            wall.jump(-HOUR)
            await fake.until(lambda: fake.sockets.opened >= opened + 2, 20)
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


@BOTH
async def test_syncs_go_on_at_their_pace_after_a_jump(
    database: Database, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """O05."""
    wall = WallClock(monkeypatch)
    syncs = Syncs()
    async with scheduled(database, Plan("handbook", every_s=1.0), syncs=syncs, clock=wall, look_s=0.2):
        await syncs.until(lambda: len(syncs.ended) >= 1)
        wall.jump(jump)
        before = len(syncs.ended)
        await asyncio.sleep(3.2)
        assert 2 <= len(syncs.ended) - before <= 5
        assert syncs.tidied == 1


async def test_long_pauses_neither_begin_anew_nor_last_longer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O05."""
    wall = WallClock(monkeypatch)
    syncs = Syncs()
    plan = Plan("handbook", every_s=HOUR / 2)
    async with scheduled(database, plan, syncs=syncs, clock=wall, look_s=0.05) as scheduler:
        await syncs.until(lambda: len(syncs.ended) == 1)
        wall.jump(-HOUR)
        await asyncio.sleep(0.5)
        due = scheduler.next_due
        assert due is not None
        assert (due - datetime.fromtimestamp(wall(), UTC)).total_seconds() <= HOUR / 2
        assert len(syncs.ended) == 1
        wall.jump(2 * HOUR)
        await syncs.until(lambda: len(syncs.ended) == 2)
        await asyncio.sleep(0.5)
        assert len(syncs.ended) == 2


async def test_crontab_means_the_clock_that_was_set_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O05."""
    wall = WallClock(monkeypatch)
    syncs = Syncs()
    plan = Plan("handbook", cron="30 6 * * *")
    async with scheduled(database, plan, syncs=syncs, clock=wall, look_s=0.05) as scheduler:
        await syncs.until(lambda: len(syncs.ended) == 1)
        wall.jump(-30 * 24 * HOUR)
        async with asyncio.timeout(60):
            while (due := scheduler.next_due) is None or due.timestamp() > wall() + 26 * HOUR:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert len(syncs.ended) == 1
