"""The health check that counts: chunks that are in the index must be found by searching.

Rule: it only searches; nothing is mended here.
"""

from __future__ import annotations

from typing import Protocol

from knowledge.store import IndexedChunk, Readable, Store
from models.embedding.embedder import Vectors

_SAME_COSINE = 0.01
_NEAREST = 10


class Sampled(Store, Protocol):
    """A store that can show one of its chunks."""

    def sample(self) -> tuple[IndexedChunk, Vectors] | None:
        """A chunk that is in the index, with its vector; None when it is empty."""
        ...


def search_problems(store: Sampled) -> list[str]:
    """A chunk must find itself by its vector and by its words; one line for each that does not."""
    sample = store.sample()
    if sample is None:
        return []
    item, vector = sample
    everything = Readable()
    problems = []
    nearest = store.search_vector(vector, limit=_NEAREST, readable=everything)
    if not nearest or abs(nearest[0].score - 1.0) > _SAME_COSINE:
        problems.append("the vector search does not find a chunk that is in the index")
    words = "\n".join((item.title, *item.chunk.headings, item.chunk.text))
    has_words = any(character.isalnum() for character in words)
    if has_words and not store.search_keyword(words, limit=_NEAREST, readable=everything):
        problems.append("the keyword search does not find a chunk that is in the index")
    return problems
