"""Tells what the styles and the numbering of a Word document make of a paragraph.

Rule: follows ECMA-376 part 1, 17.7 and 17.9, as far as text goes: headings, bullets, numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lxml import etree

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING_NAME: Final = re.compile(r"(?:heading|überschrift|titre|título)\s*([1-9])$", re.I)
_MAX_STYLES_DEEP: Final = 20


@dataclass(frozen=True, slots=True)
class Style:
    """What counts of a paragraph style. `heading` is its level from 1, `numbering` (list id, level)."""

    name: str
    heading: int | None
    numbering: tuple[str, int] | None


_PLAIN: Final = Style(name="", heading=None, numbering=None)


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, root: etree._Element | None) -> None:
        self._elements = {
            element.get(f"{_W}styleId", ""): element
            for element in (root.iter(f"{_W}style") if root is not None else ())
        }
        self._known: dict[str, Style] = {}

    def of(self, paragraph: etree._Element) -> Style:
        """The style of a paragraph, with the outline level that it sets itself."""
        properties = paragraph.find(f"{_W}pPr")
        if properties is None:
            return _PLAIN
        name = _value(properties, "pStyle")
        style = self._named(name, _MAX_STYLES_DEEP) if name else _PLAIN
        level = _value(properties, "outlineLvl")
        if level is not None and level in "01234567":
            return Style(name=style.name, heading=int(level) + 1, numbering=style.numbering)
        return style

    def _named(self, name: str, deep: int) -> Style:
        if name in self._known:
            return self._known[name]
        element = self._elements.get(name)
        if element is None or deep == 0:
            match = _HEADING_NAME.match(name)
            return Style(name=name, heading=int(match[1]) if match else None, numbering=None)
        shown = _value(element, "name") or name
        based_on = _value(element, "basedOn")
        above = self._named(based_on, deep - 1) if based_on else _PLAIN
        match = _HEADING_NAME.match(shown)
        heading = int(match[1]) if match else above.heading
        numbering = above.numbering
        properties = element.find(f"{_W}pPr")
        if properties is not None:
            level = _value(properties, "outlineLvl")
            if match is None and level is not None:
                heading = int(level) + 1 if level in "01234567" else None
            numbering = _numbering(properties) or numbering
        style = Style(name=shown, heading=heading, numbering=numbering)
        self._known[name] = style
        return style


class Numbering:
    """The lists of a document, counted along as paragraphs are asked for in their order."""

    def __init__(self, root: etree._Element | None) -> None:
        self._lists: dict[str, str] = {}
        self._levels: dict[tuple[str, int], tuple[str, str, int]] = {}
        self._counts: dict[str, list[int]] = {}
        self._restarts: dict[tuple[str, int], int] = {}
        for element in root if root is not None else ():
            if element.tag == f"{_W}num":
                number = element.get(f"{_W}numId", "")
                self._lists[number] = _value(element, "abstractNumId") or ""
                for override in element.iter(f"{_W}lvlOverride"):
                    if (start := _value(override, "startOverride")) is not None:
                        self._restarts[number, _digit(override.get(f"{_W}ilvl"))] = _digit(start, 1)
            elif element.tag == f"{_W}abstractNum":
                for level in element.iter(f"{_W}lvl"):
                    self._levels[element.get(f"{_W}abstractNumId", ""), _digit(level.get(f"{_W}ilvl"))] = (
                        _value(level, "numFmt") or "decimal",
                        _value(level, "lvlText") or "",
                        _digit(_value(level, "start"), 1),
                    )

    def label(self, paragraph: etree._Element, of_style: tuple[str, int] | None) -> tuple[str, int]:
        """What stands before a paragraph ("-", "1.", "2.3", "") and how deep its list is, from 0."""
        properties = paragraph.find(f"{_W}pPr")
        own = _numbering(properties) if properties is not None else None
        found = own or of_style
        if found is None or found[0] == "0":
            return "", 0
        number, level = found
        if not number and of_style is not None:
            number = of_style[0]
        abstract = self._lists.get(number)
        kind, pattern, start = self._levels.get((abstract or "", level), ("bullet", "", 1))
        if kind == "none":
            return "", 0
        if kind == "bullet" or abstract is None:
            return "-", level
        counts = self._counts.setdefault(abstract, [])
        while len(counts) <= level:
            counts.append(self._levels.get((abstract, len(counts)), ("", "", 1))[2] - 1)
        again = self._restarts.pop((number, level), None)  # with the first paragraph of the list that says so
        counts[level] = (max(counts[level], start - 1) if again is None else again - 1) + 1
        for below in range(level + 1, len(counts)):
            counts[below] = self._levels.get((abstract, below), ("", "", 1))[2] - 1
        label = pattern
        for position in range(level + 1):
            shown = max(counts[position], 1)
            form = self._levels.get((abstract, position), ("decimal", "", 1))[0]
            label = label.replace(f"%{position + 1}", _written(shown, form))
        return label or "-", level


def _numbering(properties: etree._Element) -> tuple[str, int] | None:
    element = properties.find(f"{_W}numPr")
    if element is None:
        return None
    return _value(element, "numId") or "", _digit(_value(element, "ilvl"))


def _value(parent: etree._Element, name: str) -> str | None:
    element = parent.find(f"{_W}{name}")
    return None if element is None else element.get(f"{_W}val")


def _digit(value: str | None, default: int = 0) -> int:
    return (
        int(value)
        if value is not None and value.isascii() and value.isdigit() and len(value) < 6
        else default
    )


def _written(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman"):
        roman = _roman(number)
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)


def _roman(number: int) -> str:
    if number > 3999:
        return str(number)
    text = ""
    for value, sign in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    ):
        text += sign * (number // value)
        number %= value
    return text
