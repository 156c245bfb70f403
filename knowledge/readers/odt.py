"""Reads OpenDocument files: text, and with the same walk spreadsheets and presentations.

Rule: follows OASIS OpenDocument 1.3 as far as text goes; deleted and struck-out text stays out, hidden sheets, slides
and text too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from lxml import etree

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.hidden_text import removed
from knowledge.readers import xml
from knowledge.readers.archive import Archive
from knowledge.readers.dates import from_words
from knowledge.readers.outline import Outline
from knowledge.readers.tables import above_header, lines_of, pipe_table, regions

_LEFT_OUT: Final = frozenset(
    {
        "tracked-changes",
        "annotation",
        "hidden-text",
        "hidden-paragraph",
        "forms",
        "settings",
        "sequence-decls",
    }
)
_MAX_REPEATED: Final = 100
# What is not shown: of which family its style is, and what the properties of that style say.
_HIDING: Final = {
    "p": ("paragraph", "text-properties", "display", "none"),
    "h": ("paragraph", "text-properties", "display", "none"),
    "span": ("text", "text-properties", "display", "none"),
    "table": ("table", "table-properties", "display", "false"),
    "page": ("drawing-page", "drawing-page-properties", "visibility", "hidden"),
}
_FAMILIES: Final = {**{name: hiding[0] for name, hiding in _HIDING.items()}, "table-cell": "table-cell"}
_STRUCK_OUT: Final = "struck-out element"
_SVG: Final = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"


def read(body: bytes) -> Reading:
    """An .odt, .ods or .odp; title and date from its properties."""
    archive = Archive(body)
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise Unreadable("encrypted")
    root = xml.parse(archive.read("content.xml"))
    if root is None:
        raise Unreadable("an OpenDocument file without its content")
    title, updated_at = _properties(archive)
    walk = _Walk(_title_styles(root), _hiding_styles(root))
    for element in root.iter():
        if xml.local(element) in ("text", "spreadsheet", "presentation") and _is_body(element):
            walk.blocks(element)
            break
    sections = walk.outline.sections()
    return Reading(
        title=title or walk.title or walk.outline.first_heading,
        sections=sections,
        updated_at=updated_at,
        notes=walk.notes(),
    )


def _is_body(element: etree._Element) -> bool:
    parent = element.getparent()
    return parent is not None and xml.local(parent) == "body"


def _properties(archive: Archive) -> tuple[str | None, datetime | None]:
    title, updated_at = None, None
    root = xml.parse(archive.read("meta.xml"))
    for element in root.iter() if root is not None else ():
        text = " ".join((element.text or "").split())
        if xml.local(element) == "title":
            title = text or None
        elif xml.local(element) == "date":
            updated_at = from_words(text[:19])
    return title, updated_at


def _title_styles(root: etree._Element) -> frozenset[str]:
    """The paragraph style of titles, and those made from it in this document."""
    made = (element for element in root.iter() if xml.local(element) == "style")
    names = {
        xml.attribute(style, "name") for style in made if xml.attribute(style, "parent-style-name") == "Title"
    }
    return frozenset({"Title", *filter(None, names)})


def _hiding_styles(root: etree._Element) -> dict[tuple[str, str], str]:
    """The styles of this document whose text, sheets or slides are not shown or struck out: of the family and the name
    of each, how it is counted."""
    names = {}
    for style in (element for element in root.iter() if xml.local(element) == "style"):
        family = xml.attribute(style, "family") or ""
        for inner in style:
            said = {
                (family, xml.local(inner), name, xml.attribute(inner, name))
                for name in ("display", "visibility")
            }
            if said.intersection(_HIDING.values()):
                names[family, xml.attribute(style, "name") or ""] = "invisible element"
            elif xml.attribute(inner, "text-line-through-style") not in (None, "none"):
                names[family, xml.attribute(style, "name") or ""] = _STRUCK_OUT
    return names


class _Walk:
    """One pass over a document's body."""

    def __init__(self, title_styles: frozenset[str], hiding_styles: Mapping[tuple[str, str], str]) -> None:
        self._title_styles = title_styles
        self._hiding_styles = hiding_styles
        self._hidden: Counter[str] = Counter()
        self._hidden_sheets: list[str] = []
        self._hidden_slides = 0
        self.outline = Outline()
        self.title: str | None = None
        self._slides = 0

    def notes(self) -> tuple[str, ...]:
        """What was left out because the document hides it."""
        sheets = (f"hidden sheet left out: {name}" for name in self._hidden_sheets)
        slides = (f"hidden slides left out: {self._hidden_slides}",) if self._hidden_slides else ()
        return (*sheets, *slides, *removed(self._hidden))

    def blocks(self, parent: etree._Element) -> None:
        for element in parent:
            name = xml.local(element)
            if name in _LEFT_OUT or self._is_hidden(element):
                continue
            if name == "h":
                level = xml.attribute(element, "outline-level") or "1"
                self.outline.heading(int(level) if level.isdigit() else 1, self._text(element))
            elif name == "p":
                self._paragraph(element)
            elif name == "list":
                self.outline.add("\n".join(self._items(element, 0)))
                self._boxes(element)
            elif name == "table":
                self._table(element)
            elif name == "page":
                self._slide(element)
            elif name != "notes":
                self.blocks(element)

    def _is_hidden(self, element: etree._Element) -> bool:
        """Whether an element is not shown or struck out; counts it."""
        name = xml.local(element)
        if name == "section":
            hidden = "invisible element" if xml.attribute(element, "display") == "none" else ""
        else:
            style = (_FAMILIES.get(name, ""), xml.attribute(element, "style-name") or "")
            hidden = self._hiding_styles.get(style, "")
        if hidden and name == "table":
            self._hidden_sheets.append(xml.attribute(element, "name") or "")
        elif hidden and name == "page":
            self._slides += 1
            self._hidden_slides += 1
        elif hidden:
            self._hidden[hidden] += any(str(text).strip() for text in element.itertext())
        return bool(hidden)

    def _paragraph(self, element: etree._Element) -> None:
        text = self._text(element)
        if xml.attribute(element, "style-name") in self._title_styles:
            self.title = self.title or text
        self.outline.add(text)
        self._boxes(element)

    def _boxes(self, element: etree._Element) -> None:
        """Text boxes, behind the paragraph or the list that they hang on."""
        for inner in element.iter():
            if xml.local(inner) == "text-box":
                self.blocks(inner)

    def _slide(self, page: etree._Element) -> None:
        self._slides += 1
        self.outline.page(f"slide {self._slides}")
        frames = list(page)
        for frame in frames:
            if xml.attribute(frame, "class") == "title":
                self.outline.heading(1, " ".join(self._lines(frame)))
                frames.remove(frame)
                break
        for frame in frames:
            if xml.local(frame) == "notes":
                texts = [self._text(paragraph) for paragraph in frame.iter() if xml.local(paragraph) == "p"]
                if any(texts):
                    self.outline.add("Notes: " + "\n".join(filter(None, texts)))
            else:
                self.blocks(frame)

    def _lines(self, parent: etree._Element) -> Iterator[str]:
        """The paragraphs of a frame, which stand in its text box."""
        for element in parent:
            name = xml.local(element)
            if name in ("p", "h"):
                yield self._text(element)
            elif name not in _LEFT_OUT:
                yield from self._lines(element)

    def _items(self, listing: etree._Element, level: int) -> Iterator[str]:
        for item in listing:
            bullet = f"{'  ' * level}- "
            for element in item:
                name = xml.local(element)
                if name == "list":
                    yield from self._items(element, level + 1)
                elif name in ("p", "h"):
                    text = self._text(element)
                    if text:
                        yield bullet + text
                        bullet = f"{'  ' * level}  "

    def _table(self, table: etree._Element) -> None:
        parent = table.getparent()
        sheet = parent is not None and xml.local(parent) == "spreadsheet"
        if sheet:
            self.outline.page(f"sheet {xml.attribute(table, 'name') or ''}".strip())
        rows: list[list[str]] = []
        below: dict[int, tuple[int, str]] = {}  # column: (rows that a cell still covers, its text)
        for row in _rows(table):
            cells: list[str] = []
            for cell in row:
                name = xml.local(cell)
                if name not in ("table-cell", "covered-table-cell"):
                    continue
                shown = [] if self._is_hidden(cell) else _paragraphs(cell)
                text = " ".join(filter(None, (self._text(inner) for inner in shown)))
                tall, wide = _count(cell, "number-rows-spanned"), _count(cell, "number-columns-spanned")
                for column in range(len(cells), len(cells) + wide):
                    below[column] = (tall, text) if name == "table-cell" else below.get(column, (0, ""))
                for _ in range(_count(cell, "number-columns-repeated")):
                    left, covering = below.get(len(cells), (0, ""))
                    cells.append(covering if name != "table-cell" and left > 0 else text)
            below = {column: (left - 1, text) for column, (left, text) in below.items()}
            once = sheet and len(set(filter(None, cells))) == 1  # a cell over the whole width stands once
            rows.append([next(filter(None, cells))] if once else cells)
        for region in regions(rows, list) if sheet else [rows]:
            header = above_header(region) if sheet else 0
            self.outline.add(lines_of(region[:header]))
            self.outline.add(pipe_table(region[header:]), "table")

    def _text(self, element: etree._Element) -> str:
        if self._is_hidden(element):
            return ""
        text = "".join(self._pieces(element))
        return "\n".join(line for line in (" ".join(line.split()) for line in text.split("\n")) if line)

    def _pieces(self, element: etree._Element) -> Iterator[str]:
        yield element.text or ""
        for inner in element:
            name = xml.local(inner)
            if name in ("tab", "s"):
                yield " "
            elif name == "line-break":
                yield "\n"
            elif name == "note-citation":
                pass
            elif name == "note-body":
                yield " ("
                yield from self._pieces(inner)
                yield ")"
            elif name == "text-box" or name in _LEFT_OUT or str(inner.tag).startswith(_SVG):
                pass  # with what a picture is called, or shows, which does not stand on the page
            elif not self._is_hidden(inner):
                yield from self._pieces(inner)
            yield inner.tail or ""


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    for element in table:
        name = xml.local(element)
        if name == "table-row":
            yield element
        elif name in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _rows(element)


def _paragraphs(cell: etree._Element) -> Iterator[etree._Element]:
    for element in cell:
        name = xml.local(element)
        if name in ("p", "h"):
            yield element
        if name not in _LEFT_OUT:
            yield from _paragraphs(element)


def _count(cell: etree._Element, name: str) -> int:
    value = xml.attribute(cell, name) or "1"
    return min(int(value), _MAX_REPEATED) if value.isascii() and value.isdigit() and len(value) < 8 else 1
