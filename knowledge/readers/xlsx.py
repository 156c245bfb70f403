"""Reads Excel workbooks.

Rule: a section a sheet, the values that were last computed, written as a person would read them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Final

from openpyxl import load_workbook
from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import office
from knowledge.readers.archive import Archive
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table

_MAX_COLUMNS: Final = 1000


def read(body: bytes) -> Reading:
    """An .xlsx or .xlsm. Hidden sheets are left out and noted."""
    archive = Archive(body)  # for its limits
    title, updated_at = office.properties(archive)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(BytesIO(body), read_only=True, data_only=True, keep_links=False)
    except Unreadable:
        raise
    except Exception as error:  # openpyxl raises what its parsing stumbles over
        raise Unreadable(f"a damaged workbook ({type(error).__name__})") from error
    outline = Outline()
    notes = []
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            notes.append(f"hidden sheet left out: {sheet.title}")
            continue
        outline.page(f"sheet {sheet.title}")
        sheet.reset_dimensions()
        outline.add(pipe_table([row for row in _rows(sheet.rows) if row]), "table")
    return Reading(title=title, sections=outline.sections(), updated_at=updated_at, notes=tuple(notes))


def _rows(rows: Iterator[tuple[ReadOnlyCell | EmptyCell, ...]]) -> Iterator[list[str]]:
    for row in rows:
        yield [_written(cell) for cell in row[:_MAX_COLUMNS]]


def _written(cell: ReadOnlyCell | EmptyCell) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        if value.time() == time():
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, int | float):
        return _number(value, cell.number_format or "")
    if isinstance(value, date | time | timedelta):
        return str(value)
    return str(value)


def _number(value: float, form: str) -> str:
    """A number with the percent or currency sign of its format, without its rounding."""
    if "%" in form:
        return f"{round(value * 100, 6):.10g}%"
    text = str(value) if isinstance(value, int) else f"{value:.12g}"
    for sign in ("€", "£", "¥", "$"):
        if sign in form.replace("[$-", ""):
            return f"{text} {sign}" if sign == "€" else f"{sign}{text}"
    return text
