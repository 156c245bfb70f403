"""Measures how well the project's own search finds what a benchmark wants found.

Rule: documents take the way they take in a sync (chunks, vectors, index, retrieval with its default
settings), in a temporary folder that is gone afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from bot.evaluation.datasets import Judged, SpanQuery, Text
from bot.evaluation.ranking import Span, ndcg, recall, reciprocal_rank, span_overlap
from bot.evaluation.temporary_index import SOURCE, Progress, temporary_index
from knowledge.documents import Chunk, Passage
from knowledge.retrieval import Mode, Retriever
from models.embedding.embedder import Embedder, Vectors

PASSAGES_FOR_DOCUMENTS = 50
PASSAGES_FOR_SPANS = 5


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """Means over all queries, each 0 to 1."""

    ndcg_10: float
    recall_5: float
    recall_10: float
    mrr_10: float


@dataclass(frozen=True, slots=True)
class RankingReport:
    """The figures of each way to search, of documents ranked by their best passage."""

    modes: Mapping[Mode, RankingFigures]
    queries: int
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True)
class SpanReport:
    """Means over all queries by character, each 0 to 1; `characters` is found text a query."""

    recall: float
    precision: float
    iou: float
    queries: int
    chunks: int
    characters: float


def evaluate_ranking(
    judged: Judged, *, embedder: Embedder, progress: Progress | None = None
) -> RankingReport:
    """Searches every query in each mode and compares the documents found with those wanted."""
    say = progress or _silent
    modes: tuple[Mode, ...] = get_args(Mode)
    with temporary_index(judged.texts, embedder, say) as (store, _):
        retriever = Retriever(store, _Remembering(embedder))
        figures: dict[Mode, list[RankingFigures]] = {mode: [] for mode in modes}
        for done, (query, text) in enumerate(judged.queries.items()):
            say("queries", done, len(judged.queries))
            for mode in modes:
                ranked = _documents(retriever.search(text, limit=PASSAGES_FOR_DOCUMENTS, mode=mode))
                figures[mode].append(_figures(ranked, judged.relevant[query]))
        return RankingReport(
            modes={mode: _mean(rows) for mode, rows in figures.items()},
            queries=len(judged.queries),
            documents=len(judged.texts),
            chunks=store.count(),
        )


def evaluate_spans(
    texts: Sequence[Text],
    queries: Sequence[SpanQuery],
    *,
    embedder: Embedder,
    limit: int = PASSAGES_FOR_SPANS,
    progress: Progress | None = None,
) -> SpanReport:
    """Searches every question as `search` does by default and compares the characters found."""
    say = progress or _silent
    with temporary_index(texts, embedder, say) as (store, chunks):
        places = _Places(texts, chunks)
        retriever = Retriever(store, embedder)
        rows: list[tuple[float, float, float]] = []
        length = 0
        for done, query in enumerate(queries):
            say("queries", done, len(queries))
            found = [places.of(passage) for passage in retriever.search(query.question, limit=limit)]
            rows.append(span_overlap(found, query.spans))
            length += sum(end - start for _, start, end in found)
    count = max(1, len(rows))
    return SpanReport(
        recall=sum(row[0] for row in rows) / count,
        precision=sum(row[1] for row in rows) / count,
        iou=sum(row[2] for row in rows) / count,
        queries=len(rows),
        chunks=len(chunks),
        characters=length / count,
    )


class _Places:
    """Where passages stand in the texts; found by their words, white space counting for nothing."""

    def __init__(self, texts: Sequence[Text], chunks: Sequence[tuple[Chunk, str]]) -> None:
        self._texts = {f"{SOURCE}:{text.name}": text for text in texts}
        self._starts: dict[str, int] = {}
        document, position = "", 0
        for chunk, _ in chunks:
            position = position if chunk.document_id == document else 0
            document = chunk.document_id
            _, start, position = self._find(chunk, position)
            self._starts[chunk.id] = start

    def of(self, passage: Passage) -> Span:
        return self._find(passage.chunk, self._starts[passage.chunk.id])

    def _find(self, chunk: Chunk, position: int) -> Span:
        text = self._texts[chunk.document_id]
        words = re.compile(r"\s*".join(re.escape(word) for word in chunk.text.split()))
        match = words.search(text.text, position)
        if match is None:
            raise ValueError(f"chunk {chunk.id} is not verbatim text of its document")
        return text.name, match.start(), match.end()


class _Remembering:
    """An embedder that embeds no query twice."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._last: tuple[str, Vectors] | None = None
        self.name = embedder.name
        self.dimensions = embedder.dimensions
        self.max_tokens = embedder.max_tokens

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        if self._last is None or self._last[0] != text:
            self._last = (text, self._embedder.embed_query(text))
        return self._last[1]


def _documents(passages: Sequence[Passage]) -> list[str]:
    """Names of the documents by their best passage."""
    ids = dict.fromkeys(passage.chunk.document_id for passage in passages)
    return [name.removeprefix(f"{SOURCE}:") for name in ids]


def _figures(ranked: Sequence[str], relevant: Mapping[str, int]) -> RankingFigures:
    return RankingFigures(
        ndcg_10=ndcg(ranked, relevant, at=10),
        recall_5=recall(ranked, relevant, at=5),
        recall_10=recall(ranked, relevant, at=10),
        mrr_10=reciprocal_rank(ranked, relevant, at=10),
    )


def _mean(rows: Sequence[RankingFigures]) -> RankingFigures:
    count = max(1, len(rows))
    return RankingFigures(
        ndcg_10=sum(row.ndcg_10 for row in rows) / count,
        recall_5=sum(row.recall_5 for row in rows) / count,
        recall_10=sum(row.recall_10 for row in rows) / count,
        mrr_10=sum(row.mrr_10 for row in rows) / count,
    )


def _silent(_what: str, _done: int, _of: int) -> None:
    return
