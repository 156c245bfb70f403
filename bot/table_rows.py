"""Tables as they are read one row at a time.

Rule: a cell goes with the name of its column; nothing else is added, and nothing but empty cells left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")


def cells(line: str) -> list[str]:
    """The cells of one row of a pipe table."""
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def is_row(line: str) -> bool:
    """Whether `line` is one of a pipe table."""
    return line.lstrip().startswith("|")


def is_rule(line: str) -> bool:
    """Whether a line of a table is the one below its names."""
    return _RULE.fullmatch(line) is not None


def is_head(line: str, below: str) -> bool:
    """Whether `line` names the columns of a table, which shows in the line `below` it; one of a pipeline or a grammar
    ("| sort") does not."""
    return is_row(line) and is_row(below) and is_rule(below)


def read_row(header: Sequence[str], row: Sequence[str]) -> str:
    """A table row as words: "City: Oslo; Per night: 120"."""
    pairs = zip(header, row, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)


def read_tables(text: str) -> str:
    """`text` with each table as a line for each of its rows, as `read_row` reads it. A small model finds what
    stands beside its name, and not what stands some bars below it."""
    lines: list[str] = []
    header: list[str] = []
    waiting = False  # the names of the columns stand last in `lines`, and no row has come yet
    for line, below in pairwise([*text.split("\n"), ""]):
        if not is_row(line):
            header, waiting = [], False
            lines.append(line)
        elif not header:
            header, waiting = (cells(line), True) if is_head(line, below) else ([], False)
            lines.append(line)
        elif not is_rule(line) and cells(line) != header:
            if waiting:
                lines.pop()
            waiting = False
            lines.append(read_row(header, cells(line)))
    return "\n".join(lines)
