"""Cuts a page of a PDF into lines, and lines into what stands apart in them.

Rule: the order of PDFium, which is that of the file; the letters of PDFium, which are those of the font.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2 import raw

_BOLD_WEIGHT: Final = 600
_BOLD_NAME: Final = re.compile(rb"bold|black|heavy|demi|medi$|bx\d|-bd", re.I)
_FONT_NAME_BYTES: Final = 96
_SQUEEZE: Final = re.compile(r"[\W_]+")
_SPACES: Final = re.compile(r"\s+")
_APART: Final = 1.0  # times the size of the font: wider than the space between words


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line that stands apart from the others, with its left and right edge in points."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page; `size` is the height of its font, `top` and `bottom` count from below, in points.

    `key` is its letters and digits in lower case, `bold` whether it starts and ends in bold type,
    `cells` its parts with wide gaps between them, one for most lines.
    """

    text: str
    key: str
    size: float
    top: float
    bottom: float
    bold: bool
    cells: tuple[Cell, ...]

    @property
    def left(self) -> float:
        return self.cells[0].left

    @property
    def right(self) -> float:
        return self.cells[-1].right


def lines_of(textpage: pdfium.PdfTextPage) -> list[Line]:
    """The lines of a page that have text."""
    lines: list[Line] = []
    offset = 0
    for text in textpage.get_text_range().split("\r\n"):
        start = offset
        offset += len(text) + 2
        bare = text.strip()
        if not bare:
            continue
        start += len(text) - len(text.lstrip())
        first, last = _index(textpage, start), _index(textpage, start + len(bare) - 1)
        _, _, top, bottom = _box(textpage, first)
        size = round(abs(top - bottom), 1)
        lines.append(
            Line(
                text=bare,
                key=squeezed(bare),
                size=size,
                top=top,
                bottom=bottom,
                bold=_is_bold(textpage, first) and _is_bold(textpage, last),
                cells=tuple(_cells(textpage, bare, start=start, gap=_APART * size)),
            )
        )
    return lines


def squeezed(text: str) -> str:
    """The letters and digits of a text in lower case: two writings of a heading have them in common."""
    return _SQUEEZE.sub("", text.lower())


def _cells(textpage: pdfium.PdfTextPage, text: str, *, start: int, gap: float) -> Sequence[Cell]:
    cells: list[Cell] = []
    begin = 0
    left = _box(textpage, _index(textpage, start))[0]
    for space in _SPACES.finditer(text):
        right = _box(textpage, _index(textpage, start + space.start() - 1))[1]
        following = _box(textpage, _index(textpage, start + space.end()))[0]
        if following - right > gap:
            cells.append(Cell(text[begin : space.start()], left, right))
            begin, left = space.end(), following
    cells.append(Cell(text[begin:], left, _box(textpage, _index(textpage, start + len(text) - 1))[1]))
    return cells


def _index(textpage: pdfium.PdfTextPage, position: int) -> int:
    """The character that stands at a position of the text."""
    return int(raw.FPDFText_GetCharIndexFromTextIndex(textpage, position))


def _box(textpage: pdfium.PdfTextPage, index: int) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a character as it is read, as high as its font is, however its line is turned."""
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(box))
    # The text of a page that is shown turned runs down, over head or up in it.
    turns = round(raw.FPDFText_GetCharAngle(textpage, index) / (math.pi / 2)) % 4
    if turns == 1:
        return -box.top, -box.bottom, box.right, box.left
    if turns == 2:
        return -box.right, -box.left, -box.bottom, -box.top
    if turns == 3:
        return box.bottom, box.top, -box.left, -box.right
    return box.left, box.right, box.top, box.bottom


def _is_bold(textpage: pdfium.PdfTextPage, index: int) -> bool:
    if raw.FPDFText_GetFontWeight(textpage, index) >= _BOLD_WEIGHT:
        return True
    name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(textpage, index, name, _FONT_NAME_BYTES, flags)
    return _BOLD_NAME.search(name.value) is not None
