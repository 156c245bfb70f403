"""Reads Excel workbooks.

Rule: a section a sheet, the values that were last computed, a merged cell in each column and row that it covers. What is
hidden is left out, but not the rows that a filter hides for now.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final, cast

from openpyxl import load_workbook
from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell
from openpyxl.utils import column_index_from_string

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import office, xml
from knowledge.readers.archive import Archive
from knowledge.readers.outline import Outline
from knowledge.readers.tables import above_header, lines_of, pipe_table, regions
from knowledge.readers.xlsx_values import written

_MAX_COLUMNS: Final = 1000
_MERGED: Final = re.compile(
    rb"""<(?:\w+:)?mergeCell\s(?:[^<>]*?\s)??ref\s*=\s*["']\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})["']"""
)
_COLUMN: Final = re.compile(rb"<(?:\w+:)?col\s[^<>]*>")
_ROW: Final = re.compile(rb"<(?:\w+:)?row\s[^<>]*>")
_FILTERED: Final = re.compile(rb"<(?:\w+:)?(?:autoFilter|tablePart)\b")
_SAID: Final = re.compile(rb"""\b(min|max|r|hidden)\s*=\s*["'](\w+)["']""")
_Row = tuple[ReadOnlyCell | EmptyCell, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """A merged cell: its first and last column, from 0, and its last row, from 1."""

    column: int
    last_column: int
    last_row: int


@dataclass(frozen=True, slots=True)
class _Cover:
    """The text of a merged cell and the last row that it covers."""

    text: str
    last_row: int


@dataclass(frozen=True, slots=True)
class _Line:
    """The cells of a row as text, and the merged cells over them by column."""

    cells: list[str]
    covering: dict[int, _Cover]


_EMPTY: Final = _Line([], {})


@dataclass(frozen=True, slots=True)
class _Hidden:
    """The columns, from 0, and the rows, from 1, that a sheet does not show."""

    columns: frozenset[int]
    rows: frozenset[int]

    def notes(self, sheet: str) -> Iterator[str]:
        for what, numbers in (("columns", self.columns), ("rows", self.rows)):
            if numbers:
                yield f"hidden {what} left out of sheet {sheet}: {len(numbers)}"


def read(body: bytes) -> Reading:
    """An .xlsx or .xlsm. Hidden sheets, columns and rows are left out and noted."""
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
    parts = _parts(archive)
    notes = []
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            notes.append(f"hidden sheet left out: {sheet.title}")
            continue
        outline.page(f"sheet {sheet.title}")
        sheet.reset_dimensions()
        source = archive.read(parts.get(sheet.title, ""))
        hidden = _hidden(source)
        notes.extend(hidden.notes(sheet.title))
        rows = _rows(cast("Iterator[_Row]", sheet.rows), _merged(source), hidden)
        for region in regions(rows, lambda line: line.cells):
            _add(region, outline)
    return Reading(title=title, sections=outline.sections(), updated_at=updated_at, notes=tuple(notes))


def _add(region: list[_Line], outline: Outline) -> None:
    """A table, with the lines above it that fill one cell only as text: they are its caption."""
    cells = [line.cells for line in region]
    header = above_header(cells)
    outline.add(lines_of(cells[:header]))
    outline.add(pipe_table(_filled(region[header:])), "table")


def _filled(lines: list[_Line]) -> list[list[str]]:
    """The cells with a merged one in each column that it covers, where that column has cells of its own."""
    used = {column for line in lines for column, cell in enumerate(line.cells) if cell}
    return [
        [cell or _covered(line, column, used) for column, cell in enumerate(_widened(line))] for line in lines
    ]


def _widened(line: _Line) -> list[str]:
    return line.cells + [""] * (max(line.covering, default=-1) + 1 - len(line.cells))


def _covered(line: _Line, column: int, used: set[int]) -> str:
    cover = line.covering.get(column)
    if cover is None or column not in used:
        return ""
    own = [cell for cell in line.cells if cell]
    return "" if own == [cover.text] else cover.text  # a line over the whole width stands once


def _rows(rows: Iterator[_Row], merged: dict[int, list[_Span]], hidden: _Hidden) -> Iterator[_Line]:
    """The rows that are shown with what reaches into them: the text of merged cells, by the columns that it covers."""
    covering: dict[int, _Cover] = {}
    for number, cells in enumerate(rows, 1):
        if number in hidden.rows:
            continue
        row = [_written(cell).strip() for cell in cells[:_MAX_COLUMNS]]
        if hidden.columns:
            row = ["" if column in hidden.columns else cell for column, cell in enumerate(row)]
        if not any(row):
            yield _EMPTY  # sheets may have a million of them
            continue
        if covering:
            covering = {column: cover for column, cover in covering.items() if cover.last_row >= number}
        for span in merged.get(number, ()):
            text = row[span.column] if span.column < len(row) else ""
            if text:
                cover = _Cover(text, span.last_row)
                covering = covering | dict.fromkeys(range(span.column, span.last_column + 1), cover)
        yield _Line(row, covering)


def _written(cell: ReadOnlyCell | EmptyCell) -> str:
    value = cell.value
    if value is None:
        return ""
    return value if isinstance(value, str) else written(value, cell.number_format or "")


def _parts(archive: Archive) -> dict[str, str]:
    """The paths of the sheets by their names, as far as they are found."""
    try:
        part = office.main_part(archive, default="xl/workbook.xml", endings=(".xml",))
        root, related = xml.parse(archive.read(part)), office.relations(archive, part)
    except Unreadable:
        return {}
    found = {}
    for element in root.iter() if root is not None else ():
        if xml.local(element) == "sheet":
            for key, value in element.attrib.items():
                if str(key).startswith("{") and str(key).endswith("}id") and str(value) in related:
                    found[element.get("name", "")] = related[str(value)][1]
    return found


def _hidden(sheet: bytes) -> _Hidden:
    """What a sheet hides, but for what a filter or a folded outline hides for now. The columns are told before the
    rows, a filter behind them."""
    columns: set[int] = set()
    for said in _said_hidden(_COLUMN, sheet, max(0, sheet.find(b"sheetData"))):
        if said.get(b"min", b"").isdigit() and said.get(b"max", b"").isdigit():
            columns.update(range(int(said[b"min"]) - 1, min(int(said[b"max"]), _MAX_COLUMNS)))
    if _FILTERED.search(sheet, max(0, sheet.rfind(b"sheetData"))):
        return _Hidden(frozenset(columns), frozenset())
    told = (said.get(b"r", b"") for said in _said_hidden(_ROW, sheet, len(sheet)))
    return _Hidden(frozenset(columns), frozenset(int(row) for row in told if row.isdigit()))


def _said_hidden(tags: re.Pattern[bytes], sheet: bytes, end: int) -> Iterator[dict[bytes, bytes]]:
    """What is said of each column or row that is hidden."""
    for tag in tags.finditer(sheet, 0, end):
        if b"hidden" in tag[0] and b"outlineLevel" not in tag[0]:
            said: dict[bytes, bytes] = dict(_SAID.findall(tag[0]))
            if said.get(b"hidden") in (b"1", b"true"):
                yield said


def _merged(sheet: bytes) -> dict[int, list[_Span]]:
    """The merged cells of a sheet by the number of their first row; they stand behind its rows."""
    spans: dict[int, list[_Span]] = defaultdict(list)
    for match in _MERGED.finditer(sheet, max(0, sheet.rfind(b"sheetData"))):
        left, top, right, bottom = (part.decode("ascii") for part in match.groups())
        first, last = column_index_from_string(left) - 1, column_index_from_string(right) - 1
        if first < _MAX_COLUMNS:
            spans[int(top)].append(_Span(first, min(last, _MAX_COLUMNS - 1), int(bottom)))
    return spans
