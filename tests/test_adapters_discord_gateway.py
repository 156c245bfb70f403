"""The connection to Discord: sessions, their ends, what is read back, and what only people can mend."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.discord_hearing import LIVE
from adapters.discord_state import EVERY_S, FREE, State
from bot.channels import ChannelSettings
from bot.errors import ConfigError
from tests.discord_bench import Bench, bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_gateway import MESSAGE_CONTENT
from tests.fakes.discord_world import MENTION_EVERYONE

COMMANDS = "PUT /applications/{}/commands"


async def the_answer_to(made: Bench, text: str) -> str:
    """What one who asks `text` directly is answered in the end."""
    before = made.answering.counts["received"] - made.answering.counts["duplicates"]
    message = made.discord.direct(made.discord.bob, text)
    await made.done(before + 1)
    return made.answers_to(message)[-1].text


async def test_a_wrong_token_is_named_and_never_shown(tmp_path: Path) -> None:
    """D03: 4004's elder brother."""
    async with FakeDiscord() as discord, bench(tmp_path, discord, token="wrong.token.here") as made:
        with pytest.raises(ConfigError, match="DISCORD_TOKEN") as error:
            await asyncio.wait_for(made.serving, 15)
        assert "wrong.token.here" not in str(error.value)


async def test_a_token_that_is_taken_back_ends_the_platform(tmp_path: Path) -> None:
    """D03: 4004."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.close_gateway(4004)
        with pytest.raises(ConfigError, match="DISCORD_TOKEN"):
            await asyncio.wait_for(made.serving, 15)
        assert not made.platform.connected


async def test_an_intent_that_is_off_is_named(tmp_path: Path) -> None:
    """D03: 4014."""
    async with (
        FakeDiscord() as discord,
        bench(tmp_path, discord, chosen=settings(discord, message_content=True)) as made,
    ):
        with pytest.raises(ConfigError, match="Message Content Intent"):
            await asyncio.wait_for(made.serving, 15)


async def test_a_bot_without_a_server_is_told_how_to_name_one(tmp_path: Path) -> None:
    """D11."""
    async with (
        FakeDiscord() as discord,
        bench(tmp_path, discord, chosen=settings(discord, guilds=())) as made,
    ):
        with pytest.raises(ConfigError, match="guilds"):
            await asyncio.wait_for(made.serving, 15)


@pytest.mark.parametrize("end", ["op7", "op9", 4000, 4009, "abort"])
async def test_a_broken_connection_resumes_and_the_answer_comes(tmp_path: Path, end: object) -> None:
    """D03: during an answer."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.direct(discord.bob, "Before?")
        await made.until(lambda: made.answers_to(message))
        if end == "op7":
            discord.reconnect()
        elif end == "op9":
            discord.invalidate(resumable=True)
        elif end == "abort":
            discord.abort_gateway()
        else:
            discord.close_gateway(int(str(end)))
        made.answers.gate.set()
        await made.done()
        missed = discord.direct(discord.bob, "Meanwhile?")
        await made.done(2)
        assert len(made.answers_to(missed)) == 2
        await made.until(lambda: made.platform.connected)
        anew = end == 4009  # a session that timed out
        await made.until(lambda: discord.identifies == (2 if anew else 1))


async def test_a_lost_session_begins_anew_and_what_was_missed_is_read_back(tmp_path: Path) -> None:
    """D03: op 9 false."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        assert "five days" in await the_answer_to(made, "Before?")
        await made.until(lambda: made.platform._hearing.marking)
        discord.invalidate(resumable=False)
        lost = discord.direct(discord.bob, "Meanwhile?")
        await made.done(2, 30)
        assert "On Meanwhile?" in made.answers_to(lost)[-1].text
        assert discord.identifies == 2


async def test_a_direct_channel_heard_before_all_was_read_is_read_back_by_the_next_process(
    tmp_path: Path,
) -> None:
    """D03: the first letter comes while the process still reads what it missed."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: made.platform._hearing.marking)
            made.platform._hearing.marking = False
            discord.direct(discord.bob, "Before?")
            await made.done()
        lost = discord.direct(discord.bob, "Meanwhile?")
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: any("On Meanwhile?" in one.text for one in made.answers_to(lost)))
            assert [one.text for one in made.answers.asked] == ["Meanwhile?"]


