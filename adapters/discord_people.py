"""Who somebody in Discord is, and who sees what stands in a channel.

Rule: what was not learned within the last minute is asked for; what Discord does not tell is unknown.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from adapters.discord_rest import Rest
from adapters.discord_viewers import viewers
from bot.asked import Asked, Person, Place

V = TypeVar("V")

FRESH_S = 60.0
_NEVER = float("-inf")
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Where:
    """A channel as an event names it: `parent` is the channel of a thread; `guild` is empty in a direct one."""

    channel: str
    parent: str = ""
    guild: str = ""

    @property
    def root(self) -> str:
        """The channel that carries the rights and the settings."""
        return self.parent or self.channel

    @property
    def ids(self) -> frozenset[str]:
        """What `bot.asked.Place` calls it."""
        return frozenset(f"discord:channel:{one}" for one in (self.channel, self.parent) if one)


class People:
    """Members of the servers in `guilds`; whoever is in none of them is unknown."""

    def __init__(
        self, rest: Rest, guilds: Collection[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rest = rest
        self._guilds = tuple(guilds)
        self._clock = clock
        self._roles: OrderedDict[tuple[str, str], tuple[float, frozenset[str] | None]] = OrderedDict()
        self._viewers: OrderedDict[tuple[str, str], tuple[float, tuple[Person, ...] | None]] = OrderedDict()

    def met(self, guild: str, user: str, roles: Collection[str]) -> Person:
        """Somebody whose roles Discord has just told."""
        self._keep(guild, user, frozenset(roles))
        return self._person(user, {guild: frozenset(roles)})

    def remembered(self, user: str) -> Person:
        """Somebody in a direct channel, as far as is known without asking; unknown where nothing is."""
        now = self._clock()
        known = {
            guild: roles
            for guild in self._guilds
            for at, roles in [self._roles.get((guild, user), (0.0, None))]
            if roles is not None and now - at < FRESH_S
        }
        return self._person(user, known)

    async def who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        """As `bot.platform.Platform` promises."""
        parent = asked.channel if asked.channel != asked.reply["channel"] else ""
        where = Where(asked.reply["channel"], parent, asked.team)
        return await self.person(asked.team, asked.user, since=since), await self.place(where, since=since)

    async def person(self, guild: str, user: str, *, since: float | None = None) -> Person:
        """A member of `guild`, with the roles there; in a direct channel, of every server that is served; with `since`,
        a moment of the clock, nothing that was read before.

        Raises `DeliveryFailed` where Discord cannot be asked.
        """
        asked_in = [one for one in self._guilds if guild in ("", one)]
        known = {one: await self._roles_of(one, user, since) for one in asked_in}
        return self._person(user, {one: roles for one, roles in known.items() if roles is not None})

    async def place(self, where: Where, *, since: float | None = None) -> Place:
        """A place with those who see it. Raises `DeliveryFailed` where Discord cannot be asked."""
        if not where.guild:
            return Place(where.ids, direct=True)
        key = (where.guild, where.root)
        at, found = self._viewers.get(key, (_NEVER, None))
        if at < self._oldest(since):
            began, found = self._clock(), await self._see(where)
            _put(self._viewers, key, (began, found))
        return Place(where.ids, viewers=found)

    async def _see(self, where: Where) -> tuple[Person, ...] | None:
        channel = await self._rest.channel(where.root)
        roles = await self._rest.roles(where.guild)
        if channel is None or roles is None or channel.guild != where.guild:
            return None
        # A channel that nobody is seen to see is one that was not understood.
        return viewers(where.guild, roles, channel.overwrites, bot=self._rest.bot) or None

    async def _roles_of(self, guild: str, user: str, since: float | None) -> frozenset[str] | None:
        at, roles = self._roles.get((guild, user), (_NEVER, None))
        if at < self._oldest(since):
            began, roles = self._clock(), await self._rest.member(guild, user)
            _put(self._roles, (guild, user), (began, roles))
        return roles

    def _oldest(self, since: float | None) -> float:
        return self._clock() - FRESH_S if since is None else since

    def _keep(self, guild: str, user: str, roles: frozenset[str] | None) -> None:
        _put(self._roles, (guild, user), (self._clock(), roles))

    def _person(self, user: str, roles: dict[str, frozenset[str]]) -> Person:
        served = {guild: held for guild, held in roles.items() if guild in self._guilds}
        groups = {f"discord:guild:{guild}" for guild in served}
        groups |= {f"discord:role:{role}" for held in served.values() for role in held}
        return Person(f"discord:user:{user}", "member" if served else "unknown", frozenset(groups))


def _put(kept: OrderedDict[tuple[str, str], V], key: tuple[str, str], value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
