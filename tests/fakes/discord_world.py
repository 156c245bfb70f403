"""The state of a Discord: people, guilds, roles, channels, messages, interactions, and a clock.

Rule: it knows no HTTP and no sockets; ids are real snowflakes, so their age can be read from them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

EPOCH_MS = 1420070400000

ADD_REACTIONS, ADMINISTRATOR, MANAGE_CHANNELS = 1 << 6, 1 << 3, 1 << 4
VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES = 1 << 10, 1 << 11, 1 << 13
EMBED_LINKS, ATTACH_FILES, READ_MESSAGE_HISTORY, MENTION_EVERYONE = 1 << 14, 1 << 15, 1 << 16, 1 << 17
USE_APPLICATION_COMMANDS, MANAGE_THREADS = 1 << 31, 1 << 34
CREATE_PUBLIC_THREADS, CREATE_PRIVATE_THREADS, SEND_MESSAGES_IN_THREADS = 1 << 35, 1 << 36, 1 << 38
EVERYTHING = (1 << 50) - 1
USUAL = (
    ADD_REACTIONS | VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS | ATTACH_FILES | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS | CREATE_PUBLIC_THREADS | CREATE_PRIVATE_THREADS | SEND_MESSAGES_IN_THREADS
)  # fmt: skip

TEXT, DM, CATEGORY, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 4, 11, 12, 15
THREADS = (10, PUBLIC_THREAD, PRIVATE_THREAD)
SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING = 1 << 2, 1 << 5, 1 << 6, 1 << 7
COMPONENTS_V2 = 1 << 15
REPLY, THREAD_CREATED, STARTER = 19, 18, 21
SYSTEM = (THREAD_CREATED, STARTER)


@dataclass(slots=True)
class User:
    """A person or a bot; `dms_open` says whether a bot may write to it."""

    id: int
    name: str
    bot: bool = False
    dms_open: bool = True
    locale: str = "en-GB"

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"


@dataclass(slots=True)
class Role:
    id: int
    name: str
    permissions: int
    position: int
    bot: int | None = None


@dataclass(slots=True)
class Member:
    user: User
    joined_s: float
    roles: set[int] = field(default_factory=set)
    nick: str | None = None


@dataclass(slots=True)
class Guild:
    """A server; `has_bot` is false where the bot is only carried in by a person."""

    id: int
    name: str
    owner: User
    has_bot: bool
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]


@dataclass(slots=True)
class Channel:
    """A place for messages; `overwrites` maps a role or person to what is allowed and denied there."""

    id: int
    kind: int
    name: str
    guild: Guild | None = None
    parent: Channel | None = None
    overwrites: dict[int, tuple[int, int]] = field(default_factory=dict)
    recipients: list[User] = field(default_factory=list)
    topic: str = ""
    last_message: int | None = None
    owner: User | None = None
    made_s: float = 0.0
    archived: bool = False
    locked: bool = False
    archive_minutes: int = 1440
    message_count: int = 0
    thread_members: set[int] = field(default_factory=set)
    messages: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Attachment:
    id: int
    filename: str
    content: bytes
    media_type: str
    url: str = ""


@dataclass(slots=True)
class Message:
    """A message with all it ever said in `versions`, the latest last."""

    id: int
    channel: Channel
    author: User
    content: str
    made_s: float
    kind: int = 0
    edited_s: float | None = None
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    nonce: str | None = None
    allowed_mentions: dict[str, Any] | None = None
    mentions: tuple[User, ...] = ()
    mention_roles: tuple[int, ...] = ()
    mention_everyone: bool = False
    reference: int | None = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    ephemeral_to: int | None = None
    interaction: Interaction | None = None
    webhook_id: int | None = None
    thread: Channel | None = None
    versions: tuple[str, ...] = ()
    deleted: bool = False
    late_edits: int = 0

    @property
    def text(self) -> str:
        """What people read: the content, or the texts of its components."""
        return self.content or "\n".join(texts(self.components))

    @property
    def previews(self) -> list[str]:
        """The addresses in it that Discord would fetch to show a preview."""
        if self.flags & (SUPPRESS_EMBEDS | COMPONENTS_V2):
            return []
        return re.findall(r"(?<!<)(https?://[^\s<>]+)(?!>)", self.content)

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)

    @property
    def custom_ids(self) -> list[str]:
        """Of every button and menu that can be used."""
        return [
            part["custom_id"]
            for part in parts(self.components)
            if "custom_id" in part and not part.get("disabled")
        ]


@dataclass(slots=True)
class Interaction:
    """One use of a command, button or modal, and what came of it.

    `answered` is the type of the first response; `choices` and `modal` are what it showed.
    """

    id: int
    token: str
    kind: int
    user: User
    channel: Channel
    data: dict[str, Any]
    made_s: float
    by_user_install: bool = False
    message: Message | None = None
    sent_at: float = 0.0
    answered: int | None = None
    original: Message | None = None
    choices: list[dict[str, Any]] | None = None
    modal: dict[str, Any] | None = None
    followups: list[Message] = field(default_factory=list)


def parts(components: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Every component, from the outside in."""
    for part in components:
        yield part
        yield from parts(part.get("components") or ())
        yield from parts(one for one in (part.get("accessory"), part.get("component")) if one)


