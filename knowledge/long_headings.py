"""Cuts titles and headings that are far too long to be any, such as a paragraph with a line under it.

Every chunk carries the names above it, so that a long one would be stored and embedded with each.

Rule: no word is lost; a name that is cut stands whole in the text of the first section below it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from knowledge.documents import Block, Reading, Section

LONGEST: Final = 300


def shortened(reading: Reading) -> Reading:
    """The reading with its title, headings and pages' names in at most `LONGEST` characters each."""
    sections = []
    above: tuple[str, ...] = ()
    for section in reading.sections:
        names = (reading.title or "", *section.headings)
        begun = [
            name
            for place, name in enumerate(names, start=1)
            if len(name) > LONGEST and names[:place] != above[:place]
        ]
        sections.append(_section(section, begun))
        above = names
    return replace(reading, title=reading.title and _cut(reading.title), sections=tuple(sections))


def _section(section: Section, begun: list[str]) -> Section:
    """`section` with `begun`, the long names that it is the first below, as text where they are not yet."""
    said = {block.text for block in section.blocks} if begun else set()
    whole = [Block(name) for name in dict.fromkeys(begun) if name not in said]
    return Section(
        headings=tuple(map(_cut, section.headings)),
        blocks=(*whole, *section.blocks),
        page=section.page and _cut(section.page),
    )


def _cut(name: str) -> str:
    if len(name) <= LONGEST:
        return name
    kept = name[: LONGEST - 1]
    return f"{(kept.rpartition(' ')[0] or kept).rstrip()}…"
