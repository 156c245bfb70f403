"""How the form that proposes a reviewed answer looks in Discord, and how proposals are listed.

Rule: what somebody proposed is shown as it is, inert; a button carries a proposal's id and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from adapters.discord_blocks import MOST, Component, Post, button, row
from adapters.discord_markup import plain
from adapters.reviewed import ReviewedWords, shown_at_once
from adapters.splitting import parts, utf16
from bot.curated import Pair

Press = Literal["approve", "discard", "again"]

_PRESSED = re.compile(r"gl:(?:(approve|discard):([a-z2-7]{8})|(again):(\d{1,20}))")
_MEMBER = re.compile(r"discord:user:(\d{1,20})")

_QUESTION, _ANSWER, _NAME = 1000, 4000, 64
"""Characters of the fields; Discord takes 4,000 at most."""

_DESCRIPTION = 100


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in a form about the message `target`."""

    target: str
    question: str
    answer: str
    collection: str


def pressed(custom_id: str) -> tuple[Press, str] | None:
    """What a button does, and to which proposal or form; None for one that is not of here."""
    found = _PRESSED.fullmatch(custom_id)
    if found is None:
        return None
    return (found[1] or found[3], found[2] or found[4])  # type: ignore[return-value]


def save_form(typed: Typed, collections: Sequence[str], words: ReviewedWords) -> Component:
    """Asks for a question, its answer and one of `collections`, with what is `typed` in the fields."""
    names = words.say("one_of", names=", ".join(collections))
    if len(names) > _DESCRIPTION:
        names = f"{names[: _DESCRIPTION - 1]}…"
    return {
        "custom_id": f"gl:save:{typed.target}",
        "title": words.say("title"),
        "components": [
            _field("question", typed.question, _QUESTION, words, about=words.say("phrasings")),
            _field("answer", typed.answer, _ANSWER, words),
            _field("collection", typed.collection, _NAME, words, about=names),
        ],
    }


def again(id: str, line: str, words: ReviewedWords) -> Post:
    """Why a form was not taken, with a button that brings it back."""
    return Post(plain(line), (row([button(words.say("again"), f"gl:again:{id}")]),))


def proposals(pairs: Sequence[Pair], head: Sequence[str], words: ReviewedWords) -> Post:
    """The first of `pairs`, below the lines of `head`: as many as fit whole, each with its buttons."""
    texts = [plain(line) for line in head]
    room = MOST - utf16("\n".join([*texts, words.say("more"), words.say("in_part")])) - 20
    shown = shown_at_once(pairs, lambda pair: utf16(_proposal(0, pair, words)) + 1, room)
    for number, pair in enumerate(shown, 1):
        text = _proposal(number, pair, words)
        texts.append(
            text if utf16(text) <= room else f"{parts(text, room, size=utf16)[0]}…\n{words.say('in_part')}"
        )
    if len(shown) < len(pairs):
        texts.append(words.say("more"))
    return Post(
        "\n".join(texts), tuple(_buttons(number, pair, words) for number, pair in enumerate(shown, 1))
    )


def _proposal(number: int, pair: Pair, words: ReviewedWords) -> str:
    member = _MEMBER.fullmatch(pair.proposed_by)
    about = words.say(
        "proposed_for",
        collection=plain(pair.collection),
        # Discord shows a name for it; that nobody is called upon, `Rest` sees to.
        person=f"<@{member[1]}>" if member else plain(pair.proposed_by),
        day=datetime.fromtimestamp(pair.changed_at, UTC).date().isoformat(),
    )
    asked = [f"**{plain(one)}**" for one in pair.phrasings]
    answer = [f"> {plain(line)}" for line in pair.answer.splitlines() if line.strip()]
    return "\n".join([f"**[{number}]** {about}", *asked, *answer])


def _buttons(number: int, pair: Pair, words: ReviewedWords) -> Component:
    approve, discard = words.say("approve"), words.say("discard")
    return row(
        [
            button(f"[{number}] {approve}", f"gl:approve:{pair.id}"),
            button(f"[{number}] {discard}", f"gl:discard:{pair.id}"),
        ]
    )


def _field(name: str, value: str, most: int, words: ReviewedWords, *, about: str = "") -> Component:
    field = {
        "type": 4,
        "custom_id": name,
        "style": 1 if name == "collection" else 2,
        "max_length": most,
        "required": True,
        **({"value": value[:most]} if value.strip() else {}),
    }
    label = {"type": 18, "label": words.say(name), "component": field}
    return {**label, "description": about} if about else label