async def test_what_a_resume_sends_twice_is_answered_once(tmp_path: Path) -> None:
    """D04."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        message = discord.direct(discord.bob, "Days?")
        await made.done()
        discord.deliver_again(message)
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Weeks?"})
        await made.shown(used, "five days")
        for session in discord.gateway.sessions.values():
            frame = next(text for _, text in session.kept if '"INTERACTION_CREATE"' in text)
            discord.dispatch("INTERACTION_CREATE", json.loads(frame)["d"])
        await the_answer_to(made, "Another?")
        assert [one.text for one in made.answers.asked] == ["Days?", "Weeks?", "Another?"]
        assert len(made.alone(discord.bob)) == 1


async def test_a_question_that_was_answered_is_not_answered_by_the_next_process(tmp_path: Path) -> None:
    """D04: the mark lies two minutes back, so the question is read again."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            message = discord.mention(discord.bob, discord.general, "Days?")
            await made.done()
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: made.answering.counts["duplicates"])
            assert len(made.answers_to(message)) == 1
            assert made.answers.asked == []


async def test_questions_of_the_time_away_are_answered(tmp_path: Path) -> None:
    """D04: mentions and direct messages, nothing else."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            await the_answer_to(made, "Hello?")
            await made.until(lambda: made.platform._hearing.marking)
        direct = discord.direct(discord.bob, "Direct?")
        mention = discord.mention(discord.ada, discord.general, "Mention?")
        discord.post(discord.ada, discord.general, "Just talking")
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: len(made.answers.asked) == 2)
            await made.until(lambda: not made.answering.busy_with)
            assert "On Direct?" in made.answers_to(direct)[-1].text
            assert "On Mention?" in made.answers_to(mention)[-1].text


async def test_what_is_older_than_is_read_back_stays_unanswered(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            await the_answer_to(made, "Hello?")
            await made.until(lambda: made.platform._hearing.marking)
        discord.mention(discord.ada, discord.general, "Mention?")
        async with bench(tmp_path, discord, chosen=settings(discord, backfill_s=0.0)) as made:
            await the_answer_to(made, "Now?")
            assert [one.text for one in made.answers.asked] == ["Now?"]


@pytest.mark.parametrize("event", ["MESSAGE_CREATE", "INTERACTION_CREATE", "GUILD_ROLE_CREATE"])
async def test_a_malformed_event_costs_one_connection_and_no_more(tmp_path: Path, event: str) -> None:
    """D06: discord.py's client dies of it."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.direct(discord.bob, "Before?")
        await made.until(lambda: made.answers_to(message))
        discord.dispatch(event, {"guild_id": str(discord.guild.id)})
        await made.until(lambda: discord.identifies == 2 and made.platform.connected)
        made.answers.gate.set()
        assert "five days" in await the_answer_to(made, "After?")


async def test_sessions_do_not_begin_oftener_than_discord_allows(tmp_path: Path) -> None:
    """D03: a loop of crashes."""
    state = State(tmp_path / "discord.json")
    for _ in range(FREE):
        assert state.pause_s() == 0
        state.note_identify()
    assert 0 < State(tmp_path / "discord.json").pause_s() <= EVERY_S
    async with FakeDiscord() as discord, bench(tmp_path, discord, wait=False) as made:
        await made.until(lambda: discord.called("PUT /applications/{}/commands"))
        await asyncio.sleep(0.3)
        assert discord.identifies == 0
        assert not made.platform.connected


