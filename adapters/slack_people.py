"""Who is who in the workspace, and who sees which channel, as Slack tells it.

Rule: nothing is older than a minute; whom or what Slack does not tell of is unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from adapters.slack_calls import Json, SlackCalls, SlackRefused
from bot.asked import Person, Place, Standing

KEPT_S = 60.0
_MOST_KEPT = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    team: str
    standing: Standing
    program: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class _Channel:
    """`others` are the organisations it is shared with; `public` says whether every member of the workspace can
    look into it, and `here` whether the bot is in it."""

    others: frozenset[str]
    public: bool
    here: bool


class SlackPeople:
    """The directory of the workspace that `calls` speaks to. Every method raises `DeliveryFailed` when Slack
    cannot be asked."""

    def __init__(self, calls: SlackCalls, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls
        self._clock = clock
        self._team = ""
        self._everybody = _Kept(self._all_users, clock)
        self._users = _Kept(self._one_user, clock)
        self._groups = _Kept(self._all_groups, clock)
        self._members = _Kept(self._all_members, clock)
        self._channels = _Kept(self._one_channel, clock)

    async def person(self, team: str, user: str, *, fresh: bool = False) -> Person:
        """Who `user` is; with standing "unknown" where Slack does not say."""
        self._team = team
        return await self._person(user, self._clock() if fresh else None)

    async def place(self, team: str, channel: str, user: str, *, fresh: bool = False) -> Place:
        """The channel with all who see it, in a public one every member of the workspace; `user` is who the bot talks
        with where it is a direct message."""
        self._team = team
        return await self._place(channel, user, self._clock() if fresh else None)

    async def both(
        self, team: str, channel: str, user: str, *, since: float | None = None
    ) -> tuple[Person, Place]:
        """Who `user` is, and the channel; with `since`, a moment of the clock, nothing that was read before.

        What was read before a call failed counts when it is tried again with the same `since`.
        """
        self._team = team
        person, place = await asyncio.gather(self._person(user, since), self._place(channel, user, since))
        return person, place

    async def _person(self, user: str, since: float | None) -> Person:
        groups, known = await asyncio.gather(self._groups.get("", since), self._user(user, since))
        return _person(user, known, groups.get(user, frozenset()))

    async def _place(self, channel: str, user: str, since: float | None) -> Place:
        ids = frozenset({f"slack:channel:{channel}"})
        if channel.startswith("D"):
            return Place(ids, direct=True, viewers=(await self._person(user, since),))
        try:
            groups, members, known = await asyncio.gather(
                self._groups.get("", since),
                self._members.get(channel, since),
                self._channels.get(channel, since),
            )
        except SlackRefused:
            return Place(ids, viewers=None)
        viewers = [
            Person(f"slack:team:{one}", "external", frozenset({f"slack:team:{one}"})) for one in known.others
        ]
        if known.public:
            viewers.append(Person("", "member", frozenset({f"slack:team:{self._team}"})))
        for member in members:
            one = await self._user(member, None)
            if one is None or not (one.program or one.gone):
                viewers.append(_person(member, one, groups.get(member, frozenset())))
        return Place(ids, viewers=tuple(viewers) or None)

    async def present(self, channel: str) -> bool:
        """Whether the bot is in that channel now."""
        try:
            return (await self._channels.get(channel, self._clock())).here
        except SlackRefused:
            return False

    async def named(self, team: str, user: str) -> str:
        """What `user` is called."""
        self._team = team
        known = await self._user(user, None)
        return known.name if known else "somebody"

    def called(self, user: str) -> str:
        """What `user` is called, as far as that is known without asking Slack."""
        everybody = self._everybody.last("") or {}
        return everybody[user].name if user in everybody else "somebody"

    async def _user(self, user: str, since: float | None) -> _User | None:
        if since is None:
            everybody = await self._everybody.get("", None)
            if user in everybody:
                return everybody[user]
        return await self._users.get(user, since)

    async def _all_users(self, _: str) -> dict[str, _User]:
        try:
            return {
                str(row["id"]): self._read(row)
                async for row in self._calls.pages("users.list", "members", limit=1000)
            }
        except SlackRefused:
            return {}

    async def _one_user(self, user: str) -> _User | None:
        try:
            return self._read((await self._calls.read("users.info", user=user))["user"])
        except SlackRefused:
            return None

    async def _all_groups(self, _: str) -> dict[str, frozenset[str]]:
        """User to groups; empty where the app may not see them, so that no group reads anything."""
        try:
            answer = await self._calls.read("usergroups.list", include_users=True)
        except SlackRefused:
            return {}
        found: dict[str, set[str]] = {}
        for group in answer.get("usergroups", []):
            for user in group.get("users") or []:
                found.setdefault(str(user), set()).add(f"slack:group:{group['id']}")
        return {user: frozenset(groups) for user, groups in found.items()}

    async def _all_members(self, channel: str) -> list[str]:
        rows = self._calls.pages("conversations.members", "members", channel=channel, limit=1000)
        return [str(row["id"]) async for row in rows]

    async def _one_channel(self, channel: str) -> _Channel:
        row = (await self._calls.read("conversations.info", channel=channel))["channel"]
        shared = row.get("is_ext_shared") or row.get("is_pending_ext_shared")
        others = {*(row.get("connected_team_ids") or []), *(row.get("shared_team_ids") or [])} - {self._team}
        closed = bool(row.get("is_private") or row.get("is_im") or row.get("is_mpim"))
        here = bool(row.get("is_member") or row.get("is_im") or row.get("is_mpim"))
        return _Channel(frozenset(map(str, others)) if shared else frozenset(), not closed, here)

    def _read(self, row: Json) -> _User:
        profile = row.get("profile") or {}
        enterprise = row.get("enterprise_user") or {}
        teams = {str(row.get("team_id") or ""), *map(str, enterprise.get("teams") or [])}
        standing: Standing = "member"
        if row.get("is_stranger") or (self._team and self._team not in teams):
            standing = "external"
        elif row.get("is_restricted") or row.get("is_ultra_restricted"):
            standing = "guest"
        return _User(
            name=str(profile.get("display_name") or row.get("real_name") or row.get("name") or "somebody"),
            team=self._team if self._team in teams else str(row.get("team_id") or ""),
            standing=standing,
            program=bool(row.get("is_bot")) or row.get("id") == "USLACKBOT",
            gone=bool(row.get("deleted")),
        )


def _person(user: str, known: _User | None, groups: frozenset[str]) -> Person:
    if known is None or known.gone or known.program:
        return Person(f"slack:user:{user}")
    return Person(f"slack:user:{user}", known.standing, groups | {f"slack:team:{known.team}"})


class _Kept(Generic[T]):
    """What `fetch` gives for a key, for a minute; many who ask at once ask Slack once."""

    def __init__(self, fetch: Callable[[str], Awaitable[T]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._found: dict[str, tuple[float, T]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def last(self, key: str) -> T | None:
        """What was fetched last, however old."""
        return self._found[key][1] if key in self._found else None

    async def get(self, key: str, since: float | None) -> T:
        """What was fetched at `since` or later; without it, within the last minute."""
        oldest = self._clock() - KEPT_S if since is None else since
        if key not in self._locks and len(self._locks) >= _MOST_KEPT:
            self._locks = {one: lock for one, lock in self._locks.items() if lock.locked()}
            self._found.clear()
        async with self._locks.setdefault(key, asyncio.Lock()):
            if key in self._found and self._found[key][0] >= oldest:
                return self._found[key][1]
            began = self._clock()
            value = await self._fetch(key)
            self._found[key] = (began, value)
            return value
