"""Finds the passages for a query: vector and full-text search fused, tidied, best first.

Rule: any string is a valid query, and only what `readable` allows is ever looked at.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from knowledge.documents import Passage
from knowledge.fusion import (
    Found,
    Joining,
    by_reciprocal_rank,
    capped,
    joined,
    lifted_by_neighbours,
    without_duplicates,
)
from knowledge.query_words import content_words
from knowledge.store import Hit, Readable, Searchable
from models.embedding.embedder import Embedder, Vectors
from models.judge.pairs import shown

Mode = Literal["hybrid", "vector", "keyword"]

KEYWORD_CHARACTERS = 2000
EVERYTHING = Readable()
NEIGHBOURS = Joining()


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """How a search is done; the defaults are the measured ones of docs/decisions/006.

    `candidates` is how deep each half looks, `rank_constant` and the weights belong to the fusion,
    `neighbour_share` to what neighbours add to each other. At most `per_document` passages of one
    document come before other documents get their turn. A reranker reads the first `reranked`; its score
    has the share `reranker_share` in theirs, what the fusion says the rest.
    """

    candidates: int = 50
    rank_constant: int = 5
    vector_weight: float = 1.0
    keyword_weight: float = 1.0
    neighbour_share: float = 0.15
    per_document: int = 5
    joining: Joining | None = NEIGHBOURS
    reranked: int = 20
    reranker_share: float = 1.0


class Reranker(Protocol):
    """Reads a query together with each text. `models/embedding/cross_encoder.py` is one."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, 0 to 1, higher is better."""
        ...


class Retriever:
    """Searches `store` with queries embedded by `embedder`, which must be the one it was filled with."""

    def __init__(
        self,
        store: Searchable,
        embedder: Embedder,
        *,
        settings: RetrievalSettings = RetrievalSettings(),
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
        depth = max(self._settings.candidates, limit)
        vector = None if mode == "keyword" else self._embedder.embed_query(query)
        near = [] if vector is None else self._store.search_vector(vector, limit=depth, readable=readable)
        words = content_words(query, at_most=KEYWORD_CHARACTERS)
        worded = [] if mode == "vector" else self._store.search_keyword(words, limit=depth, readable=readable)
        found = self._fused(near, worded, mode)
        found = without_duplicates(found, enough=max(limit * 4, self._settings.reranked), query=words)
        found = self._reranked(query, found)
        found = capped(found, self._settings.per_document)
        if self._settings.joining:
            found = joined(found, limit, self._settings.joining)
        return [_passage(one) for one in self._with_similarity(found[:limit], vector)]

    def _fused(self, near: Sequence[Hit], worded: Sequence[Hit], mode: Mode) -> list[Found]:
        settings = self._settings
        found = by_reciprocal_rank(
            [(near, settings.vector_weight), (worded, settings.keyword_weight)],
            constant=settings.rank_constant,
        )
        cosines = {hit.item.chunk.id: hit.score for hit in near}
        found = [replace(one, similarity=cosines.get(one.item.chunk.id)) for one in found]
        return lifted_by_neighbours(found, settings.neighbour_share) if mode == "hybrid" else found

    def _reranked(self, query: str, found: list[Found]) -> list[Found]:
        """The first ones in the reranker's order and with its scores, the others behind them."""
        if self._reranker is None or not found:
            return found
        head, tail = found[: self._settings.reranked], found[self._settings.reranked :]
        judged = self._reranker.scores(query, [_shown(one) for one in head])
        share, best = self._settings.reranker_share, max(one.score for one in head)
        scores = [
            share * score + (1 - share) * one.score / best for one, score in zip(head, judged, strict=True)
        ]
        first = [replace(one, score=score) for one, score in zip(head, scores, strict=True)]
        below = min(scores) / tail[0].score if tail else 0.0
        return sorted(first, key=lambda one: -one.score) + [
            replace(one, score=one.score * below) for one in tail
        ]

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
    """`query` without NUL and lone surrogates, letters composed as in the index (NFC), white space collapsed.

    Empty when no letter or digit is left.
    """
    text = query.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text if any(sign.isalnum() for sign in text) else ""


def _shown(one: Found) -> str:
    return shown(one.item.title, one.item.chunk.location, one.item.chunk.text)


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
