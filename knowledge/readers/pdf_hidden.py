"""Tells whether a page of a PDF has text that a person does not see.

Rule: white text counts only where nothing dark lies under it; what is found is noted, never removed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2 import raw

_EVERY: Final = 8  # characters: a hidden instruction is longer than that
_WHITE: Final = 250
_TINY: Final = 1.0  # points
_GROUNDS: Final = (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING)

_Box = tuple[float, float, float, float]


def has_hidden_text(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage) -> bool:
    """Whether some text is transparent, smaller than a point, or white on a white page.

    Text that is drawn invisibly (render mode 3) is not meant: it is how scans carry their words.
    """
    white: list[tuple[float, float]] = []
    rectangle = raw.FS_RECTF()
    for index in range(0, textpage.count_chars(), _EVERY):
        if raw.FPDFText_GetUnicode(textpage, index) <= ord(" "):
            continue
        colour = _fill(textpage, index)
        if colour is None:
            continue
        raw.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(rectangle))
        if colour[3] == 0 or 0 < rectangle.top - rectangle.bottom < _TINY:
            return True
        if min(colour[:3]) > _WHITE:
            white.append(((rectangle.left + rectangle.right) / 2, (rectangle.top + rectangle.bottom) / 2))
    if not white:
        return False
    grounds = _grounds(page)
    return any(not _covered(point, grounds) for point in white)


def _fill(textpage: pdfium.PdfTextPage, index: int) -> tuple[int, int, int, int] | None:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not raw.FPDFText_GetFillColor(textpage, index, red, green, blue, alpha):
        return None
    return red.value, green.value, blue.value, alpha.value


def _grounds(page: pdfium.PdfPage) -> list[_Box]:
    """The boxes of everything on the page that may be darker than white: left, bottom, right, top."""
    boxes: list[_Box] = []
    for thing in page.get_objects(filter=list(_GROUNDS), max_depth=4):
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        if thing.type == raw.FPDF_PAGEOBJ_PATH:
            known = raw.FPDFPageObj_GetFillColor(thing, red, green, blue, alpha)
            if known and min(red.value, green.value, blue.value) > _WHITE:
                continue
        try:
            boxes.append(thing.get_bounds())
        except pdfium.PdfiumError:
            continue
    return boxes


def _covered(point: tuple[float, float], boxes: Sequence[_Box]) -> bool:
    x, y = point
    return any(left <= x <= right and bottom <= y <= top for left, bottom, right, top in boxes)
