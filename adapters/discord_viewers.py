"""Who can see a channel of a server, from its roles and overwrites, as Discord computes it.

Rule: nobody who can see is left out, but for the server's owner, who can take every role anyway, and for
bots; where all roles taken one by one are judged, people with several are judged too, because a grant to
any role of theirs wins over a denial to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.asked import Person

VIEW_CHANNEL = 1 << 10
ADMINISTRATOR = 1 << 3


@dataclass(frozen=True, slots=True)
class Role:
    """A role of a server; the one with the server's id is everybody's. `of_bot` belongs to a program."""

    id: str
    permissions: int
    of_bot: bool = False


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a channel grants to or takes from a role or a member."""

    id: str
    kind: Literal["role", "member"]
    allow: int
    deny: int


def viewers(
    guild: str, roles: Sequence[Role], overwrites: Iterable[Overwrite], *, bot: str = ""
) -> tuple[Person, ...]:
    """One person for all who can see the channel by the same right, none for a channel nobody can see.

    `bot` is the id of the bot itself, which does not count.
    """
    written = {one.id: one for one in overwrites}
    everyone = next((role for role in roles if role.id == guild), Role(guild, 0))
    if _sees(everyone, everyone, written):
        return (_member(guild),)
    by_role = [
        _member(guild, role=role.id)
        for role in roles
        if role is not everyone and not role.of_bot and _sees(role, everyone, written)
    ]
    by_name = [
        _member(guild, user=one.id)
        for one in written.values()
        if one.kind == "member" and one.id != bot and one.allow & VIEW_CHANNEL
    ]
    return (*by_role, *by_name)


def _sees(role: Role, everyone: Role, written: dict[str, Overwrite]) -> bool:
    may = role.permissions | everyone.permissions
    if may & ADMINISTRATOR:
        return True
    for one in dict.fromkeys((everyone.id, role.id)):
        if one in written:
            may = may & ~written[one].deny | written[one].allow
    return bool(may & VIEW_CHANNEL)


def _member(guild: str, *, role: str = "", user: str = "") -> Person:
    groups = {f"discord:guild:{guild}"} | ({f"discord:role:{role}"} if role else set())
    return Person(f"discord:user:{user}" if user else "", "member", frozenset(groups))
