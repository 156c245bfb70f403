"""Writes the tree of an answer in the dialect of one chat platform.

Rule: text reaches the page only through the dialect's `text`, `code` and `block`, whole and not piece by
piece, so that nothing comes alive across a seam; code and tables stand at the left margin.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from adapters.inert_text import JOINER, clean
from adapters.links import live, pieces
from adapters.markdown import (
    Block,
    Break,
    CodeBlock,
    CodeSpan,
    Heading,
    Inline,
    Item,
    Link,
    Listing,
    Paragraph,
    Quote,
    Rule,
    Styled,
    Table,
    Text,
    flat,
    parse,
)

FENCE = "```"
_WIDEST_CELL = 60


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one platform writes things.

    `marks` are the signs around "strong", "em" and "s". `text`, `code`, `block` make text inert and escape
    it; `line` guards the start of a line; `link(url, label)` writes a live link from plain text.
    `headings` is the deepest level that has a sign of its own. `nested` says whether styles may stand in
    each other, `languages` whether a block of code may name one, `tables` whether there are any.
    `between` joins a style to the letter beside it.
    """

    marks: dict[str, str]
    text: Callable[[str], str]
    code: Callable[[str], str]
    block: Callable[[str], str]
    line: Callable[[str], str]
    link: Callable[[str, str], str]
    headings: int
    nested: bool
    languages: bool
    tables: bool
    bullets: str
    rule: str
    between: str = ""


def write(text: str, dialect: Dialect, links: Set[str]) -> str:
    """Markdown `text` in `dialect`, with live links to `links` only."""
    return "\n\n".join("\n".join(rows) for rows in _written(parse(text), dialect, links, 0) if rows)


def write_line(text: str, dialect: Dialect) -> str:
    """Plain `text`, which is no Markdown, on one line and inert."""
    return dialect.line(dialect.text(" ".join(clean(text).split())))


def _written(blocks: Iterable[Block], dialect: Dialect, links: Set[str], depth: int) -> list[list[str]]:
    """Each block's rows: a line each, or a whole block of code, which is never indented or quoted."""
    return [_block(block, dialect, links, depth) for block in blocks]


def _block(block: Block, dialect: Dialect, links: Set[str], depth: int) -> list[str]:
    match block:
        case Paragraph(inlines):
            return _lines(inlines, dialect, links)
        case Heading(level, inlines):
            return _heading(level, inlines, dialect, links)
        case CodeBlock(language, text):
            return _code(language, text, dialect)
        case Quote(inner):
            return _quote(_written(inner, dialect, links, depth))
        case Listing(start, items):
            return _listing(start, items, dialect, links, depth)
        case Table(rows):
            return _table(rows, dialect, links)
        case Rule():
            return [dialect.rule]


def _lines(inlines: Sequence[Inline], dialect: Dialect, links: Set[str]) -> list[str]:
    written = _inlines(_plain(inlines, dialect, links), dialect, links)
    lines = (line.strip() for line in written.split("\n"))
    return [dialect.line(line) for line in lines if line]


def _heading(level: int, inlines: Sequence[Inline], dialect: Dialect, links: Set[str]) -> list[str]:
    joined = tuple(Text(" ") if isinstance(inline, Break) else inline for inline in inlines)
    if level > dialect.headings:
        return _lines((Styled("strong", joined),), dialect, links)
    lines = _lines(joined, dialect, links)
    return [f"{'#' * level} {line}" for line in lines]


def _code(language: str, text: str, dialect: Dialect) -> list[str]:
    if not text.strip():
        return []
    return [f"{FENCE}{language if dialect.languages else ''}\n{dialect.block(text)}\n{FENCE}"]


def _quote(blocks: list[list[str]]) -> list[str]:
    rows: list[str] = []
    for block in blocks:
        if rows and block and not rows[-1].startswith(FENCE) and not block[0].startswith(FENCE):
            rows.append(">")
        rows.extend(row if row.startswith((FENCE, ">")) else f"> {row}" for row in block)
    return rows


def _listing(
    start: int | None, items: Sequence[Item], dialect: Dialect, links: Set[str], depth: int
) -> list[str]:
    rows: list[str] = []
    for at, item in enumerate(items):
        mark = dialect.bullets[min(depth, len(dialect.bullets) - 1)] if start is None else f"{start + at}."
        if item.done is not None:
            mark += " ☑" if item.done else " ☐"
        indent = " " * (len(f"{start + at}. ") if start is not None else 2)
        inner = [row for block in _written(item.blocks, dialect, links, depth + 1) for row in block]
        if not inner or inner[0].startswith(FENCE):
            rows.append(mark)
        else:
            rows.append(f"{mark} {inner.pop(0)}")
        rows.extend(row if row.startswith(FENCE) else indent + row for row in inner)
    return rows


