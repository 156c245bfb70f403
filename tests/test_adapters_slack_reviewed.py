"""Reviewed answers in Slack: from a message to a proposal, its approval, and the next question."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import slack_reviewed_views as views
from adapters.reviewed import _TEXTS, MOST, ReviewedWords
from adapters.slack_manifest import manifest
from adapters.slack_words import SlackWords
from bot.access import AccessRules
from bot.curated import Pair
from bot.curated_draft import Draft
from tests.fakes.slack import ADA, BEN, GENERAL, FakeSlack
from tests.fakes.slack_limits import check_blocks, check_view
from tests.fakes.slack_world import View
from tests.slack_stage import Stage, stage

QUESTION = "Where is the first-aid box?"
HOSTILE = (
    f"<!channel> <@{BEN}> <https://evil.example|click> https://evil.example *b* @here &lt;!here&gt; `x` ~s~"
)
WORDS, CLOSE = ReviewedWords(""), SlackWords("")


async def dialog(fake: FakeSlack, user: str, ts: str, channel: str = GENERAL) -> View:
    """The dialog of the shortcut, once it is what it will be."""
    fake.shortcut(user, channel, ts, "save_reviewed")
    await fake.until(
        lambda: fake.open_views(user) and "One moment" not in str(fake.open_views(user)[-1].body)
    )
    return fake.open_views(user)[-1]


def fields(view: View) -> dict[str, Any]:
    return {block["block_id"]: block["element"] for block in view.body["blocks"]}


async def proposed(
    bot: Stage, user: str = BEN, question: str = QUESTION, answer: str = "In the kitchen."
) -> Pair:
    """A proposal, by way of the dialog."""
    ts = bot.fake.post(BEN, GENERAL, answer)
    view = await dialog(bot.fake, user, ts)
    bot.fake.submit_view(user, view.id, {"question": question, "answer": answer, "collection": "main"})
    await bot.fake.until(lambda: "Kept as a proposal" in str(view.body))
    return next(pair for pair in await bot.curated.pairs() if pair.question == question)


async def listed(bot: Stage, user: str = ADA) -> Any:
    before = len(bot.fake.ephemerals(GENERAL, user))
    bot.fake.command(user, GENERAL, "/ask", "reviewed")
    await bot.fake.until(lambda: len(bot.fake.ephemerals(GENERAL, user)) > before)
    return bot.fake.ephemerals(GENERAL, user)[-1]


async def test_a_message_becomes_a_reviewed_answer(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        root = fake.post(ADA, GENERAL, f"{QUESTION}\nI cannot find it.")
        ts = fake.post(BEN, GENERAL, "In the kitchen.", root)
        view = await dialog(fake, BEN, ts)
        shown = fields(view)
        assert view.body["title"]["text"] == "Save as reviewed answer"
        assert shown["question"]["initial_value"] == f"{QUESTION} I cannot find it."
        assert shown["answer"]["initial_value"] == "In the kitchen."
        assert shown["collection"]["initial_option"]["value"] == "main"
        fake.submit_view(
            BEN, view.id, {"question": QUESTION, "answer": "In the kitchen.", "collection": "main"}
        )
        await fake.until(lambda: "Kept as a proposal" in str(view.body))
        assert "reviewed:approve" not in str(view.body)
        assert fake.answers(GENERAL, root) == []
        (pair,) = await bot.curated.pairs()
        assert (pair.question, pair.answer, pair.collection) == (QUESTION, "In the kitchen.", "main")
        assert (pair.state, pair.proposed_by) == ("proposed", f"slack:user:{BEN}")

        shown_list = await listed(bot)
        for part in (QUESTION, "In the kitchen.", "main", "ben"):
            assert part in str(shown_list.blocks)
        fake.click(ADA, GENERAL, shown_list.ts, "reviewed:approve")
        await fake.until(lambda: "Approved, and served from now on" in str(shown_list.blocks))
        assert "No reviewed answer waits" in str(shown_list.blocks)

        asked = fake.mention(BEN, GENERAL, QUESTION)
        assert (await bot.outcome(GENERAL, asked)).outcome == "answered"
        (answer,) = fake.answers(GENERAL, asked)
        assert "In the kitchen. [1]" in answer.shown
        assert "Reviewed on" in answer.shown
        assert bot.answers.asked == []


async def test_an_administrators_proposal_is_shown_with_its_buttons(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        await proposed(bot, question="Another?")
        pair = await proposed(bot, ADA)
        view = fake.open_views(ADA)[-1]
        assert "In the kitchen." in str(view.body)
        fake.click_view(ADA, view.id, "reviewed:approve")
        await fake.until(lambda: "Approved, and served" in str(view.body))
        assert "Another?" in str(view.body), "the rest of the list follows"
        fake.click_view(ADA, view.id, "reviewed:discard")
        await fake.until(lambda: "Discarded: Another?" in str(view.body))
        assert [(one.id, one.state) for one in await bot.curated.pairs()] == [(pair.id, "approved")]


async def test_others_are_told_that_it_is_for_administrators(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        pair = await proposed(bot)
        shown = await listed(bot, BEN)
        assert "for administrators" in shown.shown
        assert QUESTION not in str(shown.blocks)
        fake.click(BEN, GENERAL, shown.ts, "reviewed:approve", pair.id)
        fake.click(BEN, GENERAL, shown.ts, "reviewed:discard", pair.id)
        await fake.until(lambda: len(fake.called("response_url")) == 3)
        assert QUESTION not in str(shown.blocks)
        assert [one.state for one in await bot.curated.pairs()] == ["proposed"]


async def test_an_administrator_no_more_decides_nothing(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        await proposed(bot)
        shown = await listed(bot)
        bot.access.rules = replace(bot.access.rules, admins=frozenset())
        fake.click(ADA, GENERAL, shown.ts, "reviewed:approve")
        await fake.until(lambda: "for administrators" in str(shown.blocks))
        assert QUESTION not in str(shown.blocks)
        assert [one.state for one in await bot.curated.pairs()] == ["proposed"]


async def test_whoever_may_read_nothing_proposes_nothing(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        guest = fake.add_user("gus", "guest")
        place = fake.add_channel("shared", [ADA, guest])
        ts = fake.post(ADA, place, "In the kitchen.")
        view = await dialog(fake, guest, ts, place)
        assert "only for a collection that you may read" in str(view.body)
        assert "submit" not in view.body
        bot.access.rules = AccessRules(readers={"main": {f"slack:user:{ADA}"}})
        view = await dialog(fake, BEN, fake.post(BEN, GENERAL, "x"))
        assert "only for a collection that you may read" in str(view.body)


async def test_what_may_not_be_read_when_it_is_sent_is_refused_in_the_dialog(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        view = await dialog(fake, BEN, fake.post(BEN, GENERAL, "In the kitchen."))
        bot.access.rules = AccessRules(readers={"main": {f"slack:user:{ADA}"}})
        fake.submit_view(BEN, view.id, {"question": QUESTION, "answer": "There.", "collection": "main"})
        await fake.until(lambda: view.errors)
        assert list(view.errors) == ["collection"]
        assert view.open
        assert await bot.curated.pairs() == []


@pytest.mark.parametrize(
    ("question", "answer", "field", "why"),
    [
        ("???", "There.", "question", "a question needs a word or a number."),
        ("x" * 501, "There.", "question", "a phrasing of the question is longer than 500 characters."),
        (QUESTION, " [1] ", "answer", "there is no answer."),
    ],
)
async def test_what_cannot_be_kept_is_said_at_its_field(
    tmp_path: Path, question: str, answer: str, field: str, why: str
) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        view = await dialog(fake, BEN, fake.post(BEN, GENERAL, "In the kitchen."))
        fake.submit_view(BEN, view.id, {"question": question, "answer": answer, "collection": "main"})
        await fake.until(lambda: view.errors)
        assert view.errors == {field: why}
        assert view.open
        assert view.state["question"]["question"]["value"] == question
        assert await bot.curated.pairs() == []


async def test_nothing_is_lost_while_slack_cannot_be_asked(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        view = await dialog(fake, BEN, fake.post(BEN, GENERAL, "In the kitchen."))
        fake.fail("users.info", [500])
        values = {"question": QUESTION, "answer": "There.", "collection": "main"}
        fake.submit_view(BEN, view.id, values)
        await fake.until(lambda: "try again" in str(view.errors))
        fake.submit_view(BEN, view.id, values)
        await fake.until(lambda: "Kept as a proposal" in str(view.body))
        assert len(await bot.curated.pairs()) == 1


@pytest.mark.parametrize("code", ["missing_scope", "ratelimited", "not_in_channel"])
async def test_a_thread_that_cannot_be_read_leaves_the_question_empty(tmp_path: Path, code: str) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake):
        root = fake.post(ADA, GENERAL, QUESTION)
        fake.fail("conversations.replies", [code])
        view = await dialog(fake, BEN, fake.post(BEN, GENERAL, "In the kitchen.", root))
        assert "initial_value" not in fields(view)["question"]
        assert fields(view)["answer"]["initial_value"] == "In the kitchen."


@pytest.mark.parametrize("earlier", ["approved", "discarded"])
async def test_a_button_of_what_is_settled_says_so(tmp_path: Path, earlier: str) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        pair = await proposed(bot)
        lists = [(await listed(bot), press) for press in ("reviewed:approve", "reviewed:discard")]
        await (bot.curated.approve if earlier == "approved" else bot.curated.remove)(pair.id, "Anna")
        for shown, press in lists:
            fake.click(ADA, GENERAL, shown.ts, press)
        await fake.until(lambda: all("waits no more" in str(shown.blocks) for shown, _ in lists))
        left = [(one.state, one.approved_by) for one in await bot.curated.pairs()]
        assert left == ([("approved", "Anna")] if earlier == "approved" else [])


async def test_a_question_that_another_pair_answers_is_not_approved(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        await proposed(bot)
        await bot.curated.save([Draft(QUESTION, "In the hall.", "main")], "Anna")
        shown = await listed(bot)
        fake.click(ADA, GENERAL, shown.ts, "reviewed:approve")
        await fake.until(lambda: "is a question of the pair" in str(shown.blocks))
        assert "In the kitchen." in str(shown.blocks)


async def test_what_is_reviewed_already_is_not_proposed_again(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        await bot.curated.save([Draft(QUESTION, "In the kitchen.", "main")], "Anna")
        view = await dialog(fake, ADA, fake.post(BEN, GENERAL, "In the kitchen."))
        fake.submit_view(
            ADA, view.id, {"question": QUESTION, "answer": "In the kitchen.", "collection": "main"}
        )
        await fake.until(lambda: "a reviewed answer already" in str(view.body))
        assert "reviewed:approve" not in str(view.body)


async def test_hostile_proposals_stay_inert(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        await bot.curated.propose(f"{HOSTILE}?", HOSTILE, HOSTILE, "main")
        shown = await listed(bot)
        texts = json.dumps([block for block in shown.blocks if block["type"] != "rich_text"])
        assert not re.search(r"<[!@#]|https?://|@here", texts)
        literal = [one for block in shown.blocks if block["type"] == "rich_text" for one in block["elements"]]
        assert {part["type"] for one in literal for part in one["elements"]} == {"text"}
        fake.click(ADA, GENERAL, shown.ts, "reviewed:discard")
        await fake.until(lambda: "Discarded" in str(shown.blocks))
        assert not re.search(r"<[!@#]|https?://|@here", json.dumps(shown.blocks) + shown.text)
        assert shown.pings == []


async def test_the_newest_are_listed_and_the_others_follow(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        for number in range(7):
            await bot.curated.propose(f"Question number {number}?", "Yes.", f"slack:user:{BEN}", "main")
            await asyncio.sleep(0.002)
        shown = await listed(bot)
        seen = re.findall(r"Question number (\d)", str(shown.blocks))
        assert seen == ["6", "5", "4", "3", "2"]
        assert "Waiting for approval: 7" in str(shown.blocks)
        assert "the others follow" in str(shown.blocks)
        fake.click(ADA, GENERAL, shown.ts, "reviewed:approve")
        await fake.until(lambda: "Question number 1" in str(shown.blocks))


async def test_german_messages_get_german_dialogs(tmp_path: Path) -> None:
    async with FakeSlack() as fake, stage(tmp_path, fake):
        fake.shortcut(BEN, GENERAL, fake.post(BEN, GENERAL, "Der Kasten ist in der Küche."), "save_reviewed")
        await fake.until(lambda: "Vorschlagen" in str([one.body for one in fake.open_views(BEN)]))
        assert fake.open_views(BEN)[-1].body["title"]["text"] == "Geprüfte Antwort sichern"


@pytest.mark.parametrize("size", [1, 400, 3_000, 8_000])
def test_proposals_fit_what_slack_takes(size: int) -> None:
    question = "\n".join(["&<>@" * 120] * 20) if size > 3_000 else "&" * min(size, 500)
    pair = Pair("abcd2345", "proposed", question, "&" * size, "c" * 64, None, "&" * 300, None, 1.0)
    blocks = views.list_blocks([pair] * 9, {pair.proposed_by: "&" * 80}, WORDS)
    check_blocks([views.line_block(WORDS.say("approved", question="&" * 200)), *blocks])
    check_view(views.list_view(blocks, "C1", WORDS, CLOSE), "modal")
    assert len(re.findall("reviewed:approve", str(blocks))) == (
        MOST if size < 3_000 else 11_000 // (size + 500) or 1
    )


def test_the_dialog_fits_what_slack_takes() -> None:
    for words, close in ((WORDS, CLOSE), (ReviewedWords("", locale="de"), SlackWords("die der das und"))):
        names = [f"{number:064}" for number in range(150)]
        view = views.save_view("x \n" * 4_000, "y" * 9_000, names, "C1", words, close)
        check_view(view, "modal")
        elements = {block["block_id"]: block["element"] for block in view["blocks"]}
        assert len(elements["question"]["initial_value"]) <= 500
        assert "\n" not in elements["question"]["initial_value"]
        assert len(elements["answer"]["initial_value"]) <= elements["answer"]["max_length"] <= 3_000
        assert "initial_option" not in elements["collection"]
        check_view(views.save_view("", "", ["main"], "C1", words, close), "modal")
        assert words.say("title") == view["title"]["text"], "not cut"


def test_the_manifest_has_the_shortcut() -> None:
    shortcuts = {one["callback_id"]: one for one in manifest()["features"]["shortcuts"]}
    assert shortcuts[views.SAVE]["type"] == "message"
    assert all(len(one["name"]) <= 24 for one in shortcuts.values())


def test_both_languages_have_the_same_words() -> None:
    assert _TEXTS["en"].keys() == _TEXTS["de"].keys()
