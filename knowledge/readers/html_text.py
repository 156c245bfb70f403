"""Writes what stands inside an element of a web page on one line, or on its lines where those count.

Rule: words of two blocks are never glued together, nor a raised number to the word that it hangs on.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "hgroup",
        "header",
        "hr",
        "html",
        "legend",
        "main",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
    ]
)
HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})
_APART: Final = BLOCKS | LISTS | frozenset({*HEADINGS, "br", "li", "pre"})
_GOES_ON: Final = (",", ".", ";", ":", "!", "?", ")")  # what follows a word even where a block ends
_OPENS: Final = "([{"


def text_of(element: etree._Element) -> str:
    """All text on one line."""
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        ends = event == "end" and (inner.tail or "").startswith(_GOES_ON)
        if inner is not element and inner.tag in _APART and not ends:
            parts.append(" ")
        if event == "start":
            if inner.tag == "sup":
                parts.extend(raised(inner, parts))
            parts.append(inner.text or "")
        elif inner is not element:
            parts.append(inner.tail or "")
    return " ".join("".join(parts).split())


def lines_of(element: etree._Element) -> str:
    """Text whose lines count; line breaks may be elements."""
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        opens = inner.tag in _APART and inner is not element and parts and not parts[-1].endswith("\n")
        if (event == "start") if inner.tag == "br" else opens:
            parts.append("\n")
        text = inner.text if event == "start" else inner.tail if inner is not element else None
        if text:
            parts.append(text)
    return "".join(parts)


def raised(element: etree._Element, before: list[str]) -> str:
    """What keeps a raised number (a note's, a power) apart from the word before it: "500^1" is not 5001, and
    "Oslo^[1]" no index."""
    text = "".join(map(str, element.itertext())).lstrip()
    last = next((part for part in reversed(before) if part), " ")
    number = text.lstrip("+-\u2212")[:1].isdigit() and last[-1] not in _OPENS and not last[-1].isspace()
    note = text[:1] == "[" and text[1:2].isdigit() and last[-1].isalnum()
    return "^" if number or note else ""
