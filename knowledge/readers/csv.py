"""Reads tables in text: comma, semicolon, tab or bar between the cells.

Rule: a table's header is its first row of more than one cell, an empty row and another header begin another
table; a file with nothing between cells is a list.
"""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Final

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline
from knowledge.readers.tables import above_header, lines_of, pipe_table, regions

_SEPARATORS: Final = ",;\t|"
_SAMPLE_LINES: Final = 50
_SAID: Final = re.compile(r"sep=([^\n])(?:\n|$)", re.I)
"""What Excel begins a file with that is for it alone."""


def read(body: bytes) -> Reading:
    """A CSV or TSV file as one section with its tables, lines of one cell above each as text: they are its caption."""
    text = decode(body).replace("\0", "").lstrip("\n")
    csv.field_size_limit(max(131_072, len(text)))
    try:
        rows = list(csv.reader(StringIO(text), delimiter=_separator(text), skipinitialspace=True))
    except csv.Error as error:
        raise Unreadable(f"a damaged table ({error})") from error
    outline = Outline()
    if _SAID.match(text):
        del rows[0]
    for table in regions(rows, lambda row: [cell.strip() for cell in row]):
        header = above_header(table)
        outline.add(lines_of(table[:header]))
        outline.add(pipe_table(table[header:]), "table")
    return Reading(title=None, sections=outline.sections())


def _separator(text: str) -> str:
    """The separator that cuts the first lines into the most cells of equal number."""
    lines = text[:65_536].split("\n")[:_SAMPLE_LINES]
    if said := _SAID.match(text):
        return said[1]
    best, most = ",", 0.0
    for separator in _SEPARATORS:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        if not counts or max(counts) < 2:
            continue
        usual = max(set(counts), key=counts.count)
        score = (counts.count(usual) / len(counts)) * min(usual, 20) if usual > 1 else 0.1
        if counts[0] < 2:
            score /= 4  # it does not cut the header: "Price;Weight" above "1,5;2,5"
        if score > most:
            best, most = separator, score
    return best
