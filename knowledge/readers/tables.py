"""Writes rows as GitHub pipe tables.

Rule: one row a line, the first row is the header, empty rows and columns are left out.
"""

from __future__ import annotations

from collections.abc import Sequence


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


def lines_of(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one cell each as lines of text."""
    return "\n".join("".join(row) for row in rows if any(row))


def _cell(text: str) -> str:
    if text.isalnum():
        return text
    return " ".join(text.split()).replace("|", "\\|")