def test_a_session_is_free_again_after_its_time(tmp_path: Path) -> None:
    now = [1000.0]
    state = State(tmp_path / "state.json", clock=lambda: now[0])
    begun = 0
    while now[0] < 1000.0 + 3600:
        if state.pause_s() == 0:
            state.note_identify()
            begun += 1
        now[0] += 1
    assert begun == FREE + 3599 // EVERY_S
    state.note_identify()
    assert State(tmp_path / "state.json", clock=lambda: now[0]).pause_s() > 0
    assert State(tmp_path / "state.json", clock=lambda: now[0]).pause_s(shards=2) == 0


def test_a_state_that_cannot_be_read_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    assert State(tmp_path / "state.json").commands == ""


async def test_commands_are_set_only_when_they_changed(tmp_path: Path) -> None:
    """D07."""
    async with FakeDiscord() as discord:
        for _ in range(2):
            async with bench(tmp_path, discord):
                pass
        assert len(discord.called(COMMANDS)) == 1
        State(tmp_path / "discord.json").keep_commands("another")
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: len(discord.called(COMMANDS)) == 2)


@pytest.mark.parametrize("fault", [50035, 403, ("429", 99.0), "429_bare"])
async def test_without_its_commands_the_bot_still_answers(
    tmp_path: Path, fault: object, caplog: pytest.LogCaptureFixture
) -> None:
    """D07: and says so once."""
    async with FakeDiscord() as discord:
        discord.fail(COMMANDS, [fault])  # type: ignore[list-item]
        async with bench(tmp_path, discord, wait=False) as made:
            await made.until(lambda: made.platform.connected)
            assert "five days" in await the_answer_to(made, "Days?")
    warnings = [one for one in caplog.records if "applications.commands" in one.getMessage()]
    assert len(warnings) == 1


async def test_a_discord_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """O04: readiness follows the connection."""
    async with FakeDiscord() as discord:
        discord.go_dark()
        async with bench(tmp_path, discord, wait=False) as made:
            await asyncio.sleep(0.3)
            assert not made.platform.connected
            assert not made.serving.done()
            discord.come_back()
            await made.until(lambda: made.platform.connected, 20)
            discord.go_dark()
            await made.until(lambda: not made.platform.connected)
            discord.come_back()
            await made.until(lambda: made.platform.connected, 30)
            assert "five days" in await the_answer_to(made, "Days?")


async def test_after_it_stopped_hearing_it_still_delivers(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord, drain_s=5.0) as made:
        made.answers.gate.clear()
        message = discord.direct(discord.bob, "Days?")
        await made.until(lambda: made.answers_to(message))
        made.serving.cancel()
        await asyncio.gather(made.serving, return_exceptions=True)
        assert not made.platform.connected
        made.answers.gate.set()
        await made.done()
        assert "five days" in made.answers_to(message)[0].text


async def test_shards_share_the_servers_and_die_alone(tmp_path: Path) -> None:
    """D12."""
    async with FakeDiscord() as discord:
        discord.gateway.shards = 2
        mine = (discord.guild.id >> 22) % 2
        async with bench(tmp_path, discord, chosen=settings(discord, shards=2), wait=False) as made:
            await made.until(lambda: made.platform.connected, 20)
            assert discord.identifies == 2
            discord.close_gateway(4000, shard=mine)
            await made.until(lambda: discord.resumes == 1, 20)
            await made.until(lambda: made.platform.connected, 20)
            assert discord.identifies == 2
            message = discord.mention(discord.bob, discord.general, "Days?")
            await made.done()
            assert len(made.answers_to(message)) == 1


