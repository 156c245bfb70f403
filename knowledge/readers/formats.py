"""The registry of document formats: one line a format.

Rule: modules are named, not imported, so that only the worker that needs a library loads it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from knowledge.documents import Reading
from knowledge.media_types import Format

VERSION: Final = 5
"""Goes up when a reader gives other sections than before; the next sync then reads every document again."""

READERS: Final[dict[Format, str]] = {
    "csv": "knowledge.readers.csv",
    "docx": "knowledge.readers.docx",
    "eml": "knowledge.readers.eml",
    "epub": "knowledge.readers.epub",
    "html": "knowledge.readers.html",
    "ipynb": "knowledge.readers.ipynb",
    "json": "knowledge.readers.json",
    "md": "knowledge.readers.md",
    "mdx": "knowledge.readers.mdx",
    "odt": "knowledge.readers.odt",
    "pdf": "knowledge.readers.pdf",
    "pptx": "knowledge.readers.pptx",
    "rst": "knowledge.readers.rst",
    "rtf": "knowledge.readers.rtf",
    "txt": "knowledge.readers.txt",
    "xlsx": "knowledge.readers.xlsx",
}


def reader(name: Format) -> Callable[[bytes], Reading]:
    """The `read` function of a format; it raises `Unreadable`, and in broken files anything else."""
    return cast(Callable[[bytes], Reading], import_module(READERS[name]).read)
