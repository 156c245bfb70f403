"""How the dialog that proposes a reviewed answer looks in Slack, and how proposals are listed.

Rule: what somebody proposed is literal text, in which Slack reads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters import slack_markup
from adapters.inert_text import clean
from adapters.reviewed import ReviewedWords, shown_at_once
from adapters.slack_blocks import Block, literal, plain_text
from adapters.slack_views import View, modal, section
from adapters.slack_words import SlackWords
from bot.curated import Pair
from bot.curated_draft import PHRASING_CHARACTERS

SAVE = "save_reviewed"
"""The shortcut, and the dialog that it opens."""

APPROVE, DISCARD = "reviewed:approve", "reviewed:discard"

FIELD_CHARACTERS = 3_000
"""Slack's fields hold no more."""

LIST_CHARACTERS = 11_000
_MOST_OPTIONS = 100


def save_view(
    question: str,
    answer: str,
    collections: Sequence[str],
    channel: str,
    words: ReviewedWords,
    close: SlackWords,
) -> View:
    """Asks for a question, its answer and one of `collections`, about a message in `channel`."""
    options = [{"text": plain_text(name), "value": name} for name in collections[:_MOST_OPTIONS]]
    select: dict[str, Any] = {"type": "static_select", "action_id": "collection", "options": options}
    if len(options) == 1:
        select["initial_option"] = options[0]
    asked = " ".join(question.split())[:PHRASING_CHARACTERS]
    fields = [
        {
            **_field("question", _text("question", asked), words),
            "hint": plain_text(words.say("phrasings")),
        },
        _field("answer", _text("answer", answer[:FIELD_CHARACTERS]), words),
        _field("collection", select, words),
    ]
    return {
        **modal(words.say("title"), fields, close),
        "submit": plain_text(words.say("propose")),
        "callback_id": SAVE,
        "private_metadata": json.dumps({"channel": channel}),
    }


def list_view(blocks: Sequence[Block], channel: str, words: ReviewedWords, close: SlackWords) -> View:
    """A dialog with proposals."""
    return {
        **modal(words.say("title"), blocks, close),
        "private_metadata": json.dumps({"channel": channel}),
    }


def line_block(line: str) -> Block:
    """One line of the bot's own, or about what somebody proposed."""
    return section(slack_markup.plain(line))


def list_blocks(pairs: Sequence[Pair], names: Mapping[str, str], words: ReviewedWords) -> list[Block]:
    """All that wait, the first few with their texts; `names` are by who proposed them."""
    if not pairs:
        return [line_block(words.say("nothing_waits"))]
    shown = shown_at_once(pairs, lambda pair: len(pair.question) + len(pair.answer), LIST_CHARACTERS)
    blocks = [line_block(words.say("waiting", count=len(pairs)))]
    for pair in shown:
        blocks += proposal_blocks(pair, names[pair.proposed_by], words)
    if len(shown) < len(pairs):
        blocks.append(_context(words.say("more")))
    return blocks


def proposal_blocks(pair: Pair, name: str, words: ReviewedWords) -> list[Block]:
    """One proposal of somebody called `name`, with the buttons that decide about it."""
    day = datetime.fromtimestamp(pair.changed_at, UTC).date().isoformat()
    about = words.say("proposed_for", collection=pair.collection, person=name, day=day)
    blocks: list[Block] = [
        {"type": "divider"},
        _context(f"{words.say('question')} · {about}"),
        *literal(pair.question, most=FIELD_CHARACTERS),
        _context(words.say("answer")),
        *literal(pair.answer),
    ]
    if len(clean(pair.question)) > FIELD_CHARACTERS:
        blocks.append(_context(words.say("in_part")))
    buttons = [
        _button(words.say("approve"), APPROVE, pair.id),
        _button(words.say("discard"), DISCARD, pair.id),
    ]
    return [*blocks, {"type": "actions", "elements": buttons}]


def typed(view: View) -> tuple[str, str, str]:
    """The question, the answer and the collection in a dialog that was sent."""
    values = view["state"]["values"]
    question, answer = (str(values[name][name].get("value") or "") for name in ("question", "answer"))
    chosen = values["collection"]["collection"].get("selected_option") or {}
    return question, answer, str(chosen.get("value") or "")


def channel_in(view: View) -> str:
    """The channel that a dialog is about."""
    return str(json.loads(view.get("private_metadata") or "{}").get("channel") or "")


def _field(name: str, element: Block, words: ReviewedWords) -> Block:
    return {"type": "input", "block_id": name, "label": plain_text(words.say(name)), "element": element}


def _text(name: str, value: str) -> Block:
    field = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": True,
        "max_length": FIELD_CHARACTERS,
    }
    return {**field, "initial_value": value} if value.strip() else field


def _button(label: str, action: str, value: str) -> Block:
    return {"type": "button", "text": plain_text(label), "action_id": action, "value": value}


def _context(text: str) -> Block:
    element = {"type": "mrkdwn", "text": slack_markup.plain(text), "verbatim": True}
    return {"type": "context", "elements": [element]}
