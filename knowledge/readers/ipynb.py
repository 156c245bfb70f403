"""Reads Jupyter notebooks.

Rule: Markdown cells are Markdown, code cells are code, of the outputs only text is kept.
"""

from __future__ import annotations

import json
import re
from typing import Final

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import md
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MAX_OUTPUT: Final = 10_000


def read(body: bytes) -> Reading:
    """A notebook of format 3 or 4."""
    try:
        book = json.loads(decode(body))
    except (ValueError, RecursionError) as error:
        raise Unreadable("not valid JSON inside") from error
    if not isinstance(book, dict):
        raise Unreadable("not a notebook")
    outline = Outline()
    notes: list[str] = []
    for cell in _cells(book):
        source = _joined(cell.get("source", cell.get("input")))
        kind = cell.get("cell_type")
        if kind == "markdown":
            notes.extend(md.add(source, outline))
        elif kind == "heading":
            level = cell.get("level")
            outline.heading(level if isinstance(level, int) else 1, source)
        elif kind == "code":
            outline.add(source, "code")
            for text in _outputs(cell):
                outline.add(text, "code")
        else:
            outline.add(source)
    sections = outline.sections()
    metadata = book.get("metadata")
    title = metadata.get("title") if isinstance(metadata, dict) else None
    return Reading(
        title=title if isinstance(title, str) else outline.first_heading,
        sections=sections,
        notes=tuple(notes),
    )


def _cells(book: dict[str, object]) -> list[dict[str, object]]:
    cells = book.get("cells")
    if not isinstance(cells, list):
        sheets = book.get("worksheets")
        first = sheets[0] if isinstance(sheets, list) and sheets else {}
        cells = first.get("cells") if isinstance(first, dict) else None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def _outputs(cell: dict[str, object]) -> list[str]:
    outputs = cell.get("outputs")
    texts = []
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        bundle = output.get("data")
        shown = output.get("text") or (bundle.get("text/plain") if isinstance(bundle, dict) else None)
        text = _COLOURS.sub("", _joined(shown))
        if len(text) <= _MAX_OUTPUT:
            texts.append(text)
    return texts


def _joined(source: object) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""
