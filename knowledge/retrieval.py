"""Finds the passages for a query: vector and full-text search fused, tidied, best first.

Rule: any string is a valid query, and only what `readable` allows is ever looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from knowledge.documents import Passage
from knowledge.fusion import Found, by_reciprocal_rank, capped, joined, newer_first, without_duplicates
from knowledge.store import Hit, Readable, Store
from models.embedding.embedder import Embedder, Vectors

Mode = Literal["hybrid", "vector", "keyword"]

KEYWORD_CHARACTERS = 2000
EVERYTHING = Readable()


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """How a search is done; the defaults are the measured ones of docs/decisions/006.

    `candidates` is how deep each half looks. `rank_constant`, `vector_weight` and `keyword_weight`
    belong to the fusion. At most `per_document` passages of one document come before other documents
    get their turn. `newer_preference` is the share of the score that decides between two documents
    of different age which match about equally.
    """

    candidates: int = 40
    rank_constant: int = 20
    vector_weight: float = 1.0
    keyword_weight: float = 1.0
    per_document: int = 5
    join_neighbours: bool = True
    newer_preference: float = 0.02
    reranked: int = 20


class Reranker(Protocol):
    """Reads a query together with each text. `models/embedding/cross_encoder.py` is one."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher is better."""
        ...


class Retriever:
    """Searches `store` with queries embedded by `embedder`, which must be the one it was filled with."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        *,
        settings: RetrievalSettings = RetrievalSettings(),  # noqa: B008 (frozen)
        reranker: Reranker | None = None,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._reranker = reranker

    def search(
        self, query: str, *, limit: int = 5, mode: Mode = "hybrid", readable: Readable = EVERYTHING
    ) -> list[Passage]:
        """The best `limit` passages; none for a query without a word in it."""
        query = cleaned(query)
        if not query or limit < 1:
            return []
        depth = max(self._settings.candidates, limit * 4)
        vector = None if mode == "keyword" else self._embedder.embed_query(query)
        near = [] if vector is None else self._store.search_vector(vector, limit=depth, readable=readable)
        words = query[:KEYWORD_CHARACTERS]
        worded = [] if mode == "vector" else self._store.search_keyword(words, limit=depth, readable=readable)
        found = self._fused(near, worded, mode)
        found = self._reranked(query, without_duplicates(found))
        found = capped(found, self._settings.per_document)
        if self._settings.join_neighbours:
            found = joined(found, limit)
        return [_passage(one) for one in self._with_similarity(found[:limit], vector)]

    def _fused(self, near: Sequence[Hit], worded: Sequence[Hit], mode: Mode) -> list[Found]:
        settings = self._settings
        found = by_reciprocal_rank(
            [(near, settings.vector_weight), (worded, settings.keyword_weight)],
            constant=settings.rank_constant,
        )
        cosines = {hit.item.chunk.id: hit.score for hit in near}
        found = [replace(one, similarity=cosines.get(one.item.chunk.id)) for one in found]
        return newer_first(found, settings.newer_preference) if mode == "hybrid" else found

    def _reranked(self, query: str, found: list[Found]) -> list[Found]:
        if self._reranker is None or not found:
            return found
        head = found[: self._settings.reranked]
        scores = self._reranker.scores(query, [one.item.chunk.text for one in head])
        lowest = min(scores)
        order = sorted(range(len(head)), key=lambda place: -scores[place])
        first = [replace(head[place], score=1.0 + scores[place] - lowest) for place in order]
        return first + found[self._settings.reranked :]

    def _with_similarity(self, found: Sequence[Found], vector: Vectors | None) -> list[Found]:
        """Cosines for what only the keyword half found, from the stored vectors."""
        missing = [one.item.text_hash for one in found if one.similarity is None]
        if vector is None or not missing:
            return list(found)
        stored = self._store.vectors(missing)
        return [
            replace(one, similarity=float(np.dot(stored[one.item.text_hash], vector)))
            if one.similarity is None and one.item.text_hash in stored
            else one
            for one in found
        ]


def cleaned(query: str) -> str:
    """`query` without NUL and lone surrogates, white space collapsed; empty when no letter or digit is left."""
    text = query.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    text = " ".join(text.split())
    return text if any(sign.isalnum() for sign in text) else ""


def _passage(one: Found) -> Passage:
    item = one.item
    return Passage(
        chunk=item.chunk,
        title=item.title,
        url=item.url,
        score=one.score,
        similarity=one.similarity,
        updated_at=item.updated_at,
        source=item.source,
        collection=item.collection,
    )