def _table(rows: Sequence[Sequence[tuple[Inline, ...]]], dialect: Dialect, links: Set[str]) -> list[str]:
    if dialect.tables:
        cells = [[_cell(cell, dialect, links) for cell in row] for row in rows]
        lines = [f"| {' | '.join(row)} |" for row in cells]
        return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]
    plain = [[_shown(cell) for cell in row] for row in rows]
    widths = [min(max(_width(row[at]) for row in plain), _WIDEST_CELL) for at in range(len(plain[0]))]
    lines = [_aligned(row, widths) for row in plain]
    ruled = [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]
    return _code("", "\n".join(ruled), dialect)


def _cell(cell: Sequence[Inline], dialect: Dialect, links: Set[str]) -> str:
    written = _inlines(_plain(cell, dialect, links), dialect, links)
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(written.split())) or " "


def _shown(cell: Sequence[Inline]) -> str:
    """A cell without styles; a link with its URL, for in a block of code none is live."""
    inlines = [Text(_label_and_url(inline)) if isinstance(inline, Link) else inline for inline in cell]
    return flat(inlines)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _width(text: str) -> int:
    """Columns of a monospaced font; wide signs take two, marks none."""
    return sum(
        0
        if unicodedata.combining(sign) or sign in "\u200d\ufe0f"
        else 2
        if unicodedata.east_asian_width(sign) in "WF"
        else 1
        for sign in text
    )


def _plain(
    inlines: Sequence[Inline], dialect: Dialect, links: Set[str], within: tuple[str, ...] = ()
) -> list[Inline]:
    """The inlines as this dialect can write them, adjoining texts joined: styles that cannot be told apart
    from their content are dropped, and so is every link that may not be live."""
    found: list[Inline] = []
    for inline in inlines:
        match inline:
            case Styled(style, inner):
                content = _plain(inner, dialect, links, (*within, style))
                _extend(
                    found,
                    content if _dropped(style, content, dialect, within) else [Styled(style, tuple(content))],
                )
            case Link(url, inner):
                if live(url, links):
                    found.append(Link(url, (Text(flat(inner) or url),)))
                else:
                    _extend(found, _plain(_dead(inline), dialect, links, within))
            case CodeSpan(text):
                _extend(found, [inline] if text.strip() else [Text(" ")])
            case _:
                _extend(found, [inline])
    return found


def _extend(found: list[Inline], more: Iterable[Inline]) -> None:
    for inline in more:
        if found and isinstance(inline, Text) and isinstance(found[-1], Text):
            found[-1] = Text(found[-1].text + inline.text)
        else:
            found.append(inline)


def _dropped(style: str, content: Sequence[Inline], dialect: Dialect, within: tuple[str, ...]) -> bool:
    if style in within or (within and not dialect.nested) or not flat(content):
        return True
    codes = (inline.text for inline in content if isinstance(inline, CodeSpan))
    return any(mark in code for code in codes for mark in "*_~|")


def _dead(link: Link) -> list[Inline]:
    """What a link that may not be live reads as."""
    label = flat(link.inlines)
    if link.written:
        return [Text(f"<{link.url}>")]
    if not link.url or link.url == label:
        return list(link.inlines)
    if re.fullmatch(r"\d+", label):
        return [Text(f"[{label}] ({link.url})")]
    return [*link.inlines, Text(f" ({link.url})" if label else f"({link.url})")]


def _label_and_url(link: Link) -> str:
    return flat(_dead(replace(link, inlines=(Text(flat(link.inlines)),))))


def _inlines(inlines: Sequence[Inline], dialect: Dialect, links: Set[str]) -> str:
    written, mark = "", ""
    for inline in inlines:
        before, mark = mark, ""
        match inline:
            case Text(text):
                if before and text[0].isalnum():
                    written += dialect.between
                for piece, is_url in pieces(text, links):
                    written = _joined(written, dialect.link(piece, piece) if is_url else dialect.text(piece))
            case CodeSpan(text):
                written = _joined(written, f"`{dialect.code(text)}`")
            case Break():
                written += "\n"
            case Link(url, label):
                written = _joined(written, dialect.link(url, flat(label)))
            case Styled(style, inner):
                mark = dialect.marks[style]
                written = _styled(written, dialect, mark, _inlines(inner, dialect, links))
    return written


def _styled(before: str, dialect: Dialect, mark: str, inner: str) -> str:
    """`inner` between its marks, line by line, with white space outside of them."""
    lines = []
    for line in inner.split("\n"):
        core = line.strip()
        lead, trail = line[: len(line) - len(line.lstrip())], line[len(line.rstrip()) :] if core else ""
        lines.append(f"{lead}{mark}{core}{mark}{trail}" if core else line)
    written = "\n".join(lines)
    if dialect.between and before and before[-1].isalnum() and written.startswith(mark):
        before += dialect.between
    return _joined(before, written)


def _joined(left: str, right: str) -> str:
    """Both, with a joiner where their signs would run into one, or make an image of a link or a mention of a name."""
    if not left or not right:
        return left + right
    runs_on = left[-1] == right[0] and right[0] in "*_~`"
    if runs_on or left[-1] == "@" or (left[-1] == "!" and right[0] == "["):
        return left + JOINER + right
    return left + right
