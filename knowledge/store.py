"""The seam for the search index; the fake for tests is `knowledge/memory_store.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

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


class Searchable(Protocol):
    """What a search needs of an index."""

    def vectors(self, text_hashes: Iterable[str]) -> Mapping[str, Vectors]:
        """The stored vectors (dimensions,) of those hashes that are in the index, so that nothing is embedded twice."""
        ...

    def search_vector(self, vector: Vectors, *, limit: int, readable: Readable) -> list[Hit]:
        """The nearest chunks by cosine, best first."""
        ...

    def search_keyword(self, query: str, *, limit: int, readable: Readable) -> list[Hit]:
        """The best chunks by words, best first. Any string is a valid query."""
        ...


class Store(Searchable, Protocol):
    """Chunks, their vectors and their words, searchable; rebuildable, never the only copy of anything."""

    @property
    def version(self) -> int:
        """Grows with every change that a search could see."""
        ...

    def count(self) -> int:
        """Chunks in the index."""
        ...

    def replace(self, source: str, documents: Sequence[str], batches: Iterable[Batch]) -> int:
        """In one atomic step: the chunks of documents of `source` are replaced by `batches`.

        Replaced are the documents in `documents` (gone, when no batch brings chunks of them) and
        every document that a batch brings chunks of. Batches are taken one at a time, so that memory
        does not grow with their number; an error raised while taking one passes through, and nothing
        has changed. Gives the new version. A reader sees the old state or the new one, never half.
        """
        ...

    def neighbours(self, chunks: Sequence[Chunk]) -> list[IndexedChunk]:
        """The chunks just before and after each of `chunks` in their documents."""
        ...

    def chunks(self, documents: Sequence[str]) -> list[IndexedChunk]:
        """The chunks of those documents (ids), each document's in reading order."""
        ...

    def digests(self) -> Iterator[tuple[str, str, str]]:
        """(document id, chunk id, `row_digest`) of every chunk as it stands on disk now, in no order."""
        ...

    def check(self, *, deep: bool) -> list[str]:
        """What is wrong with the index, a line each, none when it is well.

        Does a real vector search and a real keyword search for chunks that are there; `deep` also
        reads every byte and compares it with what was written.
        """
        ...

    def purge(self) -> int:
        """Takes text that was removed or replaced off the disk. Gives the new version."""
        ...


def row_digest(item: IndexedChunk, vector: Vectors) -> str:
    """Names the content of a chunk with its vector: an equal digest means that nothing has changed."""
    chunk = item.chunk
    updated_at = item.updated_at.astimezone(UTC).isoformat() if item.updated_at else None
    fields = (
        *(chunk.id, chunk.ordinal, chunk.headings, chunk.page, chunk.text, chunk.kind),
        *(item.title, item.url, updated_at, item.source, item.collection, item.text_hash),
    )
    digest = hashlib.blake2b(valid_text(repr(fields)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(vector, dtype="<f4").tobytes())
    return digest.hexdigest()


def valid_text(text: str) -> str:
    """`text` with each lone surrogate, which UTF-8 cannot hold, turned into a replacement sign."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
