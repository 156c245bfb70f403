"""Reads PowerPoint presentations.

Rule: a section a slide, in the order of the show; its title is the heading, its notes come last; struck-out and hidden
text stays out.
"""

from __future__ import annotations

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
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table

_TITLES: Final = frozenset({"title", "ctrTitle"})
_FURNITURE: Final = frozenset({"dt", "ftr", "sldNum", "hdr"})
_LISTED: Final = frozenset({"body", "obj", "", "subTitle"})
_SPACES: Final = re.compile(r"[ \t\xa0]+")


def read(body: bytes) -> Reading:
    """A .pptx or .pptm. Title and date come from its properties, else the first slide's title."""
    archive = Archive(body)
    part = office.main_part(archive, default="ppt/presentation.xml", endings=(".xml",))
    show = xml.parse(archive.read(part))
    if show is None:
        raise Unreadable("an office file without its main part")
    related = office.relations(archive, part)
    outline = Outline()
    number = hidden = 0
    struck: Counter[str] = Counter()
    for element in show.iter():
        if xml.local(element) != "sldId":
            continue
        number += 1
        _, path = related.get(_relation(element), ("", ""))
        slide = _part(archive, path, struck)
        if slide is None:
            continue
        if slide.get("show") in ("0", "false"):
            hidden += 1
            continue
        outline.page(f"slide {number}")
        _add_slide(slide, outline)
        _add_related(archive, path, outline, struck)
    title, updated_at = office.properties(archive)
    sections = outline.sections()
    return Reading(
        title=title or outline.first_heading,
        sections=sections,
        updated_at=updated_at,
        notes=(*((f"hidden slides left out: {hidden}",) if hidden else ()), *removed(struck)),
    )


def _part(archive: Archive, path: str, struck: Counter[str]) -> etree._Element | None:
    """The root of a part without its struck-out runs, which are counted; None where there is none."""
    root = xml.parse(archive.read(path))
    for properties in list(root.iter("{*}rPr")) if root is not None else ():
        run = properties.getparent()
        if run is not None and properties.get("strike") in ("sngStrike", "dblStrike"):
            struck["struck-out run"] += any(str(text).strip() for text in run.itertext())
            run.clear()
    return root


def _relation(element: etree._Element) -> str:
    """The r:id, told from the plain id by its namespace."""
    for key, value in element.attrib.items():
        if str(key).startswith("{") and str(key).endswith("}id"):
            return str(value)
    return ""


def _add_slide(slide: etree._Element, outline: Outline) -> None:
    shapes = list(_shapes(slide))
    for shape in shapes:
        if _placeholder(shape) in _TITLES:
            outline.heading(1, " ".join(text for _, text in _paragraphs(shape)))
            break
    titled = False
    for shape in shapes:
        kind = _placeholder(shape)
        if kind in _FURNITURE:
            continue
        if kind in _TITLES and not titled:
            titled = True
            continue
        if xml.local(shape) == "graphicFrame":
            _add_tables(shape, outline)
            continue
        paragraphs = list(_paragraphs(shape))
        if kind in _LISTED and len(paragraphs) > 1:
            outline.add("\n".join(f"{'  ' * level}- {text}" for level, text in paragraphs))
        else:
            outline.add("\n".join(text for _, text in paragraphs))


def _shapes(parent: etree._Element) -> Iterator[etree._Element]:
    """The shapes of a slide that can hold text, those in groups too, without their old-reader copies."""
    for element in parent:
        name = xml.local(element)
        if name in ("sp", "graphicFrame", "cxnSp"):
            if not _is_hidden(element):
                yield element
        elif name in ("grpSp", "cSld", "spTree", "AlternateContent", "Choice"):
            yield from _shapes(element)


def _is_hidden(shape: etree._Element) -> bool:
    for element in shape.iter():
        if xml.local(element) == "cNvPr":
            return element.get("hidden") in ("1", "true")
    return False


def _placeholder(shape: etree._Element) -> str | None:
    """The kind of placeholder a shape fills, None for a free one."""
    for element in shape.iter():
        name = xml.local(element)
        if name == "ph":
            return element.get("type", "")
        if name == "txBody":
            break
    return None


def _paragraphs(shape: etree._Element) -> Iterator[tuple[int, str]]:
    """Level from 0 and text of each paragraph that has any."""
    for paragraph in shape.iter():
        if xml.local(paragraph) != "p":
            continue
        pieces: list[str] = []
        level = 0
        for element in paragraph.iter():
            name = xml.local(element)
            if name == "t":
                pieces.append(element.text or "")
            elif name == "br":
                pieces.append(" ")
            elif name == "pPr":
                value = element.get("lvl", "0")
                level = int(value) if value in list("012345678") else 0
        text = _SPACES.sub(" ", "".join(pieces)).strip()
        if text:
            yield level, text


def _add_tables(frame: etree._Element, outline: Outline) -> None:
    for table in frame.iter():
        if xml.local(table) != "tbl":
            continue
        rows: list[list[str]] = []
        for row in table:
            if xml.local(row) != "tr":
                continue
            cells: list[str] = []
            for cell in row:
                if xml.local(cell) != "tc":
                    continue
                text = " ".join(text for _, text in _paragraphs(cell))
                if cell.get("hMerge") in ("1", "true") and cells:
                    text = cells[-1]
                elif cell.get("vMerge") in ("1", "true") and rows and len(cells) < len(rows[-1]):
                    text = rows[-1][len(cells)]
                cells.append(text)
            rows.append(cells)
        outline.add(pipe_table(rows), "table")


def _add_related(archive: Archive, slide: str, outline: Outline, struck: Counter[str]) -> None:
    """What belongs to a slide but stands in parts of its own: the words of its diagrams, then its notes."""
    parts = office.relations(archive, slide).values()
    for kind, path in parts:
        diagram = _part(archive, path, struck) if kind == "diagramData" else None
        if diagram is not None:
            outline.add("\n".join(f"- {text}" for _, text in _paragraphs(diagram)))
    for kind, path in parts:
        notes = _part(archive, path, struck) if kind == "notesSlide" else None
        if notes is None:
            continue
        shapes = (shape for shape in _shapes(notes) if _placeholder(shape) == "body")
        texts = [text for shape in shapes for _, text in _paragraphs(shape)]
        if texts:
            outline.add("Notes: " + "\n".join(texts))
