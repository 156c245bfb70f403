"""Measures speed beside a peer in the same run, taking turns, so that a busy machine slows both.

Rule: the peer is the bare library that does the work underneath; a figure is a ratio to it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.bench_corpus import VOCABULARY_SEED, made_chunks, made_queries
from bot.bench_peers import bare_encode_seconds, bare_vector_search
from knowledge.catalogue import Catalogue
from knowledge.chunking import Chunker
from knowledge.database import Database
from knowledge.documents import Chunk, Document
from knowledge.lancedb import LanceStore
from knowledge.reading import ReaderProcess
from knowledge.retrieval import Retriever
from knowledge.sources.folder import FolderSource
from knowledge.sync import Sync
from models.embedding.embedder import Vectors
from models.embedding.sentence_transformer import SentenceTransformerEmbedder

Progress = Callable[[str], None]

PASSAGES = 5
WARM_UP = 5


@dataclass(frozen=True, slots=True)
class RetrievalBench:
    """Medians in milliseconds; `ratio` is hybrid to (query embedding + one bare vector search)."""

    chunks: int
    queries: int
    hybrid_ms: float
    vector_ms: float
    keyword_ms: float
    query_embedding_ms: float
    bare_search_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class SyncBench:
    """`ratio` is the rate of the whole sync to that of bare encoding; `again_share` second to first sync."""

    documents: int
    failed: int
    chunks: int
    first_s: float
    again_s: float
    again_share: float
    again_embedded: int
    bare_encode_s: float
    ratio: float


def bench_retrieval(
    *,
    embedder: SentenceTransformerEmbedder,
    chunks: int = 100_000,
    queries: int = 100,
    seed: int = VOCABULARY_SEED,
    progress: Progress | None = None,
) -> RetrievalBench:
    """Hybrid search over `chunks` made-up chunks against embedding the query and one bare vector search."""
    say = progress or _silent
    with tempfile.TemporaryDirectory(prefix="groundling-bench-") as folder:
        say(f"making an index of {chunks} chunks")
        index = Path(folder) / "index.lance"
        store = LanceStore.create(index, embedder.dimensions)
        store.replace("bench", [], made_chunks(chunks, embedder=embedder, seed=seed))
        bare = bare_vector_search(index)
        retriever = Retriever(store, embedder)
        times: dict[str, list[float]] = {
            name: [] for name in ("hybrid", "vector", "keyword", "embed", "bare")
        }
        say(f"asking {queries} queries")
        for place, query in enumerate(made_queries(queries + WARM_UP, seed=seed)):
            row = _one_query(query, retriever, embedder, bare, hybrid_first=place % 2 == 0)
            if place >= WARM_UP:
                for name, seconds in row.items():
                    times[name].append(seconds * 1000)
        both = [embed + search for embed, search in zip(times["embed"], times["bare"], strict=True)]
        return RetrievalBench(
            chunks=store.count(),
            queries=queries,
            hybrid_ms=statistics.median(times["hybrid"]),
            vector_ms=statistics.median(times["vector"]),
            keyword_ms=statistics.median(times["keyword"]),
            query_embedding_ms=statistics.median(times["embed"]),
            bare_search_ms=statistics.median(times["bare"]),
            ratio=statistics.median(times["hybrid"]) / statistics.median(both),
        )


def bench_sync(
    folder: Path, *, embedder: SentenceTransformerEmbedder, progress: Progress | None = None
) -> SyncBench:
    """The whole sync of `folder`, once and again, against `SentenceTransformer.encode` of the same chunks."""
    say = progress or _silent
    embedder.load()
    kept: list[str] = []
    chunker = _KeepingChunker(Chunker(embedder.count_tokens, embedder.max_tokens), kept)
    with (
        tempfile.TemporaryDirectory(prefix="groundling-bench-") as data,
        _catalogue(Path(data)) as catalogue,
        ReaderProcess() as reader,
    ):
        sync = Sync(Path(data), catalogue=catalogue, embedder=embedder, reader=reader, chunker=chunker)
        source = FolderSource("bench", folder, collection="bench")
        say("first sync")
        start = time.perf_counter()
        first = sync.run([source])
        first_s = time.perf_counter() - start
        say("second sync")
        start = time.perf_counter()
        again = sync.run([source])
        again_s = time.perf_counter() - start
    texts = list(dict.fromkeys(kept))
    say(f"bare encoding of {len(texts)} chunks")
    bare_s = bare_encode_seconds(embedder.folder, texts)
    return SyncBench(
        documents=first.documents,
        failed=sum(len(source.failed) for source in first.sources),
        chunks=first.chunks,
        first_s=first_s,
        again_s=again_s,
        again_share=again_s / first_s,
        again_embedded=sum(source.chunks_embedded for source in again.sources),
        bare_encode_s=bare_s,
        ratio=bare_s / first_s,
    )


def _one_query(
    query: str,
    retriever: Retriever,
    embedder: SentenceTransformerEmbedder,
    bare: Callable[[Vectors, int], int],
    *,
    hybrid_first: bool,
) -> dict[str, float]:
    """Seconds of each part; hybrid and peer take turns in going first, for what the caches hold."""
    times: dict[str, float] = {}

    def hybrid() -> None:
        times["hybrid"] = _timed(lambda: retriever.search(query, limit=PASSAGES))

    def peer() -> None:
        vectors: list[Vectors] = []
        times["embed"] = _timed(lambda: vectors.append(embedder.embed_query(query)))
        times["bare"] = _timed(lambda: bare(vectors[0], PASSAGES))

    for part in (hybrid, peer) if hybrid_first else (peer, hybrid):
        part()
    times["vector"] = _timed(lambda: retriever.search(query, limit=PASSAGES, mode="vector"))
    times["keyword"] = _timed(lambda: retriever.search(query, limit=PASSAGES, mode="keyword"))
    return times


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


class _KeepingChunker:
    """A chunker that keeps the texts to be embedded, for the peer to embed."""

    def __init__(self, chunker: Chunker, kept: list[str]) -> None:
        self._chunker = chunker
        self._kept = kept

    @property
    def version(self) -> str:
        return self._chunker.version

    def chunk(self, document: Document) -> list[Chunk]:
        return self._chunker.chunk(document)

    def embedding_text(self, title: str, chunk: Chunk) -> str:
        text = self._chunker.embedding_text(title, chunk)
        self._kept.append(text)
        return text


@contextmanager
def _catalogue(folder: Path) -> Iterator[Catalogue]:
    database = Database.open(folder / "groundling.sqlite")
    try:
        yield Catalogue(database)
    finally:
        database.close()


def _silent(_line: str) -> None:
    return
