"""Reads JSON and JSON Lines.

Rule: records of one shape become a table, everything else lines of "path: value"; keys of the top become headings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table
from knowledge.readers.txt import read_text

_MAX_COLUMNS: Final = 30
_BLOCK_LINES: Final = 40


def read(body: bytes) -> Reading:
    """A JSON file or one with a value a line; what is neither is read as plain text, with a note."""
    text = decode(body)
    try:
        value = _value(text)
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    except ValueError:
        plain = read_text(text)
        return Reading(plain.title, plain.sections, notes=("not valid JSON: read as plain text",))
    outline = Outline()
    try:
        _add(value, outline)
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    title = value.get("title") if isinstance(value, dict) else None
    return Reading(title=title if isinstance(title, str) else None, sections=outline.sections())


def _value(text: str) -> object:
    """The value, with decimal numbers as they are written: as floats, 0.00001 would become 1e-05 and 12.50 12.5."""
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line, parse_float=str) for line in lines]


def _add(value: object, outline: Outline) -> None:
    if isinstance(value, dict):
        simple = {key: inner for key, inner in value.items() if not isinstance(inner, dict | list)}
        _add_lines(simple, outline)
        for key, inner in value.items():
            if key not in simple:
                outline.heading(1, key)
                _add_value(inner, outline)
        return
    _add_value(value, outline)


def _add_value(value: object, outline: Outline) -> None:
    rows = _as_rows(value)
    if rows:
        outline.add(pipe_table(rows), "table")
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            _add_lines(item, outline)
    else:
        _add_lines(value, outline)


def _as_rows(value: object) -> list[list[str]] | None:
    """Header and rows of a list of flat records, None for anything else."""
    if not isinstance(value, list) or len(value) < 2:
        return None
    columns: dict[str, None] = {}
    for record in value:
        if not isinstance(record, dict) or any(isinstance(cell, dict | list) for cell in record.values()):
            return None
        columns.update(dict.fromkeys(record))
        if len(columns) > _MAX_COLUMNS:
            return None
    return [list(columns), *([_plain(record.get(key)) for key in columns] for record in value)]


def _add_lines(value: object, outline: Outline) -> None:
    """Lines of "path: value", a block every so many lines so that a chunk can hold one."""
    lines: list[str] = []
    for path, leaf in _leaves(value, ""):
        lines.append(f"{path}: {leaf}" if path else leaf)
        if len(lines) == _BLOCK_LINES:
            outline.add("\n".join(lines))
            lines.clear()
    outline.add("\n".join(lines))


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        if value:
            yield path, ", ".join(_plain(item) for item in value)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{path}[{number}]")
    elif value is not None and value != "":
        yield path, _plain(value)


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
