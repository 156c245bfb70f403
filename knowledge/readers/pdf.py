"""Reads PDF files.

Rule: a section a page at least, lines in the order of the page, headings from the outline, else from font sizes.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pypdfium2 as pdfium
from pypdfium2 import raw

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers.dates import from_pdf
from knowledge.readers.outline import Outline

_ITEM: Final = re.compile(r"(?:[-*•‣◦▪●■–\uf0b7]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_FILE_NAME: Final = re.compile(
    r"\.(?:docx?|pdf|indd|tex|pptx?|qxd|rtf|dvi|xlsx?)$|^(?:untitled|microsoft word - )", re.I
)
_DIGITS: Final = re.compile(r"\d+")
_HEADING_CHARACTERS: Final = 120
_FURNITURE_PAGES: Final = 4
_MAX_HEADINGS: Final = 2000


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a page; `size` is the height of its font, `top` and `bottom` count from below, in points."""

    text: str
    size: float
    left: float
    top: float
    bottom: float


def read(body: bytes) -> Reading:
    """A PDF with text. Raises `Unreadable` for one that needs a password or holds only pictures.

    An empty user password is tried, which is what viewers do.
    """
    try:
        document = pdfium.PdfDocument(body)
    except pdfium.PdfiumError as error:
        raise Unreadable("encrypted" if "password" in str(error).lower() else "a damaged PDF") from error
    with document:
        pages, pictures, pale = _pages(document)
        if not any(pages):
            raise Unreadable("no text, only pictures (scanned?)" if pictures else "no text inside")
        metadata = document.get_metadata_dict()
        outline = Outline()
        _add(pages, _headings(document, pages), outline)
    title = " ".join(metadata.get("Title", "").split())
    return Reading(
        title=title if title and not _FILE_NAME.search(title) else outline.first_heading,
        sections=outline.sections(),
        updated_at=from_pdf(metadata.get("ModDate")) or from_pdf(metadata.get("CreationDate")),
        notes=_notes(pages, pictures, pale),
    )


def _notes(pages: Sequence[Sequence[_Line]], pictures: int, pale: Sequence[int]) -> tuple[str, ...]:
    notes = []
    if pictures:
        notes.append(f"no text on {pictures} of {len(pages)} pages (scanned?)")
    if pale:
        shown = ", ".join(str(page) for page in pale[:5])
        notes.append(f"white or tiny text, perhaps hidden, kept: page {shown}")
    return tuple(notes)


def _pages(document: pdfium.PdfDocument) -> tuple[list[list[_Line]], int, list[int]]:
    """The lines of each page, the number of pages with only pictures, the pages with text in white."""
    pages: list[list[_Line]] = []
    pictures = 0
    pale: list[int] = []
    for number in range(len(document)):
        try:
            page = document[number]
        except pdfium.PdfiumError:
            pages.append([])
            continue
        textpage = page.get_textpage()
        lines = _lines(textpage)
        pages.append(lines)
        if lines and _is_pale(textpage):
            pale.append(number + 1)
        if not lines and any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2)):
            pictures += 1
        textpage.close()
        page.close()
    return pages, pictures, pale


def _lines(textpage: pdfium.PdfTextPage) -> list[_Line]:
    lines: list[_Line] = []
    offset = 0
    rectangle = raw.FS_RECTF()
    for text in textpage.get_text_range().split("\r\n"):
        start = offset
        offset += len(text) + 2
        bare = text.strip()
        if not bare:
            continue
        start += len(text) - len(text.lstrip())
        index = raw.FPDFText_GetCharIndexFromTextIndex(textpage, start)
        if index >= 0 and raw.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(rectangle)):
            top, bottom, left = rectangle.top, rectangle.bottom, rectangle.left
        else:
            top, bottom, left = (
                (lines[-1].top, lines[-1].bottom, lines[-1].left) if lines else (0.0, 0.0, 0.0)
            )
        lines.append(_Line(text=bare, size=round(abs(top - bottom), 1), left=left, top=top, bottom=bottom))
    return lines


