"""Collects blocks under their headings and pages into sections.

Rule: nothing that was added is lost; a heading with nothing under it becomes text.
"""

from __future__ import annotations

from knowledge.documents import Block, BlockKind, Section


class Outline:
    """A document as it is being read, from top to bottom."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._blocks: list[Block] = []
        self._path: list[tuple[int, str]] = []
        self._page: str | None = None
        self._bare_heading = False

    @property
    def first_heading(self) -> str | None:
        """The first heading there is, None before it."""
        for section in self._sections:
            if section.headings:
                return section.headings[0]
        return self._path[0][1] if self._path else None

    def heading(self, level: int, text: str) -> None:
        """Starts a section under `text`; level 1 is the top."""
        text = " ".join(text.split())
        if not text:
            return
        self._close(next_level=level)
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, text))
        self._bare_heading = True

    def page(self, name: str, *, keep_headings: bool = False) -> None:
        """Starts a page, a slide or a sheet; headings go on over it only when told so."""
        bare = self._bare_heading and not self._blocks
        self._close(next_level=99 if keep_headings else 0)
        if not keep_headings:
            self._path.clear()
            bare = False
        self._bare_heading = bare
        self._page = name

    def add(self, text: str, kind: BlockKind = "text") -> None:
        """Adds a block; one without text is left out."""
        text = text.strip("\n") if kind == "code" else text.strip()
        if text.strip():
            self._blocks.append(Block(text=text, kind=kind))

    def sections(self) -> tuple[Section, ...]:
        """Everything so far; the outline can be used on."""
        self._close(next_level=0)
        return tuple(self._sections)

    def _close(self, *, next_level: int) -> None:
        if self._bare_heading and not self._blocks and next_level <= self._path[-1][0]:
            self._blocks.append(Block(text=self._path[-1][1]))
        if self._blocks:
            headings = tuple(text for _, text in self._path)
            self._sections.append(Section(headings=headings, blocks=tuple(self._blocks), page=self._page))
            self._blocks = []
        self._bare_heading = False
