"""Answers on their way to Slack while the Web API fails in every way it can."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.slack_settings import SlackSettings
from bot.platform import DeliveryFailed, Handle, Reply
from tests.fakes.slack import ADA, BEN, GENERAL, FakeSlack
from tests.fakes.slack_faults import Fault
from tests.slack_stage import QUICK, Answers, Stage, answer_of, passage, stage

IMPATIENT: SlackSettings = replace(QUICK, call_timeout_s=0.6)
PIECES = [f"Sentence number {n} of the answer. " for n in range(1, 9)]
WHOLE = "".join(PIECES).strip()


def slowly() -> Answers:
    return Answers(pieces=[*PIECES[:-1], PIECES[-1].strip()], pause_s=0.06)


async def whole(bot: Stage, channel: str, ts: str) -> None:
    """The question ends in one answer, complete and in order."""
    entry = await bot.outcome(channel, ts, 40)
    assert entry.outcome == "answered"
    (answer,) = bot.fake.answers(channel, ts)
    assert answer.shown.count("Sentence number") == 8
    assert WHOLE in answer.shown
    assert "feedback" in str(answer.blocks)
    assert bot.fake.status(channel, ts) == ""
    assert answer.ts not in [one.ts for one in bot.fake.world.streams()]


BUSY: list[Fault] = [(429, "0.1"), (429, ""), (429, "soon"), "ratelimited"]
UNSURE: list[Fault] = [
    500,
    503,
    "html",
    "html_503",
    "drop_before",
    "drop_after",
    "done_then_500",
    "internal_error",
    "done_then_timeout",
]


async def each_whole(bot: Stage, questions: int) -> None:
    """So many questions, each in a thread of its own, end in one answer each, complete and in order."""
    asked = [bot.fake.mention(ADA, GENERAL, f"Tell me {n}") for n in range(questions)]
    for ts in asked:
        await whole(bot, GENERAL, ts)


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
async def test_streams_wait_when_slack_is_busy(tmp_path: Path, method: str) -> None:
    """S20."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly()) as bot:
        fake.fail(method, BUSY)
        await each_whole(bot, 4)
        assert all(answer.text == WHOLE for answer in fake.answers(GENERAL))


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_edits_wait_when_slack_is_busy(tmp_path: Path, method: str) -> None:
    """S20."""
    settings: SlackSettings = replace(QUICK, streaming="edit")
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), settings=settings) as bot:
        fake.fail(method, [(429, "0.2"), "ratelimited"])
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await whole(bot, GENERAL, ts)
        assert len(fake.answers(GENERAL, ts)) == 1


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
async def test_unsure_streams_end_in_one_whole_answer(tmp_path: Path, method: str) -> None:
    """S21."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), settings=IMPATIENT) as bot:
        fake.fail(method, UNSURE)
        await each_whole(bot, len(UNSURE))
        assert len(fake.answers(GENERAL)) == len(UNSURE)


async def test_unsure_posts_are_looked_for_before_anything_is_posted_again(tmp_path: Path) -> None:
    """S21."""
    settings: SlackSettings = replace(IMPATIENT, streaming="off")
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), settings=settings) as bot:
        fake.fail("chat.postMessage", [*UNSURE, "timeout"])
        await each_whole(bot, len(UNSURE) + 1)
        done = [call for call in fake.called("chat.postMessage") if call.done]
        assert len(done) == len(UNSURE) + 1


@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_ended_streams_are_completed_where_they_stand(tmp_path: Path, method: str) -> None:
    """S22."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly()) as bot:
        fake.fail(method, ["message_not_in_streaming_state"])
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await whole(bot, GENERAL, ts)
        started = fake.called("chat.startStream")[0].answer["ts"]
        assert fake.answers(GENERAL, ts)[0].ts == started


