"""Markdown pages of handbooks, cut as a sync cuts them.

Rule: no page that a calibration question is about is ever read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.judging.rows import Side, chunks_of, side_of
from knowledge.chunking import Chunker
from knowledge.documents import Chunk, Section
from knowledge.readers import md


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title and its chunks in reading order."""

    title: str
    chunks: list[Chunk]


def pages(
    files: Iterable[Path], sides: set[Side], chunker: Chunker, *, but: frozenset[str]
) -> Iterator[Page]:
    """The pages whose titles are of `sides`, without those whose paths end as one of `but`."""
    for file in files:
        if any(file.as_posix().endswith(end) for end in but):
            continue
        title, sections = _read(file)
        if side_of(title) in sides:
            yield Page(title, chunks_of(file.name, title, sections, chunker))


def page_of(file: Path, chunker: Chunker) -> Page:
    """The page in `file`, whatever its side."""
    title, sections = _read(file)
    return Page(title, chunks_of(file.name, title, sections, chunker))


def _read(file: Path) -> tuple[str, Sequence[Section]]:
    reading = md.read(file.read_bytes())
    return reading.title or file.stem, reading.sections
