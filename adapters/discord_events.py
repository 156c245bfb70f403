"""What happens in Discord, out of discord.py's objects: messages that were heard, commands and buttons used.

Rule: nothing of discord.py goes on from here, and no text but what the asker wrote.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import discord

from adapters.discord_people import Where
from adapters.snowflakes import moment

log = logging.getLogger(__name__)

_MOST_DIRECT = 500
_KINDS: Mapping[int, Literal["command", "press", "typing", "form"]] = {
    2: "command",
    3: "press",
    4: "typing",
    5: "form",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a person. `roles` is None where Discord did not say which the author has.

    `answers` is the question whose answer it replies to, and `others` says that it is meant for somebody
    else by name. In a place that is not `threadable` no thread can be opened. Of the files at it no more is
    known than whether there are any.
    """

    id: str
    where: Where
    user: str
    roles: tuple[str, ...] | None
    text: str
    mentioned: bool
    others: bool
    threadable: bool
    answers: str
    files: bool

    @property
    def at(self) -> float:
        """When it was written, in seconds since 1970."""
        return moment(self.id)

    @property
    def direct(self) -> bool:
        """Whether only the author and the bot see it."""
        return not self.where.guild

    @property
    def key(self) -> str:
        """What the inbox knows it by."""
        return f"discord:{self.where.channel}:{self.id}"


@dataclass(frozen=True, slots=True)
class Used:
    """A command, button or form that somebody used, or (`typing`) an option that is still being typed.

    `shown` are the buttons on the bot's own message that was pressed; `pointed` is the text of the
    message that a message command was used on, and `target` its id.
    """

    id: str
    token: str
    kind: Literal["command", "press", "typing", "form"]
    where: Where
    user: str
    name: str
    roles: tuple[str, ...] | None
    locale: str
    command: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    focused: str = ""
    custom_id: str = ""
    shown: frozenset[str] = frozenset()
    target: str = ""
    pointed: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """When it was used, in seconds since 1970."""
        return moment(self.id)

    def text(self, name: str) -> str:
        """An option, or a form's field, as text; empty where it was left out."""
        return str(self.options.get(name, self.fields.get(name, "")))


def heard(message: discord.Message, bot: str) -> Heard | None:
    """A message as one that may ask; None for those of programs, and for notes of Discord itself."""
    author = message.author
    spoken = message.type in (discord.MessageType.default, discord.MessageType.reply)
    if author.bot or message.webhook_id is not None or not spoken:
        return None
    mentioned = {str(user.id) for user in message.mentions}
    original = message.reference.resolved if message.reference else None
    answers, others = "", False
    if isinstance(original, discord.Message):
        mine = str(original.author.id) == bot
        others = not mine
        question = original.reference.message_id if mine and original.reference else None
        answers = str(question or "")
    return Heard(
        str(message.id),
        _where(message.channel, message.guild.id if message.guild else None),
        str(author.id),
        _roles(author),
        _text(message, bot),
        bot in mentioned,
        others or bool(mentioned - {bot}) or _several_called(message, bot),
        isinstance(message.channel, discord.TextChannel),
        answers,
        bool(message.attachments),
    )


def used(interaction: discord.Interaction[Any], bot: str) -> Used | None:
    """An interaction as the adapter reads it; None for one of a kind that it does not offer."""
    kind = _KINDS.get(interaction.type.value)
    if kind is None or interaction.channel is None:
        return None
    found: Mapping[str, Any] = interaction.data or {}
    options = found.get("options") or ()
    target, message = str(found.get("target_id", "")), interaction.message
    pointed = ((found.get("resolved") or {}).get("messages") or {}).get(target) or {}
    mine = message is not None and str(message.author.id) == bot
    return Used(
        str(interaction.id),
        interaction.token,
        kind,
        _where(interaction.channel, interaction.guild_id),
        str(interaction.user.id),
        interaction.user.display_name,
        _roles(interaction.user),
        interaction.locale.value,
        command=str(found.get("name", "")),
        options={str(one["name"]): one.get("value", "") for one in options},
        focused=next((str(one["name"]) for one in options if one.get("focused")), ""),
        custom_id=str(found.get("custom_id", "")),
        shown=frozenset(_buttons(message)) if mine and message is not None else frozenset(),
        target=target,
        pointed=str(pointed.get("content", "")),
        fields=dict(_fields(found.get("components") or ())),
    )


async def missed(
    client: discord.Client, guilds: Collection[str], since: str, direct: Mapping[str, str]
) -> AsyncIterator[discord.Message]:
    """The messages of the served servers after the id `since`, and of direct channels after their own marks.

    What the bot may not read, or is gone, is left out. Raises `discord.DiscordException` where Discord does not
    give what it has: then not all was read.
    """
    for guild in client.guilds:
        if str(guild.id) not in guilds:
            continue
        places: list[discord.TextChannel | discord.VoiceChannel | discord.Thread] = [*guild.text_channels]
        for place in (*places, *guild.voice_channels, *guild.threads):
            if place.last_message_id is not None and place.last_message_id > int(since):
                async for message in _after(place, since):
                    yield message
    recent = sorted(direct.items(), key=lambda row: int(row[1]), reverse=True)[:_MOST_DIRECT]
    for channel, mark in recent:
        try:
            place_ = await client.fetch_channel(int(channel))
        except (discord.Forbidden, discord.NotFound) as error:
            log.info("a direct channel cannot be read back: %s", error.code)
            continue
        if isinstance(place_, discord.DMChannel):
            async for message in _after(place_, max(mark, since, key=int)):
                yield message


async def _after(place: discord.abc.Messageable, since: str) -> AsyncIterator[discord.Message]:
    try:
        after = discord.Object(int(since))
        async for message in place.history(after=after, oldest_first=True, limit=None):
            yield message
    except (discord.Forbidden, discord.NotFound) as error:
        log.info("a channel cannot be read back: %s", error.code)


def _several_called(message: discord.Message, bot: str) -> bool:
    """Whether a message calls everyone, or a role other than the bot's own."""
    managed = (str(role.tags.bot_id) if role.tags else "" for role in message.role_mentions)
    return message.mention_everyone or any(owner != bot for owner in managed)


def _where(channel: Any, guild: int | None) -> Where:
    parent = channel.parent_id if isinstance(channel, discord.Thread) else None
    return Where(str(channel.id), str(parent or ""), str(guild or ""))


def _roles(author: object) -> tuple[str, ...] | None:
    if not isinstance(author, discord.Member):
        return None
    return tuple(str(role.id) for role in author.roles if not role.is_default())


def _text(message: discord.Message, bot: str) -> str:
    """What was written, without the call to the bot, and with people by their names."""
    names = {str(user.id): user.display_name for user in message.mentions}

    def named(found: re.Match[str]) -> str:
        return "" if found[1] == bot else f"@{names[found[1]]}" if found[1] in names else found[0]

    return re.sub(r"<@!?(\d+)>", named, message.content).strip()


def _buttons(message: discord.Message) -> list[str]:
    found: list[str] = []
    for row in message.components:
        if isinstance(row, discord.ActionRow):
            found += [str(one.custom_id) for one in row.children if getattr(one, "custom_id", None)]
    return found


def _fields(components: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for one in components:
        inner = one.get("component")
        found += _fields([*(one.get("components") or ()), *([inner] if inner else [])])
        if "custom_id" in one:
            found.append((str(one["custom_id"]), str(one.get("value") or "")))
    return found
