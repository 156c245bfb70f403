"""Slack's connections and deliveries: duplicates, renewals, faults, restarts."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.slack_settings import SlackSettings
from bot.errors import ConfigError
from tests.fakes.slack import ADA, BEN, GENERAL, SCOPES, FakeSlack
from tests.slack_stage import QUICK, Answers, Stage, stage

SHORT: SlackSettings = replace(QUICK, ping_s=0.2, ticket_s=0.3)


async def _refused(folder: Path, fake: FakeSlack) -> str:
    with pytest.raises(ConfigError) as told:
        async with stage(folder, fake):
            pass
    return str(told.value)


async def test_wrong_tokens_and_missing_scopes_are_named_and_not_shown(tmp_path: Path) -> None:
    """S01."""
    async with FakeSlack() as fake:
        good = fake.bot_token, fake.app_token
        for bot, app, name in (
            ("xoxb-wrong-secret", good[1], "SLACK_BOT_TOKEN"),
            ("secret-of-another-kind", good[1], "SLACK_BOT_TOKEN"),
            (good[0], "xapp-wrong-secret", "SLACK_APP_TOKEN"),
            (good[0], "xoxb-wrong-secret", "SLACK_APP_TOKEN"),
        ):
            fake.bot_token, fake.app_token = bot, app
            line = await _refused(tmp_path, fake)
            assert name in line
            assert "https://api.slack.com/apps" in line
            assert "secret" not in line
        fake.bot_token, fake.app_token = good
        fake.world.scopes = set(SCOPES) - {"chat:write"}
        assert "chat:write" in await _refused(tmp_path, fake)
        for code in ("token_revoked", "account_inactive", "invalid_auth"):
            fake.world.token_error = code
            assert code in await _refused(tmp_path, fake)


async def test_missing_comforts_are_told_in_the_log_and_do_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S01."""
    async with FakeSlack() as fake:
        fake.world.scopes = set(SCOPES) - {"usergroups:read", "assistant:write"}
        async with stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
            (answer,) = fake.answers(GENERAL, ts)
            assert "one week" in answer.shown
    assert "usergroups:read" in caplog.text


async def test_event_is_acknowledged_while_the_model_takes_its_time(tmp_path: Path) -> None:
    """S02."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await fake.until(lambda: all(one.acked_after is not None for one in fake.deliveries))
        await fake.until(lambda: bot.answers.asked)
        bot.answers.gate.set()
        await bot.outcome(GENERAL, ts)
        assert len(fake.answers(GENERAL, ts)) == 1
        assert all(len(one.sendings) == 1 for one in fake.deliveries)


async def test_nothing_is_acknowledged_that_is_not_on_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S03, O03."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.sockets.retry_after_s = (0.2, 0.2, 0.2, 5.0)
        disk = sqlite3.connect(tmp_path / "groundling.sqlite")
        disk.execute(
            "create trigger full before insert on questions begin select raise(abort, 'disk is full'); end"
        )
        disk.commit()
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await fake.until(lambda: len(fake.deliveries[-1].sendings) > 1)
        assert all(one.acked_after is None for one in fake.deliveries)
        disk.execute("drop trigger full")
        disk.commit()
        disk.close()
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
        await fake.until(lambda: all(one.acked_after is not None for one in fake.deliveries))
        assert len(fake.answers(GENERAL, ts)) == 1
    assert "no room on the disk" in caplog.text
    assert "How much notice" not in caplog.text


async def test_event_that_comes_again_is_answered_once(tmp_path: Path) -> None:
    """S03."""
    async with FakeSlack() as fake:
        async with stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            heard = list(fake.deliveries)
            for again in (False, True, True):
                for delivery in heard:
                    fake.redeliver(delivery, new_id=again)
            await bot.outcome(GENERAL, ts)
        async with stage(tmp_path, fake) as bot:
            for delivery in heard:
                fake.redeliver(delivery, new_id=True)
            other = fake.mention(ADA, GENERAL, "And now?")
            await bot.outcome(GENERAL, other)
        assert len(fake.answers(GENERAL, ts)) == 1


@pytest.mark.parametrize("order", [("app_mention", "message"), ("message", "app_mention")])
async def test_mention_and_message_are_one_question(tmp_path: Path, order: tuple[str, ...]) -> None:
    """S04."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.mention_order = order
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        await fake.until(lambda: all(one.acked_after is not None for one in fake.deliveries))
        assert len(await bot.entries()) == 1
        assert len(fake.answers(GENERAL, ts)) == 1


