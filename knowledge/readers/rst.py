"""Reads reStructuredText.

Rule: docutils parses with includes and raw HTML switched off; Sphinx's roles and directives lose no text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import roles
from docutils.parsers.rst.languages import en

from knowledge.documents import Reading
from knowledge.hidden_text import removed
from knowledge.readers.dates import from_words
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table

_SETTINGS: Final = {
    "_disable_config": True,
    "doctitle_xform": False,
    "docinfo_xform": False,
    "file_insertion_enabled": False,
    "halt_level": 6,
    "input_encoding": "unicode",
    "line_length_limit": 1_000_000_000,
    "raw_enabled": False,
    "report_level": 5,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "warning_stream": False,
}
_ROLE: Final = re.compile(r":([a-zA-Z][\w.+-]*(?::[a-zA-Z][\w.+-]*)*):`")
_ROLE_TARGET: Final = re.compile(r"\s*<[^<>]*>$")
_HEADER: Final = re.compile(
    r"\A\s*(?:[A-Za-z][A-Za-z-]{1,30}:(?:[ \t].*)?\n(?:[ \t]+\S.*\n)*){3,}(?=\s*(?:\n|\Z))"
)
_FIELD: Final = re.compile(r"^([A-Za-z][A-Za-z-]{1,30}):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.M)
_LISTS: Final = (
    nodes.bullet_list,
    nodes.enumerated_list,
    nodes.definition_list,
    nodes.field_list,
    nodes.option_list,
)
_CODE: Final = (nodes.literal_block, nodes.doctest_block, nodes.math_block)
_DEEPEST: Final = 10
"""So many directives that docutils does not know are read inside each other."""

_DATES: Final = ("last-modified", "updated", "date", "created")


def read(body: bytes) -> Reading:
    """A .rst file. A block of mail-like fields at its start gives title and date, as in PEPs."""
    text = decode(body).replace("\0", "")
    title, updated_at, header, text = _header(text)
    for name in {match[1].lower() for match in _ROLE.finditer(text)}:
        if name not in en.roles:
            roles.register_local_role(name, _plain_role)  # type: ignore[arg-type]  # the stub wants references only
    outline = Outline()
    outline.add(header)
    walk = _Walk(outline)
    walk.blocks(_parsed(text), 0)
    sections = outline.sections()
    return Reading(
        title=title or outline.first_heading,
        sections=sections,
        updated_at=updated_at,
        notes=removed({"comment": walk.comments}),
    )


def _parsed(text: str, depth: int = 0) -> nodes.document:
    """The document's tree, with what directives say that docutils does not know in the place of its complaints."""
    document = publish_doctree(text, settings_overrides=_SETTINGS)
    for message in list(document.findall(nodes.system_message)):
        said = [node for literal in message.findall(nodes.literal_block) for node in _said(literal, depth)]
        if message.parent is not None:
            message.parent.replace(message, said)
    return document


def _said(literal: nodes.literal_block, depth: int) -> list[nodes.Node]:
    """Argument and content of a directive that docutils does not know; Sphinx has hundreds of them."""
    source = literal.astext()
    if not source.lstrip().startswith(".."):
        return []
    first, _, rest = source.partition("\n")
    argument = first.partition("::")[2].strip()
    said: list[nodes.Node] = [nodes.paragraph("", argument)] if argument else []
    lines = [line for line in rest.split("\n") if not re.match(r"\s+:[\w-]+:", line)]
    content = textwrap.dedent("\n".join(lines)).strip("\n")
    return [*said, *_parsed(content, depth + 1).children] if content and depth < _DEEPEST else said


def _header(text: str) -> tuple[str | None, datetime | None, str, str]:
    """Title, date, the fields a line each, and the text behind them."""
    match = _HEADER.match(text)
    if match is None:
        return None, None, "", text
    fields = {field[1].lower(): " ".join(field[2].split()) for field in _FIELD.finditer(match[0])}
    lines = [f"{field[1]}: {' '.join(field[2].split())}" for field in _FIELD.finditer(match[0])]
    dates = (from_words(fields.get(name)) for name in _DATES)
    return fields.get("title"), next(filter(None, dates), None), "\n".join(lines), text[match.end() :]


