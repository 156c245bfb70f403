"""How an answer comes to stand in Discord once, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bot.asked import Asked
from bot.channels import ChannelSettings
from bot.platform import DeliveryFailed, Handle, Reply
from tests.discord_bench import Bench, bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_world import (
    CREATE_PUBLIC_THREADS,
    READ_MESSAGE_HISTORY,
    SEND_MESSAGES,
    Message,
    User,
)
from tests.test_bot_platform_contract import PlatformContract, Stage

SEND = "POST /channels/{}/messages"
EDIT = "PATCH /channels/{}/messages/{}"
CALLBACK = "POST /interactions/{}/{}/callback"
EDIT_ORIGINAL = "PATCH /webhooks/{}/{}/messages/{}"
LATE = [10015, 50027]


class TestDiscordMention(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with FakeDiscord() as discord, bench(folder, discord) as made:
            message = discord.mention(discord.bob, discord.general, "How many?")
            where = {"channel": str(discord.general.id), "thread": "open"}
            asked = Asked(
                "discord", str(discord.guild.id), str(discord.general.id), str(discord.bob.id), "How many?",
                "mention", time.time(), message=str(message.id), reply=where,
            )  # fmt: skip
            await made.done()
            for old in made.answers_to(message):
                discord.delete(old.id)
            yield Stage(made.platform, asked, lambda: [one.text for one in made.answers_to(message)])


class TestDiscordDirect(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with FakeDiscord() as discord, bench(folder, discord) as made:
            message = discord.direct(discord.bob, "How many?")
            here = str(message.channel.id)
            asked = Asked(
                "discord", "", here, str(discord.bob.id), "How many?", "direct", time.time(),
                message=str(message.id), thread=here, reply={"channel": here},
            )  # fmt: skip
            await made.done()
            for old in made.answers_to(message):
                discord.delete(old.id)
            yield Stage(made.platform, asked, lambda: [one.text for one in made.answers_to(message)])


class TestDiscordCommand(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with FakeDiscord() as discord, bench(folder, discord) as made:
            used = discord.slash(discord.bob, discord.general, "ask", {"question": "How many?"})
            await made.done()
            (entry,) = await made.entries()
            assert used.original is not None
            yield Stage(made.platform, entry.asked, lambda: made.alone(discord.bob))


def stopped(message: Message) -> str:
    """The button that stops the answer in a message."""
    return next(name for name in message.custom_ids if ":stop:" in name)


async def asked_alone(made: Bench, user: User, text: str = "How many days?") -> Message:
    """A mention, and its answer once it is there."""
    message = made.discord.mention(user, made.discord.general, text)
    await made.done()
    return message


async def test_a_command_is_answered_at_once_while_the_machine_is_busy(tmp_path: Path) -> None:
    """D01."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.gateway.heartbeat_ms = 50
        discord.reconnect()
        await made.until(lambda: discord.resumes == 1 and made.platform.connected)
        ends = time.monotonic() + 0.8

        def burn() -> None:
            while time.monotonic() < ends:
                sum(range(1000))

        made.answers.work = burn
        before = discord.gateway.heartbeats
        first = discord.slash(discord.bob, discord.general, "ask", {"question": "One?"})
        await made.until(lambda: made.answers.asked)
        second = discord.slash(discord.ada, discord.general, "ask", {"question": "Two?"})
        await made.done(2)
        assert first.answered == second.answered == 4  # Discord takes none after three seconds
        assert discord.gateway.heartbeats > before


@pytest.mark.parametrize("private", [True, False])
async def test_a_command_that_is_heard_too_late_is_answered_by_a_message(
    tmp_path: Path, private: bool
) -> None:
    """D02."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.fail(CALLBACK, [10062])
        discord.slash(discord.bob, discord.general, "ask", {"question": "Days?", "private": private})
        await made.done()
        place = discord.direct_channel(discord.bob) if private else discord.general
        (text,) = discord.answers(place)
        assert text.startswith("> Days?")
        assert "five days" in text
        assert private is (discord.answers(discord.general) == [])


async def test_a_command_whose_first_answer_was_lost_on_the_way_has_one_answer(tmp_path: Path) -> None:
    """D02: already acknowledged (40060)."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.fail(CALLBACK, ["drop_after"])
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Days?", "private": False})
        await made.shown(used, "five days")
        assert len(discord.answers(discord.general)) == 1