async def test_one_thread_is_answered_in_order_and_threads_beside_each_other(tmp_path: Path) -> None:
    """S05."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        first = fake.mention(ADA, GENERAL, "First?")
        await fake.until(lambda: bot.answers.at_once == 1)
        second = fake.mention(BEN, GENERAL, "Second?", first)
        other = fake.mention(BEN, GENERAL, "Elsewhere?")
        await fake.until(lambda: bot.answers.at_once == 2)
        bot.answers.gate.set()
        for ts in (first, second, other):
            await bot.outcome(GENERAL, ts)
        assert bot.answers.most_at_once == 2
        asked = [question.text for question in bot.answers.asked]
        assert asked.index("First?") < asked.index("Second?")


async def test_events_of_no_interest_are_acknowledged_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S06."""
    caplog.set_level(logging.INFO)
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        caplog.clear()
        fake.join(fake.add_user("new"), GENERAL)
        fake.post(BEN, GENERAL, "hook", subtype="bot_message")
        fake.post(BEN, GENERAL, "to all", ts, broadcast=True)
        fake.react(BEN, GENERAL, ts, "eyes")
        fake.event({"type": "message", "subtype": "message_replied", "channel": GENERAL, "ts": ts})
        fake.event({"type": "app_rate_limited", "minute_rate_limited": 1})
        fake.event({"type": "assistant_thread_started", "assistant_thread": {}})
        fake.event({"type": "app_context_changed", "context": {"entities": []}})
        fake.event({"type": "some_new_event"})
        await fake.until(lambda: all(one.acked_after is not None for one in fake.deliveries))
        texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert texts == ["Slack holds events back: there were too many within an hour"]


async def test_renewed_connections_lose_nothing(tmp_path: Path) -> None:
    """S07."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False, settings=SHORT) as bot:
        first = fake.mention(ADA, GENERAL, "First?")
        await fake.until(lambda: bot.answers.asked)
        for reason in ("warning", "refresh_requested", "link_disabled"):
            opened = fake.sockets.opened
            fake.disconnect(reason, closes_after=0.1)
            await fake.until(lambda before=opened: fake.sockets.opened >= before + 2)
        last = fake.mention(ADA, GENERAL, "Last?")
        bot.answers.gate.set()
        for ts in (first, last):
            await bot.outcome(GENERAL, ts)
            assert len(fake.answers(GENERAL, ts)) == 1


async def test_too_many_connections_are_not_asked_for(tmp_path: Path) -> None:
    """S07."""
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=SHORT) as bot:
        for _ in range(20):
            fake.disconnect("too_many_websockets")
            await asyncio.sleep(0.1)
        assert len(fake.called("apps.connections.open")) <= 12
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)


async def test_refused_tickets_are_replaced(tmp_path: Path) -> None:
    """S08."""
    async with FakeSlack() as fake:
        fake.refuse_tickets(3)
        async with stage(tmp_path, fake, settings=SHORT) as bot:
            await fake.until(lambda: len(fake.sockets.open()) == 2, 20)
            fake.refuse_tickets(2)
            fake.disconnect("refresh_requested", closes_after=0.05)
            await fake.until(lambda: fake.sockets.refusals == 0 and fake.sockets.open(), 20)
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


async def test_readiness_follows_the_connection(tmp_path: Path) -> None:
    """S09, O04."""
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=SHORT) as bot:
        await fake.until(lambda: len(fake.sockets.open()) == 2)
        assert bot.slack.connected
        fake.fail("apps.connections.open", [(429, "0.3"), 500, "invalid_auth", "drop_before", "html"])
        fake.sockets.reset()
        await fake.until(lambda: not bot.slack.connected)
        await fake.until(lambda: bot.slack.connected, 30)
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


async def test_start_waits_until_slack_can_be_reached(tmp_path: Path) -> None:
    """S09."""
    async with FakeSlack() as fake:
        fake.fail("auth.test", [500, (429, "0.1"), "html"])
        fake.fail("apps.connections.open", ["drop_before"])
        async with stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


async def test_half_open_connections_are_replaced(tmp_path: Path) -> None:
    """S10."""
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=SHORT) as bot:
        await fake.until(lambda: len(fake.sockets.open()) == 2)
        fake.sockets.freeze()
        await fake.until(lambda: fake.sockets.opened >= 4, 30)
        fake.sockets.thaw()
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


async def test_lost_connection_in_the_middle_of_an_answer_costs_nothing(tmp_path: Path) -> None:
    """S11."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False, settings=SHORT) as bot:
        await fake.until(lambda: len(fake.sockets.open()) == 2)
        first = fake.mention(ADA, GENERAL, "First?")
        await fake.until(lambda: bot.answers.asked)
        fake.sockets.reset(fake.sockets.connections[0].number)
        assert bot.slack.connected
        second = fake.mention(ADA, GENERAL, "Second?")
        await fake.until(lambda: len(bot.answers.asked) == 2)
        bot.answers.gate.set()
        for ts in (first, second):
            await bot.outcome(GENERAL, ts)
            assert len(fake.answers(GENERAL, ts)) == 1


