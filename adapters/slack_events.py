"""What Slack's events say, as values: who wrote what where, and whether the bot is meant.

Rule: messages of programs are nobody's questions; only what a person wrote comes out of here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from adapters.slack_calls import Json

SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
"""Of all messages, those that people write; the others tell of joins, topics, bots and the like."""

_TOKEN = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_ADDRESSED = re.compile(r"<(?:@([UW][A-Z0-9]+)|!(?:subteam\^[A-Z0-9]+|here|channel|everyone))(?:\|[^<>]*)?>")


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a person. `thread` is the ts of its thread's root, empty for a message that is in none.

    `text` is as Slack writes it, with its tokens. `addressed` are the users it names; "" stands for groups
    and whole channels. Of the files at it no more is known than whether there are any.
    """

    team: str
    channel: str
    user: str
    ts: str
    thread: str
    text: str
    addressed: frozenset[str]
    direct: bool
    files: bool

    @property
    def key(self) -> str:
        """The name of the message over all platforms."""
        return f"slack:{self.team}:{self.channel}:{self.ts}"

    @property
    def root(self) -> str:
        """What answers hang on."""
        return self.thread or self.ts

    @property
    def conversation(self) -> str:
        """As `bot.asked.Asked.conversation` names it."""
        return f"slack:{self.team}:{self.channel}:{self.root}"


@dataclass(frozen=True, slots=True)
class Changed:
    """A message that was edited, or, where `text` is None, deleted. `own` says that the bot had written it."""

    key: str
    channel: str
    ts: str
    text: str | None
    own: bool


def heard(event: Json, team: str, *, channel: str | None = None) -> Heard | None:
    """The message that a person wrote, out of an event or a row of the history; None for all others."""
    if event.get("type") not in ("message", "app_mention") or event.get("subtype") not in SUBTYPES:
        return None
    user, ts = event.get("user"), event.get("ts")
    place = channel or event.get("channel")
    if event.get("bot_id") or event.get("hidden") or not (user and ts and place) or user == "USLACKBOT":
        return None
    text = str(event.get("text") or "")
    thread = str(event.get("thread_ts") or "")
    named = frozenset(found[1] or "" for found in _ADDRESSED.finditer(text))
    return Heard(
        team=team,
        channel=str(place),
        user=str(user),
        ts=str(ts),
        thread="" if thread == ts else thread,
        text=text,
        addressed=named,
        direct=str(place).startswith("D"),
        files=bool(event.get("files")),
    )


def changed(event: Json, team: str, bot_id: str) -> Changed | None:
    """What an event tells of an edit or a deletion; None for what is neither."""
    subtype, channel = event.get("subtype"), str(event.get("channel") or "")
    before = event.get("previous_message") or {}
    now = event.get("message") or {}
    if subtype == "message_deleted" or now.get("subtype") == "tombstone":
        ts = str(event.get("deleted_ts") or now.get("ts") or before.get("ts") or "")
        own = before.get("bot_id") == bot_id
        return Changed(f"slack:{team}:{channel}:{ts}", channel, ts, None, own)
    if subtype == "message_changed" and now.get("text") != before.get("text") and not now.get("bot_id"):
        ts = str(now.get("ts") or "")
        return Changed(f"slack:{team}:{channel}:{ts}", channel, ts, str(now.get("text") or ""), own=False)
    return None


def words_of(text: str, *, bot: str, name: Callable[[str], str]) -> str:
    """Slack's text as people read it, without the bot's own name; `name` says what a user is called."""

    def read(found: re.Match[str]) -> str:
        sign, target, label = found.groups()
        if sign == "@":
            return "" if target == bot else f"@{label or name(target)}"
        if sign == "#":
            return f"#{label or 'channel'}"
        if sign == "!":
            return f"@{(label or target.partition('^')[0]).lstrip('@')}"
        return str(label or target)

    return " ".join(html.unescape(_TOKEN.sub(read, text)).split(" ")).strip()