@pytest.mark.parametrize("code", ["unknown_method", "missing_scope", "channel_type_not_supported"])
async def test_without_streams_answers_grow_by_edits(tmp_path: Path, code: str) -> None:
    """S23."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly()) as bot:
        fake.fail("chat.startStream", [code])
        first = fake.mention(ADA, GENERAL, "Tell me")
        await whole(bot, GENERAL, first)
        assert fake.called("chat.update")
        second = fake.mention(ADA, GENERAL, "Tell me again")
        await whole(bot, GENERAL, second)
        assert len(fake.called("chat.startStream")) == (2 if code == "channel_type_not_supported" else 1)


async def test_without_a_status_a_message_is_the_first_sign(tmp_path: Path) -> None:
    """S23."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), opened=False) as bot:
        fake.fail("assistant.threads.setStatus", ["unknown_method"])
        fake.fail("agents.sessions.setStatus", ["unknown_method"])
        bot.answers.shows = False
        ts = fake.mention(ADA, GENERAL, "Tell me")
        (sign,) = await fake.until(lambda: fake.answers(GENERAL, ts))
        assert "Looking for the answer" in sign.shown
        bot.answers.gate.set()
        await whole(bot, GENERAL, ts)
        assert len(fake.called("assistant.threads.setStatus")) == 1


async def test_answer_that_outlives_its_stream_is_complete(tmp_path: Path) -> None:
    """S24."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await fake.until(lambda: len(fake.called("chat.appendStream")) > 1)
        fake.advance(301)
        bot.answers.gate.set()
        await whole(bot, GENERAL, ts)
        assert len(fake.answers(GENERAL, ts)) == 1


async def test_stop_button_ends_the_work_and_keeps_the_text(tmp_path: Path) -> None:
    """S25."""
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await fake.until(lambda: len(fake.called("chat.appendStream")) > 1)
        fake.stop_session(ADA, GENERAL, ts)
        entry = await bot.outcome(GENERAL, ts)
        assert entry.outcome == "stopped"
        assert bot.answers.cancelled == 1
        (answer,) = fake.answers(GENERAL, ts)
        assert "Sentence number 1" in answer.shown
        assert "(stopped)" in answer.shown
        assert fake.session(GENERAL, ts) == "active"
        assert fake.status(GENERAL, ts) == ""
        refused = [call for call in fake.called("chat.appendStream") if call.answer.get("error")]
        assert refused == []


async def test_button_on_a_growing_message_stops_it_for_its_asker_alone(tmp_path: Path) -> None:
    """S25."""
    settings: SlackSettings = replace(QUICK, streaming="edit")
    async with (
        FakeSlack() as fake,
        stage(tmp_path, fake, answers=slowly(), opened=False, settings=settings) as bot,
    ):
        other = fake.add_user("eve")
        fake.join(other, GENERAL)
        ts = fake.mention(ADA, GENERAL, "Tell me")
        (answer,) = await fake.until(lambda: fake.answers(GENERAL, ts))
        fake.click(other, GENERAL, answer.ts, "stop")
        await fake.until(
            lambda: "not possible" in str([one.shown for one in fake.ephemerals(GENERAL, other)])
        )
        fake.click(ADA, GENERAL, answer.ts, "stop")
        assert (await bot.outcome(GENERAL, ts)).outcome == "stopped"


@pytest.mark.parametrize("end", ["answer", "error", "deleted"])
async def test_status_goes_whatever_the_end(tmp_path: Path, end: str) -> None:
    """S26."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        bot.answers.shows = False
        root = fake.post(BEN, GENERAL, "Some talk")
        ts = fake.mention(ADA, GENERAL, "Tell me", root)
        await fake.until(lambda: fake.status(GENERAL, root) and bot.answers.asked)
        fake.fail("agents.sessions.setStatus", ["ratelimited"])
        if end == "error":
            bot.answers.during = lambda: 1 // 0  # type: ignore[assignment]
        if end == "deleted":
            fake.delete(ADA, GENERAL, ts)
        bot.answers.gate.set()
        await bot.outcome(GENERAL, ts)
        await fake.until(lambda: fake.status(GENERAL, root) == "")
        await fake.until(lambda: fake.session(GENERAL, root) == "active")
        assert fake.status(GENERAL, root) == ""


