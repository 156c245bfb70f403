"""Finds tables among the lines of a PDF page.

Rule: lines one under another whose parts stand in the same columns; in doubt they stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from knowledge.readers.pdf_lines import Cell, Line

_MAX_COLUMNS: Final = 20
_MAX_GAP: Final = 3.0  # times the size of the font, between two rows
_MAX_ROWS: Final = 200  # looked at together, so that a page of rows that fit nowhere stays cheap
_LONG_CELL: Final = 80  # characters: two columns of prose are no table
_BULLET: Final = re.compile(r"[-*•‣◦▪●■–\uf0b7o]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]")


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a table, row by row."""

    rows: list[list[str]]


def tables_in(lines: Sequence[Line]) -> Iterator[Table | list[Line]]:
    """The lines in their order, runs of rows as tables and everything between as it is."""
    text: list[Line] = []
    position = 0
    while position < len(lines):
        run = _run(lines, position)
        rows = _rows(run) if len(run) > 1 else None
        if rows is None:
            text.append(lines[position])
            position += 1
            continue
        if text:
            yield text
            text = []
        yield Table(rows)
        position += len(run)
    if text:
        yield text


def _run(lines: Sequence[Line], start: int) -> list[Line]:
    """The lines from `start` that have several parts each and follow one another downwards."""
    run: list[Line] = []
    for line in lines[start : start + _MAX_ROWS]:
        if not _may_be_row(line):
            break
        if run and not 0 < run[-1].top - line.top < _MAX_GAP * max(line.size, run[-1].size, 1.0):
            break
        run.append(line)
    return run


def _may_be_row(line: Line) -> bool:
    """Whether a line has several parts, none of them prose; a bullet and its text are no row."""
    cells = line.cells
    if not 1 < len(cells) <= _MAX_COLUMNS or any(len(cell.text) > _LONG_CELL for cell in cells):
        return False
    return len(cells) > 2 or _BULLET.fullmatch(cells[0].text) is None


def _rows(run: Sequence[Line]) -> list[list[str]] | None:
    """The cells by column, None where two parts of a line belong to one column or none fits."""
    columns = max((line.cells for line in run), key=len)
    rows: list[list[str]] = []
    for line in run:
        row = [""] * len(columns)
        for cell in line.cells:
            column = _column(cell, columns)
            if row[column]:
                return None
            row[column] = cell.text
        rows.append(row)
    return rows


def _column(cell: Cell, columns: Sequence[Cell]) -> int:
    """The column that a cell overlaps most, else the nearest."""

    def overlap(column: Cell) -> float:
        return min(cell.right, column.right) - max(cell.left, column.left)

    return max(range(len(columns)), key=lambda number: overlap(columns[number]))
