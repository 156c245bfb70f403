"""Reads Rich Text Format.

Rule: striprtf turns it into text; cells of a table come separated by bars.
"""

from __future__ import annotations

import re
from typing import Final

from striprtf.striprtf import rtf_to_text

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.hidden_text import removed
from knowledge.readers.outline import Outline
from knowledge.readers.tables import pipe_table
from knowledge.readers.txt import unwrapped

_HIDDEN: Final = re.compile(r"\\v(?:1(?!\d))?(?![\w-])[^{}]*?(?=\\v0(?!\d)|[{}])")
_TITLE: Final = re.compile(r"\{\\title\s+([^{}\\]+)\}")


def read(body: bytes) -> Reading:
    """An RTF document; its headings are not told from its text, what it hides is left out and noted."""
    source, hidden = _HIDDEN.subn("", body.decode("latin-1"))
    try:
        text = rtf_to_text(source, encoding="cp1252", errors="replace")  # type: ignore[no-untyped-call]
    except (UnicodeError, ValueError, IndexError, KeyError, LookupError) as error:
        raise Unreadable("a damaged RTF file") from error
    outline = Outline()
    rows: list[list[str]] = []
    for line in text.split("\n"):
        if line.rstrip().endswith("|") and line.count("|") > 1:
            rows.append([cell.strip() for cell in line.rstrip()[:-1].split("|")])
            continue
        outline.add(pipe_table(rows), "table")
        rows = []
        outline.add(unwrapped([line]))
    outline.add(pipe_table(rows), "table")
    title = _TITLE.search(source[:20_000])
    return Reading(
        title=title[1].strip() if title else None,
        sections=outline.sections(),
        notes=removed({"invisible run": hidden}),
    )
