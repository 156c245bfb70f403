"""Takes out of a web page what a browser does not show or strikes out, and what stands around the page's own text.

Rule: what is invisible or struck out is counted, navigation and furniture are not; text behind a removed element stays.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from lxml import etree

from knowledge.readers.html_text import HEADINGS, text_of

_FURNITURE: Final = frozenset(
    [
        "script",
        "style",
        "nav",
        "footer",
        "noscript",
        "template",
        "svg",
        "iframe",
        "object",
        "embed",
        "canvas",
        "audio",
        "video",
        "map",
        "button",
        "select",
        "option",
        "datalist",
        "textarea",
        "head",
        "link",
        "meta",
    ]
)
_HIDING_STYLE: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0*)?%?\s*(?:;|$|!)", re.I
)
_NO_SIZE: Final = re.compile(r"font-size\s*:\s*0(?:\.0*)?(?:px|pt|em|rem|%)?\s*(?:;|$|!)", re.I)
_STRUCK_OUT: Final = frozenset({"del", "s", "strike"})
_STRIKING_STYLE: Final = re.compile(r"text-decoration(?:-line)?\s*:[^;]*\bline-through\b", re.I)
# A size that does not depend on that of the text around it.
_OWN_SIZE: Final = re.compile(
    r"font(?:-size)?\s*:[^;]*?(?:[1-9]\d*(?:\.\d+)?\s*(?:px|pt|pc|cm|mm|in|rem|vw)\b|small|medium|large)",
    re.I,
)
_NAMES: Final = frozenset({*HEADINGS, "summary", "dt"})  # what says of a part of a page what it is about


def cleaned(root: etree._Element) -> Counter[str]:
    """Takes page furniture, comments and invisible text out of the tree and counts what was hidden, by its name."""
    hidden: Counter[str] = Counter()
    doomed: list[etree._Element] = []
    sizeless = False
    for element in root.iter():
        if isinstance(element, etree._Comment):
            hidden["HTML comment"] += bool((element.text or "").strip())
        elif not isinstance(element.tag, str) or (element.tag in _FURNITURE and not _is_name(element)):
            pass
        elif _is_hidden(element):
            hidden["invisible element"] += any(str(text).strip() for text in element.itertext())
        elif element.tag in _STRUCK_OUT or _STRIKING_STYLE.search(element.get("style", "")):
            hidden["struck-out element"] += any(str(text).strip() for text in element.itertext())
        elif element.get("role") not in ("navigation", "contentinfo"):
            sizeless = sizeless or _NO_SIZE.search(element.get("style", "")) is not None
            continue
        doomed.append(element)
    for element in doomed:
        _take_out(element)
    if sizeless:
        hidden["invisible element"] += _without_sizeless(root)
    return hidden


def _is_name(element: etree._Element) -> bool:
    """Whether an element is a button that is all of a heading: it opens what stands below."""
    if element.tag != "button":
        return False
    above = next((outer for outer in element.iterancestors() if outer.tag in _NAMES), None)
    return above is not None and text_of(above) == text_of(element)


def _is_hidden(element: etree._Element) -> bool:
    attributes = element.attrib
    if not attributes:
        return False
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    style = attributes.get("style")
    return style is not None and _HIDING_STYLE.search(style) is not None


def _take_out(element: etree._Element) -> None:
    """Removes an element; what follows it stays."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _without_sizeless(root: etree._Element) -> int:
    """Takes out text whose size is 0 and gives the number of elements that set it so.

    Boxes of mails have that size to close the gaps between them, and what is inside has a size of its own.
    """
    setting: dict[
        etree._Element, etree._Element | None
    ] = {}  # where the size of 0 comes from that an element has
    found: set[etree._Element] = set()
    for element in root.iter(etree.Element):
        style = element.get("style", "")
        parent = element.getparent()
        outer = None if parent is None else setting.get(parent)
        if _NO_SIZE.search(style):
            outer = outer if outer is not None else element
        elif _OWN_SIZE.search(style):
            outer = None
        setting[element] = outer
        if outer is None:
            continue
        if any(map(str.strip, (element.text or "", *(inner.tail or "" for inner in element)))):
            found.add(outer)
        element.text = ""
        for inner in element:
            inner.tail = ""
    return len(found)
