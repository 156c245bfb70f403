"""Reads MDX: Markdown with JSX components and JavaScript imports.

Rule: text inside components stays, the components and the JavaScript go; code blocks are left alone.
"""

from __future__ import annotations

import re
from typing import Final

from knowledge.documents import Reading
from knowledge.hidden_text import removed
from knowledge.readers.encodings import decode
from knowledge.readers.md import read_text

_FENCE: Final = re.compile(r"^[ \t]*(```+|~~~+)", re.M)
_MODULE_LINE: Final = re.compile(
    r"^(?:import\s+[^\n]*?['\"][^\n]*|export\s+(?:const|default|function|let|var)\b[^\n]*)$", re.M
)
# None of these looks past the next "<", so that their cost grows with the length of the text only.
_TITLE: Final = re.compile(
    r"""<[A-Z][\w.]*\s(?:[^<>]*?\s)??(?:title|label|summary)=["']([^"'\n<>]+)["'][^<>]*>"""
)
_COMPONENT: Final = re.compile(r"""</?(?:[A-Z][\w.]*|[a-z]+\.[\w.]+)(?:\s[^<>]*)?/?>|</?>""")


def read(body: bytes) -> Reading:
    """An MDX file: title and date as in Markdown; a component's title becomes a line of text."""
    text = decode(body)
    parts: list[str] = []
    comments = 0
    fence = ""
    plain: list[str] = []

    def close() -> None:
        nonlocal comments
        cleaned, count = _plain("".join(plain))
        comments += count
        parts.append(cleaned)
        plain.clear()

    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            if not fence:
                close()
            fence = "" if fence else mark[1]
            parts.append(line.lstrip(" \t"))
        elif fence:
            parts.append(line)
        else:
            plain.append(line)
    close()
    reading = read_text("".join(parts))
    notes = (*reading.notes, *removed({"comment": comments}))
    return Reading(reading.title, reading.sections, reading.updated_at, notes)


def _plain(text: str) -> tuple[str, int]:
    """Text outside code without JSX, and the number of comments that were in it."""
    text, comments = _without_comments(text)
    text = _MODULE_LINE.sub("", text)
    text = _TITLE.sub(lambda match: f"\n\n{match[1]}\n\n", text)
    return _COMPONENT.sub("", text), comments


def _without_comments(text: str) -> tuple[str, int]:
    kept = []
    position = comments = 0
    while (start := text.find("{/*", position)) >= 0 and (end := text.find("*/}", start)) >= 0:
        kept.append(text[position:start])
        position = end + 3
        comments += 1
    kept.append(text[position:])
    return "".join(kept), comments
