"""What a Slack workspace holds: teams, people, channels, messages, views, sessions.

Rule: it is plain state and knows neither HTTP nor sockets; whoever changes it holds `World.lock`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["member", "admin", "owner", "guest", "single_channel_guest", "bot", "deleted", "stranger"]
ChannelKind = Literal["public", "private", "im", "mpim"]
StreamState = Literal["streaming", "stopped", "expired", "stopped_by_user"]

TEAM = "T0HOME"
APP = "A0APP"
BOT_USER = "U0BOT"
BOT_ID = "B0BOT"
ADA = "U0ADA"
BEN = "U0BEN"
GENERAL = "C0GENERAL"

_PING = re.compile(r"<(@[UW][A-Z0-9]+|![a-z]+|!subteam\^S[A-Z0-9]+)(?:\|[^>]*)?>")


class Refused(Exception):
    """A Web API method says no: `code` is Slack's name for why, `more` stands beside it in the answer."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


@dataclass(slots=True)
class Team:
    id: str
    name: str
    domain: str


@dataclass(slots=True)
class User:
    id: str
    name: str
    team_id: str = TEAM
    kind: Kind = "member"
    bot_id: str | None = None
    app_id: str | None = None
    locale: str = "en-US"


@dataclass(slots=True)
class Group:
    id: str
    handle: str
    members: list[str]
    enabled: bool = True


@dataclass(slots=True)
class Channel:
    """A conversation; `teams` are the other teams a shared one is connected with."""

    id: str
    name: str
    kind: ChannelKind = "public"
    members: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    archived: bool = False
    read_only: bool = False
    created: int = 0

    @property
    def type(self) -> str:
        """As events call it."""
        return {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}[self.kind]


@dataclass(slots=True)
class Stream:
    started: float
    state: StreamState = "streaming"
    chunks: list[Json] = field(default_factory=list)
    recipient_user_id: str | None = None
    recipient_team_id: str | None = None


@dataclass(slots=True)
class Message:
    """One message; `versions` are its texts from the first to the present one.

    Unfurl flags are None where the call did not name them. `ephemeral_for` is who alone sees it.
    """

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    subtype: str | None = None
    client_msg_id: str | None = None
    team_id: str = TEAM
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    markdown: str | None = None
    metadata: Json | None = None
    files: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None
    ephemeral_for: str | None = None
    broadcast: bool = False
    edited_by: str | None = None
    edited_ts: str | None = None
    deleted: bool = False
    versions: list[str] = field(default_factory=list)
    stream: Stream | None = None
    rewritten: bool = False

    @property
    def root(self) -> str:
        """The ts of the thread it is in, its own if in none."""
        return self.thread_ts or self.ts

    @property
    def shown(self) -> str:
        """Everything a reader sees, a line for each piece: the text where no block replaces it, and the blocks."""
        pieces = [] if self.blocks and (self.stream is None or self.rewritten) else [self.text]
        return "\n".join([*pieces, *texts_of(self.blocks), *texts_of(self.attachments)])

    @property
    def pings(self) -> list[str]:
        """The users, user groups and whole channels that it notifies, as `@U1`, `!here`, `!subteam^S1`."""
        return _PING.findall("\n".join([self.text, *texts_of(self.blocks), *texts_of(self.attachments)]))


@dataclass(slots=True)
class View:
    """A modal or a home tab as it was last opened, updated or published."""

    id: str
    user: str
    body: Json
    hash: str
    root: str
    previous: str | None = None
    open: bool = True
    errors: dict[str, str] = field(default_factory=dict)
    state: Json = field(default_factory=dict)


@dataclass(slots=True)
class File:
    id: str
    name: str
    mimetype: str
    content: bytes
    user: str
    channels: list[str]
    checked_only: bool = False


@dataclass(slots=True)
class Session:
    """An agent session of one thread; `history` holds every status it had."""

    status: str
    title: str | None = None
    history: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Pass:
    """What an interaction hands the app to answer with: a trigger_id or a response_url."""

    user: str
    channel: str
    made: float
    message_ts: str | None = None
    view: str | None = None
    used: int = 0


