"""Reads web pages; the other formats that are HTML inside (Markdown, EPUB, mail) use its `walk`.

Rule: what a browser shows, without navigation and page furniture; what it hides is counted.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from lxml import etree
from lxml.html import HTMLParser

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.hidden_text import removed
from knowledge.readers.dates import from_words
from knowledge.readers.encodings import decode
from knowledge.readers.html_hidden import cleaned
from knowledge.readers.html_text import BLOCKS, HEADINGS, LISTS, lines_of, raised, text_of
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table

_DECLARED: Final = re.compile(rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([\w-]+)""", re.I)
_DATES: Final = frozenset(
    {
        "article:modified_time",
        "og:updated_time",
        "last-modified",
        "dcterms.modified",
        "dc.date.modified",
        "revised",
    }
)
_SPACE: Final = re.compile(r"\s+")
_MAX_SPAN: Final = 50
_ENDS: Final = (".", ":", "?", "!")


def read(body: bytes) -> Reading:
    """A web page. Its title is that of `<title>`, else the first heading."""
    declared = _DECLARED.search(body[:4096])
    text = decode(body, encoding=declared[1].decode("ascii") if declared else None)
    root = parse(text)
    title, updated_at = _metadata(root)
    outline = Outline()
    notes = walk(root, outline)
    return Reading(
        title=title or outline.first_heading,
        sections=outline.sections(),
        updated_at=updated_at,
        notes=notes,
    )


def parse(text: str) -> etree._Element:
    """The root element of an HTML text. Raises `Unreadable` when there is nothing to parse."""
    # The size is limited before and the memory of the process too; without `huge_tree` libxml2 drops what
    # is nested deeper than 256 levels (with it 2048) or longer than 10 MB.
    parser = HTMLParser(encoding="utf-8", remove_pis=True, huge_tree=True, no_network=True)
    # libxml2 ends a document at its first NUL.
    encoded = text.replace("\0", "").encode("utf-8", "replace")
    try:
        root = etree.fromstring(encoded, parser)
    except etree.ParserError as error:
        raise Unreadable("empty") from error
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"broken HTML ({str(error)[:80]})") from error
    if root is None:
        raise Unreadable("empty")
    if parser.error_log and any("depth" in entry.message for entry in parser.error_log):
        raise Unreadable("nested too deeply")
    return root


def walk(root: etree._Element, outline: Outline) -> tuple[str, ...]:
    """Adds everything visible under `root` to the outline; gives notes on what was hidden."""
    hidden = cleaned(root)
    _Walk(outline).run(root)
    return removed(hidden)


def _metadata(root: etree._Element) -> tuple[str | None, datetime | None]:
    updated_at = None
    for meta in root.iter("meta"):
        name = (meta.get("property") or meta.get("name") or meta.get("http-equiv") or "").lower()
        if name in _DATES and updated_at is None:
            updated_at = from_words(meta.get("content"))
    head = root.find("head")
    found = head.find("title") if head is not None else None
    title = " ".join("".join(map(str, found.itertext())).split()) if found is not None else ""
    return title or None, updated_at


def _is_permalink(element: etree._Element) -> bool:
    """Whether it is the sign beside a heading that links to it; "C#" is none."""
    return element.tag == "a" and not len(element) and (element.text or "").strip() in ("#", "¶")


