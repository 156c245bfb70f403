"""Reads what the parts of a Microsoft Office file have in common: its properties and its relations.

Rule: a missing part is empty, never an error.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from knowledge.errors import Unreadable
from knowledge.readers import xml
from knowledge.readers.archive import Archive
from knowledge.readers.dates import from_words

_PLACEHOLDER_TITLES: Final = frozenset(
    {"powerpoint presentation", "presentation", "document", "untitled", "word document", "slide 1"}
)


def properties(archive: Archive) -> tuple[str | None, datetime | None]:
    """Title and time of the last change, each None where the file says nothing of use."""
    try:
        root = xml.parse(archive.read("docProps/core.xml"))
    except Unreadable:
        return None, None
    title, updated_at = None, None
    for element in root if root is not None else ():
        text = " ".join((element.text or "").split())
        if xml.local(element) == "title" and text.lower() not in _PLACEHOLDER_TITLES:
            title = text or None
        elif xml.local(element) == "modified":
            updated_at = from_words(text)
    return title, updated_at


def relations(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """The relations of a part by their id: (last word of the type, path of the target)."""
    folder, name = posixpath.split(part)
    root = xml.parse(archive.read(posixpath.join(folder, "_rels", f"{name}.rels")))
    found = {}
    for element in root if root is not None else ():
        if element.get("TargetMode") == "External":
            continue
        target = unquote(element.get("Target", "")).replace("\\", "/")
        path = (
            target.lstrip("/")
            if target.startswith("/")
            else posixpath.normpath(posixpath.join(folder, target))
        )
        found[element.get("Id", "")] = (element.get("Type", "").rpartition("/")[2], path)
    return found


def main_part(archive: Archive, *, default: str, endings: Iterable[str]) -> str:
    """The path of the part that the package says it is about."""
    for kind, path in relations(archive, "").values() if "_rels/.rels" in archive else ():
        if kind == "officeDocument" and path in archive and path.lower().endswith(tuple(endings)):
            return path
    if default in archive:
        return default
    raise Unreadable("an office file without its main part")
