"""From a message in Slack to its cited answer, and what people do with that."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.slack_settings import SlackSettings
from bot.access import AccessRules
from bot.channels import ChannelSettings
from tests.fakes.slack import ADA, BEN, BOT_USER, GENERAL, TEAM, FakeSlack
from tests.fakes.slack_world import Channel, Message
from tests.slack_stage import QUICK, RULES, Answers, passage, stage


async def test_mention_gets_a_cited_answer_in_its_thread(tmp_path: Path) -> None:
    """S02."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        entry = await bot.outcome(GENERAL, ts)
        assert entry.outcome == "answered"
        (answer,) = fake.answers(GENERAL, ts)
        assert answer.thread_ts == ts
        assert "The notice is one week. [1]" in answer.shown
        assert "<https://wiki.acme.example/leave|Leave &lt;\u2060policy&gt; 1>" in answer.shown
        assert "“The notice is 1 weeks.”" in answer.shown
        assert "Leave › Notice" in answer.shown
        assert "2026-03-01" in answer.shown
        assert bot.answers.asked[0].text == "How much notice?"
        assert answer.metadata == {
            "event_type": "groundling_answer",
            "event_payload": {"id": entry.id, "part": "1"},
        }


async def test_answer_streams_as_it_is_written(tmp_path: Path) -> None:
    answers = Answers(pieces=[f"Sentence number {n}. " for n in range(1, 7)], pause_s=0.1)
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=answers) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        (answer,) = fake.answers(GENERAL, ts)
        assert answer.stream is not None
        assert answer.stream.state == "stopped"
        assert len(fake.called("chat.appendStream")) >= 2
        assert answer.text == "".join(answers.pieces).strip()


async def test_first_sign_is_a_status_and_it_goes_when_the_answer_stands(tmp_path: Path) -> None:
    """S26."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        bot.answers.shows = False
        await fake.until(lambda: fake.status(GENERAL, ts))
        assert fake.session(GENERAL, ts) == "processing"
        bot.answers.gate.set()
        await bot.outcome(GENERAL, ts)
        assert fake.status(GENERAL, ts) == ""
        assert fake.session(GENERAL, ts) == "active"


async def test_phases_are_told_as_they_are(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        bot.answers.shows = False
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await fake.until(
            lambda: any(
                "Searching the documents…" in (call.arguments.get("loading_messages") or [])
                for call in fake.called("assistant.threads.setStatus")
            )
        )
        assert "one week" not in "".join(one.shown for one in fake.answers(GENERAL, ts))
        bot.answers.gate.set()
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


async def test_feedback_is_noted_and_thanked_for(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        entry = await bot.outcome(GENERAL, ts)
        (answer,) = fake.answers(GENERAL, ts)
        fake.click(BEN, GENERAL, answer.ts, "feedback")
        await fake.until(lambda: fake.ephemerals(GENERAL, BEN))
        (vote,) = await bot.journal.votes(entry.id)
        assert (vote.person, vote.verdict) == (f"slack:user:{BEN}", "up")


async def test_a_bad_answer_may_be_given_a_reason(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        entry = await bot.outcome(GENERAL, ts)
        (answer,) = fake.answers(GENERAL, ts)
        fake.click(ADA, GENERAL, answer.ts, "feedback", f"{entry.id}:down")
        (view,) = await fake.until(lambda: fake.open_views(ADA))
        await bot.voted(entry.id)
        fake.submit_view(ADA, view.id, {"reason": "It is two weeks."})
        await fake.until(lambda: not fake.open_views(ADA))
        vote = await bot.voted(entry.id, lambda vote: vote.reason != "")
        assert (vote.verdict, vote.reason) == ("down", "It is two weeks.")


async def test_passage_is_shown_word_for_word_to_whoever_may_read_it(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        (answer,) = fake.answers(GENERAL, ts)
        fake.click(BEN, GENERAL, answer.ts, "passage:1")
        await fake.until(lambda: any("1 weeks" in str(view.body) for view in fake.open_views(BEN)))
        bot.access.rules = AccessRules(readers={"main": {f"slack:user:{ADA}"}})
        fake.click(BEN, GENERAL, answer.ts, "passage:1")
        await fake.until(lambda: any("may not read" in str(view.body) for view in fake.open_views(BEN)))
        assert "1 weeks" not in str(fake.open_views(BEN)[-1].body)


async def test_forged_buttons_say_nothing(tmp_path: Path) -> None:
    channel = {"private": True}
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        private = fake.add_channel("board", [ADA], kind="private")
        bot.access.rules = AccessRules(readers={"main": {f"slack:channel:{private}"}})
        ts = fake.mention(ADA, private, "How much notice?")
        entry = await bot.outcome(private, ts)
        other = fake.post(BEN, GENERAL, "hello")
        fake.click(BEN, GENERAL, other, "passage:1", entry.id)
        fake.click(BEN, GENERAL, other, "feedback", f"{entry.id}:up")
        await fake.until(lambda: any("may not read" in str(view.body) for view in fake.open_views(BEN)))
        await fake.until(lambda: fake.ephemerals(GENERAL, BEN))
        assert await bot.journal.votes(entry.id) == []
        assert "1 weeks" not in str([view.body for view in fake.open_views(BEN)])
    assert channel


async def test_direct_message_needs_no_mention(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.direct(ADA, "How much notice?")
        channel = fake.direct_channel(ADA)
        assert (await bot.outcome(channel, ts)).asked.way == "direct"
        (answer,) = fake.answers(channel, ts)
        assert answer.thread_ts == ts
        follow = fake.direct(ADA, "And for managers?", ts)
        assert (await bot.outcome(channel, follow)).outcome == "answered"
        assert [turn.role for turn in bot.answers.asked[1].earlier] == ["user", "assistant"]


async def test_thread_where_the_bot_answers_goes_on_without_a_mention(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        follow = fake.post(BEN, GENERAL, "And for managers?", ts)
        entry = await bot.outcome(GENERAL, follow)
        assert entry.asked.way == "thread"
        assert len(fake.answers(GENERAL, ts)) == 2


async def test_people_talk_among_themselves(tmp_path: Path) -> None:
    """S06."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        fake.post(BEN, GENERAL, f"<@{ADA}> did you see that?", ts)
        fake.post(BEN, GENERAL, "<!here> lunch?", ts)
        fake.post(BEN, GENERAL, "Good morning")
        root = fake.post(BEN, GENERAL, "Something else")
        fake.post(ADA, GENERAL, "Indeed, is it?", root)
        last = fake.mention(ADA, GENERAL, "Still there?")
        await bot.outcome(GENERAL, last)
        assert len(bot.answers.asked) == 2