def texts(components: Iterable[dict[str, Any]]) -> list[str]:
    """What the text displays among `components` say."""
    return [part["content"] for part in parts(components) if part.get("type") == 10]


class World:
    """All state; `advance` moves its clock ahead of the real one."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self._last_id = 0
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.interactions: dict[int, Interaction] = {}
        self.by_token: dict[str, Interaction] = {}
        self.files: dict[int, Attachment] = {}
        self.origin = ""
        self.bot = self.add_user("groundling", bot=True)

    def now_s(self) -> float:
        return time.time() + self.ahead_s

    def snowflake(self) -> int:
        """A new id; ids only grow, as the messages of one moment must keep their order."""
        self._last_id = max(self._last_id + 1, (int(self.now_s() * 1000) - EPOCH_MS) << 22)
        return self._last_id

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.snowflake(), name, bot)
        self.users[user.id] = user
        return user

    def add_guild(
        self, name: str, owner: User, *, has_bot: bool = True, guild_id: int | None = None
    ) -> Guild:
        guild = Guild(guild_id or self.snowflake(), name, owner, has_bot)
        guild.roles[guild.id] = Role(guild.id, "@everyone", USUAL, 0)
        self.guilds[guild.id] = guild
        for user in (owner, self.bot) if has_bot else (owner,):
            guild.members[user.id] = Member(user, self.now_s())
        return guild

    def add_channel(
        self, guild: Guild | None, name: str, *, kind: int = TEXT, parent: Channel | None = None
    ) -> Channel:
        channel = Channel(self.snowflake(), kind, name, guild, parent, made_s=self.now_s())
        self.channels[channel.id] = channel
        return channel

    def direct_channel(self, user: User) -> Channel:
        """The place where `user` and the bot write to each other; made when it is missing."""
        for channel in self.channels.values():
            if channel.kind == DM and channel.recipients == [user]:
                return channel
        channel = self.add_channel(None, "", kind=DM)
        channel.recipients = [user]
        return channel

    def permissions(self, user: User, channel: Channel) -> int:
        """What `user` may do in `channel`, as Discord computes it: roles first, then the overwrites."""
        if channel.guild is None:
            return EVERYTHING if user in [*channel.recipients, self.bot] else 0
        guild = channel.guild
        member = guild.members.get(user.id)
        if member is None:
            return 0
        roles = [guild.everyone, *(guild.roles[role] for role in member.roles)]
        may = 0
        for role in roles:
            may |= role.permissions
        if user is guild.owner or may & ADMINISTRATOR:
            return EVERYTHING
        place = channel.parent if channel.kind in THREADS and channel.parent else channel
        for group in ([guild.id], sorted(member.roles), [user.id]):
            written = [place.overwrites[who] for who in group if who in place.overwrites]
            for _, deny in written:
                may &= ~deny
            for allow, _ in written:
                may |= allow
        if channel.kind == PRIVATE_THREAD and user.id not in channel.thread_members:
            may &= ~VIEW_CHANNEL if not may & MANAGE_THREADS else EVERYTHING
        return may if may & VIEW_CHANNEL else 0

    def can(self, user: User, channel: Channel, permission: int) -> bool:
        return self.permissions(user, channel) & permission == permission

    def in_channel(self, channel: Channel) -> list[Message]:
        """The messages that are there, oldest first, without those shown to one person only."""
        return [message for message in channel.messages if not message.deleted and not message.ephemeral_to]

    def add_message(self, channel: Channel, author: User, content: str, **rest: Any) -> Message:
        """A new message, with those it calls upon as its `allowed_mentions` let it."""
        content = content.strip()
        message = Message(self.snowflake(), channel, author, content, self.now_s(), **rest)
        message.versions = (message.text,)
        self.messages[message.id] = message
        channel.messages.append(message)
        self.call_upon(message)
        if message.ephemeral_to is None:
            channel.last_message = message.id
            channel.message_count += 1
        return message

    def call_upon(self, message: Message) -> None:
        """Sets who is notified by `message`."""
        allowed = message.allowed_mentions
        text = message.text
        free = ["users", "roles", "everyone"] if allowed is None else allowed.get("parse") or []
        listed = {int(one) for key in ("users", "roles") for one in (allowed or {}).get(key) or []}
        named = [int(one) for one in re.findall(r"<@!?(\d+)>", text)]
        users = [self.users[one] for one in named if one in self.users and ("users" in free or one in listed)]
        roles = [int(one) for one in re.findall(r"<@&(\d+)>", text)]
        original = self.messages.get(message.reference or 0) if message.kind == REPLY else None
        replied = True if allowed is None else bool(allowed.get("replied_user"))
        if original is not None and replied:
            users.append(original.author)
        message.mentions = tuple({user.id: user for user in users}.values())
        guild = message.channel.guild
        known = guild.roles if guild else {}
        message.mention_roles = tuple(
            one for one in roles if one in known and ("roles" in free or one in listed)
        )
        everyone = re.search(r"@(everyone|here)\b", text) is not None and "everyone" in free
        message.mention_everyone = everyone and self.can(message.author, message.channel, MENTION_EVERYONE)
