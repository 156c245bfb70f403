"""Reads plain text.

Rule: paragraphs are told by blank lines, headings by a line of "=" or "-" under them, nothing else is guessed.
"""

from __future__ import annotations

import re
from typing import Final

from knowledge.documents import Reading
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline

_UNDERLINE: Final = re.compile(r"(=|-|~)\1{2,}\s*")
_PARAGRAPH_END: Final = re.compile(r"\n[ \t]*\n|\f")
_ITEM: Final = re.compile(r"\s*(?:[-*•+–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_ROW: Final = re.compile(r"\s*[|+]|.*?\S(?: {3,}|\t+)\S")
_QUOTED: Final = re.compile(r"(?:> ?)*")
_WRAPPED: Final = 50


def read(body: bytes) -> Reading:
    """A text file. Its title is the first underlined heading, if there is one."""
    return read_text(decode(body))


def read_text(text: str) -> Reading:
    """Plain text that is decoded already."""
    outline = Outline()
    for paragraph in _PARAGRAPH_END.split(text):
        add_paragraph(paragraph, outline)
    sections = outline.sections()
    return Reading(title=outline.first_heading, sections=sections)


def add_paragraph(paragraph: str, outline: Outline) -> None:
    """Adds a run of lines between blank lines."""
    lines = paragraph.strip("\n").split("\n")
    if len(lines) > 1 and _is_heading(lines[0], lines[1]):
        outline.heading("=-~".index(lines[1][0]) + 1, lines[0])
        lines = lines[2:]
    outline.add(unwrapped(lines))


def unwrapped(lines: list[str]) -> str:
    """Hard-wrapped lines of prose as one line; lists, addresses, verse and rows of a table keep their lines.

    What a mail quotes is joined as well, with its sign at the start only.
    """
    joined: list[str] = []
    above = ""
    for line in lines:
        long = joined and len(joined[-1]) >= _WRAPPED and len(lines[0]) >= _WRAPPED
        sign = _sign(line)
        if long and sign == _sign(above) and _goes_on(above[len(_sign(above)) :], line[len(sign) :]):
            joined[-1] = f"{joined[-1].rstrip()} {line[len(sign) :].strip()}"
        else:
            joined.append(line.rstrip())
        above = line
    return "\n".join(joined)


def _sign(line: str) -> str:
    """What marks a line of a mail as quoted ("> "), empty for others."""
    found = _QUOTED.match(line)
    return found[0] if found else ""


def _goes_on(above: str, line: str) -> bool:
    """Whether a line is the rest of the one above, which is a long one: no item, nor one row below another."""
    if not line.strip() or line[0] in " \t" or _ITEM.match(line):
        return False
    return not (_ROW.match(above) and _ROW.match(line))


def _is_heading(line: str, below: str) -> bool:
    return (
        _UNDERLINE.fullmatch(below) is not None
        and bool(line.strip())
        and len(line) < 120
        and abs(len(line.strip()) - len(below.strip())) <= 3
    )
