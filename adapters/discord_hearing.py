"""Makes questions of messages: mentions, direct ones, follow-ups in threads; and follows their fate.

Rule: a question is accepted by the desk before anything of it becomes visible.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from adapters.discord_events import Heard
from adapters.discord_people import People, Where
from adapters.discord_settings import DiscordSettings
from bot.asked import Asked, Way
from bot.desk import Desk

log = logging.getLogger(__name__)

LIVE = "discord:live"
"""Up to this mark everything in the servers was heard."""

DIRECT = "discord:dm:"
"""Begins the names of the marks of direct channels."""

NOTHING_YET = "0"
"""The mark of a direct channel that is known and not yet read."""

_MOST_KEPT = 10_000


class Hearing:
    """Hears for `desk`. With `marking` off, what is heard does not count as all that there was."""

    def __init__(self, desk: Desk, people: People, settings: DiscordSettings) -> None:
        self._desk = desk
        self._people = people
        self._settings = settings
        self._here: OrderedDict[str, None] = OrderedDict()
        self.marking = False

    def is_new(self, asked: Asked) -> bool:
        """Whether this process heard the question, so that none before it can have answered."""
        return (asked.message or asked.reply.get("interaction", "")) in self._here

    def note(self, id: str) -> None:
        """Notes that this process hears the message or interaction `id`."""
        self._here[id] = None
        if len(self._here) > _MOST_KEPT:
            self._here.popitem(last=False)

    async def message(self, heard: Heard) -> None:
        """Asks what a message asks, if it does."""
        if heard.where.guild and heard.where.guild not in self._settings.guilds:
            return
        way = await self._way(heard)
        if way is None:
            return
        if heard.roles is not None:
            self._people.met(heard.where.guild, heard.user, heard.roles)
        self.note(heard.id)
        await self._desk.ask(await self._asked(heard, way), keys=[heard.key])
        if heard.direct:
            # A direct channel is read back only if it is known; "0" says no more than that it is.
            await self._desk.mark_seen(
                DIRECT + heard.where.channel, heard.id if self.marking else NOTHING_YET
            )

    async def edited(self, heard: Heard) -> None:
        """Gives a question its new text, while it has no answer."""
        if heard.text:
            await self._desk.revise(heard.key, heard.text)

    async def deleted(self, channel: str, message: str) -> None:
        """Withdraws a question."""
        await self._desk.withdraw(f"discord:{channel}:{message}")

    async def _way(self, heard: Heard) -> Way | None:
        if heard.direct:
            return "direct"
        if heard.mentioned:
            return "mention"
        if not (self._settings.message_content and (heard.text or heard.files)) or heard.others:
            return None
        if not self._desk.channel(f"discord:channel:{heard.where.root}").mention:
            return "mention"
        engaged = heard.where.parent and await self._desk.engaged(conversation(heard.where))
        return "thread" if engaged else None

    async def _asked(self, heard: Heard, way: Way) -> Asked:
        where = heard.where
        thread = where.channel if heard.direct or where.parent else await self._answered(heard)
        reply = {"channel": where.channel}
        if self._settings.threads and heard.threadable and not thread and not heard.answers:
            reply["thread"] = "open"
        private = not heard.direct and self._desk.channel(f"discord:channel:{where.root}").private
        return Asked(
            "discord",
            where.guild,
            where.root,
            heard.user,
            heard.text,
            way,
            heard.at,
            message=heard.id,
            thread=thread,
            private=private,
            reply=reply,
            files=heard.files,
        )

    async def _answered(self, heard: Heard) -> str:
        """The root of the conversation that a reply to an answer goes on with."""
        if not heard.answers:
            return ""
        entry = await self._desk.known(f"discord:{heard.where.channel}:{heard.answers}")
        return (entry.asked.thread or entry.asked.message) if entry else heard.answers


def conversation(where: Where) -> str:
    """The name of a thread's conversation, as `Asked` makes it."""
    return f"discord:{where.guild}:{where.root}:{where.channel}"
