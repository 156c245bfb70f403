"""A question as a chat platform heard it, with who asks and who will see the answer, free of any platform.

Rule: everything here can be written down and read again by another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["mention", "direct", "thread", "command", "shortcut"]
"""How the bot was asked: by name in a channel, alone with it, by following up in a thread where it answers,
by a slash command, or about a message."""

Standing = Literal["member", "guest", "external", "unknown"]
"""What somebody is to the team: one of it, a guest with some channels, of another organisation, or nobody knows."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by names that never change: `id` such as "slack:user:U024BE7LH", `groups` such as
    "slack:team:T01", "slack:group:S01", "discord:role:118"."""

    id: str
    standing: Standing = "unknown"
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is to stand: `ids` are the channel's name and those of what it is a part of
    ("discord:channel:7" of a thread and its channel).

    `direct` is a place that only the asker and the bot see. `viewers` are all who can see what stands
    there; one Person with an empty `id` may stand for all with the same groups. None means that nobody knows.
    """

    ids: frozenset[str]
    direct: bool = False
    viewers: tuple[Person, ...] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as it came in.

    `message` is its message's id, `thread` the id of the message or channel that the conversation hangs
    on; either is empty where there is none. `private` wants an answer that the asker alone sees. `reply`
    is what the platform needs to answer, in its own words. `collections` narrows the search; empty is no
    limit. `at` is when it was asked, in seconds since 1970. `files` says that files were attached, which
    nobody reads.
    """

    platform: str
    team: str
    channel: str
    user: str
    text: str
    way: Way
    at: float
    message: str = ""
    thread: str = ""
    private: bool = False
    collections: tuple[str, ...] = ()
    reply: Mapping[str, str] = field(default_factory=dict)
    files: bool = False

    @property
    def conversation(self) -> str:
        """What follow-up questions belong to; empty for a question that stands alone."""
        root = self.thread or self.message
        return f"{self.platform}:{self.team}:{self.channel}:{root}" if root else ""