async def _ends(bot: Stage) -> None:
    bot.serving.cancel()
    await asyncio.gather(bot.serving, return_exceptions=True)
    await bot.answering.drain(0.0)


@pytest.mark.parametrize("streaming", ["native", "edit", "off"])
async def test_answers_interrupted_by_a_restart_come_afterwards_in_their_place(
    tmp_path: Path, streaming: str
) -> None:
    """S12."""
    settings: SlackSettings = replace(QUICK, streaming=streaming)  # type: ignore[arg-type]
    async with FakeSlack() as fake:
        async with stage(tmp_path, fake, opened=False, settings=settings) as bot:
            asked = [fake.mention(ADA, GENERAL, f"Question {n}?") for n in range(2)]
            await fake.until(lambda: bot.answers.at_once == 2)
            if streaming != "off":
                await fake.until(lambda: all("one week" in _texts(fake, ts) for ts in asked))
            await _ends(bot)
            late = fake.mention(ADA, GENERAL, "After the end?")
            assert all("restarting" in _texts(fake, ts) for ts in asked)
            assert list(fake.world.streams()) == []
            assert all(fake.status(GENERAL, ts) == "" for ts in asked)
            assert all(fake.session(GENERAL, ts) == "active" for ts in asked)
            assert len(bot.answers.asked) == 2
        async with stage(tmp_path, fake, settings=settings) as bot:
            for ts in [*asked, late]:
                assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
                (answer,) = fake.answers(GENERAL, ts)
                assert "restarting" not in answer.shown
                assert answer.shown.count("one week") == 1
                assert fake.session(GENERAL, ts) == "active"


def _texts(fake: FakeSlack, ts: str) -> str:
    return "\n".join(message.shown for message in fake.answers(GENERAL, ts))


async def test_messages_of_several_people_meet_no_lock(tmp_path: Path) -> None:
    """S28."""
    answers = Answers()
    async with FakeSlack() as fake:
        fake.limits = True
        async with stage(tmp_path, fake, answers=answers) as bot:
            asked = [fake.mention(ADA, GENERAL, f"Question {n}?") for n in range(25)]
            for ts in asked:
                assert (await bot.outcome(GENERAL, ts, 60)).outcome == "answered"
                (answer,) = fake.answers(GENERAL, ts)
                assert "one week" in answer.shown
            refused = [call for call in fake.calls if call.status == 429]
            assert len(refused) < 25