async def test_bot_that_was_fetched_into_a_talk_leaves_it_alone(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        root = fake.post(BEN, GENERAL, "What do we know about notice?")
        ts = fake.mention(ADA, GENERAL, "How much notice?", root)
        await bot.outcome(GENERAL, ts)
        follow = fake.post(ADA, GENERAL, "And for managers?", root)
        await bot.outcome(GENERAL, follow)
        fake.post(BEN, GENERAL, "I thought so", root)
        await fake.until(lambda: all(one.acked_after is not None for one in fake.deliveries))
        fake.post(ADA, GENERAL, "Me too", root)
        last = fake.mention(BEN, GENERAL, "And for guests?", root)
        await bot.outcome(GENERAL, last)
        asked = [question.text for question in bot.answers.asked]
        assert asked == ["How much notice?", "And for managers?", "And for guests?"]


async def test_follow_ups_can_be_switched_off(tmp_path: Path) -> None:
    async with (
        FakeSlack() as fake,
        stage(tmp_path, fake, settings=replace(QUICK, follow_ups=False)) as bot,
    ):
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        fake.post(BEN, GENERAL, "And for managers?", ts)
        last = fake.mention(ADA, GENERAL, "Still there?", ts)
        await bot.outcome(GENERAL, last)
        assert len(bot.answers.asked) == 2


async def test_channel_may_take_every_message_for_a_question(tmp_path: Path) -> None:
    channels = {f"slack:channel:{GENERAL}": ChannelSettings(mention=False)}
    async with FakeSlack() as fake, stage(tmp_path, fake, channels=channels) as bot:
        ts = fake.post(ADA, GENERAL, "How much notice?")
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"


async def sign_and_answer(fake: FakeSlack, channel: str) -> list[Message]:
    """What a command of Ada's is told at once, and its answer; they go different ways, so that either may come first."""
    await fake.until(lambda: len(fake.ephemerals(channel, ADA)) == 2)
    return sorted(fake.ephemerals(channel, ADA), key=lambda one: "one week" in one.shown)


async def test_command_is_answered_to_its_asker_alone_and_can_be_shared(tmp_path: Path) -> None:
    """R10."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.command(ADA, GENERAL, "/ask", "How much &lt;notice&gt;?")
        sign, answer = await sign_and_answer(fake, GENERAL)
        assert fake.answers(GENERAL) == []
        assert "How much &lt;" in sign.text
        fake.click(ADA, GENERAL, answer.ts, "share")
        (posted,) = await fake.until(lambda: fake.answers(GENERAL))
        assert "one week" in posted.shown
        assert "Shared by ada" in posted.shown
        assert posted.unfurl_links is False
        await fake.until(lambda: "share" not in str([one.blocks for one in fake.ephemerals(GENERAL, ADA)]))
        assert bot.answers.asked[0].text == "How much <notice>?"


async def test_share_asks_again_who_may_read(tmp_path: Path) -> None:
    """R10."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.command(ADA, GENERAL, "/ask", "How much notice?")
        _, answer = await sign_and_answer(fake, GENERAL)
        guest = fake.add_user("gus", "guest")
        fake.join(guest, GENERAL)
        fake.click(ADA, GENERAL, answer.ts, "share")
        await fake.until(lambda: "may not show" in fake.ephemerals(GENERAL, ADA)[-1].shown)
        fake.click(ADA, GENERAL, answer.ts, "share")
        await fake.until(
            lambda: len([one for one in fake.ephemerals(GENERAL, ADA) if "may not show" in one.shown]) == 2
        )
        assert fake.answers(GENERAL) == []
        assert bot.access.rules == RULES


async def test_share_says_when_the_bot_is_not_in_the_channel(tmp_path: Path) -> None:
    """S27."""
    async with FakeSlack() as fake, stage(tmp_path, fake):
        away = fake.add_channel("away", [ADA, BEN], with_bot=False)
        fake.command(ADA, away, "/ask", "How much notice?")
        _, answer = await sign_and_answer(fake, away)
        fake.click(ADA, away, answer.ts, "share")
        await fake.until(lambda: "Invite me" in fake.ephemerals(away, ADA)[-1].shown)
        assert fake.answers(away) == []


async def test_private_channel_setting_keeps_every_answer_private(tmp_path: Path) -> None:
    """R10."""
    channels = {f"slack:channel:{GENERAL}": ChannelSettings(private=True)}
    async with FakeSlack() as fake, stage(tmp_path, fake, channels=channels) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        assert fake.answers(GENERAL) == []
        assert "one week" in fake.ephemerals(GENERAL, ADA)[-1].shown


async def test_shortcut_asks_about_a_message_in_its_thread(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.post(BEN, GENERAL, "Is the notice period one week?")
        fake.shortcut(ADA, GENERAL, ts, "ask_about_this")
        (view,) = await fake.until(lambda: fake.open_views(ADA))
        assert "Is the notice period one week?" in str(view.body)
        fake.submit_view(ADA, view.id, {"question": "Is that so?"})
        (answer,) = await fake.until(lambda: fake.answers(GENERAL, ts))
        await fake.until(lambda: "Sources" in answer.shown)
        assert bot.answers.asked[0].text == "Is that so?"
        assert "ben: Is the notice period one week?" in bot.answers.asked[0].earlier[0].text


@pytest.mark.parametrize("kind", ["channel", "im"])
async def test_shortcut_where_the_bot_is_not_answers_its_asker_alone(tmp_path: Path, kind: str) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake):
        if kind == "im":
            with fake.world.lock:
                away = fake.world.add_channel(Channel(fake.world.new_id("D"), "", "im", [ADA, BEN])).id
        else:
            away = fake.add_channel("away", [ADA, BEN], with_bot=False)
        ts = fake.post(BEN, away, "Is the notice period one week?")
        fake.shortcut(ADA, away, ts, "ask_about_this")
        (view,) = await fake.until(lambda: fake.open_views(ADA))
        fake.submit_view(ADA, view.id, {"question": "Is that so?"})
        await fake.until(lambda: "one week. [1]" in str([one.shown for one in fake.ephemerals(away, ADA)]))
        assert fake.answers(away) == []


async def test_home_shows_what_is_known_and_the_status_to_administrators_alone(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.open_home(BEN)
        fake.open_home(ADA)
        await fake.until(lambda: fake.home(BEN) and fake.home(ADA))
        ben, ada = fake.home(BEN), fake.home(ADA)
        assert ben is not None
        assert ada is not None
        assert "handbook" in str(ben.body)
        assert "SmolLM2" not in str(ben.body)
        assert "SmolLM2" in str(ada.body)
        fake.click_view(ADA, ada.id, "home_sync")
        await fake.until(lambda: "Syncing all sources" in str(ada.body))
        fake.click_view(BEN, ben.id, "home_sync")
        await fake.until(lambda: "Only an administrator" in str(ben.body))
        assert bot.books.syncs == [None]


@pytest.mark.parametrize(
    ("stays_here", "said", "unsaid"),
    [(True, "nothing leaves it", "is sent"), (False, "is sent", "nothing leaves it")],
)
async def test_home_says_whether_anything_leaves_the_machine(
    tmp_path: Path, stays_here: bool, said: str, unsaid: str
) -> None:
    settings = replace(QUICK, stays_here=stays_here)
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings):
        fake.open_home(BEN)
        await fake.until(lambda: fake.home(BEN))
        shown = str(fake.home(BEN))
        assert said in shown
        assert unsaid not in shown
        assert "forget-me takes yours away" in shown


async def test_opened_messages_tab_suggests_questions(tmp_path: Path) -> None:
    settings = replace(QUICK, prompts=("How much notice do I have to give?", "x" * 90))
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings):
        fake.open_home(ADA, "messages")
        await fake.until(lambda: fake.world.prompts)
        shown = fake.world.prompts[fake.direct_channel(ADA)]
        assert shown[0] == {"title": settings.prompts[0], "message": settings.prompts[0]}
        assert len(shown[1]["title"]) <= 60


