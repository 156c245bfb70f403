"""Questions with answers out of the threads of a Slack export.

Rule: only what people wrote counts, as it stood in the end: bots, joins and deleted messages are left
out, and an edited message has its last text; names of people never reach a row.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import WrongUse
from bot.finetuning.grounded import Pair
from bot.finetuning.tables import text_of
from bot.languages import language_of
from bot.words import content_words

ACCEPTED = frozenset({"white_check_mark", "heavy_check_mark", "ballot_box_with_check", "100"})
_SPOKEN = frozenset({"", "thread_broadcast", "file_share", "me_message"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_ASKS = re.compile(
    r"\?|^\s*(?:who|what|when|where|why|which|how|can|could|does|do|is|are|may|should"
    r"|wer|was|wann|wo|warum|welche[rs]?|wie|kann|darf|muss|gibt|hat)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_EMOJI = re.compile(r":[a-z0-9_+'-]+(?:::skin-tone-\d)?:")
_MARKUP = re.compile(r"(?<!\w)([*_~])(?=\S)(.+?)(?<=\S)\1(?!\w)")


@dataclass(frozen=True, slots=True)
class SlackThreads:
    """What the threads hold: questions with answers, and how many ask without one or ask nothing."""

    pairs: tuple[Pair, ...]
    unanswered: int
    asking_nothing: int


@dataclass(frozen=True, slots=True)
class _Message:
    at: str
    thread: str
    person: str
    text: str
    accepted: bool


def slack_pairs(folder: Path, licence: str) -> SlackThreads:
    """The threads of an unpacked export, or of one channel's folder of it.

    A question is the first message of a thread that asks; its answer the last one by another person, or
    the one that was marked with a tick.
    """
    pairs: list[Pair] = []
    origin = folder.resolve().name
    unanswered = nothing = 0
    for channel in _channels(folder):
        for thread in _threads(channel):
            first, *rest = thread
            if not _ASKS.search(first.text):
                nothing += 1
                continue
            answer = _answer(first, rest)
            if answer is None:
                unanswered += 1
                continue
            pairs.append(Pair(" ".join(first.text.split()), answer.text, origin, licence))
    return SlackThreads(tuple(pairs), unanswered, nothing)


def _channels(folder: Path) -> list[Path]:
    def days(one: Path) -> bool:
        return any(_DAY.fullmatch(file.name) for file in one.iterdir())

    found = [folder] if days(folder) else []
    found += sorted(one for one in folder.iterdir() if one.is_dir() and days(one))
    if not found:
        raise WrongUse(
            f"{folder} is no unpacked Slack export: no folder in it has files like 2026-01-31.json"
        )
    return found


def _threads(channel: Path) -> list[list[_Message]]:
    """The channel's threads with at least their first message, each in the order of its messages."""
    messages: dict[str, _Message] = {}
    gone: set[str] = set()
    for file in sorted(one for one in channel.iterdir() if _DAY.fullmatch(one.name)):
        for row in _day(file):
            if row.get("subtype") == "message_deleted":
                gone.add(str(row.get("deleted_ts", "")))
            inner = row.get("message")
            changed = row.get("subtype") == "message_changed" and isinstance(inner, dict)
            message = _message(inner if changed and isinstance(inner, dict) else row)
            if message is not None:
                messages[message.at] = message
    threads: dict[str, list[_Message]] = {}
    for at in sorted(messages.keys() - gone):
        threads.setdefault(messages[at].thread, []).append(messages[at])
    return [thread for root, thread in threads.items() if thread[0].at == root]


def _day(file: Path) -> Iterator[dict[str, Any]]:
    try:
        rows = json.loads(text_of(file))
    except ValueError as error:
        raise WrongUse(f"{file} is no JSON: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WrongUse(f"{file} is no day of a Slack export: it is not a list of messages")
    yield from rows


def _message(row: dict[str, Any]) -> _Message | None:
    """What a person wrote; None for everything else."""
    by_bot = row.get("bot_id") or row.get("user") in (None, "", "USLACKBOT")
    if row.get("type") != "message" or str(row.get("subtype") or "") not in _SPOKEN or by_bot:
        return None
    text = plain(str(row.get("text") or ""))
    at = str(row.get("ts") or "")
    if not text or not at:
        return None
    reactions = row.get("reactions")
    names = {str(one.get("name")) for one in reactions or () if isinstance(one, dict)}
    thread = str(row.get("thread_ts") or at)
    return _Message(at, thread, str(row["user"]), text, accepted=bool(names & ACCEPTED))


def plain(text: str) -> str:
    """Slack's markup as words: links by their label, no mentions, no emoji, no signs of bold and italic."""
    bare = _MARKUP.sub(r"\2", _EMOJI.sub("", _LINK.sub(_named, text)))
    return "\n".join(" ".join(line.split()) for line in html.unescape(bare).splitlines()).strip()


def _named(found: re.Match[str]) -> str:
    target, label = found[1], found[2]
    if target.startswith(("@", "!")):
        return ""
    if target.startswith("#"):
        return f"#{label}" if label else ""
    return label or target.removeprefix("mailto:")


def _answer(first: _Message, rest: Sequence[_Message]) -> _Message | None:
    others = [one for one in rest if one.person != first.person]
    marked = [one for one in others if one.accepted]
    telling = [one for one in others if len(content_words(one.text, language_of(one.text))) > 2]
    telling = [one for one in telling if not one.text.rstrip().endswith("?")]
    return next(iter([*marked[::-1], *telling[::-1]]), None)