class Clock:
    """Wall time, in seconds, that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


class World:
    """All state of the fake, and the settings that decide how it behaves."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clock = Clock()
        self.publish: Callable[[Json], object] = lambda event: None
        self.url = ""
        self.teams = {TEAM: Team(TEAM, "Acme", "acme")}
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, list[Message]] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.files: dict[str, File] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self.statuses: dict[tuple[str, str], list[Json]] = {}
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[str, list[Json]] = {}
        self.triggers: dict[str, Pass] = {}
        self.response_urls: dict[str, Pass] = {}
        self.stream_window_s = 300.0
        self.trigger_s = 3.0
        self.update_text_limit = 4000
        self.echoes = True
        self.subscriptions: set[str] | None = None
        self.scopes: set[str] = set()
        self.token_error: str | None = None
        self._by_ts: dict[tuple[str, str], Message] = {}
        self._threads: dict[tuple[str, str], list[Message]] = {}
        self._ids = 0
        self._last_ts = 0
        for user in (
            User(BOT_USER, "groundling", kind="bot", bot_id=BOT_ID, app_id=APP),
            User(ADA, "ada"),
            User(BEN, "ben"),
        ):
            self.users[user.id] = user
        self.add_channel(Channel(GENERAL, "general", members=[ADA, BEN, BOT_USER]))

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}0{self._ids:08d}"

    def next_ts(self) -> str:
        """A ts that no message has, later than all before."""
        self._last_ts = max(self._last_ts + 1, int(self.clock.now() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add_channel(self, channel: Channel) -> Channel:
        channel.created = int(self.clock.now())
        self.channels[channel.id] = channel
        self.messages[channel.id] = []
        return channel

    def direct_channel(self, user: str) -> Channel:
        """The direct messages of `user` with the app, opened where they were not."""
        for channel in self.channels.values():
            if channel.kind == "im" and set(channel.members) == {user, BOT_USER}:
                return channel
        return self.add_channel(Channel(self.new_id("D"), "", "im", [user, BOT_USER]))

    def user(self, ident: object) -> User:
        if not isinstance(ident, str) or ident not in self.users:
            raise Refused("user_not_found")
        return self.users[ident]

    def channel(self, ident: object, *, posting: bool = False) -> Channel:
        """The channel as the app may use it; a user's id stands for their direct messages."""
        if isinstance(ident, str) and posting and ident in self.users:
            return self.direct_channel(ident)
        if isinstance(ident, str) and ident.startswith("#"):
            ident = next((one.id for one in self.channels.values() if one.name == ident[1:]), ident)
        channel = self.channels.get(ident) if isinstance(ident, str) else None
        if channel is None or (channel.kind != "public" and BOT_USER not in channel.members):
            raise Refused("channel_not_found")
        if posting and channel.archived:
            raise Refused("is_archived")
        if posting and BOT_USER not in channel.members and "chat:write.public" not in self.scopes:
            raise Refused("not_in_channel")
        if posting and channel.read_only:
            raise Refused("restricted_action_read_only_channel")
        return channel

    def store(self, message: Message) -> Message:
        message.versions.append(message.text)
        self.messages[message.channel].append(message)
        self._by_ts[message.channel, message.ts] = message
        self._threads.setdefault((message.channel, message.root), []).append(message)
        return message

    def find(self, channel: str, ts: object) -> Message | None:
        """The message with this ts, deleted or not."""
        return self._by_ts.get((channel, str(ts)))

    def written(self, channel: str, ts: str) -> Message:
        """The message with this ts, deleted or not; KeyError where there is none."""
        message = self.find(channel, ts)
        if message is None:
            raise KeyError(ts)
        return message

    def message(self, channel: str, ts: object) -> Message:
        message = self.find(channel, ts)
        if message is None or message.deleted or message.ephemeral_for:
            raise Refused("message_not_found")
        return message

    def thread(self, channel: str, ts: object) -> str | None:
        """The root's ts for a reply to the message `ts`; None for none.

        Raises:
            Refused: no such message is there.
        """
        if not ts:
            return None
        found = self.find(channel, ts)
        if found is None or found.ephemeral_for or (found.deleted and not self.replies(channel, found.root)):
            raise Refused("thread_not_found")
        return found.root

    def visible(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """The messages everybody in the channel sees, the oldest first; of one thread with its root."""
        rows = self._threads.get((channel, thread_ts), []) if thread_ts else self.messages[channel]
        return [one for one in rows if not one.deleted and one.ephemeral_for is None]

    def replies(self, channel: str, root: str) -> list[Message]:
        return [one for one in self.visible(channel, root) if one.ts != root]

    def streaming(self, message: Message) -> bool:
        """Whether it is being streamed still; a stream past its window ends here."""
        stream = message.stream
        if stream is None or stream.state != "streaming":
            return False
        if self.clock.now() - stream.started >= self.stream_window_s:
            stream.state = "expired"
        return stream.state == "streaming"

    def streams(self) -> Iterator[Message]:
        """The messages that are being streamed."""
        for messages in self.messages.values():
            yield from (one for one in messages if self.streaming(one))


def texts_of(value: object) -> list[str]:
    """Every text of blocks that a reader sees, in order."""
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for key, inner in value.items():
        if key in ("text", "title", "markdown_text", "fallback", "details", "output") and isinstance(
            inner, str
        ):
            found.append(inner)
        elif key not in ("confirm", "accessibility_label") and isinstance(inner, (dict, list)):
            found.extend(texts_of(inner))
    return found
