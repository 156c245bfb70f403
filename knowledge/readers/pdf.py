"""Reads PDF files.

Rule: a section a page at least, lines in the order of the page, headings from the outline, else from font sizes.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2 import raw

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers.dates import from_pdf
from knowledge.readers.outline import Outline
from knowledge.readers.pdf_forms import filled_in
from knowledge.readers.pdf_hidden import has_hidden_text
from knowledge.readers.pdf_lines import Line, lines_of, squeezed
from knowledge.readers.pdf_tables import Table, tables_in
from knowledge.readers.tables import pipe_table

_ITEM: Final = re.compile(r"(?:[-*•‣◦▪●■–\uf0b7]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_FILE_NAME: Final = re.compile(
    r"\.(?:docx?|pdf|indd|tex|pptx?|qxd|rtf|dvi|xlsx?)$|^(?:untitled|microsoft word - )", re.I
)
_DIGITS: Final = re.compile(r"\d+")
_HEADING_CHARACTERS: Final = 120
_FURNITURE_PAGES: Final = 4
_PAGE_DIGITS = 3
_MAX_HEADINGS: Final = 2000
_WORD: Final = re.compile(r"\w+(?:-\w+)*")
_BROKEN_WORD: Final = re.compile(r"(\w+)[\x02\ufffe\xad]\s*(\w+)")


def read(body: bytes) -> Reading:
    """A PDF with text. Raises `Unreadable` for one that needs a password or holds only pictures.

    An empty user password is tried, which is what viewers do.
    """
    try:
        document = pdfium.PdfDocument(body)
    except pdfium.PdfiumError as error:
        raise Unreadable("encrypted" if "password" in str(error).lower() else "a damaged PDF") from error
    with document:
        with contextlib.suppress(pdfium.PdfiumError):
            document.init_forms()
        pages, fields, pictures, pale = _pages(document)
        if not any(pages) and not any(fields):
            raise Unreadable("no text, only pictures (scanned?)" if pictures else "no text inside")
        metadata = document.get_metadata_dict()
        outline = Outline()
        _add(pages, fields, _headings(document, pages), outline)
    title = " ".join(metadata.get("Title", "").split())
    return Reading(
        title=title if title and not _FILE_NAME.search(title) else outline.first_heading,
        sections=outline.sections(),
        updated_at=from_pdf(metadata.get("ModDate")) or from_pdf(metadata.get("CreationDate")),
        notes=_notes(pages, pictures, pale),
    )


def _notes(pages: Sequence[Sequence[Line]], pictures: int, pale: Sequence[int]) -> tuple[str, ...]:
    notes = []
    if pictures:
        notes.append(f"no text on {pictures} of {len(pages)} pages (scanned?)")
    if pale:
        shown = ", ".join(str(page) for page in pale[:5])
        notes.append(f"text that is perhaps hidden (white on white or tiny), kept: page {shown}")
    return tuple(notes)


def _pages(document: pdfium.PdfDocument) -> tuple[list[list[Line]], list[list[str]], int, list[int]]:
    """The lines and the filled fields of each page, the number of pages with only pictures, the pages with hidden text."""
    pages: list[list[Line]] = []
    fields: list[list[str]] = []
    pictures = 0
    pale: list[int] = []
    for number in range(len(document)):
        try:
            page = document[number]
        except pdfium.PdfiumError:
            pages.append([])
            fields.append([])
            continue
        textpage = page.get_textpage()
        lines = lines_of(textpage)
        pages.append(lines)
        fields.append(filled_in(page))
        if lines and has_hidden_text(page, textpage):
            pale.append(number + 1)
        if not lines and any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2)):
            pictures += 1
        textpage.close()
        page.close()
    return pages, fields, pictures, pale


def _headings(document: pdfium.PdfDocument, pages: Sequence[Sequence[Line]]) -> dict[int, dict[str, int]]:
    """By page index: the text of each heading, squeezed, and its level from 1."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for number, mark in enumerate(document.get_toc(max_depth=6)):
        if number > _MAX_HEADINGS:
            break
        destination = mark.get_dest()
        index = destination.get_index() if destination is not None else None
        if index is not None:
            found[index][squeezed(mark.get_title())] = mark.level + 1
    if any(line.key in found[index] for index, page in enumerate(pages) for line in page):
        return found
    return _set_off(pages)


def _set_off(pages: Sequence[Sequence[Line]]) -> dict[int, dict[str, int]]:
    """Lines set larger than the body, the three most used sizes being levels 1 to 3, then bold lines of their own."""
    bold = plain = 0
    for page in pages:
        for line in page:
            bold += len(line.text) if line.bold else 0
            plain += 0 if line.bold else len(line.text)
    usual = _usual_size(pages)
    large: Counter[int] = Counter()
    for page in pages:
        large.update(
            round(line.size) for line in page if _is_large(line, usual) and _may_be_heading(line.text)
        )
    kept = sorted((size for size, _ in large.most_common(3)), reverse=True)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for index, page in enumerate(pages):
        for above, line, below in zip((None, *page), page, (*page[1:], None), strict=False):
            if not _may_be_heading(line.text):
                continue
            if round(line.size) in kept and _is_large(line, usual):
                found[index][line.key] = kept.index(round(line.size)) + 1
            elif line.bold and bold < plain / 4 and _stands_alone(above, line, below):
                found[index][line.key] = len(kept) + 1
    return found


