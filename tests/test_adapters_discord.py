"""Questions in Discord, from the command or mention to the answer and what is thought of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.channels import ChannelSettings
from tests.discord_bench import URL, Bench, bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_world import VIEW_CHANNEL, Interaction, Message, User


def button(message: Message, press: str) -> str:
    """The button that does `press`."""
    return next(name for name in message.custom_ids if f":{press}:" in name)


async def asked(made: Bench, user: User, question: str = "How many days?", **options: object) -> Message:
    """The answer to a command."""
    used = made.discord.slash(user, made.discord.general, "ask", {"question": question, **options})
    return await made.shown(used, "five days")


def fields(used: Interaction) -> dict[str, object]:
    """The one field of a form, as it is shown."""
    assert used.modal is not None
    field: dict[str, object] = used.modal["components"][0]["component"]
    return field


async def test_a_command_is_answered_with_sources_and_voted_on(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob)
        assert f"[1] [Leave](<{URL}>) › Carrying over" in shown.text
        assert shown.ephemeral_to == discord.bob.id
        await made.shown(discord.click(discord.bob, shown.id, button(shown, "up")), "Thank you")
        (vote,) = await made.journal.votes()
        assert (vote.verdict, vote.person) == ("up", f"discord:user:{discord.bob.id}")


async def test_a_mention_is_answered_in_a_thread_and_goes_on_there(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        message = discord.mention(discord.bob, discord.general, "How many days?")
        await made.done()
        (answer,) = made.answers_to(message)
        assert "On How many days?: five days. [1]" in answer.text
        assert discord.answers(discord.general) == []
        again = discord.mention(discord.bob, made.thread_of(message), "And for contractors?")
        await made.done(2)
        assert "On And for contractors?" in made.answers_to(message)[1].text
        assert made.answers.asked[1].earlier[0].text == "How many days?"
        assert again.channel is answer.channel


async def test_a_direct_message_is_answered_where_it_stands(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        message = discord.direct(discord.bob, "How many days?")
        await made.done()
        (answer,) = made.answers_to(message)
        assert "five days" in answer.text
        assert answer.reference == message.id


async def test_a_question_in_german_is_answered_with_german_labels(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob, "Wie viele Tage Urlaub darf ich mitnehmen?")
        assert "**Quellen**" in shown.text


@pytest.mark.parametrize("private", [None, True, False])
async def test_who_sees_the_answer_is_settled_once(tmp_path: Path, private: bool | None) -> None:
    """R10: over the first response and every edit."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.pieces = tuple(f"word{number} " for number in range(20))
        chosen = {} if private is None else {"private": private}
        shown = await asked(made, discord.bob, **chosen)
        assert (shown.ephemeral_to == discord.bob.id) is (private is not False)
        assert len(shown.versions) > 1
        assert (discord.answers(discord.general) == []) is (private is not False)


async def test_the_configuration_says_who_sees_an_answer_if_nobody_chooses(tmp_path: Path) -> None:
    """R10."""
    async with (
        FakeDiscord() as discord,
        bench(tmp_path, discord, chosen=settings(discord, private=False)) as made,
    ):
        assert (await asked(made, discord.bob)).ephemeral_to is None
        assert (await asked(made, discord.bob, private=True)).ephemeral_to == discord.bob.id


async def test_in_a_private_channel_nobody_can_choose_otherwise(tmp_path: Path) -> None:
    """R10."""
    async with FakeDiscord() as discord:
        configured = {f"discord:channel:{discord.general.id}": ChannelSettings(private=True)}
        async with bench(tmp_path, discord, configured=configured) as made:
            shown = await asked(made, discord.bob, private=False)
            assert shown.ephemeral_to == discord.bob.id


async def test_a_private_answer_is_shared_by_its_asker(tmp_path: Path) -> None:
    """R10."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob)
        for _ in range(2):
            await made.shown(discord.click(discord.bob, shown.id, button(shown, "share")), "Thank you")
        (text,) = discord.answers(discord.general)
        assert text.startswith("Bob shared this answer:\n> How many days?")
        assert "five days. [1]" in text


async def test_what_the_channel_may_not_read_cannot_be_shared(tmp_path: Path) -> None:
    """R10: neither then nor later."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.collection = "secret"
        shown = await asked(made, discord.ada)
        assert not any(":share:" in name for name in shown.custom_ids)
        made.answers.collection = "main"
        shown = await asked(made, discord.ada, "Another?")
        share = button(shown, "share")
        rules = made.access.rules
        made.access.rules = type(rules)(readers={"main": {f"discord:user:{discord.ada.id}"}})
        await made.shown(discord.click(discord.ada, shown.id, share), "not yours")
        assert discord.answers(discord.general) == []


