"""Sync: documents that cannot be listed, and indexes that were lost, come back whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.catalogue import Catalogue
from knowledge.lancedb import LanceStore
from knowledge.sources.folder import FolderSource
from knowledge.sources.memory import MemorySource
from knowledge.sources.source import Entry
from knowledge.store import Readable
from knowledge.sync import INDEX, differences
from tests.sync_bench import ALL, Bench, CountingEmbedder, LineChunks, pages


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "data")
    yield bench
    bench.database.close()


def seen(bench: Bench, words: str, collection: str) -> list[str]:
    store = LanceStore.open(bench.data / INDEX)
    readable = Readable(collections=frozenset({collection}))
    return [hit.item.chunk.id for hit in store.search_keyword(words, limit=99, readable=readable)]


def level(bench: Bench) -> bool:
    store = LanceStore.open(bench.data / INDEX)
    state = bench.catalogue.index()
    assert state is not None
    return state.version == store.version and differences(bench.catalogue, store) == (set(), set())


def holding(bench: Bench, words: bytes) -> list[Path]:
    return [path for path in bench.data.rglob("*") if path.is_file() and words in path.read_bytes()]


def with_a_folder() -> MemorySource:
    return MemorySource("wiki", {"a.md": b"apple", "b.md": b"berry", "sub/z.md": b"zebra"})


@pytest.mark.parametrize("dimensions", [16, 24])
def test_rebuild_carries_documents_over_that_cannot_be_listed(bench: Bench, dimensions: int) -> None:
    source = with_a_folder()
    bench.sync(source)
    source.hidden = {"sub": "permission denied"}
    bench.embedder = CountingEmbedder(dimensions=dimensions)
    report = bench.sync(source, rebuild=True)
    assert (report.documents, report.chunks) == (3, 3)
    assert bench.found("zebra") == ["wiki:sub/z.md#0"]
    assert level(bench)


def test_rebuild_carries_documents_over_that_are_held_back(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    source.bodies = {}
    report = bench.sync(source, rebuild=True)
    assert report.sources[0].held_back is not None
    assert (report.documents, report.chunks) == (20, 40)
    assert bench.found("page3")
    assert level(bench)


def damaged(bench: Bench) -> MemorySource:
    """A source of which a folder cannot be listed any more, and whose index is damaged."""
    source = with_a_folder()
    bench.sync(source)
    (bench.data / INDEX / "current.json").write_text("{")
    source.hidden = {"sub": "permission denied"}
    return source


def test_documents_that_a_damaged_index_lost_are_read_when_they_can_be_listed(bench: Bench) -> None:
    source = damaged(bench)
    for _ in range(2):
        report = bench.sync(source)
        assert (report.documents, report.chunks, bench.found("zebra")) == (3, 2, [])
    source.hidden = {}
    assert bench.sync(source).chunks == 3
    assert bench.found("zebra") == ["wiki:sub/z.md#0"]
    assert level(bench)


def test_embedder_may_change_while_a_damaged_index_is_not_whole_yet(bench: Bench) -> None:
    source = damaged(bench)
    bench.embedder = CountingEmbedder(dimensions=24)
    bench.sync(source)
    source.hidden = {}
    assert bench.sync(source).chunks == 3
    assert level(bench)


def test_lost_index_is_filled_when_its_source_is_there_again(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    shutil.rmtree(bench.data / INDEX)
    source.down = "no route"
    assert bench.sync(source).chunks == 0
    source.down = None
    assert bench.sync(source).chunks == 40
    assert level(bench)


def test_lost_index_is_filled_after_a_sync_that_was_broken_off(bench: Bench) -> None:
    class Interrupted(CountingEmbedder):
        def embed_documents(self, texts):
            raise KeyboardInterrupt

    source = MemorySource("wiki", pages())
    bench.sync(source)
    shutil.rmtree(bench.data / INDEX)
    bench.embedder = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        bench.sync(source)
    bench.embedder = CountingEmbedder()
    assert bench.sync(source).chunks == 40
    assert level(bench)


@pytest.mark.parametrize("chunker", ["lines-1", "lines-2"])
def test_text_of_a_source_that_was_never_recorded_goes_with_it(bench: Bench, chunker: str) -> None:
    class Dying(Catalogue):
        def record(self, changes, **version):
            if changes.source == "hr":
                raise KeyboardInterrupt
            super().record(changes, **version)

    wiki = MemorySource("wiki", pages(2))
    bench.sync(wiki)
    whole, bench.catalogue = bench.catalogue, Dying(bench.database)
    with pytest.raises(KeyboardInterrupt):
        bench.sync(wiki, MemorySource("hr", {"pay.md": b"the canary zanzibar"}))
    bench.catalogue = whole
    assert bench.found("zanzibar")
    bench.chunker = LineChunks(chunker)
    assert bench.sync(wiki).chunks == 4
    assert (bench.found("zanzibar"), holding(bench, b"zanzibar")) == ([], [])
    assert level(bench)


class Ended(MemorySource):
    """A source at which the process is ended while it is `ending`."""

    ending = False

    def entries(self) -> Iterator[Entry]:
        if self.ending:
            raise KeyboardInterrupt
        return super().entries()


@pytest.mark.parametrize("left", ["page", "source"])
def test_text_that_was_removed_before_a_sync_was_broken_off_leaves_the_disk_with_the_next(
    bench: Bench, left: str
) -> None:
    class Dying(Catalogue):
        def forget_source(self, source):
            super().forget_source(source)
            raise KeyboardInterrupt

    wiki = MemorySource("wiki", {**pages(2), "secret.md": b"the canary zanzibar"})
    notes = Ended("zettel", {"n.md": b"a note"})
    bench.sync(wiki, notes)
    sources = [wiki, notes] if left == "page" else [notes]
    del wiki.bodies["secret.md"]
    notes.ending = left == "page"
    whole, bench.catalogue = bench.catalogue, Dying(bench.database)
    with pytest.raises(KeyboardInterrupt):
        bench.sync(*sources)
    bench.catalogue, notes.ending = whole, False
    assert holding(bench, b"zanzibar") != []
    version = bench.sync(*sources).index_version
    assert holding(bench, b"zanzibar") == []
    assert level(bench)
    assert bench.sync(*sources).index_version == version


def test_text_that_was_taken_back_after_a_sync_was_broken_off_leaves_the_disk(bench: Bench) -> None:
    class Dying(Catalogue):
        def record(self, *args, **kwargs):
            raise KeyboardInterrupt

    wiki = MemorySource("wiki", pages(2))
    bench.sync(wiki)
    before = wiki.bodies["page01.md"]
    wiki.bodies["page01.md"] = before + b"\nthe canary zanzibar"
    whole, bench.catalogue = bench.catalogue, Dying(bench.database)
    with pytest.raises(KeyboardInterrupt):
        bench.sync(wiki)
    bench.catalogue = whole
    wiki.bodies["page01.md"] = before
    assert bench.sync(wiki).sources[0].chunks_removed == 0
    assert (bench.found("zanzibar"), holding(bench, b"zanzibar")) == ([], [])
    assert level(bench)


@pytest.mark.parametrize("rebuild", [False, True])
def test_unlisted_documents_move_to_another_collection_with_their_source(bench: Bench, rebuild: bool) -> None:
    bodies = with_a_folder().bodies
    bench.sync(MemorySource("wiki", bodies, collection="everyone"))
    moved = MemorySource("wiki", bodies, collection="board")
    moved.hidden = {"sub": "permission denied"}
    moved.locked = {"b.md"}
    bench.sync(moved, rebuild=rebuild)
    assert seen(bench, "apple berry zebra", "everyone") == []
    assert len(seen(bench, "apple berry zebra", "board")) == 3
    assert {known.collection for known in bench.catalogue.documents()} == {"board"}
    assert level(bench)


def test_held_back_documents_move_to_another_collection_with_their_source(bench: Bench) -> None:
    bench.sync(MemorySource("wiki", pages(), collection="everyone"))
    report = bench.sync(MemorySource("wiki", {}, collection="board"))
    assert report.sources[0].held_back is not None
    assert (report.documents, bench.embedder.texts) == (20, [])
    assert (len(seen(bench, "intro", "everyone")), len(seen(bench, "intro", "board"))) == (0, 20)
    assert level(bench)


def test_documents_of_a_source_that_is_down_move_to_another_collection_with_it(bench: Bench) -> None:
    bodies = {**pages(), "bad.md": b"broken"}
    bench.sync(MemorySource("wiki", bodies, collection="everyone"))
    synced = bench.catalogue.sources()[0].synced_at
    moved = MemorySource("wiki", bodies, collection="board")
    moved.down = "no route"
    report = bench.sync(moved)
    assert (report.sources[0].held_back, report.sources[0].unavailable) == ("no route", True)
    assert (len(seen(bench, "intro", "everyone")), len(seen(bench, "intro", "board"))) == (0, 20)
    state = bench.catalogue.sources()[0]
    assert (state.synced_at, state.held_back) == (synced, "no route")
    assert [failure.document_id for failure in bench.catalogue.failures()] == ["wiki:bad.md"]
    assert level(bench)


def test_unlisted_documents_that_may_be_wrong_are_not_moved_but_go(bench: Bench) -> None:
    class Dying(Catalogue):
        def record(self, *args, **kwargs):
            raise KeyboardInterrupt

    source = with_a_folder()
    bench.sync(source)
    source.bodies["sub/z.md"] = b"zebra and wombat"
    whole, bench.catalogue = bench.catalogue, Dying(bench.database)
    with pytest.raises(KeyboardInterrupt):
        bench.sync(source)
    bench.catalogue = whole
    moved = MemorySource("wiki", source.bodies, collection="board")
    moved.hidden = {"sub": "permission denied"}
    assert bench.sync(moved).documents == 2
    assert bench.found("zebra") == []
    assert level(bench)


def test_new_address_template_reaches_what_is_found(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "wiki"
    folder.mkdir()
    (folder / "a.md").write_text("apple")
    (folder / "b.md").write_text("berry")
    bench.sync(FolderSource("wiki", folder, url="https://old.example/{path}"))
    (folder / "b.md").write_text("broken by an edit")
    moved = FolderSource("wiki", folder, url="https://new.example/{path}")
    report = bench.sync(moved).sources[0]
    assert (report.failed, report.chunks_embedded) == ((("wiki:b.md", "is broken"),), 0)
    store = LanceStore.open(bench.data / INDEX)
    hits = store.search_keyword("apple berry", limit=9, readable=ALL)
    assert sorted(hit.item.url or "" for hit in hits) == [
        "https://new.example/a.md",
        "https://new.example/b.md",
    ]
    reads = bench.reader.reads
    bench.sync(moved)
    bench.sync(moved)
    assert bench.reader.reads == reads + 1
