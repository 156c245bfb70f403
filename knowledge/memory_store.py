"""The store for tests and small experiments: all in memory, and really searching.

Rule: it gives the answers that the seam promises, by the plainest means; nothing is kept on disk.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from knowledge.documents import Chunk
from knowledge.errors import IndexMismatch
from knowledge.store import Batch, Hit, IndexedChunk, Readable, row_digest
from models.embedding.embedder import Vectors

# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
_K1 = 1.2
_B = 0.75
_WORD = re.compile(r"\w+")


class MemoryStore:
    """Chunks in a dictionary: cosine over all vectors, BM25 over all words."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._rows: dict[str, tuple[IndexedChunk, Vectors]] = {}
        self._version = 1

    @property
    def version(self) -> int:
        return self._version

    def count(self) -> int:
        return len(self._rows)

    def vectors(self, text_hashes: Iterable[str]) -> Mapping[str, Vectors]:
        wanted = set(text_hashes)
        return {item.text_hash: vector for item, vector in self._rows.values() if item.text_hash in wanted}

    def replace(self, source: str, documents: Sequence[str], batches: Iterable[Batch]) -> int:
        new: dict[str, tuple[IndexedChunk, Vectors]] = {}
        for items, vectors in batches:
            if items and vectors.shape != (len(items), self.dimensions):
                raise IndexMismatch(self._other_length())
            for item, vector in zip(items, vectors, strict=True):
                new[item.chunk.id] = (item, np.array(vector, dtype=np.float32))
        gone = {*documents, *(item.chunk.document_id for item, _ in new.values())}
        rows = {
            key: (item, vector)
            for key, (item, vector) in self._rows.items()
            if item.source != source or item.chunk.document_id not in gone
        }
        rows.update(new)
        # Nothing of the old state is touched before the last batch is in.
        self._rows = rows
        self._version += 1
        return self._version

    def search_vector(self, vector: Vectors, *, limit: int, readable: Readable) -> list[Hit]:
        if vector.shape != (self.dimensions,):
            raise IndexMismatch(self._other_length())
        return _best([Hit(item, float(row @ vector)) for item, row in self._seen(readable)], limit)

    def search_keyword(self, query: str, *, limit: int, readable: Readable) -> list[Hit]:
        everything = [_words(_search_text(item)) for item, _ in self._rows.values()]
        if not everything:
            return []
        mean_length = max(1.0, sum(map(len, everything)) / len(everything))
        holding = Counter(word for words in everything for word in set(words))
        wanted = set(_words(query))
        rarity = {
            word: math.log(1 + (len(everything) - holding[word] + 0.5) / (holding[word] + 0.5))
            for word in wanted
        }
        hits = []
        for item, _ in self._seen(readable):
            words = _words(_search_text(item))
            counts = Counter(word for word in words if word in wanted)
            slope = _K1 * (1 - _B + _B * len(words) / mean_length)
            score = sum(rarity[word] * n * (_K1 + 1) / (n + slope) for word, n in counts.items())
            if counts:
                hits.append(Hit(item, score))
        return _best(hits, limit)

    def neighbours(self, chunks: Sequence[Chunk]) -> list[IndexedChunk]:
        own = {chunk.id for chunk in chunks}
        beside = {f"{chunk.document_id}#{chunk.ordinal + step}" for chunk in chunks for step in (-1, 1)}
        return [self._rows[key][0] for key in sorted(beside - own) if key in self._rows]

    def chunks(self, documents: Sequence[str]) -> list[IndexedChunk]:
        found = [item for item, _ in self._rows.values() if item.chunk.document_id in documents]
        return sorted(found, key=lambda item: (item.chunk.document_id, item.chunk.ordinal))

    def digests(self) -> Iterator[tuple[str, str, str]]:
        for key, (item, vector) in self._rows.items():
            yield item.chunk.document_id, key, row_digest(item, vector)

    def check(self, *, deep: bool) -> list[str]:  # noqa: ARG002 (memory has no bytes to read)
        return []

    def purge(self) -> int:
        return self._version

    def _other_length(self) -> str:
        return f"the index holds vectors of {self.dimensions} numbers; run: groundling sync --rebuild"

    def _seen(self, readable: Readable) -> list[tuple[IndexedChunk, Vectors]]:
        return [
            (item, vector)
            for item, vector in self._rows.values()
            if (readable.collections is None or item.collection in readable.collections)
            and (readable.sources is None or item.source in readable.sources)
        ]


def _best(hits: list[Hit], limit: int) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.item.chunk.document_id, hit.item.chunk.ordinal))[
        : max(0, limit)
    ]


def _search_text(item: IndexedChunk) -> str:
    return "\n".join((item.title, *item.chunk.headings, item.chunk.text))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