async def test_words_beside_questions(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:

        async def said(user: str, text: str) -> str:
            before = len(fake.ephemerals(GENERAL, user))
            fake.command(user, GENERAL, "/ask", text)
            await fake.until(lambda: len(fake.ephemerals(GENERAL, user)) > before)
            return fake.ephemerals(GENERAL, user)[-1].shown

        assert "SmolLM2" in await said(ADA, "status")
        assert "Only an administrator" in await said(BEN, "status")
        assert "Syncing handbook" in await said(ADA, "sync handbook")
        assert "Only an administrator" in await said(BEN, "sync")
        assert "private is now on" in await said(ADA, "settings private on")
        assert bot.desk.channel(f"slack:channel:{GENERAL}").private is True
        assert "private on" in (await said(ADA, "settings")).splitlines()[0]
        await said(ADA, "settings length short")
        assert "length short; private on" in await said(ADA, "settings")
        assert "on" in await said(ADA, "settings mention maybe")
        assert "Only an administrator" in await said(BEN, "settings private off")
        assert "forgotten: 0" in await said(BEN, "forget-me")
        assert "Ask with /ask" in await said(BEN, "")
        assert bot.answers.asked == []


async def test_edited_question_is_answered_as_it_is_now(tmp_path: Path) -> None:
    """X01."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notcie?")
        await fake.until(lambda: fake.answers(GENERAL, ts))
        fake.edit(ADA, GENERAL, ts, f"<@{BOT_USER}> How much notice?")
        await fake.until(lambda: len(bot.answers.asked) == 2)
        bot.answers.gate.set()
        assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
        assert [question.text for question in bot.answers.asked] == ["How much notcie?", "How much notice?"]
        (answer,) = fake.answers(GENERAL, ts)
        assert answer.shown.count("one week") == 1
        assert fake.status(GENERAL, ts) == ""


async def test_deleted_question_takes_its_answer_along(tmp_path: Path) -> None:
    """X02."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await fake.until(lambda: fake.answers(GENERAL, ts))
        fake.delete(ADA, GENERAL, ts)
        assert (await bot.outcome(GENERAL, ts)).outcome == "withdrawn"
        assert fake.answers(GENERAL) == []
        assert fake.status(GENERAL, ts) == ""
        assert bot.answers.cancelled == 1


async def test_answer_deleted_by_a_moderator_is_given_up_quietly(tmp_path: Path) -> None:
    """X03."""
    async with FakeSlack() as fake, stage(tmp_path, fake, opened=False) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        (answer,) = await fake.until(lambda: fake.answers(GENERAL, ts))
        fake.delete(BEN, GENERAL, answer.ts)
        entry = await bot.outcome(GENERAL, ts)
        assert entry.outcome in ("withdrawn", "undeliverable")
        assert bot.answers.cancelled == 1
        assert fake.answers(GENERAL) == []


async def test_programs_are_not_answered(tmp_path: Path) -> None:
    """X04."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        robot = fake.add_user("otherbot", "bot")
        fake.join(robot, GENERAL)
        fake.mention(robot, GENERAL, "Are you there?")
        fake.post(BOT_USER, GENERAL, f"<@{BOT_USER}> hello me")
        fake.post(ADA, GENERAL, f"<@{BOT_USER}> from a webhook", subtype="bot_message")
        fake.post("USLACKBOT", GENERAL, "reminder") if "USLACKBOT" in fake.world.users else None
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        fake.post(robot, GENERAL, "Thank you, and you?", ts)
        last = fake.mention(ADA, GENERAL, "Still there?", ts)
        await bot.outcome(GENERAL, last)
        assert [question.text for question in bot.answers.asked] == ["How much notice?", "Still there?"]


async def test_one_thread_asks_no_more_than_so_much_a_minute(tmp_path: Path) -> None:
    """X04."""
    async with (
        FakeSlack() as fake,
        stage(tmp_path, fake, settings=replace(QUICK, questions_a_minute=3)) as bot,
    ):
        ts = fake.mention(ADA, GENERAL, "Question 0?")
        await bot.outcome(GENERAL, ts)
        for n in range(1, 6):
            fake.mention(ADA, GENERAL, f"Question {n}?", ts)
        other = fake.mention(ADA, GENERAL, "Elsewhere?")
        await bot.outcome(GENERAL, other)
        await fake.until(lambda: all(one.acked_after is not None for one in fake.deliveries))
        assert len(await bot.entries()) == 4


async def test_thread_is_known_in_order_with_names_and_no_further(tmp_path: Path) -> None:
    """X05, X06."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        fake.post(BEN, GENERAL, "Nothing to do with it")
        root = fake.post(BEN, GENERAL, "The notice period is one week.")
        for n in range(15):
            fake.post(ADA, GENERAL, f"Remark {n}", root)
        fake.world.users[BEN].name = "benedikt"
        ts = fake.mention(ADA, GENERAL, "Is that so?", root)
        fake.post(BEN, GENERAL, "Written later", root)
        await bot.outcome(GENERAL, ts)
        texts = [turn.text for turn in bot.answers.asked[0].earlier]
        assert texts == [f"ada: Remark {n}" for n in range(3, 15)]


async def test_guests_and_strangers_are_told_that_members_only_are_answered(tmp_path: Path) -> None:
    """X07."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        other = fake.add_team("Other")
        guest = fake.add_user("gus", "guest")
        stranger = fake.add_user("sam", "stranger", team=other)
        shared = fake.add_channel("shared", [ADA, guest, stranger], teams=(other,))
        for user in (guest, stranger):
            ts = fake.mention(user, shared, "How much notice?")
            assert (await bot.outcome(shared, ts)).outcome == "notice"
            assert "members of this team only" in fake.answers(shared, ts)[0].shown
        ts = fake.mention(ADA, shared, "How much notice?")
        assert (await bot.outcome(shared, ts)).outcome == "notice"
        assert bot.answers.asked == []


async def test_someone_who_leaves_while_it_is_answered_sees_nothing(tmp_path: Path) -> None:
    """X06."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        private = fake.add_channel("board", [ADA, BEN], kind="private")
        guest = fake.add_user("gus", "guest")
        bot.answers.shows = False
        bot.answers.during = lambda: fake.join(guest, private)
        ts = fake.mention(ADA, private, "How much notice?")
        assert (await bot.outcome(private, ts)).outcome == "notice"
        assert "has changed" in fake.answers(private, ts)[0].shown
        assert "one week" not in str([message.versions for message in fake.answers(private, ts)])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "Ask me a question"),
        ("thanks a lot!", "Ask me a question"),
        ("x" * 39_000, "39,000 characters"),
        (":tada:", "one week"),
        ("```def f():\n    return `1` <b> &amp; ````", "one week"),
    ],
)
async def test_odd_questions_get_calm_replies(tmp_path: Path, text: str, part: str) -> None:
    """X08."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, text)
        outcome = (await bot.outcome(GENERAL, ts)).outcome
        assert part in fake.answers(GENERAL, ts)[0].shown
        assert outcome == ("answered" if part == "one week" else "notice")


async def test_refusals_say_what_helps_and_can_be_voted_on(tmp_path: Path) -> None:
    answers = Answers(pieces=["I could not find an answer to this in the documents."], status="refused")
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=answers) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        assert (await bot.outcome(GENERAL, ts)).outcome == "refused"
        (answer,) = fake.answers(GENERAL, ts)
        assert "Other words may help" in answer.shown
        assert "feedback" in str(answer.blocks)


async def test_long_answers_go_on_in_further_messages(tmp_path: Path) -> None:
    words = " ".join(f"word{n}" for n in range(4_000))
    answers = Answers(pieces=[f"{words} [1]"])
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=answers) as bot:
        ts = fake.mention(ADA, GENERAL, "Tell me everything")
        await bot.outcome(GENERAL, ts)
        posts = fake.answers(GENERAL, ts)
        assert len(posts) == 4
        shown = " ".join(post.shown for post in posts)
        assert all(f"word{n}" in shown for n in range(0, 4_000, 97))
        assert "Sources" in posts[-1].shown
        assert "Sources" not in posts[0].shown


async def test_german_questions_get_german_words(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        ts = fake.mention(ADA, GENERAL, "Wie lange ist die Kündigungsfrist für die Mitarbeiter?")
        await bot.outcome(GENERAL, ts)
        (answer,) = fake.answers(GENERAL, ts)
        assert "Quellen" in answer.shown
        assert "Stelle zeigen" in answer.shown


async def test_logs_name_no_token_and_nothing_that_people_wrote(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """O03."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    async with FakeSlack(bot_token="xoxb-1-very-secret", app_token="xapp-1-very-secret") as fake:
        fake.fail("chat.startStream", [500])
        fake.refuse_tickets(1)
        async with stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "What is the zebra clause?")
            await bot.outcome(GENERAL, ts)
    assert caplog.records
    for record in caplog.records:
        line = f"{record.getMessage()} {record.exc_text or ''}"
        assert "very-secret" not in line
        assert "ticket=" not in line or "ticket=…" in line
        assert "zebra" not in line
        assert "one week" not in line