def _plain_role(
    _name: str, rawtext: str, text: str, *_: object, **__: object
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    shown = _ROLE_TARGET.sub("", text) or text
    return [nodes.inline(rawtext, shown.lstrip("~!"))], []


class _Walk:
    """One pass over a document tree; its depth is bounded by docutils' own recursion."""

    def __init__(self, outline: Outline) -> None:
        self.comments = 0
        self._outline = outline

    def blocks(self, parent: nodes.Element, level: int) -> None:
        for node in parent.children:
            if isinstance(node, nodes.section):
                self.blocks(node, level + 1)
            elif isinstance(node, nodes.title):
                self._outline.heading(max(level, 1), node.astext())
            elif isinstance(node, nodes.comment):
                self.comments += bool(node.astext().strip())
            elif not self._leaf(node) and isinstance(node, nodes.Element):
                self.blocks(node, level)

    def _leaf(self, node: nodes.Node) -> bool:
        """Adds a node that becomes one block, or none; False for one to be walked into."""
        if isinstance(node, _CODE):
            self._outline.add(node.astext(), "code")
        elif isinstance(node, nodes.table):
            self._table(node)
        elif isinstance(node, _LISTS):
            self._outline.add("\n".join(self._items(node, 0)))
        elif isinstance(node, nodes.footnote | nodes.citation | nodes.line_block | nodes.TextElement):
            self._outline.add(_text(node))
        else:
            return isinstance(node, nodes.Invisible | nodes.image)
        return True

    def _items(self, listing: nodes.Element, depth: int) -> list[str]:
        lines: list[str] = []
        indent = "  " * depth
        number = int(listing.get("start", 1))
        for item in listing.children:
            if not isinstance(item, nodes.Element):
                continue
            bullet = f"{indent}- " if isinstance(listing, nodes.bullet_list) else indent
            if isinstance(listing, nodes.enumerated_list):
                bullet = f"{indent}{number}. "
                number += 1
            for part in item.children:
                if isinstance(part, nodes.Sequential) and isinstance(part, nodes.Element):
                    lines.extend(self._items(part, depth + 1))
                    continue
                if isinstance(part, nodes.definition | nodes.field_body | nodes.description):
                    inner = self._items(_as_item(part), depth + 1)
                    if isinstance(part, nodes.field_body | nodes.description) and inner and lines:
                        lines[-1] += f": {inner.pop(0).strip()}"
                    lines.extend(inner)
                    continue
                for text in self._lines(part):
                    lines.append(bullet + text)
                    bullet = f"{indent}  " if bullet.strip() else bullet
        return lines

    def _lines(self, part: nodes.Node) -> list[str]:
        """A part of a list's item that is no list: code and tables keep their lines, and so do the parts of a box."""
        if isinstance(part, nodes.Invisible):
            self.comments += isinstance(part, nodes.comment) and bool(part.astext().strip())
            return []
        if isinstance(part, _CODE):
            return [line for line in part.astext().split("\n") if line.strip()]
        if isinstance(part, nodes.table):
            captions = [_text(caption) for caption in part.findall(nodes.title)]
            return [*captions, *_pipe_table(part).split("\n")]
        if isinstance(part, nodes.Admonition | nodes.block_quote | nodes.compound | nodes.container):
            return self._items(_as_item(part), 0)
        return [text] if (text := _text(part)) else []

    def _table(self, table: nodes.table) -> None:
        for caption in table.findall(nodes.title):
            self._outline.add(_text(caption))
        self._outline.add(_pipe_table(table), "table")


def _pipe_table(table: nodes.table) -> str:
    rows: list[list[str]] = []
    below: dict[int, int] = {}
    for row in table.findall(nodes.row):
        cells: list[str] = []
        above = rows[-1] if rows else []
        for entry in row.findall(nodes.entry):
            _reached(cells, above, below)
            for _ in range(min(int(entry.get("morecols", 0)), 50) + 1):
                below[len(cells)] = int(entry.get("morerows", 0))
                cells.append(_text(entry))
        _reached(cells, above, below)
        rows.append(cells)
    return pipe_table(rows)


def _reached(cells: list[str], above: Sequence[str], below: dict[int, int]) -> None:
    """Adds the cells of the row `above` that reach into this one at its present end; `below` says how far each does."""
    while below.get(len(cells), 0):
        below[len(cells)] -= 1
        cells.append(above[len(cells)] if len(cells) < len(above) else "")


def _as_item(part: nodes.Element) -> nodes.Element:
    """A definition as a list with one item, so that its paragraphs are lines of the list around it."""
    listing = nodes.definition_list()
    item = nodes.definition_list_item()
    item.children = list(part.children)
    listing.children = [item]
    return listing


def _text(node: nodes.Node) -> str:
    if isinstance(node, nodes.line_block):
        return "\n".join(_text(line) for line in node.children)
    return " ".join(node.astext().split())
