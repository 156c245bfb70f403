"""Copies of the index: what they hold on to, and what they must not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.catalogue import IndexState
from knowledge.errors import Busy, IndexMissing
from knowledge.kept_index import KeptIndex, KeptIndexes, KnownOnly
from knowledge.lancedb import LanceStore
from knowledge.source_sync import UNEVEN
from knowledge.sources.memory import MemorySource
from knowledge.store import Readable
from knowledge.sync import INDEX
from knowledge.sync_lock import only_writer
from tests.sync_bench import ALL, Bench, CountingEmbedder


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "data")
    yield bench
    bench.database.close()


@pytest.fixture
def wiki() -> MemorySource:
    return MemorySource(
        "wiki",
        {"leave.md": b"leave is 25 days\nask Ada", "secret.md": b"the canary zanzibar", "pay.md": b"pay day"},
    )


@pytest.fixture
def copies(bench: Bench) -> KeptIndexes:
    return KeptIndexes(bench.data, bench.catalogue)


def kept(bench: Bench, copies: KeptIndexes, source: MemorySource) -> KeptIndex:
    """A copy of the index of `source` that answers."""
    bench.sync(source, copies=True)
    copies.keep(copies.trial(lambda: "first"))
    found = copies.kept()
    assert found is not None
    return found


def found(bench: Bench, copies: KeptIndexes, words: str, readable: Readable = ALL) -> list[str]:
    answering = copies.kept()
    assert answering is not None
    search = KnownOnly(copies.open(answering), bench.catalogue)
    near = search.search_vector(bench.embedder.embed_query(words), limit=50, readable=readable)
    hits = [*search.search_keyword(words, limit=50, readable=readable), *near]
    return sorted(
        {hit.item.chunk.text for hit in hits if set(words.split()) & set(hit.item.chunk.text.split())}
    )


def on_disk(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_copy_goes_on_as_it_was_while_the_index_changes(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    wiki.bodies["leave.md"] = b"leave is 31 days"
    bench.sync(wiki, copies=True)
    assert found(bench, copies, "leave") == ["leave is 25 days"]
    assert bench.found("leave") == ["wiki:leave.md#0"]
    bench.sync(wiki, rebuild=True, copies=True)
    assert found(bench, copies, "leave Ada") == ["ask Ada", "leave is 25 days"]
    answering = copies.kept()
    assert answering is not None
    assert answering.name == "first"
    assert copies.open(answering).check(deep=True) == []
    assert LanceStore.open(bench.data / INDEX).check(deep=True) == []


def test_deleted_document_is_gone_from_the_copy_and_from_the_disk(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    del wiki.bodies["secret.md"]
    bench.sync(wiki, copies=True)
    assert found(bench, copies, "zanzibar leave") == ["leave is 25 days"]
    assert on_disk(bench.data, b"zanzibar") == []
    answering = copies.kept()
    assert answering is not None
    assert sorted(answering.documents) == ["wiki:leave.md", "wiki:pay.md"]
    assert (answering.name != "first", len(answering.name)) == (True, 64)
    assert copies.open(answering).check(deep=True) == []


def test_deleted_document_is_not_found_even_before_the_copy_has_lost_it(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    bench.catalogue.forget_source("wiki")
    assert found(bench, copies, "zanzibar leave") == []


def test_document_of_other_readers_now_is_gone_from_the_copy(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    moved = MemorySource("wiki", wiki.bodies, collection="hr")
    bench.sync(moved, copies=True)
    for readable in (Readable(collections=frozenset({"wiki"})), ALL):
        assert found(bench, copies, "leave", readable) == []
    assert on_disk(bench.data / "kept", b"zanzibar") == []


def test_source_that_is_no_longer_configured_is_gone_from_the_copy(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    other = MemorySource("other", {"a.md": b"other words"})
    bench.sync(wiki, other, copies=True)
    copies.keep(copies.trial(lambda: "both"))
    bench.sync(other, copies=True)
    assert found(bench, copies, "leave zanzibar other") == ["other words"]


def test_trial_loses_what_is_deleted_while_it_is_asked(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    trial = copies.trial(lambda: "second")
    del wiki.bodies["secret.md"]
    bench.sync(wiki, copies=True)
    copies.keep(trial)
    assert found(bench, copies, "zanzibar leave") == ["leave is 25 days"]
    answering = copies.kept()
    assert answering is not None
    assert answering.name != "second"


def test_copy_that_cannot_be_changed_goes_as_a_whole(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    answering = kept(bench, copies, wiki)
    for path in answering.folder.rglob("*.manifest"):
        path.unlink()
        path.write_bytes(b"broken")
    del wiki.bodies["secret.md"]
    report = bench.sync(wiki, copies=True)
    assert (copies.kept(), report.documents) == (None, 2)
    assert on_disk(bench.data, b"zanzibar") == []


def test_copy_that_does_not_say_what_it_holds_goes_with_the_next_sync(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    answering = kept(bench, copies, wiki)
    answering.folder.joinpath("about.json").write_text('{"name": "first"')
    assert copies.kept() is None
    bench.sync(wiki, copies=True)
    assert not answering.folder.exists()


def test_sync_that_allows_no_copies_takes_them_off_the_disk(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    bench.sync(wiki)
    assert copies.kept() is None
    assert not (bench.data / "kept").exists()


def test_new_copy_takes_the_place_of_the_old_one_under_another_name(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    first = kept(bench, copies, wiki)
    wiki.bodies["leave.md"] = b"leave is 31 days"
    bench.sync(wiki, copies=True)
    copies.let_go(copies.trial(lambda: "second"))
    assert found(bench, copies, "leave") == ["leave is 25 days"]
    copies.keep(copies.trial(lambda: "third"))
    assert found(bench, copies, "leave") == ["leave is 31 days"]
    assert [path.name for path in (bench.data / "kept").iterdir()] != [first.folder.name]
    assert len(list((bench.data / "kept").iterdir())) == 1


def test_copy_shares_its_files_with_the_index(bench: Bench, copies: KeptIndexes, wiki: MemorySource) -> None:
    bench.sync(wiki, copies=True)
    trial = copies.trial(lambda: "first")
    shared = [path for path in trial.folder.rglob("*.lance") if path.is_file() and path.stat().st_nlink == 2]
    assert shared
    mode = {oct(path.stat().st_mode & 0o077) for path in (trial.folder, *trial.folder.rglob("*"))}
    assert mode == {"0o0"}


def test_nothing_is_copied_while_a_sync_runs_or_after_one_was_broken_off(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    with pytest.raises(IndexMissing):
        copies.trial(lambda: "none")
    bench.sync(wiki, copies=True)
    with only_writer(bench.data), pytest.raises(Busy, match=f"process {os.getpid()}"):
        copies.trial(lambda: "busy")
    state = bench.catalogue.index()
    assert state is not None
    bench.catalogue.set_index(IndexState(state.embedder, state.dimensions, state.chunker, UNEVEN))
    with pytest.raises(Busy, match="broken off"):
        copies.trial(lambda: "uneven")


def test_copy_made_with_another_embedding_model_does_not_answer(
    bench: Bench, copies: KeptIndexes, wiki: MemorySource
) -> None:
    kept(bench, copies, wiki)
    bench.embedder = CountingEmbedder(dimensions=24)
    bench.sync(wiki, rebuild=True, copies=True)
    assert copies.kept() is None