async def test_logs_hold_no_token_and_no_question(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """O03."""
    caplog.set_level(logging.INFO)
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.fail("PATCH /webhooks/{}/{}/messages/{}", [429, 503, "drop_before", "drop_after"])
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Xyzzy plugh?"})
        await made.shown(used, "five days")
        discord.fail("POST /interactions/{}/{}/callback", [10062])
        late = discord.slash(discord.bob, discord.general, "ask", {"question": "Xyzzy plugh?"})
        discord.mention(discord.bob, discord.general, "Xyzzy plugh?")
        await made.done(3)
        discord.dispatch("MESSAGE_CREATE", {})
        await made.until(lambda: discord.identifies == 2)
        counts = made.answering.counts
        assert (counts["received"], counts["answered"], counts["failed"]) == (3, 3, 0)
    text = caplog.text
    assert "rate limit" in text
    for secret in (discord.token, used.token, late.token, "Xyzzy"):
        assert secret not in text


async def test_a_server_that_is_not_named_gets_no_answer_and_is_left(tmp_path: Path) -> None:
    """D11."""
    async with FakeDiscord() as discord:
        known = discord.add_guild("Strangers", discord.bob)
        place = discord.add_channel(known, "general")
        async with bench(tmp_path, discord) as made:
            discord.mention(discord.bob, place, "Days?")
            used = discord.slash(discord.bob, place, "ask", {"question": "Days?"})
            await made.shown(used, "do not answer here")
            typed = discord.autocomplete(
                discord.bob, place, "ask", {"question": "x", "collection": ""}, "collection"
            )
            await made.until(lambda: typed.choices == [])
            new = discord.add_guild("Later", discord.bob)
            await made.until(lambda: not new.has_bot)
            assert discord.answers(place) == []
            assert made.answering.counts["received"] == 0


async def test_a_person_cannot_carry_the_bot_elsewhere(tmp_path: Path) -> None:
    """D11."""
    async with FakeDiscord() as discord, bench(tmp_path, discord):
        abroad = discord.add_guild("Abroad", discord.bob, has_bot=False)
        place = discord.add_channel(abroad, "general")
        with pytest.raises(LookupError):
            discord.slash(discord.bob, place, "ask", {"question": "Days?"}, by_user_install=True)


async def test_threads_go_on_without_a_mention_where_the_intent_allows(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        discord.allow_intents(MESSAGE_CONTENT)
        async with bench(tmp_path, discord, chosen=settings(discord, message_content=True)) as made:
            message = discord.mention(discord.bob, discord.general, "Days?")
            await made.done()
            thread = made.thread_of(message)
            discord.post(discord.bob, thread, "And for contractors?")
            await made.done(2)
            discord.post(discord.bob, thread, f"{discord.ada.mention} what do you think?")
            discord.post(discord.bob, discord.general, "Just talking")
            discord.post(discord.bob, thread, "Since when?")
            await made.done(3)
            asked = [one.text for one in made.answers.asked]
            assert asked == ["Days?", "And for contractors?", "Since when?"]


async def test_what_calls_everyone_or_a_role_in_a_thread_is_no_question(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        discord.allow_intents(MESSAGE_CONTENT)
        team = discord.add_role(discord.guild, "team", permissions=MENTION_EVERYONE)
        discord.grant(discord.guild, discord.bob, team)
        own = discord.add_role(discord.guild, "Groundling", discord.bot, bot=discord.bot)
        async with bench(tmp_path, discord, chosen=settings(discord, message_content=True)) as made:
            message = discord.mention(discord.bob, discord.general, "Days?")
            await made.done()
            thread = made.thread_of(message)
            discord.post(discord.bob, thread, "@everyone lunch is here")
            discord.post(discord.bob, thread, "@here lunch is still here")
            discord.post(discord.bob, thread, f"<@&{team.id}> who takes this?")
            discord.mention(discord.bob, thread, "@everyone Since when?")
            await made.done(2)
            discord.post(discord.bob, thread, f"<@&{own.id}> And until when?")
            await made.done(3)
            asked = [one.text for one in made.answers.asked]
            assert asked == ["Days?", "@everyone Since when?", f"<@&{own.id}> And until when?"]


async def test_a_message_that_could_not_be_kept_is_read_again(tmp_path: Path) -> None:
    """D04: nobody was told that it was."""
    async with FakeDiscord() as discord:
        chosen = settings(discord, mark_every_s=0.2)
        async with bench(tmp_path, discord, chosen=chosen) as made:
            await the_answer_to(made, "Before?")
            await made.until(lambda: made.platform._hearing.marking)
            async with asyncio.timeout(60):
                while LIVE not in await made.inbox.seen(LIVE):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            with closing(sqlite3.connect(tmp_path / "groundling.sqlite")) as disk:
                disk.execute(
                    "CREATE TRIGGER full BEFORE INSERT ON questions BEGIN SELECT RAISE(ABORT, 'full'); END"
                )
                message = discord.direct(discord.bob, "Kept?")
                await made.until(lambda: not made.platform._hearing.marking)
                disk.execute("DROP TRIGGER full")
            await made.done(2)
            assert "On Kept?" in made.answers_to(message)[-1].text


async def heard_before(folder: Path, discord: FakeDiscord) -> None:
    """A process that has heard everything up to here, and is gone."""
    async with bench(folder, discord) as made:
        await the_answer_to(made, "Hello?")
        await made.until(lambda: made.platform._hearing.marking)


async def test_what_could_not_be_read_back_is_read_at_the_next_try(tmp_path: Path) -> None:
    """D04: a channel that Discord does not give now is none without questions."""
    async with FakeDiscord() as discord:
        await heard_before(tmp_path, discord)
        message = discord.mention(discord.ada, discord.general, "Mention?")
        discord.fail("GET /channels/{}/messages", [503, 503])
        async with bench(tmp_path, discord, chosen=settings(discord, mark_every_s=0.2)) as made:
            await made.done()
            assert "On Mention?" in made.answers_to(message)[-1].text
            await made.until(lambda: made.platform._hearing.marking)


async def test_a_channel_that_may_not_be_read_keeps_no_other_from_being_read_back(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        await heard_before(tmp_path, discord)
        discord.mention(discord.ada, discord.general, "Mention?")
        direct = discord.direct(discord.bob, "Direct?")
        discord.fail("GET /channels/{}/messages", [50001])
        async with bench(tmp_path, discord) as made:
            await made.done()
            assert [one.text for one in made.answers.asked] == ["Direct?"]
            assert "On Direct?" in made.answers_to(direct)[-1].text
            await made.until(lambda: made.platform._hearing.marking)


async def test_all_that_was_written_meanwhile_is_read_back(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        await heard_before(tmp_path, discord)
        for number in range(510):
            discord.post(discord.bob, discord.general, f"Talk {number}")
        message = discord.mention(discord.ada, discord.general, "Mention?")
        async with bench(tmp_path, discord) as made:
            await made.done()
            assert "On Mention?" in made.answers_to(message)[-1].text


async def test_a_mark_that_cannot_be_written_is_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeDiscord() as discord:
        chosen = settings(discord, mark_every_s=0.1)
        async with bench(tmp_path, discord, chosen=chosen) as made:
            await made.until(lambda: made.platform._hearing.marking)
            async with asyncio.timeout(60):
                while LIVE not in await made.inbox.seen(LIVE):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            with closing(sqlite3.connect(tmp_path / "groundling.sqlite")) as disk:
                disk.execute(
                    "CREATE TRIGGER full BEFORE INSERT ON seen BEGIN SELECT RAISE(ABORT, 'full'); END"
                )
                await made.until(lambda: "cannot be noted yet" in caplog.text)
                disk.execute("DROP TRIGGER full")
            before = (await made.inbox.seen(LIVE))[LIVE]
            async with asyncio.timeout(60):
                while (await made.inbox.seen(LIVE))[LIVE] == before:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert int((await made.inbox.seen(LIVE))[LIVE]) > int(before)


async def test_questions_without_a_mention_are_read_back(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        discord.allow_intents(MESSAGE_CONTENT)
        channels = {f"discord:channel:{discord.general.id}": ChannelSettings(mention=False)}
        chosen = settings(discord, message_content=True, mark_every_s=0.1)
        async with bench(tmp_path, discord, chosen=chosen, configured=channels) as made:
            await made.until(lambda: made.platform._hearing.marking)
            discord.post(discord.bob, discord.general, "Before?")
            await made.done(1)
            discord.invalidate(resumable=False)
            discord.post(discord.bob, discord.general, "While away?")
            await made.done(2)
            assert [one.asked.text for one in await made.entries()] == ["Before?", "While away?"]
