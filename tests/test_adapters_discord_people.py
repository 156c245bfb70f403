"""Who may ask what in Discord, and who sees the answers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapters.discord_viewers import ADMINISTRATOR, VIEW_CHANNEL, Overwrite, Role, viewers
from tests.discord_bench import Bench, bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_gateway import MESSAGE_CONTENT
from tests.fakes.discord_world import ADMINISTRATOR as ALL
from tests.fakes.discord_world import Channel, User

GUILD, TEAM, BOSS, BOT = "1", "2", "3", "4"
OPEN = (Role(GUILD, VIEW_CHANNEL), Role(TEAM, 0), Role(BOSS, 0))
CLOSED = Overwrite(GUILD, "role", 0, VIEW_CHANNEL)


def seen_by(roles: tuple[Role, ...], *overwrites: Overwrite) -> set[str]:
    """The roles and people among the viewers, without what all of them are."""
    found = viewers(GUILD, roles, overwrites)
    names = {name for person in found for name in person.groups - {f"discord:guild:{GUILD}"}}
    assert all(person.standing == "member" for person in found)
    return names | {person.id for person in found if person.id}


def test_an_open_channel_is_seen_by_everybody_of_the_server() -> None:
    (everybody,) = viewers(GUILD, OPEN, ())
    assert everybody.groups == {"discord:guild:1"}
    assert everybody.id == ""


def test_a_closed_channel_is_seen_by_those_it_names() -> None:
    role = Overwrite(TEAM, "role", VIEW_CHANNEL, 0)
    person = Overwrite("77", "member", VIEW_CHANNEL, 0)
    hidden = Overwrite("78", "member", 0, VIEW_CHANNEL)
    assert seen_by(OPEN, CLOSED, role, person, hidden) == {"discord:role:2", "discord:user:77"}


def test_administrators_see_every_channel() -> None:
    roles = (Role(GUILD, VIEW_CHANNEL), Role(TEAM, 0), Role(BOSS, ADMINISTRATOR))
    assert seen_by(roles, CLOSED) == {"discord:role:3"}


def test_a_server_that_shows_nothing_by_itself_shows_to_roles() -> None:
    roles = (Role(GUILD, 0), Role(TEAM, VIEW_CHANNEL), Role(BOSS, 0))
    assert seen_by(roles) == {"discord:role:2"}
    assert seen_by(roles, Overwrite(TEAM, "role", 0, VIEW_CHANNEL)) == set()


def test_the_roles_of_programs_are_nobody_s() -> None:
    roles = (*OPEN, Role(BOT, ADMINISTRATOR, of_bot=True))
    assert seen_by(roles, CLOSED, Overwrite(BOT, "role", VIEW_CHANNEL, 0)) == set()


async def test_the_viewers_are_those_who_really_see_the_channel(tmp_path: Path) -> None:
    """X06: held against what the fake's people may do."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        team = discord.add_role(discord.guild, "team", discord.bob)
        admins = discord.add_role(discord.guild, "admins", permissions=ALL)
        carol = discord.add_user("carol", guild=discord.guild)
        places = [
            discord.general,
            discord.add_channel(discord.guild, "team", only=[team]),
            discord.add_channel(discord.guild, "carol", only=[carol]),
            discord.add_channel(discord.guild, "nobody", only=[]),
        ]
        for place in places:
            found = await _viewers(made, place)
            for user in (discord.bob, carol):
                person = await made.platform._people.person(
                    str(discord.guild.id), str(user.id), since=time.monotonic()
                )
                covered = any(
                    one.id == person.id or (not one.id and one.groups <= person.groups) for one in found
                )
                assert covered is discord.world.can(user, place, VIEW_CHANNEL), (place.name, user.name)
            groups = {name for one in found for name in one.groups}
            everybody = place is discord.general
            assert (f"discord:role:{admins.id}" in groups) is not everybody


async def _viewers(made: Bench, place: Channel):  # type: ignore[no-untyped-def]
    discord = made.discord
    discord.grant(discord.guild, discord.bot, discord.add_role(discord.guild, "bot", permissions=0))
    if place is not discord.general:
        place.overwrites[discord.bot.id] = (VIEW_CHANNEL, 0)
    message = discord.mention(discord.ada, place, "Days?")
    await made.until(lambda: made.answering.counts["received"])
    await made.until(lambda: not made.answering.busy_with)
    entry = await made.desk.known(f"discord:{place.id}:{message.id}")
    while entry is None:
        entry = await made.desk.known(f"discord:{place.id}:{message.id}")
    _, here = await made.platform.who(entry.asked, since=time.monotonic())
    return here.viewers or ()