async def test_a_private_answer_is_not_shown_twice_by_a_forged_button(tmp_path: Path) -> None:
    """D08."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob)
        public = await asked(made, discord.ada, private=False)
        for press in ("more", "passage", "up", "share", "stop"):
            number = {"more": ":0", "passage": ":1"}.get(press, "")
            forged = f"gl:{press}:{button(shown, 'up').split(':')[2]}{number}"
            answer = discord.click(discord.ada, public.id, forged, forged=True)
            assert "not yours" in (await made.shown(answer)).text
        nonsense = discord.click(discord.ada, public.id, "gl:up:'; drop", forged=True)
        assert "not yours" in (await made.shown(nonsense)).text
        assert await made.journal.votes() == []


async def test_votes_are_counted_once_a_person_even_after_a_restart(tmp_path: Path) -> None:
    """D08."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            shown = await asked(made, discord.bob, private=False)
            up = button(shown, "up")
            for user in (discord.bob, discord.bob, discord.ada):
                await made.shown(discord.click(user, shown.id, up), "Thank you")
        async with bench(tmp_path, discord) as made:
            await made.shown(discord.click(discord.bob, shown.id, up), "Thank you")
            votes = {(vote.person, vote.verdict) for vote in await made.journal.votes()}
            assert votes == {(f"discord:user:{one.id}", "up") for one in (discord.bob, discord.ada)}
            assert len(await made.journal.votes()) == 2


async def test_a_vote_on_what_is_forgotten_is_refused_politely(tmp_path: Path) -> None:
    """D08: the answer is there no more."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob)
        forgot = discord.slash(discord.bob, discord.general, "forget-me")
        await made.shown(forgot, "Forgotten: 1")
        for press in ("up", "down", "share", "passage"):
            await made.shown(discord.click(discord.bob, shown.id, button(shown, press)), "not yours")
        assert all(entry.asked.text == "" for entry in await made.entries())


@pytest.mark.parametrize("reason", ["", "It was wrong.", "x" * 2000])
async def test_a_vote_against_an_answer_asks_why(tmp_path: Path, reason: str) -> None:
    """D09: filled in after a restart."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            shown = await asked(made, discord.bob)
            used = discord.click(discord.bob, shown.id, button(shown, "down"))
            await made.until(lambda: used.modal)
        async with bench(tmp_path, discord) as made:
            assert used.modal is not None
            sent = discord.submit_modal(discord.bob, used.modal["custom_id"], {"text": reason})
            await made.shown(sent, "Thank you")
            (vote,) = await made.journal.votes()
            assert (vote.verdict, vote.reason) == ("down", reason)


