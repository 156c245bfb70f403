"""Who is who in a workspace, and who sees which channel."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from adapters.slack_calls import SlackCalls
from adapters.slack_people import SlackPeople
from bot.access import Access, AccessRules
from bot.asked import Person
from bot.platform import DeliveryFailed
from tests.fakes.slack import ADA, BEN, GENERAL, SCOPES, TEAM, FakeSlack


@contextlib.asynccontextmanager
async def directory(fake: FakeSlack) -> AsyncIterator[tuple[SlackPeople, list[float]]]:
    """A directory with a clock that the test puts forward."""
    now = [0.0]
    calls = SlackCalls(fake.bot_token, fake.app_token, api_url=fake.url)
    try:
        yield SlackPeople(calls, clock=lambda: now[0]), now
    finally:
        await calls.close()


async def test_everybody_has_their_standing() -> None:
    """X07."""
    async with FakeSlack() as fake, directory(fake) as (people, _):
        other = fake.add_team("Other")
        wanted = {
            ADA: "member",
            fake.add_user("boss", "owner"): "member",
            fake.add_user("gus", "guest"): "guest",
            fake.add_user("solo", "single_channel_guest"): "guest",
            fake.add_user("sam", "stranger", team=other): "external",
            fake.add_user("olaf", "member", team=other): "external",
            fake.add_user("gone", "deleted"): "unknown",
            fake.add_user("robot", "bot"): "unknown",
            "U0NOBODY": "unknown",
        }
        assert {user: (await people.person(TEAM, user)).standing for user in wanted} == wanted


async def test_groups_are_those_of_the_team_and_the_user_groups() -> None:
    async with FakeSlack() as fake, directory(fake) as (people, _):
        group = fake.add_group("sales", [ADA])
        assert await people.person(TEAM, ADA) == Person(
            f"slack:user:{ADA}", "member", frozenset({f"slack:team:{TEAM}", f"slack:group:{group}"})
        )
        assert (await people.person(TEAM, BEN)).groups == frozenset({f"slack:team:{TEAM}"})


async def test_without_the_scope_nobody_is_in_a_group() -> None:
    async with FakeSlack() as fake, directory(fake) as (people, _):
        fake.add_group("sales", [ADA])
        fake.world.scopes = set(SCOPES) - {"usergroups:read"}
        assert (await people.person(TEAM, ADA)).groups == frozenset({f"slack:team:{TEAM}"})


ANYBODY = Person("", "member", frozenset({f"slack:team:{TEAM}"}))
"""Who stands for all members of the workspace."""


async def test_viewers_are_the_members_without_programs() -> None:
    """X06."""
    async with FakeSlack() as fake, directory(fake) as (people, _):
        fake.join(fake.add_user("robot", "bot"), GENERAL)
        fake.join(fake.add_user("gone", "deleted"), GENERAL)
        place = await people.place(TEAM, GENERAL, ADA)
        assert place.ids == frozenset({f"slack:channel:{GENERAL}"})
        assert not place.direct
        assert {one.id for one in place.viewers or ()} == {"", f"slack:user:{ADA}", f"slack:user:{BEN}"}


@pytest.mark.parametrize("kind", ["public", "private", "mpim"])
async def test_whoever_may_open_a_channel_sees_what_stands_there(kind: str) -> None:
    """X06: a public channel can be read by every member of the workspace, who may not have joined it."""
    async with FakeSlack() as fake, directory(fake) as (people, _):
        channel = fake.add_channel("talk", [ADA, BEN], kind=kind)
        group = fake.add_group("hr", [ADA, BEN])
        fake.add_user("eve")
        readers = {
            "everyone": {"everyone"},
            "team": {f"slack:team:{TEAM}"},
            "channel": {f"slack:channel:{channel}"},
            "group": {f"slack:group:{group}"},
            "people": {f"slack:user:{ADA}", f"slack:user:{BEN}"},
        }
        person, place = await people.both(TEAM, channel, ADA)
        assert (ANYBODY in (place.viewers or ())) is (kind == "public")
        closed = set() if kind == "public" else {"group", "people"}
        access = Access(AccessRules(readers))
        assert access.readable(person, place) == {"everyone", "team", "channel"} | closed
        assert access.readable(person, place, private=True) == set(readers)


async def test_direct_message_is_seen_by_its_user_alone() -> None:
    async with FakeSlack() as fake, directory(fake) as (people, _):
        place = await people.place(TEAM, fake.direct_channel(ADA), ADA)
        assert place.direct
        assert [one.id for one in place.viewers or ()] == [f"slack:user:{ADA}"]


async def test_shared_channel_counts_the_other_organisation_among_its_viewers() -> None:
    """X07."""
    async with FakeSlack() as fake, directory(fake) as (people, _):
        other = fake.add_team("Other")
        shared = fake.add_channel("shared", [ADA], teams=(other,))
        place = await people.place(TEAM, shared, ADA)
        assert Person(f"slack:team:{other}", "external", frozenset({f"slack:team:{other}"})) in (
            place.viewers or ()
        )


async def test_channel_that_cannot_be_looked_into_has_unknown_viewers() -> None:
    async with FakeSlack() as fake, directory(fake) as (people, _):
        hidden = fake.add_channel("board", [ADA], kind="private", with_bot=False)
        assert (await people.place(TEAM, hidden, ADA)).viewers is None
        assert (await people.place(TEAM, "C0NOWHERE", ADA)).viewers is None


async def test_many_members_come_in_pages() -> None:
    """X05."""
    async with FakeSlack() as fake, directory(fake) as (people, _):
        users = [fake.add_user(f"user{n}") for n in range(1_150)]
        crowd = fake.add_channel("crowd", users)
        place = await people.place(TEAM, crowd, users[0])
        assert len(place.viewers or ()) == 1_151
        assert len(fake.called("users.list")) == 2
        assert fake.called("users.info") == []


async def test_nothing_is_older_than_a_minute_and_fresh_is_as_it_is_now() -> None:
    """X06."""
    async with FakeSlack() as fake, directory(fake) as (people, now):
        await people.both(TEAM, GENERAL, ADA)
        calls = len(fake.calls)
        await people.both(TEAM, GENERAL, ADA)
        assert len(fake.calls) == calls
        guest = fake.add_user("gus", "guest")
        fake.join(guest, GENERAL)
        group = fake.add_group("sales", [ADA])
        assert f"slack:user:{guest}" not in str(await people.place(TEAM, GENERAL, ADA))
        now[0] += 1.0
        person, place = await people.both(TEAM, GENERAL, ADA, since=now[0])
        assert f"slack:user:{guest}" in str(place)
        assert f"slack:group:{group}" in person.groups
        fake.world.users[ADA].kind = "guest"
        now[0] += 61.0
        assert (await people.person(TEAM, ADA)).standing == "guest"


async def test_what_was_read_before_a_call_failed_is_not_read_again() -> None:
    """X06."""
    async with FakeSlack() as fake, directory(fake) as (people, now):
        await people.both(TEAM, GENERAL, ADA)
        now[0] += 1.0
        since = now[0]
        fake.fail("conversations.info", [500])
        with pytest.raises(DeliveryFailed):
            await people.both(TEAM, GENERAL, ADA, since=since)
        members = len(fake.called("conversations.members"))
        await people.both(TEAM, GENERAL, ADA, since=since)
        assert len(fake.called("conversations.members")) == members == 2


async def test_directory_that_cannot_be_asked_says_so() -> None:
    async with FakeSlack() as fake, directory(fake) as (people, _):
        fake.fail("conversations.members", [500, (429, "7")])
        with pytest.raises(DeliveryFailed):
            await people.both(TEAM, GENERAL, ADA)
        with pytest.raises(DeliveryFailed) as told:
            await people.both(TEAM, GENERAL, ADA)
        assert told.value.after_s == 7.0
