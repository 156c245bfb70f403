"""Reads Word documents.

Rule: what the document shows when printed, footnotes behind their paragraph; deleted, struck-out and hidden runs stay out.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from lxml import etree

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.hidden_text import removed
from knowledge.readers import office, xml
from knowledge.readers.archive import Archive
from knowledge.readers.docx_styles import Numbering, Styles
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_STRICT: Final = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
# Runs that are not part of the text as it stands, and the second copy of drawings for old readers.
_LEFT_OUT: Final = frozenset({"del", "moveFrom", "instrText", "delText", "Fallback", "rPr", "pPr", "sectPr"})
_WRAPPERS: Final = frozenset(
    {"sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag", "AlternateContent", "Choice"}
)
_SIGNS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_SPACES: Final = re.compile(r"[ \t\xa0]+")
# Runs set above the line, between marks that no XML holds; a number in them is kept apart from what it follows.
_RAISED: Final = re.compile(r"(?<=[^\s\x01(\[{])\x01(?=[+\u2212-]?\d)")
_CODE_STYLE: Final = re.compile(r"\b(code|source|preformatted|listing|verbatim)", re.I)
# What is said of a run that keeps it out, and how it is counted.
_LEAVING_OUT: Final = {"vanish": "invisible run", "strike": "struck-out run", "dstrike": "struck-out run"}


def read(body: bytes) -> Reading:
    """A .docx, .docm or .dotx; it knows no pages. Title and date come from its properties."""
    archive = Archive(body)
    part = office.main_part(archive, default="word/document.xml", endings=(".xml",))
    root = _tree(archive, part)
    if root is None:
        raise Unreadable("an office file without its main part")
    document = next((element for element in root.iter(f"{_W}body")), None)
    if document is None:
        raise Unreadable("an office file without its main part")
    title, updated_at = office.properties(archive)
    walk = _Walk(archive, posixpath.dirname(part))
    walk.blocks(document)
    walk.close()
    return Reading(
        title=title or walk.title or walk.outline.first_heading,
        sections=walk.outline.sections(),
        updated_at=updated_at,
        notes=removed(walk.hidden),
    )


def _tree(archive: Archive, name: str) -> etree._Element | None:
    return xml.parse(archive.read(name).replace(_STRICT, _W[1:-1].encode()))


class _Walk:
    """One pass over a document's body."""

    def __init__(self, archive: Archive, folder: str) -> None:
        self.outline = Outline()
        self.title: str | None = None
        self.hidden: Counter[str] = Counter()
        self._styles = Styles(_tree(archive, f"{folder}/styles.xml"))
        self._numbering = Numbering(_tree(archive, f"{folder}/numbering.xml"))
        self._notes = {
            **self._read_notes(_tree(archive, f"{folder}/footnotes.xml"), "footnote"),
            **self._read_notes(_tree(archive, f"{folder}/endnotes.xml"), "endnote"),
        }
        self._items: list[str] = []
        self._code: list[str] = []

    def blocks(self, parent: etree._Element) -> None:
        for element in parent:
            name = xml.local(element)
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                self._table(element)
            elif name in _WRAPPERS:
                self.blocks(element)

    def close(self) -> None:
        """Ends an open list or code block."""
        if self._items:
            self.outline.add("\n".join(self._items))
            self._items.clear()
        if self._code:
            self.outline.add("\n".join(self._code), "code")
            self._code.clear()

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = self._text(paragraph)
        style = self._styles.of(paragraph)
        if _CODE_STYLE.search(style.name):
            if not self._code:
                self.close()
            self._code.append(text)
        elif text:
            label, level = self._numbering.label(paragraph, style.numbering)
            if style.heading is not None and len(text) < 300:
                self.close()
                self.outline.heading(style.heading, f"{label} {text}".strip() if label != "-" else text)
            elif style.name.lower() == "title":
                self.close()
                self.title = self.title or text
                self.outline.add(text)
            elif label:
                if self._code:
                    self.close()
                self._items.append(f"{'  ' * level}{label} {text}")
            else:
                self.close()
                self.outline.add(text)
        self._attached(paragraph)

    def _attached(self, paragraph: etree._Element) -> None:
        """Text boxes and footnotes, behind the paragraph that they hang on."""
        for element in paragraph.iter(f"{_W}txbxContent", f"{_W}footnoteReference", f"{_W}endnoteReference"):
            name = xml.local(element)
            if name == "txbxContent":
                if not any(
                    xml.local(above) in ("Fallback", "txbxContent") for above in element.iterancestors()
                ):
                    self.close()
                    self.blocks(element)
                    self.close()
                continue
            kind = name.removesuffix("Reference")
            text = self._notes.get(f"{kind} {element.get(_W + 'id')}")
            if text:
                self.close()
                self.outline.add(f"Note: {text}")

    def _text(self, paragraph: etree._Element) -> str:
        text = "".join(self._pieces(paragraph)).replace("\x02\x01", "")
        text = _RAISED.sub("^", text).replace("\x01", "").replace("\x02", "")
        lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
        return "\n".join(line for line in lines if line)

    def _pieces(self, parent: etree._Element) -> Iterator[str]:
        for element in parent:
            name = xml.local(element)
            if name == "t":
                yield element.text or ""
            elif name in _LEFT_OUT or name == "txbxContent":
                continue
            elif name == "r" and (why := _left_out(element)):
                if any((inner.text or "").strip() for inner in element.iter(f"{_W}t")):
                    self.hidden[why] += 1
            elif name == "r" and _is_raised(element):
                yield "\x01"
                yield from self._pieces(element)
                yield "\x02"
            elif name in _SIGNS:
                yield _SIGNS[name]
            elif len(element):
                yield from self._pieces(element)

    def _table(self, table: etree._Element) -> None:
        self.close()
        rows = list(_children(table, "tr"))
        if len(rows) == 1 and sum(1 for _ in _children(rows[0], "tc")) == 1:  # a box around text
            for cell in _children(rows[0], "tc"):
                self.blocks(cell)
            self.close()
            return
        written: list[list[str]] = []
        for row in rows:
            cells: list[str] = []
            before = row.find(f"{_W}trPr/{_W}gridBefore")
            cells.extend([""] * (_number(before, 0) if before is not None else 0))
            for cell in _children(row, "tc"):
                merge = cell.find(f"{_W}tcPr/{_W}vMerge")
                goes_on = merge is not None and merge.get(f"{_W}val", "continue") == "continue"
                above = written[-1] if written else []
                text = above[len(cells)] if goes_on and len(cells) < len(above) else self._cell(cell)
                span = cell.find(f"{_W}tcPr/{_W}gridSpan")
                cells.extend([text] * min(_number(span, 1) if span is not None else 1, 50))
            written.append(cells)
        self.outline.add(pipe_table(written), "table")

    def _cell(self, cell: etree._Element) -> str:
        """The paragraphs of a cell, boxes and inner tables too, each with its notes in brackets behind it."""
        texts: list[str] = []
        for paragraph in cell.iter(f"{_W}p"):
            if next(paragraph.iterancestors(_FALLBACK), None) is None:
                texts.append(self._text(paragraph))
                texts.extend(f"({text})" for text in self._noted(paragraph))
        return " ".join(text for text in texts if text)

    def _noted(self, paragraph: etree._Element) -> Iterator[str]:
        """The notes of a paragraph itself, without those in its boxes."""
        for element in paragraph.iter(f"{_W}footnoteReference", f"{_W}endnoteReference"):
            text = self._notes.get(f"{xml.local(element).removesuffix('Reference')} {element.get(_W + 'id')}")
            if text and next(element.iterancestors(f"{_W}p"), None) is paragraph:
                yield text

    def _read_notes(self, root: etree._Element | None, kind: str) -> dict[str, str]:
        notes = {}
        for note in root if root is not None else ():
            if note.get(f"{_W}type") in ("separator", "continuationSeparator"):
                continue
            text = " ".join(filter(None, (self._text(paragraph) for paragraph in note.iter(f"{_W}p"))))
            notes[f"{kind} {note.get(_W + 'id')}"] = text
        return notes


def _left_out(run: etree._Element) -> str | None:
    """Why a run is no part of the text, None where it is."""
    for name, why in _LEAVING_OUT.items():
        said = run.find(f"{_W}rPr/{_W}{name}")
        if said is not None and said.get(f"{_W}val", "1") not in ("0", "false", "off"):
            return why
    return None


def _is_raised(run: etree._Element) -> bool:
    align = run.find(f"{_W}rPr/{_W}vertAlign")
    return align is not None and align.get(f"{_W}val") == "superscript"


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    for element in parent:
        found = xml.local(element)
        if found == name:
            yield element
        elif found in _WRAPPERS:
            yield from _children(element, name)


def _number(element: etree._Element, default: int) -> int:
    value = element.get(f"{_W}val", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else default
