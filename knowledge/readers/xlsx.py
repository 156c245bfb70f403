"""Reads Excel workbooks.

Rule: a section a sheet, the values that were last computed, written as a person would read them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Final, cast

from openpyxl import load_workbook
from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import office
from knowledge.readers.archive import Archive
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table

_MAX_COLUMNS: Final = 1000
_CURRENCY: Final = re.compile(r"\[\$([^\]-]*)(?:-[^\]]*)?\]")  # "[$CHF-807]"; without a sign only a locale
_BRACKETS: Final = re.compile(r"\[[^\]]*\]")
_DIGITS: Final = re.compile("[0#?]")
_BARE_SIGNS: Final = ("€", "£", "¥", "$")
_Row = tuple[ReadOnlyCell | EmptyCell, ...]


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
        for region in _regions(_rows(cast("Iterator[_Row]", sheet.rows))):
            _add(region, outline)
    return Reading(title=title, sections=outline.sections(), updated_at=updated_at, notes=tuple(notes))


def _add(region: list[list[str]], outline: Outline) -> None:
    """A table, with the lines above it that fill one cell only as text: they are its caption."""
    start = 0
    while start < len(region) and sum(map(bool, region[start])) == 1:
        start += 1
    if start == len(region):
        # A list of single cells; in one column it reads better without bars.
        outline.add("\n".join(next(filter(None, row)) for row in region))
        return
    outline.add("\n".join(next(filter(None, row)) for row in region[:start]))
    outline.add(pipe_table(region[start:]), "table")


def _regions(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Runs of rows that are one table each: an empty row ends one when what follows looks like a header."""
    region: list[list[str]] = []
    gap = False
    for row in rows:
        filled = [cell for cell in row if cell]
        if not filled:
            gap = True
            continue
        if gap and region and _is_header(filled):
            yield region
            region = []
        gap = False
        region.append(row)
    if region:
        yield region


def _is_header(filled: list[str]) -> bool:
    """Whether the filled cells of a row are words: a value row nearly always holds a number or a date."""
    return not any(cell[0].isdigit() or cell[-1].isdigit() for cell in filled)


def _rows(rows: Iterator[_Row]) -> Iterator[list[str]]:
    for row in rows:
        yield [_written(cell).strip() for cell in row[:_MAX_COLUMNS]]


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
    sign, behind = _currency(form)
    if not sign or behind:
        return f"{text} {sign}".rstrip()
    return f"{sign} {text}" if sign[-1].isalpha() or sign[-1] == "." else f"{sign}{text}"


def _currency(form: str) -> tuple[str, bool]:
    """The currency sign of a format, empty where it has none, and whether it is written behind the number."""
    named = next((found for found in _CURRENCY.finditer(form) if found[1].strip()), None)
    if named is None:
        rest = _CURRENCY.sub("", form)
        sign = next((bare for bare in _BARE_SIGNS if bare in rest), "")
        return sign, sign == "€"
    sign = named[1].strip()
    if sign in _BARE_SIGNS:
        return sign, sign == "€"
    return sign, _DIGITS.search(_BRACKETS.sub("", form[: named.start()])) is not None
