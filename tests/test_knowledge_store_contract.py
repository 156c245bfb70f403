"""What every store promises, run against each of them.

Rule: a new store subclasses `StoreContract` and passes unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.documents import Chunk
from knowledge.errors import IndexMismatch
from knowledge.lancedb import LanceStore
from knowledge.memory_store import MemoryStore
from knowledge.store import Batch, IndexedChunk, Readable, Store, row_digest
from models.embedding.word_vectors import WordVectors

DIMENSIONS = 32
EMBEDDER = WordVectors(dimensions=DIMENSIONS)
ALL = Readable()
HOSTILE = [
    "x' OR '1'='1",
    "'; DROP TABLE chunks; --",
    '"quoted (AND OR NOT) -minus +plus ~1 ^2 *',
    "field:value [a TO b] {c} \\ /regex/",
    "nul \0 inside",
    "lone \ud800 surrogate",
    "\u202eright to left שלום مرحبا",
    "?" * 500,
    "word " * 8000,
    "",
    " \t\n",
]


def chunk_of(
    document: str,
    ordinal: int,
    text: str,
    *,
    source: str = "handbook",
    collection: str = "team",
    title: str = "",
    headings: tuple[str, ...] = (),
) -> IndexedChunk:
    return IndexedChunk(
        chunk=Chunk(f"{source}:{document}", ordinal, headings, "page 2", text),
        title=title or document,
        url=f"https://wiki.example/{document}",
        updated_at=datetime(2024, 5, 1, 12, 30, tzinfo=UTC),
        source=source,
        collection=collection,
        text_hash=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
    )


def batch_of(*items: IndexedChunk) -> Batch:
    return items, EMBEDDER.embed_documents([item.chunk.text for item in items])


def put(store: Store, *items: IndexedChunk) -> None:
    for source in dict.fromkeys(item.source for item in items):
        store.replace(source, [], [batch_of(*(item for item in items if item.source == source))])


def ids(hits: Sequence[object]) -> list[str]:
    return [hit.item.chunk.id for hit in hits]  # type: ignore[attr-defined]


class StoreContract:
    """Subclasses give the fixture `store`: an empty store of `DIMENSIONS` numbers a vector."""

    def test_empty_store_finds_nothing(self, store: Store) -> None:
        assert store.count() == 0
        assert store.search_vector(EMBEDDER.embed_query("leave"), limit=5, readable=ALL) == []
        assert store.search_keyword("leave", limit=5, readable=ALL) == []
        assert store.neighbours([chunk_of("a.md", 0, "x").chunk]) == []
        assert store.vectors(["0" * 64]) == {}
        assert store.check(deep=True) == []

    def test_chunk_comes_back_as_it_was_put_in(self, store: Store) -> None:
        item = chunk_of("a.md", 3, "Übung: 日本語 😀 |a|b|\n\nend", headings=("Leave", "Sick leave"))
        put(store, item)
        (hit,) = store.search_vector(EMBEDDER.embed_query(item.chunk.text), limit=5, readable=ALL)
        assert hit.item == item
        assert hit.score == pytest.approx(1.0, abs=1e-5)
        assert [hit.item for hit in store.search_keyword("übung", limit=5, readable=ALL)] == [item]

    def test_nearest_chunk_is_first_and_scores_are_cosines(self, store: Store) -> None:
        texts = ["sick leave is paid", "the office dog", "parking for bicycles"]
        put(store, *(chunk_of("a.md", place, text) for place, text in enumerate(texts)))
        query = EMBEDDER.embed_query("is sick leave paid")
        hits = store.search_vector(query, limit=3, readable=ALL)
        assert hits[0].item.chunk.text == texts[0]
        expected = sorted((float(EMBEDDER.embed_query(text) @ query) for text in texts), reverse=True)
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-5)

    def test_words_in_title_and_headings_are_found(self, store: Store) -> None:
        put(
            store,
            chunk_of("a.md", 0, "nothing of it here", title="Bereavement policy"),
            chunk_of("b.md", 0, "nor here", headings=("Sabbatical",)),
        )
        assert ids(store.search_keyword("bereavement", limit=5, readable=ALL)) == ["handbook:a.md#0"]
        assert ids(store.search_keyword("sabbatical", limit=5, readable=ALL)) == ["handbook:b.md#0"]

    def test_edited_document_replaces_its_old_chunks(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "old words"), chunk_of("a.md", 1, "older words"))
        put(store, chunk_of("b.md", 0, "untouched"))
        before = store.version
        after = store.replace("handbook", [], [batch_of(chunk_of("a.md", 0, "fresh phrase"))])
        assert after == store.version > before
        assert store.count() == 2
        assert store.search_keyword("older", limit=5, readable=ALL) == []
        assert ids(store.search_keyword("fresh", limit=5, readable=ALL)) == ["handbook:a.md#0"]

    def test_document_without_chunks_is_gone(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "first"), chunk_of("b.md", 0, "second"))
        store.replace("handbook", ["handbook:a.md"], [])
        assert store.count() == 1
        assert store.search_keyword("first", limit=5, readable=ALL) == []

    def test_document_may_span_batches(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "old"))
        batches = [batch_of(chunk_of("a.md", 0, "one")), batch_of(chunk_of("a.md", 1, "two"))]
        store.replace("handbook", [], batches)
        assert store.count() == 2

    def test_same_path_in_another_source_is_left_alone(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "mine"), chunk_of("a.md", 0, "theirs", source="wiki"))
        store.replace("handbook", ["handbook:a.md", "wiki:a.md"], [])
        assert ids(store.search_keyword("theirs", limit=5, readable=ALL)) == ["wiki:a.md#0"]

    def test_error_between_batches_changes_nothing(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "kept"))
        before = store.version

        def batches() -> Iterator[Batch]:
            yield batch_of(*(chunk_of("a.md", place, f"half {place}") for place in range(1100)))
            raise RuntimeError("the embedder died")

        with pytest.raises(RuntimeError, match="the embedder died"):
            store.replace("handbook", ["handbook:a.md"], batches())
        assert (store.count(), store.version) == (1, before)
        assert ids(store.search_keyword("kept", limit=5, readable=ALL)) == ["handbook:a.md#0"]
        put(store, chunk_of("b.md", 0, "later"))
        assert store.count() == 2

    def test_search_sees_only_what_may_be_read(self, store: Store) -> None:
        for collection in ("team", "board", "x' OR '1'='1"):
            for source in ("handbook", "wiki"):
                item = chunk_of(f"{collection}.md", 0, "salary bands", source=source, collection=collection)
                put(store, item)
        vector = EMBEDDER.embed_query("salary bands")
        for readable, expected in [
            (ALL, 6),
            (Readable(collections=frozenset({"team"})), 2),
            (Readable(sources=frozenset({"wiki"})), 3),
            (Readable(collections=frozenset({"team", "board"}), sources=frozenset({"wiki"})), 2),
            (Readable(collections=frozenset({"x' OR '1'='1"})), 2),
            (Readable(collections=frozenset({"team' OR 'a'='a", "\ud800", "a\0b"})), 0),
            (Readable(collections=frozenset()), 0),
            (Readable(sources=frozenset()), 0),
        ]:
            assert len(store.search_vector(vector, limit=50, readable=readable)) == expected
            assert len(store.search_keyword("salary", limit=50, readable=readable)) == expected

    def test_filter_comes_before_the_limit(self, store: Store) -> None:
        put(store, *(chunk_of("public.md", place, "salary salary") for place in range(50)))
        put(store, chunk_of("board.md", 0, "salary and other words", collection="board"))
        board = Readable(collections=frozenset({"board"}))
        assert len(store.search_vector(EMBEDDER.embed_query("salary"), limit=3, readable=board)) == 1
        assert len(store.search_keyword("salary", limit=3, readable=board)) == 1

    @pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
    def test_any_string_is_a_valid_query(self, store: Store, query: str) -> None:
        put(store, chunk_of("a.md", 0, "one word of it"), chunk_of("b.md", 0, "nothing"))
        assert len(store.search_keyword(query, limit=5, readable=ALL)) <= 2

    def test_filters_take_any_value_literally(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "salary", collection="team"))

        @given(value=st.text(max_size=40) | st.sampled_from(["team", "team'--", 'team"', "TEAM", "team\0"]))
        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        def holds(value: str) -> None:
            readable = Readable(collections=frozenset({value, "nobody"}))
            found = store.search_keyword("salary", limit=5, readable=readable)
            assert len(found) == (1 if value == "team" else 0)

        holds()

    def test_neighbours_are_the_chunks_before_and_after(self, store: Store) -> None:
        put(store, *(chunk_of("a.md", place, f"text {place}") for place in range(5)))
        put(store, chunk_of("b.md", 2, "another document"))
        found = store.neighbours([chunk_of("a.md", 0, "").chunk, chunk_of("a.md", 3, "").chunk])
        assert sorted(item.chunk.id for item in found) == [f"handbook:a.md#{place}" for place in (1, 2, 4)]

    def test_chunks_of_a_document_come_in_reading_order(self, store: Store) -> None:
        put(
            store,
            *(chunk_of(name, place, f"{name} {place}") for place in (2, 0, 1) for name in ("b.md", "a.md")),
        )
        found = store.chunks(["handbook:a.md", "handbook:none.md"])
        assert [item.chunk.text for item in found] == ["a.md 0", "a.md 1", "a.md 2"]

    def test_stored_vectors_are_given_back(self, store: Store) -> None:
        item = chunk_of("a.md", 0, "some text")
        put(store, item)
        found = store.vectors([item.text_hash, "0" * 64])
        assert list(found) == [item.text_hash]
        np.testing.assert_array_equal(found[item.text_hash], EMBEDDER.embed_query("some text"))

    def test_digests_name_what_is_stored(self, store: Store) -> None:
        item = chunk_of("a.md", 0, "some text")
        put(store, item)
        vector = EMBEDDER.embed_query("some text")
        assert list(store.digests()) == [("handbook:a.md", "handbook:a.md#0", row_digest(item, vector))]

    def test_vectors_of_another_length_are_refused(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "kept"))
        longer = WordVectors(dimensions=DIMENSIONS * 2)
        items = [chunk_of("b.md", 0, "new")]
        with pytest.raises(IndexMismatch, match="--rebuild"):
            store.replace("handbook", [], [(items, longer.embed_documents(["new"]))])
        with pytest.raises(IndexMismatch, match="--rebuild"):
            store.search_vector(longer.embed_query("new"), limit=1, readable=ALL)
        assert store.count() == 1

    def test_purge_keeps_what_is_there(self, store: Store) -> None:
        put(store, chunk_of("a.md", 0, "kept"), chunk_of("b.md", 0, "dropped"))
        store.replace("handbook", ["handbook:b.md"], [])
        before = store.version
        assert store.purge() >= before
        assert store.count() == 1
        assert ids(store.search_keyword("kept", limit=5, readable=ALL)) == ["handbook:a.md#0"]
        assert store.check(deep=True) == []


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore(DIMENSIONS)


class TestLanceStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return LanceStore.create(tmp_path / "index.lance", DIMENSIONS)