def _is_pale(textpage: pdfium.PdfTextPage) -> bool:
    """Whether some text is white or smaller than a point. On a dark ground that is honest, so it is only noted."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    for index in range(0, textpage.count_chars(), 8):
        if raw.FPDFText_GetUnicode(textpage, index) <= 32:
            continue
        if raw.FPDFText_GetFillColor(textpage, index, red, green, blue, alpha) and (
            alpha.value == 0 or min(red.value, green.value, blue.value) > 250
        ):
            return True
    return False


def _headings(document: pdfium.PdfDocument, pages: Sequence[Sequence[_Line]]) -> dict[int, dict[str, int]]:
    """By page index: the text of each heading, squeezed, and its level from 1."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for number, mark in enumerate(document.get_toc(max_depth=6)):
        if number > _MAX_HEADINGS:
            break
        destination = mark.get_dest()
        index = destination.get_index() if destination is not None else None
        if index is not None:
            found[index][_squeezed(mark.get_title())] = mark.level + 1
    matched = sum(
        1 for index, page in enumerate(pages) for line in page if _squeezed(line.text) in found[index]
    )
    if matched:
        return found
    return _large_lines(pages)


def _large_lines(pages: Sequence[Sequence[_Line]]) -> dict[int, dict[str, int]]:
    """Lines set clearly larger than the body: the three most used such sizes are levels 1 to 3."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[round(line.size)] += len(line.text)
    usual = sizes.most_common(1)[0][0]
    large: Counter[float] = Counter()
    for page in pages:
        for line in page:
            if round(line.size) > usual * 1.15 and _may_be_heading(line.text):
                large[round(line.size)] += 1
    kept = sorted((size for size, _ in large.most_common(3)), reverse=True)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for index, page in enumerate(pages):
        for line in page:
            if round(line.size) in kept and _may_be_heading(line.text):
                found[index][_squeezed(line.text)] = kept.index(round(line.size)) + 1
    return found


def _may_be_heading(text: str) -> bool:
    letters = sum(1 for character in text if character.isalpha())
    return letters >= 3 and len(text) <= _HEADING_CHARACTERS and letters > len(text) / 3


def _squeezed(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _add(pages: Sequence[Sequence[_Line]], headings: dict[int, dict[str, int]], outline: Outline) -> None:
    furniture = _furniture(pages)
    seen: set[str] = set()
    for index, page in enumerate(pages):
        outline.page(f"page {index + 1}", keep_headings=True)
        known = headings.get(index, {})
        paragraph: list[_Line] = []
        widest = max((len(line.text) for line in page), default=0)
        previous_level = 0
        heading: list[str] = []
        for line in page:
            key = _DIGITS.sub("#", line.text)
            if key in furniture:
                if key in seen:
                    continue
                seen.add(key)
            level = known.get(_squeezed(line.text), 0)
            if heading and level != previous_level:
                outline.heading(previous_level, " ".join(heading))
                heading = []
            if level or (paragraph and _breaks(paragraph[-1], line)):
                outline.add(_joined(paragraph, widest))
                paragraph = []
            previous_level = level
            if level:
                heading.append(line.text)
            else:
                paragraph.append(line)
        if heading:
            outline.heading(previous_level, " ".join(heading))
        outline.add(_joined(paragraph, widest))


def _furniture(pages: Sequence[Sequence[_Line]]) -> set[str]:
    """What stands at the top or bottom of more than half of the pages, numbers apart."""
    if len(pages) < _FURNITURE_PAGES:
        return set()
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update({_DIGITS.sub("#", line.text) for line in (*page[:2], *page[-2:])})
    return {text for text, count in counts.items() if count > len(pages) / 2}


def _breaks(above: _Line, line: _Line) -> bool:
    """Whether a new paragraph starts: a gap, another size, or the top of another column."""
    size = max(above.size, line.size, 1.0)
    if line.bottom > above.top:
        return True
    return above.bottom - line.top > 0.6 * size or abs(above.size - line.size) > 0.15 * size


def _joined(lines: Sequence[_Line], widest: int) -> str:
    """A paragraph: wrapped lines in one, list items and short lines on their own."""
    text = ""
    for position, line in enumerate(lines):
        if not text:
            text = line.text
        elif text[-1] in "\x02\ufffe\xad" and line.text[:1].islower():
            text = text[:-1] + line.text
        elif _ITEM.match(line.text) or len(lines[position - 1].text) < 0.6 * widest:
            text += "\n" + line.text
        else:
            text += " " + line.text
    return text.replace("\x02", "-").replace("\ufffe", "-")
