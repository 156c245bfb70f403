"""Writes rows as GitHub pipe tables.

Rule: one row a line, the first row of a table is its header, empty rows and columns are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as one table; empty when no cell has text. Rows may differ in length."""
    filled = [row for row in rows if any(cell and not cell.isspace() for cell in row)]
    if not filled:
        return ""
    width = max(len(row) for row in filled)
    used = [
        column
        for column in range(width)
        if any(column < len(row) and row[column] and not row[column].isspace() for row in filled)
    ]
    lines = [
        "| " + " | ".join(_cell(row[column]) if column < len(row) else "" for column in used) + " |"
        for row in filled
    ]
    lines.insert(1, "|" + " --- |" * len(used))
    return "\n".join(lines)


def above_header(rows: Sequence[Sequence[str]]) -> int:
    """How many rows stand above the first one with more than one cell: they are the table's caption, or a list."""
    places = (place for place, row in enumerate(rows) if sum(map(bool, row)) > 1)
    return next(places, len(rows))


def regions(rows: Iterable[T], cells: Callable[[T], Sequence[str]]) -> Iterator[list[T]]:
    """Runs of rows that are one table each, without empty rows: one of these ends a table when a header follows.

    A header is all words, which a row of values nearly never is; in a table of words, words in its columns go on with it.
    """
    region: list[T] = []
    columns: set[int] = set()
    gap = worded = False
    for row in rows:
        filled = {column: cell for column, cell in enumerate(cells(row)) if cell}
        if not filled:
            gap = True
            continue
        words = not any(cell[0].isdigit() or cell[-1].isdigit() for cell in filled.values())
        if gap and region and words and not (worded and len(filled) > 1 and filled.keys() <= columns):
            yield region
            region, columns = [], set()
        gap, worded = False, words
        columns.update(filled)
        region.append(row)
    if region:
        yield region


def lines_of(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one cell each as lines of text."""
    return "\n".join("".join(row) for row in rows if any(row))


def _cell(text: str) -> str:
    if text.isalnum():
        return text
    return " ".join(text.split()).replace("|", "\\|")
