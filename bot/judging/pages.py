"""Markdown pages of handbooks, cut as a sync cuts them.

Rule: no page that a calibration question is about is ever read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.judging.rows import Side, chunks_of, side_of
from knowledge.chunking import Chunker
from knowledge.documents import Chunk
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
        reading = md.read(file.read_bytes())
        title = reading.title or file.stem
        if side_of(title) in sides:
            yield Page(title, chunks_of(file.name, title, reading.sections, chunker))