@pytest.mark.parametrize(
    "code",
    [
        "not_in_channel",
        "channel_not_found",
        "is_archived",
        "restricted_action",
        "token_revoked",
        "account_inactive",
        "some_new_refusal",
    ],
)
async def test_places_that_take_no_answer_are_not_stormed(tmp_path: Path, code: str) -> None:
    """S27."""
    settings: SlackSettings = replace(QUICK, streaming="off")
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings) as bot:
        fake.fail("chat.postMessage", [code])
        ts = fake.mention(ADA, GENERAL, "Tell me")
        entry = await bot.outcome(GENERAL, ts)
        assert entry.outcome == "undeliverable"
        assert fake.answers(GENERAL, ts) == []
        direct = fake.direct_channel(ADA)
        if code in ("not_in_channel", "is_archived", "restricted_action"):
            (told,) = fake.answers(direct)
            assert entry.id[:8] in told.shown
            assert "one week" not in told.shown
        else:
            assert fake.answers(direct) == []
        assert len(fake.called("chat.postMessage")) <= 2


async def test_message_that_cannot_be_changed_is_replaced_by_another(tmp_path: Path) -> None:
    """S27."""
    settings: SlackSettings = replace(QUICK, streaming="edit")
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await fake.until(lambda: "one week" in str([one.shown for one in fake.answers(GENERAL, ts)]))
        fake.fail("chat.update", ["cant_update_message"])
        bot.answers.gate.set()
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
        assert "Sources" in fake.answers(GENERAL, ts)[-1].shown


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
async def test_refused_blocks_become_plain_text(tmp_path: Path, code: str) -> None:
    settings: SlackSettings = replace(QUICK, streaming="off")
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings) as bot:
        fake.fail("chat.postMessage", [code])
        ts = fake.mention(ADA, GENERAL, "Tell me")
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
        (answer,) = fake.answers(GENERAL, ts)
        assert "one week" in answer.shown
        assert "Sources" in answer.shown
        assert answer.blocks == []