class _Walk:
    """One pass over a cleaned tree, without recursion: pages may be nested as deep as they like."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._inline: list[str] = []
        self._lines: list[str] = []
        self._lists: list[list[int]] = []  # an open list: [number of its last item; -1 without numbers]
        self._bullet = ""
        self._heading = 0
        self._terms: list[str] = []  # what the next definition is of
        self._in_term = False

    def run(self, root: etree._Element) -> None:
        events = etree.iterwalk(root, events=("start", "end"))
        for event, element in events:
            tag = element.tag
            if not isinstance(tag, str):
                continue
            if event == "start":
                if _is_permalink(element) or self._start(tag, element):
                    events.skip_subtree()
                elif element.text:
                    self._inline.append(_SPACE.sub(" ", element.text))
            else:
                self._end(tag)
                if element.tail and element is not root:
                    self._inline.append(_SPACE.sub(" ", element.tail))
        self._flush()
        self._close_terms()
        self._close_list()

    def _start(self, tag: str, element: etree._Element) -> bool:
        """Opens an element; True when all of it has been dealt with."""
        if tag == "br":
            self._inline.append("\n")
        elif tag == "sup":
            self._inline.extend(raised(element, self._inline))
        elif tag == "input" and element.get("type") == "checkbox":
            self._inline.append("[x] " if "checked" in element.attrib else "[ ] ")
        elif tag in LISTS:
            self._flush()
            self._close_terms()
            if not self._lists:
                self._close_list()
            self._lists.append([_start_of(element) if tag == "ol" else -1])
        elif tag == "li":
            self._flush()
            self._open_item()
        elif tag in HEADINGS:
            self._flush()
            self._close_terms()
            self._close_list()
            self._heading = HEADINGS[tag]
        elif tag == "pre" or (tag == "table" and _holds_data(element)):
            self._flush()
            self._close_terms()
            self._close_list()
            self._whole(element)
            return True
        elif tag in BLOCKS:
            self._open_block(tag)
        return False

    def _open_block(self, tag: str) -> None:
        self._flush()
        if tag == "dl":
            self._close_terms()
        self._in_term = self._in_term or tag == "dt"

    def _whole(self, element: etree._Element) -> None:
        if element.tag == "pre":
            self._outline.add(lines_of(element), "code")
            return
        caption = element.find("caption")
        if caption is not None:
            self._outline.add(text_of(caption))
        self._outline.add(pipe_table(_rows(element)), "table")

    def _end(self, tag: str) -> None:
        if tag in HEADINGS:
            text = self._take()
            self._outline.heading(HEADINGS[tag], text.rstrip("¶").rstrip() or text)
            self._heading = 0
        elif tag in LISTS:
            self._flush()
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._close_list()
        elif tag == "dt":
            text = self._take()
            self._in_term = False
            self._terms.extend([text] if text else [])
        elif tag == "li" or tag in BLOCKS:
            self._flush()
            if tag == "dl":
                self._close_terms()

    def _open_item(self) -> None:
        indent = "  " * max(0, len(self._lists) - 1)
        if self._lists and self._lists[-1][0] >= 0:
            self._lists[-1][0] += 1
            self._bullet = f"{indent}{self._lists[-1][0]}. "
        else:
            self._bullet = f"{indent}- "

    def _take(self) -> str:
        text = "".join(self._inline)
        self._inline.clear()
        lines = (" ".join(line.split()) for line in text.split("\n"))
        return "\n".join(line for line in lines if line)

    def _flush(self) -> None:
        text = self._take()
        if not text:
            return
        if self._heading or self._in_term:  # a block inside a heading or a term: its text goes on
            self._inline.append(text + " ")
            return
        if self._terms:
            term = ", ".join(self._terms)
            text = f"{term}{'' if term.endswith(_ENDS) else ':'} {text}"
            self._terms.clear()
        if self._lists:
            indent = "  " * len(self._lists)
            self._lines.append((self._bullet or indent) + text.replace("\n", "\n" + indent))
            self._bullet = ""
        else:
            self._close_list()
            self._outline.add(text)

    def _close_terms(self) -> None:
        """Terms whose definition is no text stand on their own."""
        text = ", ".join(self._terms)
        self._terms.clear()
        self._inline.append(text)
        self._flush()

    def _close_list(self) -> None:
        if self._lines:
            self._outline.add("\n".join(self._lines))
            self._lines.clear()
        self._bullet = ""


def _start_of(element: etree._Element) -> int:
    start = element.get("start") or "1"
    return int(start) - 1 if start.isascii() and start.isdigit() and len(start) < 9 else 0


def _holds_data(table: etree._Element) -> bool:
    """Whether a table is one of rows and columns; tables that lay out a page hold tables or headings."""
    for element in table.iter("table", "h1", "h2", "h3", "h4"):
        if element is not table:
            return False
    rows = list(table.iter("tr"))
    return len(rows) > 1 and any(len(row) > 1 for row in rows)


def _rows(table: etree._Element) -> list[list[str]]:
    """The cells as text; a cell that spans several rows or columns stands in each."""
    rows: list[list[str]] = []
    spanning: dict[int, tuple[int, str]] = {}  # column: (rows still to fill, text)
    for row in table.iter("tr"):
        cells: list[str] = []

        def carry(cells: list[str] = cells) -> None:
            while len(cells) in spanning:
                left, text = spanning.pop(len(cells))
                if left > 1:
                    spanning[len(cells)] = (left - 1, text)
                cells.append(text)

        for cell in row.iter("td", "th"):
            carry()
            text = text_of(cell)
            tall = _span(cell, "rowspan")
            for _ in range(_span(cell, "colspan")):
                if tall > 1:
                    spanning[len(cells)] = (tall - 1, text)
                cells.append(text)
        carry()
        rows.append(cells)
    return rows


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name) or "1"
    return (
        min(int(value) or 1, _MAX_SPAN) if value.isascii() and value.isdigit() and 0 < len(value) < 6 else 1
    )
