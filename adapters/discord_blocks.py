"""A reply as Discord shows it: the text in parts that fit, its sources, and the buttons below.

Rule: what a model or a document wrote is rendered, never passed through; a button carries the question's
id and nothing else, for whoever presses it is asked for their rights again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.discord_markup import link, markdown, plain
from adapters.discord_words import Words
from adapters.prefixes import prefix
from adapters.splitting import parts, utf16
from bot.answer import Answer, Citation
from bot.platform import Reply

MOST = 2000
"""Characters of a message; counted as UTF-16, which is never less than how Discord counts."""

MOST_BUTTONS = 10
"""Passages that get a button; more are listed without one."""

Press = Literal["up", "down", "passage", "share", "stop", "more"]
Component = Mapping[str, object]

_PRESSED = re.compile(r"gl:(up|down|passage|share|stop|more):([a-z2-7]{16})(?::(\d{1,3}))?")
_FORM = re.compile(r"gl:(reason):([a-z2-7]{16})|gl:(about|save):(\d{1,20})")


@dataclass(frozen=True, slots=True)
class Post:
    """A message: its text, and the rows of buttons below."""

    content: str
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button: what it does, of which question, and the number of a passage or part."""

    press: Press
    id: str
    number: int = 0


def pressed(custom_id: str) -> Pressed | None:
    """What a button stands for; None for one that is not the bot's."""
    found = _PRESSED.fullmatch(custom_id)
    if found is None:
        return None
    return Pressed(found[1], found[2], int(found[3] or 0))  # type: ignore[arg-type]


def form_of(custom_id: str) -> tuple[Literal["reason", "about", "save"], str] | None:
    """What a form is for, and of which question or message; None for one that is not the bot's."""
    found = _FORM.fullmatch(custom_id)
    if found is None:
        return None
    return (found[1] or found[3], found[2] or found[4])  # type: ignore[return-value]


def sign(id: str, text: str, words: Words) -> Post:
    """What stands there while an answer is being made, with a button that stops it."""
    return Post(f"*{plain(text)}*", (row([button(words.say("stop"), f"gl:stop:{id}")]),))


def growing(id: str, text: str, words: Words) -> Post | None:
    """An answer as far as it is written; None while nothing of it can be shown."""
    shown = markdown(prefix(text), links=frozenset())
    if not shown.strip():
        return None
    first = parts(shown, MOST - 2, size=utf16)
    return Post(
        first[0] + (" …" if len(first) == 1 else "…"),
        (row([button(words.say("stop"), f"gl:stop:{id}")]),),
    )


def posts(reply: Reply, words: Words, *, head: str = "") -> list[Post]:
    """The messages that show `reply`, at least one; the buttons stand below the last. `head` goes before."""
    texts = written(reply, words, head=head)
    return [*(Post(text) for text in texts[:-1]), Post(texts[-1], _buttons(reply, words, alone=False))]


def page(reply: Reply, number: int, words: Words, *, head: str = "") -> Post:
    """Part `number` of `reply` alone, from 0, with a button for the next one; where only one message may stand."""
    texts = written(reply, words, head=head)
    number = min(number, len(texts) - 1)
    rows = _buttons(reply, words, alone=True) if number == 0 else ()
    if number + 1 < len(texts):
        more = button(words.say("more"), f"gl:more:{reply.id}:{number + 1}")
        rows = (row([more]), *rows)
    return Post(texts[number], rows)


def written(reply: Reply, words: Words, *, head: str = "") -> list[str]:
    """The text of `reply` with its sources, in parts that fit."""
    answer = reply.answer
    links = frozenset(one.url for one in answer.citations if one.url) if answer else frozenset()
    blocks = [head, markdown(reply.text, links=links)]
    if reply.kind == "stopped":
        blocks.append(f"*{plain(words.stopped())}*")
    if answer is not None:
        if answer.note:
            blocks.append(f"*{plain(answer.note)}*")
        if answer.citations:
            blocks.append(_sources(answer.citations, links, words))
    text = "\n\n".join(block for block in blocks if block.strip())
    return parts(text or "…", MOST, size=utf16)


def quoted(text: str, *, most: int = 200) -> str:
    """A question as a quote, for a place where it does not stand."""
    short = " ".join(text.split())
    return f"> {plain(short if len(short) <= most else short[: most - 1] + '…')}"


def passage(title: str, location: str, text: str) -> Post:
    """A passage of a document, whole as far as it fits."""
    where = " › ".join(part for part in (title, location) if part)
    body = "\n".join(f"> {plain(line)}" for line in text.splitlines() if line.strip())
    found = parts(f"**{plain(where)}**\n{body}", MOST - 2, size=utf16)
    return Post(found[0] + ("\n…" if len(found) > 1 else ""))


def lines(texts: Sequence[str]) -> Post:
    """Lines of the bot's own words as one message; those that do not fit are left out."""
    found = parts("\n".join(texts) or "…", MOST - 2, size=utf16)
    return Post(found[0] + ("\n…" if len(found) > 1 else ""))


def form(custom_id: str, title: str, label: str, *, value: str = "", required: bool = True) -> Component:
    """A form with one field, `text`, for several lines."""
    field = {
        "type": 4,
        "custom_id": "text",
        "style": 2,
        "max_length": 4000 if required else 2000,
        "required": required,
        **({"value": value[:4000]} if value else {}),
    }
    return {
        "custom_id": custom_id,
        "title": title[:45],
        "components": [{"type": 18, "label": label[:45], "component": field}],
    }


def _sources(citations: Sequence[Citation], links: frozenset[str], words: Words) -> str:
    rows = [f"**{words.sources()}**"]
    for one in citations:
        title = link(one.url, one.title, links=links) if one.url else plain(one.title)
        where = f" › {plain(one.location)}" if one.location else ""
        dated = f" ({one.updated_at.date().isoformat()})" if one.updated_at else ""
        rows.append(f"[{one.number}] {title}{where}{dated}")
    return "\n".join(rows)


def _buttons(reply: Reply, words: Words, *, alone: bool) -> tuple[Component, ...]:
    """The rows below a reply; what stands `alone` before its asker can be shared."""
    if reply.kind == "notice":
        return ()
    first = [button("👍", f"gl:up:{reply.id}"), button("👎", f"gl:down:{reply.id}")]
    if reply.shareable and alone:
        first.append(button(words.say("share"), f"gl:share:{reply.id}"))
    return (row(first), *_passages(reply.id, reply.answer))


def _passages(id: str, answer: Answer | None) -> list[Component]:
    cited = answer.citations[:MOST_BUTTONS] if answer else ()
    found = [button(f"[{one.number}]", f"gl:passage:{id}:{one.number}") for one in cited]
    return [row(found[at : at + 5]) for at in range(0, len(found), 5)]


def button(label: str, custom_id: str) -> Component:
    """A grey button."""
    return {"type": 2, "style": 2, "label": label, "custom_id": custom_id}


def row(buttons: Sequence[Component]) -> Component:
    """Buttons side by side, five at most."""
    return {"type": 1, "components": list(buttons)}


def headed(head: str, text: str) -> str:
    """`text` below `head`, where it does not begin with it and both fit into one message."""
    whole = f"{head}\n\n{text}"
    return whole if head and not text.startswith(head) and utf16(whole) <= MOST else text
