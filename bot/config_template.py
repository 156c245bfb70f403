"""The configuration as text for people: the commented file that `init` writes, and the reference tables.

Rule: both are made from the sections themselves, so that no key can be missing or described wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.config import LISTED, sections

_HEAD = """\
# The configuration of Groundling. A line that begins with "# key =" shows a key with its default, or
# with an example where it has none; take the "# " away to set it. Paths are relative to this file.
# Secrets never stand here.
"""


def template(*, name: str, path: str) -> str:
    """A whole configuration with one folder source, called `name` and found at `path`."""
    given = {"source": {"name": name, "kind": "folder", "path": path}}
    parts = [_HEAD]
    parts += ["\n".join(_section(key, model, given.get(key))) for key, model in sections().items()]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def reference(section: str) -> list[str]:
    """The Markdown table of a section's keys, a line each."""
    rows = ["| key | values | default | meaning |", "|---|---|---|---|"]
    for key, field in sections()[section].model_fields.items():
        cells = (f"`{key}`", _values(field), _default(field), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _section(name: str, model: type[BaseModel], given: dict[str, str] | None) -> Iterator[str]:
    yield f"# {(model.__doc__ or '').splitlines()[0]}"
    listed = name in LISTED
    # A section that may stand more than once has no defaults of its own: it is there or it is not.
    mark = "# " if listed and given is None else ""
    yield f"{mark}[[{name}]]" if listed else f"[{name}]"
    for key, field in model.model_fields.items():
        yield f"# {field.description}"
        if given and key in given:
            yield f"{key} = {toml(given[key])}"
        else:
            yield f"# {key} = {toml(_example(field))}"


def toml(value: object) -> str:
    """`value` as TOML writes it."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    # JSON's strings, numbers and booleans are TOML's too, but for the sign that JSON leaves bare.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _example(field: FieldInfo) -> object:
    if field.examples:
        return field.examples[0]
    return "main" if field.is_required() else field.default


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    return "none" if field.default is None else f"`{toml(field.default)}`"


def _values(field: FieldInfo) -> str:
    """What may stand there, in a few words."""
    words = [word for kind in _kinds(field.annotation) for word in _words(kind)]
    bounds = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("ge", "gt", "le")
        if getattr(rule, name, None) is not None
    }
    least = f"from {bounds['ge']}" if "ge" in bounds else f"above {bounds['gt']}" if "gt" in bounds else ""
    most = f"to {bounds['le']}" if "le" in bounds else ""
    return " ".join(part for part in (" or ".join(words), least, most) if part)


def _kinds(annotation: object) -> list[object]:
    if get_origin(annotation) is Literal or get_origin(annotation) is tuple:
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    return [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]


def _words(kind: object) -> list[str]:
    if get_origin(kind) is Literal:
        return [f"`{toml(value)}`" for value in get_args(kind)]
    if get_origin(kind) is tuple:
        return ["list of texts"]
    names: dict[object, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return [names[kind]]
