"""Reviewed answers in Discord: from a message to a proposal, its approval, and the next question."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters import discord_reviewed_blocks as blocks
from adapters.reviewed import ReviewedWords
from adapters.splitting import utf16
from bot.curated import Pair
from bot.curated_draft import Draft
from tests.discord_bench import Bench, bench
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_limits import check_message, check_modal
from tests.fakes.discord_world import Channel, Interaction, Message, User

QUESTION = "Where is the first-aid box?"
SAVE = "Save as reviewed answer"
HOSTILE = "@everyone <@1> <#2> [a](https://evil.example) https://evil.example discord.gg/x `b` ||c|| **d**"
WORDS = ReviewedWords("")


async def form(made: Bench, user: User, message: Message, place: Channel | None = None) -> Interaction:
    used = made.discord.context_menu(user, place or made.discord.general, message.id, SAVE)
    await made.until(lambda: used.modal)
    return used


def fields(used: Interaction) -> dict[str, Any]:
    assert used.modal is not None
    return {part["component"]["custom_id"]: part["component"] for part in used.modal["components"]}


async def sent(made: Bench, used: Interaction, part: str, **values: str) -> Message:
    assert used.modal is not None
    return await made.shown(made.discord.submit_modal(used.user, used.modal["custom_id"], values), part)


async def proposed(
    made: Bench, user: User, question: str = QUESTION, answer: str = "In the kitchen."
) -> Message:
    message = made.discord.post(made.discord.bob, made.discord.general, answer)
    used = await form(made, user, message)
    return await sent(made, used, "Kept as a proposal", question=question, collection="main")


async def listed(made: Bench, user: User) -> Message:
    return await made.shown(made.discord.slash(user, made.discord.general, "reviewed"))


def button(message: Message, press: str) -> str:
    return next(name for name in message.custom_ids if name.startswith(f"gl:{press}:"))


async def test_a_message_becomes_a_reviewed_answer(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        message = discord.post(discord.ada, discord.general, "In the kitchen.")
        used = await form(made, discord.bob, message)
        assert fields(used)["answer"]["value"] == "In the kitchen."
        assert fields(used)["collection"]["value"] == "main", "all that Bob may read"
        assert "value" not in fields(used)["question"]
        shown = await sent(made, used, "Kept as a proposal", question=QUESTION)
        assert shown.ephemeral_to == discord.bob.id
        assert shown.custom_ids == []
        (pair,) = await made.curated.pairs()
        assert (pair.question, pair.answer, pair.collection) == (QUESTION, "In the kitchen.", "main")
        assert (pair.state, pair.proposed_by) == ("proposed", f"discord:user:{discord.bob.id}")

        shown = await listed(made, discord.ada)
        assert shown.ephemeral_to == discord.ada.id
        for part in (QUESTION, "In the kitchen.", "main", f"<@{discord.bob.id}>", "Waiting for approval: 1"):
            assert part in shown.text
        discord.click(discord.ada, shown.id, button(shown, "approve"))
        await made.until(lambda: "Approved, and served from now on" in shown.text)
        assert "No reviewed answer waits" in shown.text
        assert shown.custom_ids == []

        asked = discord.slash(discord.bob, discord.general, "ask", {"question": QUESTION})
        answer = await made.shown(asked, "In the kitchen. [1]")
        assert "Reviewed on" in answer.text
        assert made.answers.asked == []
        assert discord.answers(discord.general) == []


async def test_a_thread_knows_what_the_bot_was_asked_there(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        asked = discord.mention(discord.bob, discord.general, f"{QUESTION}\nPlease!")
        await made.done()
        thread = made.thread_of(asked)
        used = await form(made, discord.ada, discord.post(discord.ada, thread, "In the kitchen."), thread)
        assert fields(used)["question"]["value"] == f"{QUESTION} Please!"
        assert "value" not in fields(used)["collection"], "Ada may read two"
        assert "main, secret" in str(used.modal)


async def test_an_administrators_proposal_is_shown_with_its_buttons(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await proposed(made, discord.bob, "Another?")
        shown = await proposed(made, discord.ada)
        assert "In the kitchen." in shown.text
        assert len(shown.custom_ids) == 2
        discord.click(discord.ada, shown.id, button(shown, "discard"))
        await made.until(lambda: f"Discarded: {QUESTION}" in shown.text)
        assert "Another?" in shown.text, "the rest of the list follows"
        assert [pair.question for pair in await made.curated.pairs()] == ["Another?"]


async def test_others_are_told_that_it_is_for_administrators(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await proposed(made, discord.bob)
        (pair,) = await made.curated.pairs()
        shown = await listed(made, discord.bob)
        assert shown.text == "This is for administrators."
        for press in (f"gl:approve:{pair.id}", f"gl:discard:{pair.id}", "gl:again:1", "gl:approve:'; drop"):
            forged = discord.click(discord.bob, shown.id, press, forged=True)
            assert "not yours" in (await made.shown(forged)).text
        assert await made.curated.pairs() == [pair]


async def test_an_administrator_no_more_decides_nothing(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await proposed(made, discord.bob)
        shown = await listed(made, discord.ada)
        made.access.rules = replace(made.access.rules, admins=frozenset())
        discord.click(discord.ada, shown.id, button(shown, "approve"))
        await made.until(lambda: shown.text == "This is for administrators.")
        assert [pair.state for pair in await made.curated.pairs()] == ["proposed"]


async def test_whoever_may_read_nothing_proposes_nothing(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        stranger = discord.add_user("sam")
        directly = discord.direct(stranger, "Hello?")
        await made.done()
        answer = made.answers_to(directly)[0]
        used = discord.context_menu(stranger, directly.channel, answer.id, SAVE)
        assert "only for a collection that you may read" in (await made.shown(used)).text
        made.access.rules = replace(made.access.rules, readers={"secret": {f"discord:user:{discord.ada.id}"}})
        message = discord.post(discord.ada, discord.general, "There.")
        used = discord.context_menu(discord.bob, discord.general, message.id, SAVE)
        shown = await made.shown(used, "only for a collection that you may read")
        assert shown.ephemeral_to == discord.bob.id


@pytest.mark.parametrize(
    ("question", "answer", "collection", "why"),
    [
        (QUESTION, "There.", "secret", "only for a collection that you may read"),
        (QUESTION, "There.", "nothing", "only for a collection that you may read"),
        ("???", "There.", "main", "a question needs a word or a number."),
        (QUESTION, "[1]", "main", "there is no answer."),
    ],
)
async def test_what_is_not_taken_comes_back_as_it_was_typed(
    tmp_path: Path, question: str, answer: str, collection: str, why: str
) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        used = await form(made, discord.bob, discord.post(discord.ada, discord.general, "In the kitchen."))
        typed = {"question": question, "answer": answer, "collection": collection}
        shown = await sent(made, used, why, **typed)
        assert shown.ephemeral_to == discord.bob.id
        assert await made.curated.pairs() == []
        again = discord.click(discord.bob, shown.id, button(shown, "again"))
        await made.until(lambda: again.modal)
        assert {name: field["value"] for name, field in fields(again).items()} == typed
        better = {"question": QUESTION, "answer": "There.", "collection": "main"}
        await sent(made, again, "Kept as a proposal", **better)
        assert len(await made.curated.pairs()) == 1


async def test_nothing_is_lost_where_it_cannot_be_kept(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        used = await form(made, discord.bob, discord.post(discord.ada, discord.general, "In the kitchen."))
        with made.curated._database.transaction() as connection:
            connection.execute(text("drop table curated"))
        shown = await sent(made, used, "cannot take this now", question=QUESTION)
        again = discord.click(discord.bob, shown.id, button(shown, "again"))
        await made.until(lambda: again.modal)
        assert fields(again)["question"]["value"] == QUESTION


@pytest.mark.parametrize("earlier", ["approved", "discarded"])
async def test_a_button_of_what_is_settled_says_so(tmp_path: Path, earlier: str) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await proposed(made, discord.bob)
        (pair,) = await made.curated.pairs()
        lists = [(await listed(made, discord.ada), press) for press in ("approve", "discard")]
        await (made.curated.approve if earlier == "approved" else made.curated.remove)(pair.id, "Anna")
        for shown, press in lists:
            discord.click(discord.ada, shown.id, button(shown, press))
        await made.until(lambda: all("waits no more" in shown.text for shown, _ in lists))
        left = [(one.state, one.approved_by) for one in await made.curated.pairs()]
        assert left == ([("approved", "Anna")] if earlier == "approved" else [])


async def test_a_question_that_another_pair_answers_is_not_approved(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await proposed(made, discord.bob)
        await made.curated.save([Draft(QUESTION, "In the hall.", "main")], "Anna")
        shown = await listed(made, discord.ada)
        discord.click(discord.ada, shown.id, button(shown, "approve"))
        await made.until(lambda: "is a question of the pair" in shown.text)
        assert "In the kitchen." in shown.text


async def test_hostile_proposals_stay_inert(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await made.curated.propose(f"{HOSTILE}?", f"{HOSTILE}\n# x\n```\ny", HOSTILE, "main")
        shown = await listed(made, discord.ada)
        discord.click(discord.ada, shown.id, button(shown, "discard"))
        await made.until(lambda: "Discarded" in shown.text)
        assert len(shown.versions) >= 2
        for version in shown.versions:
            assert not re.search(r"@everyone|<[@#]\d|https?://|\]\(|discord\.gg|^#", version, re.MULTILINE)


async def test_the_newest_are_listed_and_the_others_follow(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        for number in range(7):
            await made.curated.propose(f"Question number {number}?", "Yes.", "Anna", "main")
            await asyncio.sleep(0.002)
        shown = await listed(made, discord.ada)
        assert re.findall(r"Question number (\d)", shown.text) == ["6", "5", "4", "3", "2"]
        assert "Waiting for approval: 7" in shown.text
        assert "the others follow" in shown.text
        assert len(shown.custom_ids) == 10
        discord.click(discord.ada, shown.id, shown.custom_ids[0])
        await made.until(lambda: "Question number 1" in shown.text)


async def test_the_words_are_in_the_language_of_the_reader(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.ada.locale = "de"
        used = await form(made, discord.ada, discord.post(discord.ada, discord.general, "There."))
        assert used.modal is not None
        assert used.modal["title"] == "Geprüfte Antwort sichern"
        await made.shown(discord.slash(discord.ada, discord.general, "reviewed"), "wartet auf Freigabe")


@pytest.mark.parametrize("locale", ["en-GB", "de"])
@pytest.mark.parametrize("size", [1, 300, 1_900, 8_000])
def test_proposals_fit_what_discord_takes(size: int, locale: str) -> None:
    words = ReviewedWords("", locale=locale)
    question = "\n".join(["_&😀@x " * 70] * 20) if size == 8_000 else QUESTION
    pair = Pair(
        "abcd2345", "proposed", question, "_😀 a.com " * (size // 9 + 1), "c" * 64, None, "x" * 50, None, 1.0
    )
    pairs = [replace(pair, id=f"abcd234{number}") for number in range(2, 8)]
    line = words.say("approved", question="_@" * 100)
    post = blocks.proposals(pairs, [line, words.say("waiting", count=6)], words)
    check_message({"content": post.content, "components": list(post.components)}, flags=0)
    assert utf16(post.content) <= 2_000
    assert len(post.components) == {1: 5, 300: 2, 1_900: 1, 8_000: 1}[size]
    assert (words.say("in_part") in post.content) is (size > 300)
    assert len(f"gl:save:{'9' * 20}") <= 100


@pytest.mark.parametrize("locale", ["en-GB", "de"])
def test_the_form_fits_what_discord_takes(locale: str) -> None:
    words = ReviewedWords("", locale=locale)
    many = [f"{number:064}" for number in range(50)]
    for typed in (blocks.Typed("9" * 20, "x" * 4_000, "y" * 9_000, "c" * 80), blocks.Typed("1", "", " ", "")):
        shown: Any = blocks.save_form(typed, many, words)
        check_modal(shown)
        for part in shown["components"]:
            assert len(part["component"].get("value", "")) <= part["component"]["max_length"]
