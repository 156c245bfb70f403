"""Answers as Slack's blocks: the text in parts, the sources, the buttons.

Rule: blocks are plain values and need no library; words of models and documents enter them only through
`adapters.slack_markup`, or as literal text that Slack does not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters import slack_markup, splitting
from adapters.inert_text import clean
from adapters.slack_words import SlackWords
from bot.answer import Answer, Citation
from bot.platform import Reply

Block = Mapping[str, Any]

PART_CHARACTERS = 11_000
"""A message takes 12,000 characters of Markdown; the rest is room for what blocks add."""

PLAIN_CHARACTERS = 3_500
NOTIFICATION_CHARACTERS = 2_900
MOST_SOURCES = 10
QUOTE_CHARACTERS = 300
_SECTION_CHARACTERS = 3_000
_HEAD_CHARACTERS = _SECTION_CHARACTERS - len("\n> …")
_TITLE_CHARACTERS = 120
_MOST_CONTEXTS = 25
_ESCAPE = re.compile(r"\\([^\w\s])")


@dataclass(frozen=True, slots=True)
class Layout:
    """A reply as it is to stand: `bodies` are parts of Markdown, each for one message; `tail` are the blocks
    below the last one."""

    bodies: tuple[str, ...]
    tail: tuple[Block, ...] = ()

    def blocks(self, part: int) -> list[Block]:
        """The blocks of the message with `part`, from 0."""
        last = part == len(self.bodies) - 1
        return [{"type": "markdown", "text": self.bodies[part]}, *(self.tail if last else ())]


def layout(reply: Reply, words: SlackWords, *, now: datetime | None = None) -> Layout:
    """How `reply` is to stand."""
    text = reply.text
    if reply.kind == "stopped":
        text = f"{text.rstrip()}\n\n{words.notices.stopped()}" if text.strip() else words.notices.stopped()
    bodies = splitting.parts(slack_markup.markdown(text, links=links_of(reply.answer)), PART_CHARACTERS)
    if not bodies:
        bodies = [slack_markup.markdown(words.say("empty"), links=frozenset())]
    answer = reply.answer
    if reply.kind != "answer" or answer is None:
        return Layout(tuple(bodies))
    tail: list[Block] = [_context(line) for line in _remarks(answer, words)]
    tail += sources(reply.id, answer, words, now=now or datetime.now(UTC))
    tail.append(_feedback(reply.id, words))
    if reply.shareable:
        tail.append(_actions(_button(words.say("share"), "share", reply.id)))
    return Layout(tuple(bodies), tuple(tail))


def plain_parts(reply: Reply, words: SlackWords) -> list[str]:
    """The same without blocks, in mrkdwn: for when Slack takes no blocks."""
    links = links_of(reply.answer)
    lines = [slack_markup.mrkdwn(reply.text, links=links)]
    if reply.kind == "stopped":
        lines.append(words.notices.stopped())
    if reply.kind == "answer" and reply.answer is not None:
        lines += _remarks(reply.answer, words)
        if reply.answer.citations:
            lines.append("*" + words.notices.sources() + "*")
            now = datetime.now(UTC)
            lines += [_source_text([one], words, now) for one in reply.answer.citations]
    return splitting.parts("\n".join(line for line in lines if line), PLAIN_CHARACTERS) or [
        words.say("empty")
    ]


def notification(body: str) -> str:
    """The one line that a notification shows of a message."""
    line = slack_markup.plain(_ESCAPE.sub(r"\1", " ".join(body.split())))
    parts = splitting.parts(line, NOTIFICATION_CHARACTERS)
    return parts[0] if parts else "…"


def told(text: str) -> str:
    """A short reply of the program, line by line, inert."""
    return splitting.parts("\n".join(map(slack_markup.plain, text.splitlines())), NOTIFICATION_CHARACTERS)[0]


def links_of(answer: Answer | None) -> frozenset[str]:
    """The only addresses that may be live in `answer`."""
    return frozenset(one.url for one in answer.citations if one.url) if answer else frozenset()


def sources(id: str, answer: Answer, words: SlackWords, *, now: datetime) -> list[Block]:
    """The list of sources; citations of one place in one document stand together."""
    groups = _grouped(answer.citations)
    if not groups:
        return []
    found: list[Block] = [_context(f"*{slack_markup.plain(words.notices.sources())}*")]
    for group in groups[:MOST_SOURCES]:
        text = _source_text(group, words, now)
        found.append(
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": text, "verbatim": True},
                "accessory": _button(words.say("show_passage"), f"passage:{group[0].number}", id),
            }
        )
    if rest := groups[MOST_SOURCES:]:
        lines = (
            f"{_markers(group)} {slack_markup.plain(_short(_title(group[0]), _TITLE_CHARACTERS))}"
            for group in rest
        )
        parts = splitting.parts("\n".join(lines), 2_000)[:_MOST_CONTEXTS]
        found += [_context(" · ".join(part.split("\n"))) for part in parts]
    return found


def headed(written: Callable[[str], str], title: str, url: str | None) -> str:
    """What `written` makes of a title's mrkdwn, in one section with room for more; linked where that fits."""
    head = written(slack_markup.plain(title))
    if url and len(linked := written(slack_markup.link(url, title, links={url}))) <= _HEAD_CHARACTERS:
        return linked
    return splitting.parts(head, _HEAD_CHARACTERS)[0]


