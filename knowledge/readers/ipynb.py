"""Reads Jupyter notebooks.

Rule: Markdown cells are Markdown, code cells are code; an output is its text, or what it shows where its text only
names it.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Final

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import html, md
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MAX_OUTPUT: Final = 10_000
_MAX_SHOWN: Final = 100_000
_NAME_ALONE: Final = re.compile(r"\s*<[^<>\n]*>\s*")  # "<IPython.core.display.HTML object>"


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
            for output in _outputs(cell):
                notes.extend(_add_output(output, outline))
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


def _outputs(cell: dict[str, object]) -> list[dict[str, object]]:
    outputs = cell.get("outputs")
    return [output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []


def _add_output(output: dict[str, object], outline: Outline) -> tuple[str, ...]:
    """Adds what an output says; gives notes on what was hidden in it."""
    data = output.get("data")
    bundle = data if isinstance(data, dict) else {}
    text = _COLOURS.sub("", _joined(output.get("text") or bundle.get("text/plain")))
    markdown, page = _joined(bundle.get("text/markdown")), _joined(bundle.get("text/html"))
    named = not text or _NAME_ALONE.fullmatch(text)
    if named and 0 < len(markdown) <= _MAX_SHOWN:
        return md.add(markdown, outline)
    if named and 0 < len(page) <= _MAX_SHOWN:
        with contextlib.suppress(Unreadable):  # one output is not worth the notebook
            return html.walk(html.parse(f"<html><body>{page}</body></html>"), outline)
    if len(text) <= _MAX_OUTPUT:
        outline.add(text, "code")
    return ()


def _joined(source: object) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""