async def test_a_collection_is_used_only_where_all_who_see_may_read_it(tmp_path: Path) -> None:
    """X06."""
    async with FakeDiscord() as discord:
        team = discord.add_role(discord.guild, "team", discord.bob)
        room = discord.add_channel(discord.guild, "room", only=[team, discord.bot])
        readers = {"main": {"everyone"}, "secret": {f"discord:role:{team.id}"}}
        async with bench(tmp_path, discord, readers=readers) as made:
            discord.mention(discord.bob, discord.general, "Public?")
            await made.done()
            discord.mention(discord.bob, room, "Room?")
            await made.done(2)
            discord.direct(discord.bob, "Alone?")
            await made.done(3)
            discord.slash(discord.bob, discord.general, "ask", {"question": "Hidden?"})
            await made.done(4)
            found = {one.text: one.readable.collections for one in made.answers.asked}
            assert found == {
                "Public?": {"main"},
                "Room?": {"main", "secret"},
                "Alone?": {"main", "secret"},
                "Hidden?": {"main", "secret"},
            }
            # What the asker reads alone is one audience, directly or by a command.
            assert len({one.audience for one in made.answers.asked}) == 3


async def test_a_role_that_is_taken_away_meanwhile_takes_the_answer_away(tmp_path: Path) -> None:
    """X06."""
    async with FakeDiscord() as discord:
        team = discord.add_role(discord.guild, "team", discord.bob)
        readers = {"main": {"everyone"}, "secret": {f"discord:role:{team.id}"}}
        async with bench(tmp_path, discord, readers=readers) as made:
            made.answers.collection = "secret"
            made.answers.gate.clear()
            used = discord.slash(discord.bob, discord.general, "ask", {"question": "Secret?"})
            await made.until(lambda: made.answers.asked)
            discord.withdraw(discord.guild, discord.bob, team)
            made.answers.gate.set()
            shown = await made.shown(used, "has changed")
            assert "five days" not in shown.text


async def test_strangers_are_not_answered(tmp_path: Path) -> None:
    """X07."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        stranger = discord.add_user("stranger")
        message = discord.direct(stranger, "Days?")
        await made.done()
        assert made.answers_to(message)[0].text == "I answer members of this team only."
        used = discord.slash(stranger, message.channel, "sources")
        await made.shown(used, "no sources")
        assert made.answers.asked == []


async def test_somebody_who_left_is_a_stranger(tmp_path: Path) -> None:
    """X07."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.gate.clear()
        message = discord.direct(discord.bob, "Days?")
        await made.until(lambda: made.answers.asked)
        discord.remove_member(discord.guild, discord.bob)
        made.answers.gate.set()
        await made.done()
        assert "five days" not in made.answers_to(message)[0].text


async def test_programs_are_not_answered_and_cannot_make_a_loop(tmp_path: Path) -> None:
    """X04."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        other = discord.add_user("other bot", guild=discord.guild, bot=True)
        discord.mention(other, discord.general, "Days?")
        discord.mention(discord.bot, discord.general, "Days?")
        message = discord.mention(discord.bob, discord.general, "Days?")
        await made.done()
        discord.mention(other, made.thread_of(message), "And then?", made.answers_to(message)[0].id)
        discord.direct(discord.bob, "Later?")
        await made.done(2)
        assert [one.text for one in made.answers.asked] == ["Days?", "Later?"]


async def test_calls_to_everyone_are_no_calls_to_the_bot(tmp_path: Path) -> None:
    """X04."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.post(discord.ada, discord.general, "@everyone days?")
        discord.direct(discord.bob, "Later?")
        await made.done()
        assert [one.text for one in made.answers.asked] == ["Later?"]