def progress(text: str, id: str, words: SlackWords) -> list[Block]:
    """A message that still grows, with a button that stops it."""
    return [
        {"type": "markdown", "text": text},
        _actions(_button(words.say("stop"), "stop", id)),
    ]


def shared(reply: Reply, name: str, words: SlackWords) -> Layout:
    """A private answer as its asker, called `name`, shows it to everyone; its buttons are its asker's alone."""
    whole = layout(reply, words)
    tail = [
        {key: value for key, value in block.items() if key != "accessory"}
        for block in whole.tail
        if block["type"] not in ("actions", "context_actions")
    ]
    return Layout(whole.bodies, (*tail, _context(slack_markup.plain(words.say("shared_by", person=name)))))


def literal(text: str, *, most: int = 9_000) -> list[Block]:
    """Text of a document as it is: nothing in it is read as a link, a mention or a style."""
    text = clean(text)[:most]
    pieces = [text[at : at + 2_500] for at in range(0, len(text), 2_500)] or ["…"]
    return [
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": piece}]}],
        }
        for piece in pieces
    ]


def _remarks(answer: Answer, words: SlackWords) -> Iterator[str]:
    """What is said below an answer, line by line."""
    if answer.note:
        yield slack_markup.plain(answer.note)
    if answer.status == "refused":
        yield slack_markup.plain(words.say("refused_hint"))


def _source_text(group: Sequence[Citation], words: SlackWords, now: datetime) -> str:
    first = group[0]
    facts = [slack_markup.plain(_short(first.location))] if first.location else []
    if first.updated_at is not None:
        facts.append(slack_markup.plain(words.age(first.updated_at.date(), now.date())))
    told = "".join(f" · {fact}" for fact in facts if fact)
    head = headed(lambda title: f"*{_markers(group)}* {title}{told}", _short(_title(first)), first.url)
    quotes = dict.fromkeys(" ".join(one.quote.split()) for one in group)
    return _quoting(head, [f"> “{slack_markup.plain(_short(quote))}”" for quote in quotes if quote])


def _quoting(head: str, quotes: Iterable[str]) -> str:
    """`head` with as many of the `quotes` below it as fit a section."""
    text = head
    for quote in quotes:
        if len(text) + 1 + len(quote) > _HEAD_CHARACTERS:
            return f"{text}\n> …"
        text += f"\n{quote}"
    return text


def _grouped(citations: Sequence[Citation]) -> list[list[Citation]]:
    groups: dict[tuple[str, str], list[Citation]] = {}
    for one in citations:
        groups.setdefault((one.document_id, one.location), []).append(one)
    return list(groups.values())


def _markers(group: Sequence[Citation]) -> str:
    return " ".join(f"[{one.number}]" for one in group)


def _title(one: Citation) -> str:
    return one.title or one.document_id


def _short(text: str, most: int = QUOTE_CHARACTERS) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _feedback(id: str, words: SlackWords) -> Block:
    buttons = {"type": "feedback_buttons", "action_id": "feedback"}
    for name, label, verdict in (
        ("positive_button", words.say("helpful"), "up"),
        ("negative_button", words.say("not_helpful"), "down"),
    ):
        buttons |= {name: {"text": plain_text(label), "value": f"{id}:{verdict}"}}  # type: ignore[dict-item]
    return {"type": "context_actions", "elements": [buttons]}


def _button(label: str, action: str, value: str) -> Block:
    return {"type": "button", "text": plain_text(label), "action_id": action, "value": value}


def _actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def _context(mrkdwn: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": mrkdwn, "verbatim": True}]}


def plain_text(label: str) -> Block:
    """The program's own words on a button or a title."""
    return {"type": "plain_text", "text": label, "emoji": False}