async def test_a_form_that_is_not_filled_in_leaves_the_vote(tmp_path: Path) -> None:
    """D09: cancelled."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob)
        used = discord.click(discord.bob, shown.id, button(shown, "down"))
        await made.until(lambda: used.modal)
        (vote,) = await made.journal.votes()
        assert (vote.verdict, vote.reason) == ("down", "")


async def test_a_passage_is_shown_to_those_who_may_read_it(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await asked(made, discord.bob, private=False)
        used = discord.click(discord.ada, shown.id, button(shown, "passage"))
        text = (await made.shown(used, "carried over")).text
        assert text.startswith("**Leave › Carrying over**")
        assert used.original is not None
        assert used.original.ephemeral_to == discord.ada.id
        made.access.rules = type(made.access.rules)(readers={})
        used = discord.click(discord.ada, shown.id, button(shown, "passage"))
        await made.shown(used, "not yours")


@pytest.mark.parametrize("text", ["Leave is carried over until March.", "y" * 2000])
async def test_a_message_can_be_asked_about(tmp_path: Path, text: str) -> None:
    """D09: the form comes back filled in with the message."""
    async with FakeDiscord() as discord:
        async with bench(tmp_path, discord) as made:
            message = discord.post(discord.ada, discord.general, text)
            used = discord.context_menu(discord.bob, discord.general, message.id, "Ask about this")
            await made.until(lambda: used.modal)
            assert fields(used)["value"] == text
        async with bench(tmp_path, discord) as made:
            made.answers.text = lambda _: "Yes, five days. [1]"
            sent = discord.submit_modal(
                discord.bob, f"gl:about:{message.id}", {"text": "Is that so? " + "x" * 3900}
            )
            await made.shown(sent, "five days")
            assert sent.original is not None
            assert sent.original.ephemeral_to == discord.bob.id
            assert made.answers.asked[0].text.startswith("Is that so?")


async def test_sources_and_passages_are_shown_as_far_as_they_may_be_read(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        shown = await made.shown(discord.slash(discord.bob, discord.general, "sources"), "handbook")
        assert "12 documents" in shown.text
        assert "vault" not in shown.text
        shown = await made.shown(discord.slash(discord.ada, discord.general, "sources"), "vault")
        assert "never" in shown.text
        options = {"query": "@everyone leave"}
        shown = await made.shown(discord.slash(discord.bob, discord.general, "search", options), "main on")
        assert "secret on" not in shown.text
        assert shown.ephemeral_to == discord.bob.id
        options["collection"] = "secret"
        await made.shown(discord.slash(discord.bob, discord.general, "search", options), "Nothing found")
        await made.shown(discord.slash(discord.ada, discord.general, "search", options), "secret on")


async def test_a_search_in_one_collection_is_not_crowded_out_by_the_others(tmp_path: Path) -> None:
    readers = {name: {"everyone"} for name in ("a", "b", "c", "d", "e", "main")}
    readers["secret"] = {"discord:user:1"}
    async with FakeDiscord() as discord, bench(tmp_path, discord, readers=readers) as made:
        for named, part in (("main", "main on"), ("secret", "Nothing found"), ("", "a on")):
            options = {"query": "leave"} | ({"collection": named} if named else {})
            used = discord.slash(discord.bob, discord.general, "search", options)
            assert "secret on" not in (await made.shown(used, part)).text


async def test_administrators_sync_and_look(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        options = {"source": "handbook"}
        await made.shown(discord.slash(discord.ada, discord.general, "sync", options), "Syncing handbook")
        await made.shown(discord.slash(discord.ada, discord.general, "sync"), "Syncing everything")
        await made.shown(discord.slash(discord.ada, discord.general, "status"), "15 documents")
        for name in ("sync", "status", "settings"):
            await made.shown(discord.slash(discord.bob, discord.general, name), "for administrators")
        assert made.shelf.synced == ["handbook", None]
        typed = discord.autocomplete(discord.bob, discord.general, "sync", {"source": ""}, "source")
        await made.until(lambda: typed.choices)
        assert [one["name"] for one in typed.choices or ()] == ["handbook"]


async def test_administrators_set_what_is_particular_to_a_channel(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:

        async def set_(key: str, value: str, part: str) -> None:
            used = discord.slash(discord.ada, discord.general, "settings", {"key": key, "value": value})
            await made.shown(used, part)

        await set_("collections", "main", "collections is now main")
        await set_("language", "xx", "language is one of")
        await set_("private", "on", "private is now on")
        shown = await made.shown(discord.slash(discord.ada, discord.general, "settings"), "private: on")
        assert "collections: main" in shown.text
        await set_("length", "short", "length is now short")
        await made.shown(discord.slash(discord.ada, discord.general, "settings"), "length: short")
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.done()
        assert discord.answers(message.channel) == ["I answer you in a direct message."]


async def test_a_command_in_a_thread_belongs_to_it(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        message = discord.mention(discord.bob, discord.general, "How many days?")
        await made.done()
        thread = made.thread_of(message)
        used = discord.slash(discord.bob, thread, "ask", {"question": "And then?", "private": False})
        await made.shown(used, "five days")
        assert made.answers.asked[1].earlier[0].text == "How many days?"


async def test_in_a_private_thread_as_many_may_read_as_see_its_channel(tmp_path: Path) -> None:
    """X06."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        thread = discord.open_thread(discord.ada, discord.general, "Quiet", private=True)
        thread.thread_members |= {discord.bot.id, discord.ada.id}
        discord.mention(discord.ada, thread, "Days?")
        await made.done()
        assert made.answers.asked[0].readable.collections == {"main"}


async def test_a_channel_that_the_bot_cannot_see_is_answered_privately_only(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.forbid(discord.general, VIEW_CHANNEL)
        await asked(made, discord.bob)
        options = {"question": "Days?", "private": False}
        used = discord.slash(discord.bob, discord.general, "ask", options)
        await made.shown(used, "no documents that I may use")
        assert len(made.answers.asked) == 1, "the open question was not looked for"


async def test_more_sources_than_fit_as_buttons_are_listed_all_the_same(tmp_path: Path) -> None:
    """R08."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.sources = 14
        made.answers.text = lambda _: "five days. " + "".join(f"[{n}]" for n in range(1, 15))
        shown = await asked(made, discord.bob)
        assert "[14] " in shown.text.split("Sources")[1]
        assert len([name for name in shown.custom_ids if ":passage:" in name]) == 10


async def test_a_question_that_cannot_be_kept_is_not_said_to_be(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        await made.inbox.close()
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "Days?"})
        await made.shown(used, "cannot take this now")
        assert made.answers.asked == []


async def test_the_rest_of_an_answer_is_for_those_who_may_still_read_it(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        team = discord.add_role(discord.guild, "hr", discord.bob)
        async with bench(tmp_path, discord, readers={"main": {f"discord:role:{team.id}"}}) as made:
            made.answers.text = lambda _: " ".join(f"word{n}" for n in range(900)) + " [1]"
            used = discord.slash(discord.bob, discord.general, "ask", {"question": "Long?"})
            shown = await made.shown(used, "word0")
            await made.done()
            page = await made.shown(discord.click(discord.bob, shown.id, button(shown, "more")), "word")
            assert "word5 " not in page.text
            discord.withdraw(discord.guild, discord.bob, team)
            await made.shown(discord.click(discord.bob, shown.id, button(shown, "more")), "no longer")
