"""The seam for the search index; the fake for tests is `knowledge/memory_store.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from knowledge.documents import Chunk
from models.embedding.embedder import Vectors


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk with what an answer has to say about it and what a search filters by.

    `text_hash` is the sha256 (hex) of the text that was embedded, headings included.
    """

    chunk: Chunk
    title: str
    url: str | None
    updated_at: datetime | None
    source: str
    collection: str
    text_hash: str


Batch = tuple[Sequence[IndexedChunk], Vectors]
"""Chunks with their vectors, float32 (len(chunks), dimensions), each of length 1."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of a search: `score` is the cosine for a vector search, BM25 for a keyword search."""

    item: IndexedChunk
    score: float


@dataclass(frozen=True, slots=True)
class Readable:
    """Which chunks a search may see. None means no limit; an empty set means nothing at all."""

    collections: frozenset[str] | None = None
    sources: frozenset[str] | None = None


class Store(Protocol):
    """Chunks, their vectors and their words, searchable; rebuildable, never the only copy of anything."""

    @property
    def version(self) -> int:
        """Grows with every change that a search could see."""
        ...

    def count(self) -> int:
        """Chunks in the index."""
        ...

    def vectors(self, text_hashes: Iterable[str]) -> Mapping[str, Vectors]:
        """The stored vectors (dimensions,) of those hashes that are in the index, so that nothing is embedded twice."""
        ...

    def replace(self, source: str, documents: Sequence[str], batches: Iterable[Batch]) -> int:
        """In one atomic step: all chunks of `documents` (ids of `source`) are replaced by `batches`.

        A document in `documents` without chunks is gone. Batches are taken one at a time, so that
        memory does not grow with their number. Gives the new version. A reader sees the old state
        or the new one, never half.
        """
        ...

    def search_vector(self, vector: Vectors, *, limit: int, readable: Readable) -> list[Hit]:
        """The nearest chunks by cosine, best first."""
        ...

    def search_keyword(self, query: str, *, limit: int, readable: Readable) -> list[Hit]:
        """The best chunks by words, best first. Any string is a valid query."""
        ...

    def neighbours(self, chunks: Sequence[Chunk]) -> list[IndexedChunk]:
        """The chunks just before and after each of `chunks` in their documents."""
        ...