async def test_what_people_wrote_before_in_a_thread_is_known_with_its_author(tmp_path: Path) -> None:
    """X05."""
    async with FakeDiscord() as discord:
        discord.allow_intents(MESSAGE_CONTENT)
        chosen = settings(discord, message_content=True)
        async with bench(tmp_path, discord, chosen=chosen) as made:
            thread = discord.open_thread(discord.ada, discord.general, "Leave")
            discord.post(discord.ada, discord.general, "Somewhere else")
            for number in range(30):
                discord.post(discord.ada, thread, f"Note {number} " + "x" * 500)
            discord.post(discord.bob, thread, "How about carrying over?")
            discord.mention(discord.ada, thread, "Can you tell?")
            await made.done()
            turns = [turn.text for turn in made.answers.asked[0].earlier]
            assert turns[-1] == "Bob: How about carrying over?"
            assert turns[-2].startswith("Ada: Note 29")
            assert not any("Somewhere else" in turn for turn in turns)
            assert sum(len(turn) for turn in turns) < 5000


async def test_one_conversation_is_nothing_to_another(tmp_path: Path) -> None:
    """X06: threads, direct messages and commands."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        for number, ask in enumerate(
            (
                lambda: discord.mention(discord.bob, discord.general, "One?"),
                lambda: discord.mention(discord.bob, discord.general, "Two?"),
                lambda: discord.direct(discord.bob, "Three?"),
                lambda: discord.direct(discord.ada, "Four?"),
                lambda: discord.slash(discord.bob, discord.general, "ask", {"question": "Five?"}),
            ),
            1,
        ):
            ask()
            await made.done(number)
        assert all(one.earlier == () for one in made.answers.asked)


@pytest.mark.parametrize("text", ["", "   ", "👍🏽", "```py\nprint('`')\n```", "x" * 1900, "?"])
async def test_odd_questions_have_one_calm_answer(tmp_path: Path, text: str) -> None:
    """X08."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        message = discord.mention(discord.bob, discord.general, text)
        await made.done()
        (answer,) = made.answers_to(message)
        assert ("Ask me a question" in answer.text) is not text.strip()
        assert made.answering.counts["failed"] == 0


async def test_people_in_a_question_are_called_by_their_names(tmp_path: Path) -> None:
    """X08."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        discord.mention(discord.bob, discord.general, f"what does {discord.ada.mention} do?")
        await made.done()
        assert made.answers.asked[0].text == "what does @Ada do?"


async def test_collections_are_offered_only_to_those_who_may_see_them(tmp_path: Path) -> None:
    """D10."""
    many = {f"shelf-{number:02}": {"everyone"} for number in range(40)} | {"x" * 101: {"everyone"}}
    async with FakeDiscord() as discord:
        readers = many | {"secret": {f"discord:user:{discord.ada.id}"}}
        async with bench(tmp_path, discord, readers=readers) as made:

            async def offered(user: User, typed: str, place: Channel) -> list[str]:
                before = len(discord.calls)
                options = {"question": "x", "collection": typed}
                used = discord.autocomplete(user, place, "ask", options, "collection")
                await made.until(lambda: used.choices is not None)
                assert len(discord.calls) == before + 1  # from memory: nothing was asked for
                return [one["name"] for one in used.choices or ()]

            assert await offered(discord.ada, "sec", discord.general) == ["secret"]
            assert await offered(discord.bob, "sec", discord.general) == []
            assert len(await offered(discord.bob, "", discord.general)) == 25
            assert await offered(discord.bob, "xxx", discord.general) == []
            assert await offered(discord.bob, "shelf-07", discord.general) == ["shelf-07"]


async def test_in_a_direct_channel_the_next_letter_finds_the_collections(tmp_path: Path) -> None:
    """D10."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        place = discord.direct_channel(discord.bob)
        found: list[str] = []
        while not found:
            options = {"question": "x", "collection": "ma"}
            used = discord.autocomplete(discord.bob, place, "ask", options, "collection")
            await made.until(lambda used=used: used.choices is not None)  # type: ignore[misc]
            found = [one["name"] for one in used.choices or ()]
        assert found == ["main"]


async def test_a_collection_narrows_the_search_and_never_widens_it(tmp_path: Path) -> None:
    """D10: a name that was not offered gives nothing."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        made.answers.collection = "secret"
        options = {"question": "Days?", "collection": "secret"}
        used = discord.slash(discord.bob, discord.general, "ask", options)
        await made.shown(used, "no documents that I may use")
        used = discord.slash(discord.ada, discord.general, "ask", options)
        await made.shown(used, "five days")
        assert [one.readable.collections for one in made.answers.asked] == [{"secret"}]
