"""Tells the gateway's sessions what has happened in the world.

Rule: a bot hears only of what it may see, and reads only the content that its intents let it read.
"""

from __future__ import annotations

from typing import Any

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_gateway import (
    DIRECT_MESSAGES,
    DIRECT_REACTIONS,
    GUILD_MEMBERS,
    GUILD_MESSAGES,
    GUILD_REACTIONS,
    GUILDS,
    MESSAGE_CONTENT,
    Gateway,
)
from tests.fakes.discord_world import VIEW_CHANNEL, Channel, Guild, Member, Message, User, World

Json = dict[str, Any]


class Events:
    """One method for each thing that can happen."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._gateway = gateway

    def message(self, event: str, message: Message) -> None:
        """MESSAGE_CREATE or MESSAGE_UPDATE, if the bot sees it; nothing for what is shown to one person."""
        place = message.channel
        if message.ephemeral_to is None and self._sees(place):
            wanted = GUILD_MESSAGES if place.guild else DIRECT_MESSAGES
            self._in(place, event, lambda intents: self._readable(message, intents), wanted)

    def message_deleted(self, message: Message) -> None:
        place = message.channel
        if message.ephemeral_to is None and self._sees(place):
            told = {"id": str(message.id), "channel_id": str(place.id), **_guild(place)}
            self._in(place, "MESSAGE_DELETE", told, GUILD_MESSAGES if place.guild else DIRECT_MESSAGES)

    def reaction(self, event: str, message: Message, user: User, emoji: str) -> None:
        place = message.channel
        told = {
            "user_id": str(user.id),
            "channel_id": str(place.id),
            "message_id": str(message.id),
            "message_author_id": str(message.author.id),
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
            **_guild(place),
        }
        if place.guild and event.endswith("ADD"):
            told["member"] = shapes.member(place.guild.members[user.id])
        if self._sees(place):
            self._in(place, event, told, GUILD_REACTIONS if place.guild else DIRECT_REACTIONS)

    def channel(self, event: str, channel: Channel) -> None:
        """CHANNEL_… or THREAD_…; a new direct channel is not told."""
        if channel.guild is not None and (self._sees(channel) or not event.startswith("THREAD")):
            self._in(channel, event, shapes.channel(channel), GUILDS)

    def thread_created(self, thread: Channel) -> None:
        if self._sees(thread):
            self._in(thread, "THREAD_CREATE", shapes.channel(thread) | {"newly_created": True}, GUILDS)

    def guild(self, event: str, guild: Guild) -> None:
        """GUILD_CREATE, GUILD_UPDATE or GUILD_DELETE."""

        def told(intents: int) -> Json:
            if event == "GUILD_DELETE":
                return {"id": str(guild.id)}
            if event == "GUILD_UPDATE":
                return shapes.guild_settings(guild)
            told = shapes.guild(guild, self._world, members=bool(intents & GUILD_MEMBERS))
            del told["unavailable"]  # told of a guild that was there at the start, not of a new one
            return told

        self._gateway.dispatch(event, told, guild_id=guild.id, intents=GUILDS)

    def member(self, event: str, guild: Guild, member: Member) -> None:
        """GUILD_MEMBER_…; of the bot itself every session hears."""
        told = shapes.member(member) | {"guild_id": str(guild.id)}
        if event == "GUILD_MEMBER_REMOVE":
            told = {"guild_id": str(guild.id), "user": shapes.user(member.user)}
        intents = 0 if member.user is self._world.bot else GUILD_MEMBERS
        self._gateway.dispatch(event, told, guild_id=guild.id, intents=intents)

    def role(self, event: str, guild: Guild, role_id: int) -> None:
        """GUILD_ROLE_…"""
        told: Json = {"guild_id": str(guild.id)}
        role = guild.roles.get(role_id)
        told |= {"role": shapes.role(role)} if role else {"role_id": str(role_id)}
        self._gateway.dispatch(event, told, guild_id=guild.id, intents=GUILDS)

    def _sees(self, channel: Channel) -> bool:
        if channel.guild is not None and not channel.guild.has_bot:
            return False
        return self._world.can(self._world.bot, channel, VIEW_CHANNEL)

    def _in(self, channel: Channel, event: str, data: Any, intents: int) -> None:
        self._gateway.dispatch(
            event, data, guild_id=channel.guild.id if channel.guild else None, intents=intents
        )

    def _readable(self, message: Message, intents: int) -> Json:
        """The message as a session with `intents` may read it."""
        told = shapes.message(message, self._world)
        if not self._may_read(message, intents):
            told |= {"content": "", "embeds": [], "attachments": [], "components": []}
        quoted = self._world.messages.get(message.reference or 0)
        if told.get("referenced_message") and quoted and not self._may_read(quoted, intents):
            hidden = {"content": "", "embeds": [], "attachments": [], "components": []}
            told["referenced_message"] = told["referenced_message"] | hidden
        guild = message.channel.guild
        if guild is None:
            return told
        told["guild_id"] = str(guild.id)
        if message.author.id in guild.members and "webhook_id" not in told:
            told["member"] = shapes.member(guild.members[message.author.id], with_user=False)
        for person in told["mentions"]:
            member = guild.members.get(int(person["id"]))
            if member is not None:
                person["member"] = shapes.member(member, with_user=False)
        return told

    def _may_read(self, message: Message, intents: int) -> bool:
        bot = self._world.bot
        own = message.author is bot or bot in message.mentions
        return own or message.channel.guild is None or bool(intents & MESSAGE_CONTENT)


def _guild(channel: Channel) -> Json:
    return {"guild_id": str(channel.guild.id)} if channel.guild else {}