async def test_every_post_has_its_previews_switched_off(tmp_path: Path) -> None:
    """R05."""
    settings: SlackSettings = replace(QUICK, streaming="edit")
    async with FakeSlack() as fake, stage(tmp_path, fake, settings=settings) as bot:
        ts = fake.mention(ADA, GENERAL, "How much notice?")
        await bot.outcome(GENERAL, ts)
        fake.command(ADA, GENERAL, "/ask", "How much notice?")
        await fake.until(lambda: "one week" in str([one.shown for one in fake.ephemerals(GENERAL, ADA)]))
        calls = fake.called("chat.postMessage") + fake.called("response_url")
        assert len(calls) == 2
        for call in calls:
            assert call.arguments["unfurl_links"] is False
            assert call.arguments["unfurl_media"] is False


async def test_nobody_is_notified_by_what_a_model_or_a_document_says(tmp_path: Path) -> None:
    """R04."""
    hostile = (
        f"<!channel> <!here|x> <@{BEN}> <!subteam^S1> [docs](https://evil.example/?q=1) https://evil.example"
    )
    answers = Answers(pieces=[f"{hostile} [1]"], passages=[replace(passage(1), title=hostile)])
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=answers) as bot:
        for ts in (fake.mention(ADA, GENERAL, "How much notice?"),):
            await bot.outcome(GENERAL, ts)
            for answer in fake.answers(GENERAL, ts):
                assert answer.pings == []
                assert "https://evil.example" not in answer.shown
    assert TEAM