@pytest.mark.parametrize("code", LATE)
async def test_an_answer_outlives_its_command_s_token(tmp_path: Path, code: int) -> None:
    """D02."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Days?", "private": False})
        await made.shown(used)
        if code == 50027:
            discord.advance(901)
        else:
            discord.fail(EDIT_ORIGINAL, [code] * 9)
        made.answers.gate.set()
        await made.done()
        (text,) = discord.answers(discord.general)  # it is the bot's own message, too
        assert "five days" in text


async def test_an_answer_moves_before_its_command_s_token_ends(tmp_path: Path) -> None:
    """D02: the hand-over leaves a word behind, and a private answer goes on directly."""
    async with FakeDiscord() as discord:
        discord.fail(EDIT, [50013])
        chosen = settings(discord, token_s=0.5)
        async with bench(tmp_path, discord, chosen=chosen) as made:
            made.answers.gate.clear()
            public = discord.slash(discord.bob, discord.general, "ask", {"question": "A?", "private": False})
            hidden = discord.slash(discord.bob, discord.general, "ask", {"question": "B?"})
            await made.shown(public, "goes on below")
            await made.shown(hidden, "direct messages")
            made.answers.gate.set()
            await made.done(2)
            assert "five days" in discord.answers(discord.general)[-1]
            assert "five days" in discord.answers(discord.direct_channel(discord.bob))[-1]
            assert not any("B?" in text for text in discord.answers(discord.general))


async def test_a_public_answer_that_may_not_go_on_in_the_channel_goes_on_directly(tmp_path: Path) -> None:
    """D02."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.forbid(discord.general, SEND_MESSAGES | READ_MESSAGE_HISTORY)
        made.answers.gate.clear()
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Days?", "private": False})
        await made.shown(used)
        discord.advance(901)
        made.answers.gate.set()
        await made.done()
        assert "five days" in discord.answers(discord.direct_channel(discord.bob))[-1]


async def test_somebody_who_takes_no_messages_leaves_nothing_undone(tmp_path: Path) -> None:
    """D02."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.bob.dms_open = False
        discord.fail(CALLBACK, [10062])
        discord.slash(discord.bob, discord.general, "ask", {"question": "Days?"})
        await made.done()
        assert made.answering.counts["undeliverable"] == 1


async def test_an_answer_grows_by_paced_edits_and_ends_whole(tmp_path: Path) -> None:
    """D05: few edits, the last one whole."""
    async with (
        FakeDiscord() as discord,
        bench(tmp_path, discord, chosen=settings(discord, edit_pause_s=0.3)) as made,
    ):
        made.answers.pieces = tuple(f"word{number} " for number in range(100))
        made.answers.text = lambda _: "".join(made.answers.pieces) + "[1]"
        message = await asked_alone(made, discord.bob)
        (answer,) = made.answers_to(message)
        assert "word0 word1" in answer.text
        assert "word99" in answer.text
        assert any("word1" in text and "word99" not in text for text in answer.versions)
        assert len(discord.called(EDIT)) <= 12


async def test_without_streaming_an_answer_comes_whole(tmp_path: Path) -> None:
    async with (
        FakeDiscord() as discord,
        bench(tmp_path, discord, chosen=settings(discord, streaming="off")) as made,
    ):
        made.answers.pieces = tuple(f"word{number} " for number in range(20))
        message = await asked_alone(made, discord.bob)
        (answer,) = made.answers_to(message)
        assert not any("word1" in text for text in answer.versions)


@pytest.mark.parametrize("fault", [429, "429_global", "429_shared", "429_bare", ("429", 0.4)])
async def test_a_rate_limit_is_waited_for_and_the_last_text_is_shown(tmp_path: Path, fault: object) -> None:
    """D05."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.fail(SEND, [fault])  # type: ignore[list-item]
        discord.fail(EDIT, [fault])  # type: ignore[list-item]
        message = await asked_alone(made, discord.bob)
        (answer,) = made.answers_to(message)
        assert "five days" in answer.text


async def test_a_rate_limit_longer_than_discord_py_waits_is_waited_for_by_the_answering(
    tmp_path: Path,
) -> None:
    """D05: retry_after 99."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.fail(EDIT, [("429", 99.0)])
        message = await asked_alone(made, discord.bob)
        (answer,) = made.answers_to(message)
        assert "five days" in answer.text


@pytest.mark.parametrize("fault", [503, "drop_before", "drop_after", "broken", "html", 500])
async def test_a_fault_of_a_post_leaves_one_message(tmp_path: Path, fault: object) -> None:
    """D06."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.fail(SEND, [fault])  # type: ignore[list-item]
        message = await asked_alone(made, discord.bob)
        (answer,) = made.answers_to(message)
        assert "five days" in answer.text


