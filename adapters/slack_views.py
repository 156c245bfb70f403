"""Slack's dialogs and the app's home, as plain values.

Rule: what a dialog must know when it is sent is in its private metadata, and is judged again then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters import slack_markup
from adapters.slack_blocks import Block, headed, literal, plain_text
from adapters.slack_words import SlackWords
from bot.desk import SourceLine

View = Mapping[str, Any]

QUESTION_CHARACTERS = 3_000
REASON_CHARACTERS = 2_000
_MOST_SOURCES = 40


def message_view(title: str, text: str, words: SlackWords) -> View:
    """A dialog that says one thing."""
    return modal(title, [section(slack_markup.plain(text))], words)


def passage_view(
    number: int,
    words: SlackWords,
    *,
    title: str,
    location: str,
    url: str | None,
    text: str,
    updated_at: datetime | None,
) -> View:
    """The passage that citation `number` stands on, `text` word for word."""
    told = f"\n{slack_markup.plain(location)}" if location else ""
    if updated_at is not None:
        age = words.age(updated_at.date(), datetime.now(UTC).date())
        told += f"\n{slack_markup.plain(age)}"
    head = headed(lambda linked: f"*{linked}*{told}", title, url)
    blocks: list[Block] = [section(head), {"type": "divider"}, *literal(text)]
    return modal(words.say("passage", number=number), blocks, words)


def reason_view(id: str, channel: str, words: SlackWords) -> View:
    """Asks why an answer was not helpful; the vote is noted already."""
    field = {
        "type": "plain_text_input",
        "action_id": "reason",
        "multiline": True,
        "max_length": REASON_CHARACTERS,
    }
    block = {
        "type": "input",
        "block_id": "reason",
        "optional": True,
        "label": plain_text(words.say("why")),
        "element": field,
    }
    return {
        **modal(words.say("why_title"), [block], words),
        "submit": plain_text(words.say("send")),
        "callback_id": "reason",
        "private_metadata": json.dumps({"id": id, "channel": channel}),
    }


def ask_view(text: str, facts: Mapping[str, str], words: SlackWords) -> View:
    """Asks for a question about a message whose words are `text`; `facts` say where it stands."""
    field: dict[str, Any] = {
        "type": "plain_text_input",
        "action_id": "question",
        "multiline": True,
        "max_length": QUESTION_CHARACTERS,
    }
    if text.strip():
        field["initial_value"] = text[:QUESTION_CHARACTERS]
    option = {"text": plain_text(words.say("only_me")), "value": "private"}
    choice = {"type": "checkboxes", "action_id": "private", "options": [option]}
    blocks: list[Block] = [
        {
            "type": "input",
            "block_id": "question",
            "label": plain_text(words.say("question")),
            "element": field,
        },
        {
            "type": "input",
            "block_id": "private",
            "optional": True,
            "label": plain_text(words.say("who_sees")),
            "element": choice,
        },
    ]
    return {
        **modal(words.say("ask_title"), blocks, words),
        "submit": plain_text(words.say("ask")),
        "callback_id": "ask",
        "private_metadata": json.dumps(dict(facts)),
    }


def home_view(
    sources: Sequence[SourceLine],
    words: SlackWords,
    *,
    command: str,
    stays_here: bool,
    status: str | None,
    line: str = "",
) -> View:
    """The app's home: what is known, how to ask, whether anything leaves this machine, what is kept; `status` and
    the sync button for an administrator; `line` is what was just done."""
    privacy = words.say("home_here" if stays_here else "home_sent")
    blocks: list[Block] = [
        {"type": "header", "text": plain_text(words.say("home_title"))},
        section(words.say("home_how", command=command)),
        {"type": "divider"},
        section(f"*{words.say('home_sources')}*"),
    ]
    blocks += [section(_source(one, words)) for one in sources[:_MOST_SOURCES]]
    if not sources:
        blocks.append(section(words.say("home_nothing")))
    blocks += [
        {"type": "divider"},
        section(f"{privacy} {words.say('home_kept', command=command)}"),
    ]
    if status is not None:
        button = {"type": "button", "text": plain_text(words.say("home_sync")), "action_id": "home_sync"}
        blocks += [
            {"type": "divider"},
            section(f"*{words.say('home_admin')}*"),
            *literal(status, most=2_500),
            {"type": "actions", "elements": [button]},
        ]
    if line:
        blocks.append(section(slack_markup.plain(line)))
    return {"type": "home", "blocks": blocks}


def _source(one: SourceLine, words: SlackWords) -> str:
    synced = (
        words.say("never_synced")
        if one.synced_at is None
        else words.age(datetime.fromtimestamp(one.synced_at, UTC).date(), datetime.now(UTC).date())
    )
    name = slack_markup.plain(one.name)
    return f"*{name}* · {words.say('documents', count=one.documents)} · {slack_markup.plain(synced)}"


def modal(title: str, blocks: Sequence[Block], words: SlackWords) -> View:
    """A dialog with `blocks`; of a title that is too long the beginning."""
    return {
        "type": "modal",
        "title": plain_text(title[:24]),
        "close": plain_text(words.say("close")),
        "blocks": list(blocks),
    }


def section(mrkdwn: str) -> Block:
    """A paragraph in Slack's own dialect."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn or " ", "verbatim": True}}
