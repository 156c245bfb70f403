"""The measurements of speed measure what they say, on a small scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bot.bench import bench_retrieval, bench_sync
from bot.bench_corpus import made_chunks, made_queries
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.embedding.word_vectors import WordVectors


def test_the_made_up_corpus_is_the_same_every_time_and_has_unit_vectors() -> None:
    (first, vectors), *rest = list(made_chunks(2100, embedder=WordVectors(), seed=3))
    (again, others), *_ = list(made_chunks(2100, embedder=WordVectors(), seed=3))
    assert first == again
    assert np.array_equal(vectors, others)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(first) + sum(len(items) for items, _ in rest) == 2100
    assert len({item.chunk.id for item in first}) == len(first)
    assert made_queries(5) == made_queries(5)


def test_retrieval_is_measured_beside_a_bare_search() -> None:
    lines: list[str] = []
    embedder = SentenceTransformerEmbedder.from_package(threads=2)
    bench = bench_retrieval(embedder=embedder, chunks=600, queries=4, progress=lines.append)
    assert (bench.chunks, bench.queries) == (600, 4)
    assert bench.ratio > 0
    assert min(bench.hybrid_ms, bench.query_embedding_ms, bench.bare_search_ms) > 0
    assert lines


def test_a_sync_is_measured_beside_bare_encoding(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(3):
        text = f"# Rule {number}\n\nRoom {number} is open until {number + 17} o'clock.\n"
        (documents / f"rule-{number}.md").write_text(text)
    bench = bench_sync(documents, embedder=SentenceTransformerEmbedder.from_package(threads=2))
    assert (bench.documents, bench.failed, bench.chunks, bench.again_embedded) == (3, 0, 3, 0)
    assert bench.ratio > 0
    assert bench.again_share > 0