async def test_what_one_channel_meets_is_nothing_to_the_others(tmp_path: Path) -> None:
    """D06."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        other = discord.add_channel(discord.guild, "other")
        discord.forbid(other, SEND_MESSAGES | CREATE_PUBLIC_THREADS)
        discord.mention(discord.bob, other, "Days?")
        message = discord.mention(discord.ada, discord.general, "Days?")
        await made.done(2)
        assert len(made.answers_to(message)) == 1
        assert made.answering.counts["undeliverable"] == 1


async def test_random_faults_leave_each_question_one_whole_answer(tmp_path: Path) -> None:
    """D05, D06."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.faults(0.3, 7, [429, 503, "drop_before", "drop_after", "429_bare", "broken"])
        asked = [discord.mention(discord.bob, discord.general, f"Question {n}?") for n in range(12)]
        await made.done(12, 60)
        discord.no_more_faults()
        for number, message in enumerate(asked):
            (answer,) = made.answers_to(message)
            assert f"On Question {number}?: five days. [1]" in answer.text


async def test_where_no_thread_may_be_opened_the_answer_replies_in_the_channel(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.forbid(discord.general, CREATE_PUBLIC_THREADS)
        message = await asked_alone(made, discord.bob)
        (answer,) = made.answers_to(message)
        assert answer.channel is discord.general
        assert answer.reference == message.id
        again = discord.mention(discord.bob, discord.general, "And for contractors?", answer.id)
        await made.done(2)
        assert made.answers.asked[1].earlier[0].text == "How many days?"
        assert made.answers_to(again)[-1].reference == again.id


async def test_a_long_answer_comes_in_parts_that_hold_all_of_it(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        words = " ".join(f"word{number}" for number in range(900))
        made.answers.text = lambda _: f"{words} [1]"
        message = await asked_alone(made, discord.bob)
        parts = made.answers_to(message)
        assert len(parts) > 3
        assert all(len(part.text) <= 2000 for part in parts)
        assert words in " ".join(part.text for part in parts)
        assert not any(part.custom_ids for part in parts[:-1])
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Long?"})
        shown = await made.shown(used, "word0")
        read = [shown.text]
        while more := next((name for name in shown.custom_ids if ":more:" in name), None):
            shown = await made.shown(discord.click(discord.bob, shown.id, more))
            read.append(shown.text)
        assert words in " ".join(read)
        assert discord.called("POST /webhooks/{}/{}") == []


async def test_a_part_that_stands_already_is_not_posted_again(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        words = " ".join(f"word{number}" for number in range(900))
        made.answers.text = lambda _: f"{words} [1]"
        discord.fail(SEND, ["ok", "drop_after", "broken", "drop_after"])
        message = await asked_alone(made, discord.bob)
        texts = [part.text for part in made.answers_to(message)]
        assert len(texts) == len(set(texts))
        assert words in " ".join(texts)


@pytest.mark.parametrize("killed", [True, False])
async def test_after_a_restart_the_answer_comes_in_the_same_message(tmp_path: Path, killed: bool) -> None:
    """D08: what an earlier process posted is found and used."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            made.answers.gate.clear()
            made.killed = killed
            message = discord.mention(discord.bob, discord.general, "Days?")
            used = discord.slash(discord.bob, discord.general, "ask", {"question": "Alone?"})
            await made.shown(used)
            await made.until(lambda: made.answers_to(message))
        said = made.answers_to(message)[0].text
        assert ("restarting" in said) is not killed
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: not made.answering.busy_with)
            (answer,) = made.answers_to(message)
            assert "On Days?: five days." in answer.text
            assert [text for text in made.alone(discord.bob) if "On Alone?" in text] == made.alone(
                discord.bob
            )


async def test_a_post_that_nobody_noted_is_found_again(tmp_path: Path) -> None:
    """A process died between the post and the note of it."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            made.answers.gate.clear()
            made.killed = True
            message = discord.mention(discord.bob, discord.general, "Days?")
            await made.until(lambda: made.answers_to(message))
            (entry,) = await made.entries()
            await made.inbox._set(entry.id, handle=None)
        discord.advance(3600)  # the nonce is forgotten
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: not made.answering.busy_with)
            (answer,) = made.answers_to(message)
            assert "five days" in answer.text


async def test_a_command_that_was_never_answered_is_answered_after_the_restart(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            made.killed = True
            discord.fail(CALLBACK, ["drop_before"] * 9)
            discord.slash(discord.bob, discord.general, "ask", {"question": "Days?"})
            await made.until(lambda: made.answering.busy_with)
        discord.no_more_faults()
        async with bench(tmp_path, discord) as made:
            await made.until(lambda: not made.answering.busy_with)
            (text,) = discord.answers(discord.direct_channel(discord.bob))
            assert "five days" in text


async def test_an_edited_question_is_answered_anew_in_the_same_message(tmp_path: Path) -> None:
    """X01."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.until(lambda: made.answers.asked)
        discord.edit(message.id, f"{discord.bot.mention} Weeks?")
        await made.until(lambda: len(made.answers.asked) == 2)
        made.answers.gate.set()
        await made.done()
        (answer,) = made.answers_to(message)
        assert "On Weeks?" in answer.text
        discord.edit(message.id, f"{discord.bot.mention} Years?")
        discord.mention(discord.bob, discord.general, "Another?")
        await made.done(2)
        assert [one.text for one in made.answers.asked] == ["Days?", "Weeks?", "Another?"]


async def test_a_deleted_question_takes_its_answer_with_it(tmp_path: Path) -> None:
    """X02."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.until(lambda: made.answers_to(message))
        discord.delete(message.id)
        await made.until(lambda: made.answering.counts["withdrawn"] == 1)
        assert made.answers_to(message) == []


async def test_an_answer_that_a_moderator_deletes_ends_quietly(tmp_path: Path) -> None:
    """X03."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.until(lambda: made.answers_to(message))
        discord.delete(made.answers_to(message)[0].id)
        made.answers.gate.set()
        await made.done()
        assert made.answers_to(message) == []
        assert made.answering.counts["undeliverable"] == 1


async def test_the_asker_stops_an_answer_and_nobody_else(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        carol = discord.add_user("carol", guild=discord.guild)
        made.answers.gate.clear()
        made.answers.pieces = ("Half of it",)
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.until(lambda: any("Half" in one.text for one in made.answers_to(message)))
        (answer,) = made.answers_to(message)
        await made.shown(discord.click(carol, answer.id, stopped(answer)), "not yours")
        discord.click(discord.bob, answer.id, stopped(answer))
        await made.done()
        assert "Half of it" in answer.text
        assert "(stopped)" in answer.text


async def test_a_channel_that_answers_privately_answers_a_mention_directly(tmp_path: Path) -> None:
    """R10."""
    async with FakeDiscord() as discord:
        private = {f"discord:channel:{discord.general.id}": ChannelSettings(private=True)}
        async with bench(tmp_path, discord, configured=private) as made:
            made.answers.collection = "secret"
            discord.mention(discord.ada, discord.general, "The secret?")
            await made.done()
            assert discord.answers(discord.general) == ["I answer you in a direct message."]
            (text,) = discord.answers(discord.direct_channel(discord.ada))
            assert text.startswith("> The secret?")
            assert "On The secret?" in text


async def test_nothing_that_is_said_pings_or_previews(tmp_path: Path) -> None:
    """R10."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.text = lambda _: f"@everyone {discord.bob.mention} https://evil.example/x [1]"
        made.answers.pieces = ("@everyone https://evil.example/x ",)
        message = await asked_alone(made, discord.bob, "@everyone?")
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "x?", "private": False})
        shown = await made.shown(used, "evil")
        for one in (*made.answers_to(message), shown):
            assert one.previews == []
            assert one.mentions == ()
            assert not one.mention_everyone
        for route in (SEND, EDIT, EDIT_ORIGINAL):
            assert all(call.json["allowed_mentions"] == {"parse": []} for call in discord.called(route))
            assert all(call.json["flags"] & 4 for call in discord.called(route))
        for call in discord.called(CALLBACK):
            assert call.json["data"]["allowed_mentions"] == {"parse": []}


async def test_the_answer_waits_in_the_same_message_for_its_turn(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        first = discord.direct(discord.bob, "One?")
        await made.until(lambda: made.answers.asked)
        second = discord.direct(discord.bob, "Two?")
        await asyncio.sleep(0.1)
        made.answers.gate.set()
        await made.done(2)
        texts = [one.text for one in made.answers_to(first)]
        assert len(texts) == 2
        assert second.channel is first.channel


async def test_somebody_whose_direct_messages_are_closed_is_told_how_to_open_them(tmp_path: Path) -> None:
    """R10: and nothing of the answer."""
    async with FakeDiscord() as discord:
        discord.bob.dms_open = False
        private = {f"discord:channel:{discord.general.id}": ChannelSettings(private=True)}
        async with bench(tmp_path, discord, configured=private) as made:
            discord.mention(discord.bob, discord.general, "Days?")
            await made.done()
            told = discord.answers(discord.general)
            assert told[0] == "I answer you in a direct message."
            assert "privacy settings" in told[1]
            assert len(told) == 2


async def test_a_first_sign_that_failed_comes_with_the_next(tmp_path: Path) -> None:
    """D06."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        discord.fail(SEND, [503, 503])
        message = discord.direct(discord.bob, "Days?")
        await made.until(lambda: made.answers_to(message))
        made.answers.gate.set()
        await made.done()
        assert len(made.answers_to(message)) == 1


async def test_a_reply_that_discord_does_not_take_leaves_a_reference(tmp_path: Path) -> None:
    """R09."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.direct(discord.bob, "Days?")
        await made.until(lambda: any("documents" in one.text for one in made.answers_to(message)))
        discord.fail(EDIT, [50035])
        made.answers.gate.set()
        await made.done()
        (answer,) = made.answers_to(message)
        (entry,) = await made.entries()
        assert entry.id[:8] in answer.text


async def test_many_questions_at_once_keep_to_the_rate_limits(tmp_path: Path) -> None:
    """D05: as few calls are refused as can be, every answer is whole, and nothing is left running."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        for route in (SEND, EDIT, EDIT_ORIGINAL):
            discord.limit(route, 5, 0.5)
        people = [discord.add_user(f"person {number}", guild=discord.guild) for number in range(8)]
        made.answers.pieces = tuple(f"word{number} " for number in range(30))
        asked = [discord.mention(one, discord.general, f"From {one.id}?") for one in people]
        used = [discord.slash(one, discord.general, "ask", {"question": f"And {one.id}?"}) for one in people]
        await made.done(16, 60)
        for one, message, command in zip(people, asked, used, strict=True):
            (answer,) = made.answers_to(message)
            assert f"On From {one.id}?" in answer.text
            assert f"On And {one.id}?" in (await made.shown(command)).text
        assert [call for call in discord.calls if call.status == 429] == []
        left = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        assert not {name for name in left if name.startswith("DiscordDelivery")}


@pytest.mark.parametrize("words", [0, 500, 1_500])
async def test_a_reply_that_takes_the_place_of_another_leaves_nothing_of_it(
    tmp_path: Path, words: int
) -> None:
    """Who may read it can have changed: then no part of the answer may stay."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        old = " ".join(f"old{number}" for number in range(900))
        made.answers.text = lambda _: f"{old} [1]"
        message = await asked_alone(made, discord.bob)
        assert len(made.answers_to(message)) > 2
        (entry,) = await made.entries()
        new = "Ask again. " + " ".join(f"new{number}" for number in range(words))
        reply = Reply(entry.id, "notice", new.strip())
        noted: list[Handle] = [entry.handle or {}]

        async def note(handle: Handle) -> None:
            noted.append(handle)

        discord.fail(EDIT, ["ok", 503])
        for _ in range(2):
            delivery = made.platform.delivery(entry.id, entry.asked, noted[-1], note)
            with suppress(DeliveryFailed):
                await delivery.finish(reply)
        shown = " ".join(one.text for one in made.answers_to(message))
        assert "old" not in shown
        assert " ".join(shown.split()) == reply.text


async def test_a_part_that_a_moderator_deleted_stays_away(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.text = lambda _: " ".join(f"old{number}" for number in range(900))
        message = await asked_alone(made, discord.bob)
        for part in made.answers_to(message)[1:]:
            discord.delete(part.id)
        (entry,) = await made.entries()

        async def note(_handle: Handle) -> None:
            pass

        delivery = made.platform.delivery(entry.id, entry.asked, entry.handle, note)
        await delivery.finish(Reply(entry.id, "notice", "Ask again."))
        assert [one.text for one in made.answers_to(message)] == ["Ask again."]


@pytest.mark.parametrize("fault", [503, ("429", 40.0), "drop_before"])
async def test_an_answer_is_taken_away_though_discord_fails_once(
    tmp_path: Path, fault: int | str | tuple[str, float]
) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.until(lambda: made.answers_to(message))
        discord.fail("DELETE /channels/{}/messages/{}", [fault])
        discord.delete(message.id)
        await made.until(lambda: not made.answers_to(message))
        await made.done()
        assert [one.outcome for one in await made.entries()] == ["withdrawn"]
        assert made.answers_to(message) == []
