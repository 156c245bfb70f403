"""Reads what is filled in on a form of a PDF, which is no text of its pages.

Rule: what a viewer shows, each value behind the name of its field; passwords and hidden fields stay out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Final

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2 import raw

_TYPED: Final = frozenset({raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX})
_UNSEEN: Final = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW
_PASSWORD: Final = 1 << 13  # ISO 32000-1, table 228


def filled_in(page: pdfium.PdfPage) -> list[str]:
    """The fields of `page` that have a text, in their order, each as "name: text"; none where its document was
    opened without `init_forms`."""
    form = page.formenv
    return [] if form is None else list(_fields(form, page))


def _fields(form: pdfium.PdfFormEnv, page: pdfium.PdfPage) -> Iterator[str]:
    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        field = raw.FPDFPage_GetAnnot(page, number)
        if not field:
            continue
        try:
            unseen = raw.FPDFAnnot_GetFlags(field) & _UNSEEN
            secret = raw.FPDFAnnot_GetFormFieldFlags(form, field) & _PASSWORD
            if raw.FPDFAnnot_GetFormFieldType(form, field) not in _TYPED or unseen or secret:
                continue
            value = _text(raw.FPDFAnnot_GetFormFieldValue, form, field)
            name = _text(raw.FPDFAnnot_GetFormFieldAlternateName, form, field)
            name = name or _text(raw.FPDFAnnot_GetFormFieldName, form, field)
            if value:
                yield f"{name}: {value}" if name else value
        finally:
            raw.FPDFPage_CloseAnnot(field)


def _text(
    ask: Callable[..., int],
    form: pdfium.PdfFormEnv,
    field: raw.FPDF_ANNOTATION,
) -> str:
    """What PDFium answers on one line."""
    length = ask(form, field, None, 0)
    letters = (ctypes.c_ushort * (length // 2 + 1))()
    ask(form, field, letters, length)
    return " ".join(bytes(letters).decode("utf-16-le", "replace").rstrip("\0").split())
