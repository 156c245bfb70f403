"""An answer's Markdown as a small tree of blocks and inlines.

Rule: CommonMark with tables, strikethrough and task lists, less what lets later text change earlier text
(link definitions, underlined headings, tables without outer bars) or what hides it (HTML, indented code),
and what is far more often meant as it stands (a star within a word, a backslash before another or before a
full stop): these are text. Every leaf is clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_inline import StateInline, emphasis, escape
from markdown_it.token import Token

from adapters.delimiters import within_word
from adapters.inert_text import clean

_CONTAINERS = ("blockquote_open", "bullet_list_open", "ordered_list_open", "list_item_open", "table_open")

_MOST_COLUMNS = 30
"""A row is filled up to the head's cells, so their number bounds how far a short text can grow."""

_NUMBER = re.compile(r"(?:^|\n)[ \t]*\d{1,9}$")

_MOST_NESTED = 100
"""Levels that are read, a list and its item being two; what is nested deeper is left out, for the parser
recurses."""

_DEEPEST = 8
"""Quotes, lists and formatting nested deeper than this are taken for their content."""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text on one line."""

    text: str


@dataclass(frozen=True, slots=True)
class CodeSpan:
    """Code within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a line within a paragraph, as written; chat shows lines as they are written."""


@dataclass(frozen=True, slots=True)
class Styled:
    """Inlines in one style."""

    style: str
    """"strong", "em" or "s"."""
    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """What would be a link, or an image; `written` when the URL stands for itself between angle brackets."""

    url: str
    inlines: tuple[Inline, ...]
    written: bool = False


Inline = Text | CodeSpan | Break | Styled | Link


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of text."""

    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 6."""

    level: int
    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Code on lines of its own; `language` is a name or empty."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Quoted blocks."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list; `done` says whether a task is, and is None for what is no task."""

    blocks: tuple[Block, ...]
    done: bool | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; numbered from `start`, or with bullets when that is None."""

    start: int | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the first of which is the head; all rows have as many cells."""

    rows: tuple[tuple[tuple[Inline, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block = Paragraph | Heading | CodeBlock | Quote | Listing | Table | Rule


def parse(text: str) -> tuple[Block, ...]:
    """The blocks of `text`, which may be anything: there is no wrong Markdown."""
    return _blocks(_parser().parse(clean(text)))


def block_tokens(text: str) -> Sequence[Token]:
    """The parser's flat tokens of clean `text`, with the source lines they came from; inlines are unread."""
    return _block_parser().parse(text)


def flat(inlines: Iterable[Inline]) -> str:
    """The inlines' text on one line, without style; a link is its label."""
    return " ".join("".join(_leaves(inlines)).split())


def _leaves(inlines: Iterable[Inline]) -> Iterable[str]:
    for inline in inlines:
        match inline:
            case Text(text) | CodeSpan(text):
                yield text
            case Break():
                yield " "
            case Styled(_, inner) | Link(_, inner):
                yield from _leaves(inner)


class _Parser(MarkdownIt):
    """Hands out URLs as they were written: they are compared letter for letter with the allowed ones."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802
        return link

    def validateLink(self, url: str) -> bool:  # noqa: N802, ARG002
        return True


@cache
def _parser() -> MarkdownIt:
    return _new_parser()


def _new_parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "maxNesting": _MOST_NESTED})
    parser.block.ruler.at("table", _table_rule, {"alt": ["paragraph"]})
    parser.inline.ruler.at("escape", _escape_rule)
    parser.inline.ruler.at("emphasis", _emphasis_rule)
    parser.enable(["table", "strikethrough"]).disable(["reference", "lheading", "code"])
    return parser


@cache
def _block_parser() -> MarkdownIt:
    return _new_parser().disable("inline")


def _table_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Markdown-it's rule, for tables whose head begins with a bar and has no more than `_MOST_COLUMNS` cells."""
    head = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    return head.startswith("|") and head.count("|") <= _MOST_COLUMNS + 1 and table(state, start, end, silent)


def _escape_rule(state: StateInline, silent: bool) -> bool:
    """Markdown-it's rule; the backslash stays before another one (a share's name) and before a full stop (a
    pattern) that could not be that of a numbered item."""
    at = state.pos
    if not escape(state, silent):
        return False
    pair = state.src[at : at + 2]
    if not silent and (
        pair == "\\\\" or (pair == "\\." and not _NUMBER.search(state.src[max(0, at - 20) : at]))
    ):
        state.tokens[-1].content = pair
    return True


def _emphasis_rule(state: StateInline, silent: bool) -> bool:
    """Markdown-it's rule, but for a star within a word."""
    if not silent and within_word(state.src, state.pos):
        state.push("text", "", 0).content = "*"
        state.pos += 1
        return True
    return emphasis.tokenize(state, silent)


@dataclass(slots=True)
class _Open:
    """A container whose end has not come."""

    token: Token | None
    blocks: list[Block] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    rows: list[list[tuple[Inline, ...]]] = field(default_factory=list)
    done: bool | None = None


def _blocks(stream: Sequence[Token]) -> tuple[Block, ...]:
    stack = [_Open(None)]
    for at, token in enumerate(stream):
        if token.type in _CONTAINERS:
            stack.append(_Open(token))
        elif token.type.removesuffix("_close") + "_open" in _CONTAINERS:
            _close(stack.pop(), stack[-1], len(stack))
        elif token.type == "tr_open":
            stack[-1].rows.append([])
        elif token.type == "inline":
            _inline(token, stream[at - 1], stack[-1])
        elif token.type == "fence":
            code = clean(token.content).rstrip("\n")
            stack[-1].blocks.append(CodeBlock(_language(token.info), code))
        elif token.type == "hr":
            stack[-1].blocks.append(Rule())
    return tuple(stack[0].blocks)


def _close(closed: _Open, around: _Open, depth: int) -> None:
    """Makes a block or an item of what a container held, for the container around it."""
    assert closed.token is not None
    kind = closed.token.type
    if kind == "list_item_open":
        around.items.append(Item(tuple(closed.blocks), closed.done))
    elif kind == "table_open":
        around.blocks.append(_table(closed.rows))
    elif depth > _DEEPEST:
        around.blocks.extend(block for item in closed.items for block in item.blocks)
        around.blocks.extend(closed.blocks)
    elif kind == "blockquote_open":
        around.blocks.append(Quote(tuple(closed.blocks)))
    else:
        around.blocks.append(Listing(_start(closed.token), tuple(closed.items)))


def _inline(token: Token, opening: Token, top: _Open) -> None:
    children = token.children or []
    if opening.type in ("th_open", "td_open"):
        top.rows[-1].append(_inlines(children))
    elif opening.type == "heading_open":
        top.blocks.append(Heading(int(opening.tag[1:]), _inlines(children)))
    else:
        inlines = _inlines(children)
        if top.token is not None and top.token.type == "list_item_open" and not top.blocks:
            top.done, inlines = _task(inlines)
        top.blocks.append(Paragraph(inlines))


def _task(inlines: tuple[Inline, ...]) -> tuple[bool | None, tuple[Inline, ...]]:
    if inlines and isinstance(inlines[0], Text) and (found := re.match(r"\[([ xX])\]\s+", inlines[0].text)):
        return found[1] != " ", (Text(inlines[0].text[found.end() :]), *inlines[1:])
    return None, inlines


def _start(token: Token) -> int | None:
    if token.type != "ordered_list_open":
        return None
    start = token.attrGet("start")
    return 1 if start is None else int(start)


def _table(rows: list[list[tuple[Inline, ...]]]) -> Table:
    columns = len(rows[0])
    return Table(tuple(tuple((row + [()] * columns)[:columns]) for row in rows))


def _language(info: str) -> str:
    found = re.match(r"[A-Za-z0-9_+#-]{1,20}(?!\S)", info.strip())
    return found[0] if found else ""


def _inlines(children: Sequence[Token]) -> tuple[Inline, ...]:
    stack: list[tuple[Token | None, list[Inline]]] = [(None, [])]
    for token in children:
        inlines = stack[-1][1]
        if token.type in ("text", "text_special"):
            _add_text(inlines, " ".join(re.split(r"[\n\t]", clean(token.content))))
        elif token.type == "code_inline":
            inlines.append(CodeSpan(clean(token.content).replace("\n", " ")))
        elif token.type in ("softbreak", "hardbreak"):
            inlines.append(Break())
        elif token.type == "image":
            inlines.append(Link(str(token.attrGet("src") or ""), _inlines(token.children or [])))
        elif token.nesting == 1:
            stack.append((token, []))
        elif token.nesting == -1:
            opening, inner = stack.pop()
            stack[-1][1].extend(_closed(opening, inner, len(stack)))
    return tuple(stack[0][1])


def _add_text(inlines: list[Inline], text: str) -> None:
    if inlines and isinstance(inlines[-1], Text):
        text = inlines.pop().text + text  # type: ignore[union-attr]
    if text:
        inlines.append(Text(text))


def _closed(opening: Token | None, inner: list[Inline], depth: int) -> list[Inline]:
    assert opening is not None
    if opening.type == "link_open":
        # An address in angle brackets has "mailto:" before it that nobody wrote.
        url = str(opening.attrGet("href") or "").removeprefix(
            "mailto:" if opening.markup == "autolink" else ""
        )
        return [Link(clean(url), tuple(inner), opening.markup == "autolink")]
    if depth > _DEEPEST:
        return inner
    if (
        opening.markup == "__"
        and len(inner) == 1
        and isinstance(inner[0], Text)
        and inner[0].text.isidentifier()
    ):
        # A name such as __init__ is far more often meant than a bold word in this spelling.
        return [Text(f"__{inner[0].text}__")]
    return [Styled(opening.tag, tuple(inner))]