def _is_large(line: Line, usual: int) -> bool:
    return round(line.size) > usual * 1.15


def _stands_alone(above: Line | None, line: Line, below: Line | None) -> bool:
    """Whether a bold line is a paragraph of its own and text follows: not a run-in word, not a table's head."""
    if below is None or below.bold or line.text[-1] in ".,;:":
        return False
    same_row = above is not None and abs(above.top - line.top) < line.size / 2
    next_in_row = abs(below.top - line.top) < line.size / 2
    return not same_row and not next_in_row and (above is None or not above.bold or _breaks(above, line))


def _may_be_heading(text: str) -> bool:
    letters = sum(1 for character in text if character.isalpha())
    return letters >= 3 and len(text) <= _HEADING_CHARACTERS and letters > len(text) / 3


def _add(
    pages: Sequence[Sequence[Line]],
    fields: Sequence[Sequence[str]],
    headings: dict[int, dict[str, int]],
    outline: Outline,
) -> None:
    usual = _usual_size(pages)
    furniture = _furniture(pages, usual)
    words = _words(pages)
    seen: set[str] = set()
    for index, page in enumerate(pages):
        outline.page(f"page {index + 1}", keep_headings=True)
        known = headings.get(index, {})
        kept = []
        for line in page:
            keys = furniture & _running(line, index, usual)
            if not keys & seen:
                kept.append(line)
            seen |= keys
        for part in tables_in(kept):
            if isinstance(part, Table):
                outline.add(pipe_table(part.rows), "table")
                continue
            for level, paragraph in _paragraphs(part, known):
                text = _joined(paragraph, words)
                if level:
                    outline.heading(level, text)
                else:
                    outline.add(text)
        outline.add("\n".join(fields[index]))


def _paragraphs(lines: Sequence[Line], headings: dict[str, int]) -> Iterator[tuple[int, list[Line]]]:
    """The lines of a page by paragraph, with the level of a heading or 0."""
    paragraph: list[Line] = []
    before = 0
    for line in lines:
        level = headings.get(line.key, 0)
        if paragraph and (level != before or _breaks(paragraph[-1], line)):
            yield before, paragraph
            paragraph = []
        paragraph.append(line)
        before = level
    if paragraph:
        yield before, paragraph


def _words(pages: Sequence[Sequence[Line]]) -> frozenset[str]:
    """Every word of the document in lower case, hyphenated ones whole: they tell how a broken word is joined."""
    return frozenset(word for page in pages for line in page for word in _WORD.findall(line.text.lower()))


def _usual_size(pages: Sequence[Sequence[Line]]) -> int:
    """The size that most of the text is set in; 0 where there is none."""
    sizes: Counter[int] = Counter()
    for page in pages:
        for line in page:
            sizes[round(line.size)] += len(line.text)
    return max(sizes, key=sizes.__getitem__, default=0)


def _running(line: Line, index: int, usual: int) -> set[str]:
    """What a line is called on every page where it stands at the top or bottom: its words, and, unless it is large, these
    with the first or last number as one that goes up with the pages."""
    keys = {line.text}
    numbers = [] if _is_large(line, usual) else list(_DIGITS.finditer(line.text))
    for number in (*numbers[:1], *numbers[-1:]):
        if len(number[0]) <= _PAGE_DIGITS:
            keys.add(f"{line.text[: number.start()]}#{int(number[0]) - index}{line.text[number.end() :]}")
    return keys


def _furniture(pages: Sequence[Sequence[Line]], usual: int) -> set[str]:
    """What stands at the top or bottom of more than half of the pages, the page's number apart."""
    if len(pages) < _FURNITURE_PAGES:
        return set()
    counts: Counter[str] = Counter()
    for index, page in enumerate(pages):
        counts.update({key for line in (*page[:2], *page[-2:]) for key in _running(line, index, usual)})
    return {text for text, count in counts.items() if count > len(pages) / 2}


def _breaks(above: Line, line: Line) -> bool:
    """Whether a new paragraph starts: a gap, another size, or the top of another column."""
    size = max(above.size, line.size, 1.0)
    if line.bottom > above.top:
        return True
    return above.bottom - line.top > 0.6 * size or abs(above.size - line.size) > 0.15 * size


def _joined(lines: Sequence[Line], words: frozenset[str]) -> str:
    """A paragraph: wrapped lines in one, list items and lines that end early on their own."""
    text = lines[0].text
    edge = max(line.right for line in lines)
    width = max(1.0, edge - min(line.left for line in lines))
    for above, line in pairwise(lines):
        if text[-1] in "\x02\ufffe\xad":
            text += line.text
        elif _ITEM.match(line.text) or edge - above.right > 0.2 * width:
            text += "\n" + line.text
        else:
            text += " " + line.text

    def whole(match: re.Match[str]) -> str:
        hyphenated = f"{match[1]}-{match[2]}"
        known = hyphenated.lower() in words and (match[1] + match[2]).lower() not in words
        return hyphenated if known or not match[2][0].islower() else match[1] + match[2]

    return _BROKEN_WORD.sub(whole, text).replace("\x02", "-").replace("\ufffe", "-")