@pytest.mark.parametrize("fault", [429, 500, 404])
async def test_private_answers_find_another_way(tmp_path: Path, fault: Fault) -> None:
    """S21."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.fail("response_url", [fault])
        fake.command(ADA, GENERAL, "/ask", "How much notice?")
        await fake.until(lambda: "one week" in str([one.shown for one in fake.ephemerals(GENERAL, ADA)]))
        (entry,) = await bot.entries()
        await fake.until(lambda: bot.answering.busy_with == 0)
        assert len([one for one in fake.ephemerals(GENERAL, ADA) if "one week" in one.shown]) == 1
        assert entry.asked.private


async def test_late_private_answer_comes_where_it_was_asked_or_directly(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        away = fake.add_channel("away", [ADA], with_bot=False)
        fake.command(ADA, GENERAL, "/ask", "How much notice?")
        fake.command(ADA, away, "/ask", "How much notice?")
        await fake.until(lambda: len(bot.answers.asked) == 2)
        fake.advance(1900)
        bot.answers.gate.set()
        await fake.until(lambda: "one week" in str([one.shown for one in fake.ephemerals(GENERAL, ADA)]))
        direct = fake.direct_channel(ADA)
        await fake.until(lambda: "one week" in str([one.shown for one in fake.answers(direct)]))
        assert fake.answers(GENERAL) == []


@pytest.mark.parametrize("seed", range(2))
async def test_each_question_ends_in_one_answer_whatever_fails(tmp_path: Path, seed: int) -> None:
    """S21."""
    kinds: list[Fault] = [
        (429, "0.1"),
        500,
        503,
        "ratelimited",
        "drop_before",
        "drop_after",
        "done_then_500",
        "html",
    ]
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=slowly(), settings=IMPATIENT) as bot:
        fake.faults(share=0.2, seed=seed, kinds=kinds)
        asked = [fake.mention(ADA, GENERAL, f"Tell me {n}") for n in range(6)]
        for ts in asked:
            assert (await bot.outcome(GENERAL, ts, 60)).outcome == "answered"
        fake.faults(share=0.0)
        for ts in asked:
            (answer,) = fake.answers(GENERAL, ts)
            assert answer.shown.count("Sentence number") == 8, answer.versions
            assert WHOLE in answer.shown
        assert list(fake.world.streams()) == []
        await asyncio.sleep(0)


async def test_reply_that_was_judged_again_takes_the_place_of_what_was_begun(tmp_path: Path) -> None:
    """X06."""
    settings: SlackSettings = replace(QUICK, streaming="off")
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await fake.until(lambda: bot.answers.asked)
        (entry,) = await bot.entries()
        noted: list[Handle] = []

        async def note(handle: Handle) -> None:
            noted.append(handle)

        delivery = bot.slack.delivery(entry.id, entry.asked, None, note)
        text = " ".join(f"word{n}" for n in range(3_000))
        long = Reply(entry.id, "answer", text, answer_of("q", text, passage(1)))
        fake.fail("chat.postMessage", [None, 500])
        with pytest.raises(DeliveryFailed):
            await delivery.finish(long)
        assert "word0" in fake.answers(GENERAL, ts)[0].shown
        await delivery.finish(Reply(entry.id, "notice", "What may be read here has changed."))
        (answer,) = fake.answers(GENERAL, ts)
        assert "has changed" in answer.shown
        assert "word0" not in answer.shown
        assert set(noted[-1]) == {"in1", "ts1"}


async def test_streamed_answer_is_what_would_have_been_posted(tmp_path: Path) -> None:
    """R03."""
    pieces = [
        "# Leave\n\nOne *two* three. [1]\n\n",
        "```python\nprint('a_b')\n",
        "x = 1\n```\n\n",
        "| a | b |\n|---|---|\n",
        "| 1 | 2 |\n\n",
        "- one\n- two",
    ]
    shown = []
    for streaming in ("native", "edit", "off"):
        settings: SlackSettings = replace(QUICK, streaming=streaming)  # type: ignore[arg-type]
        answers = Answers(pieces=pieces, pause_s=0.06)
        (tmp_path / streaming).mkdir()
        async with (
            FakeSlack() as fake,
            stage(tmp_path / streaming, fake, answers=answers, settings=settings) as bot,
        ):
            ts = fake.mention(ADA, GENERAL, "Tell me")
            await bot.outcome(GENERAL, ts)
            (answer,) = fake.answers(GENERAL, ts)
            shown.append(answer.shown)
    assert shown[0] == shown[1] == shown[2]


async def test_signs_that_a_dead_process_left_are_taken_away(tmp_path: Path) -> None:
    """S26."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        bot.answers.shows = False
        ts = fake.mention(ADA, GENERAL, "Tell me")
        await fake.until(lambda: bot.answers.asked)
        (entry,) = await bot.entries()

        async def note(handle: Handle) -> None:
            pass

        reply = Reply(entry.id, "notice", "Calm words.")
        await bot.slack.delivery(entry.id, entry.asked, None, note).finish(reply)
        (posted,) = fake.answers(GENERAL, ts)
        for session in ("agents.sessions.setStatus", "assistant.threads.setStatus"):
            fake.fail(session, [500])
        handle = {"in1": "1", "ts1": posted.ts}
        late = bot.slack.delivery(entry.id, entry.asked, handle, note)
        for _ in range(2):
            with pytest.raises(DeliveryFailed):
                await late.finish(reply)
        await late.finish(reply)
        assert fake.status(GENERAL, ts) == ""
        assert fake.session(GENERAL, ts) == "active"
        assert len(fake.answers(GENERAL, ts)) == 1
