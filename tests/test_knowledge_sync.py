"""Sync: what changes, what stays, and what survives being interrupted."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.catalogue import Catalogue
from knowledge.documents import Reading
from knowledge.errors import Busy, DiskFull, IndexMismatch, SourceUnavailable, Unreadable
from knowledge.lancedb import LanceStore
from knowledge.source_sync import SourceReport
from knowledge.sources.memory import MemorySource
from knowledge.store import Readable
from knowledge.sync import INDEX, differences
from knowledge.sync_lock import only_writer
from knowledge.sync_plan import SyncRules
from tests.sync_bench import ALL, Bench, CountingEmbedder, LineChunks, LineReader, pages


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "data")
    yield bench
    bench.database.close()


def counts(report: SourceReport) -> tuple[int, int, int, int]:
    return report.added, report.changed, report.removed, report.unchanged


def test_second_sync_with_nothing_changed_reads_and_embeds_nothing(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    first = bench.sync(source)
    assert counts(first.sources[0]) == (20, 0, 0, 0)
    assert (first.documents, first.chunks, first.sources[0].chunks_embedded) == (20, 40, 40)
    source.reads.clear()
    second = bench.sync(source)
    assert counts(second.sources[0]) == (0, 0, 0, 20)
    assert (source.reads, bench.embedder.texts, bench.reader.reads) == ([], [], 20)
    assert second.index_version == first.index_version


def test_edited_page_embeds_only_its_changed_chunks(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    source.bodies["page03.md"] = b"Intro of page3\nA zebra crossing"
    report = bench.sync(source).sources[0]
    assert counts(report) == (0, 1, 0, 19)
    assert (report.chunks_embedded, report.chunks_removed) == (1, 1)
    assert bench.embedder.texts == ["page03\nA zebra crossing"]
    assert bench.found("zebra") == ["wiki:page03.md#1"]
    assert "wiki:page03.md#1" not in bench.found("page3 second")
    assert [version.number for version in bench.catalogue.versions("wiki:page03.md")] == [1, 2]


def test_deleted_page_is_gone_from_answers_and_from_the_disk(bench: Bench) -> None:
    source = MemorySource("wiki", {**pages(), "secret.md": b"the canary zanzibar"})
    bench.sync(source)
    assert bench.found("zanzibar")
    del source.bodies["secret.md"]
    assert counts(bench.sync(source).sources[0]) == (0, 0, 1, 20)
    assert bench.found("zanzibar") == []
    assert bench.catalogue.document("wiki:secret.md") is None
    holding = [path for path in bench.data.rglob("*") if path.is_file() and b"zanzibar" in path.read_bytes()]
    assert holding == []


@pytest.mark.parametrize(("name", "body"), [("zanzibar.md", b"a page"), ("zanzibar.pdf", b"broken")])
def test_name_of_a_page_that_is_gone_leaves_the_disk_while_others_use_the_database(
    bench: Bench, name: str, body: bytes
) -> None:
    source = MemorySource("wiki", {**pages(), name: body})
    bench.sync(source)
    before = bench.data / "groundling.sqlite.before-0004"
    before.write_bytes((bench.data / "groundling.sqlite").read_bytes())
    del source.bodies[name]
    bench.sync(source)
    holding = [path for path in bench.data.rglob("*") if path.is_file() and b"zanzibar" in path.read_bytes()]
    assert holding == []
    assert not bench.catalogue.purge_owed()


def test_sync_whose_database_cannot_be_tidied_now_says_so_and_the_next_one_does_it(bench: Bench) -> None:
    class Read(Catalogue):
        def purge(self):
            raise Busy("the database is being read by another process")

    source = MemorySource("wiki", {**pages(), "zanzibar.md": b"a page"})
    bench.sync(source)
    del source.bodies["zanzibar.md"]
    whole, bench.catalogue = bench.catalogue, Read(bench.database)
    report = bench.sync(source)
    bench.catalogue = whole
    assert (report.documents, len(report.notes)) == (20, 1)
    assert "until the next sync" in report.notes[0]
    assert bench.catalogue.purge_owed()
    assert bench.sync(source).notes == ()
    holding = [path for path in bench.data.rglob("*") if path.is_file() and b"zanzibar" in path.read_bytes()]
    assert holding == []


def test_source_that_loses_its_last_document_leaves_an_empty_index(bench: Bench) -> None:
    source = MemorySource("wiki", pages(2))
    before = bench.sync(source).index_version
    source.bodies.clear()
    report = bench.sync(source)
    assert (report.documents, report.chunks, bench.found("page1")) == (0, 0, [])
    assert LanceStore.open(bench.data / INDEX).version == report.index_version > before
    assert bench.sync(source).notes == ()


def test_source_that_moves_to_another_collection_takes_its_documents_along_at_once(bench: Bench) -> None:
    bodies = pages(3)
    bench.sync(MemorySource("wiki", bodies))
    report = bench.sync(MemorySource("wiki", bodies, collection="hr"))
    assert (counts(report.sources[0]), bench.embedder.texts) == ((0, 0, 0, 3), [])
    assert {known.collection for known in bench.catalogue.documents()} == {"hr"}
    store = LanceStore.open(bench.data / INDEX)
    found = [
        store.search_keyword("page1", limit=9, readable=Readable(collections=frozenset({name})))
        for name in ("wiki", "hr")
    ]
    assert [len(hits) for hits in found] == [0, 2]


def test_same_content_with_a_new_time_is_not_indexed_again(bench: Bench) -> None:
    class Touched(MemorySource):
        def entries(self):
            for entry in super().entries():
                yield type(entry)(
                    entry.path, entry.fingerprint + "t", entry.suffix, entry.size, None, entry.url
                )

    bench.sync(MemorySource("wiki", pages(3)))
    report = bench.sync(Touched("wiki", pages(3))).sources[0]
    assert counts(report) == (0, 0, 0, 3)
    assert bench.reader.reads == 3
    again = Touched("wiki", pages(3))
    bench.sync(again)
    assert again.reads == []


def test_file_that_fails_is_listed_and_keeps_its_last_good_version(bench: Bench) -> None:
    source = MemorySource("wiki", {**pages(3), "bad.md": b"broken from the start", "empty.md": b"\n"})
    report = bench.sync(source).sources[0]
    assert report.failed == (("wiki:bad.md", "is broken"), ("wiki:empty.md", "holds no text"))
    assert counts(report) == (3, 0, 0, 0)
    source.bodies["page01.md"] = b"broken by an edit"
    source.locked.add("page02.md")
    source.bodies["page02.md"] = b"another text"
    report = bench.sync(source).sources[0]
    assert dict(report.failed)["wiki:page01.md"] == "is broken"
    assert dict(report.failed)["wiki:page02.md"] == "cannot be opened"
    assert bench.found("page1")
    assert bench.found("page2")
    source.bodies["page01.md"] = b"mended text"
    source.locked.clear()
    assert counts(bench.sync(source).sources[0]) == (0, 2, 0, 1)
    assert bench.found("mended")
    assert not bench.found("page1")


def test_file_that_failed_twice_is_left_until_it_changes(bench: Bench) -> None:
    source = MemorySource("wiki", {"bad.md": b"broken", "good.md": b"text"})
    for _ in range(4):
        assert dict(bench.sync(source).sources[0].failed) == {"wiki:bad.md": "is broken"}
    assert source.reads.count("bad.md") == 2
    source.bodies["bad.md"] = b"whole now"
    assert counts(bench.sync(source).sources[0]) == (1, 0, 0, 1)


def test_file_that_was_given_up_is_read_again_when_reading_may_cost_more(bench: Bench) -> None:
    class Strict(LineReader):
        def read(self, body: bytes, *, suffix: str) -> Reading:
            if self.limits == "little":
                raise Unreadable("larger than 1 MB")
            return super().read(body, suffix=suffix)

    bench.reader = Strict()
    source = MemorySource("wiki", {"rows.csv": b"many rows"})
    for _ in range(4):
        assert dict(bench.sync(source).sources[0].failed) == {"wiki:rows.csv": "larger than 1 MB"}
    assert source.reads.count("rows.csv") == 2
    bench.reader.limits = "much"
    assert counts(bench.sync(source, dry_run=True).sources[0]) == (1, 0, 0, 0)
    assert counts(bench.sync(source).sources[0]) == (1, 0, 0, 0)
    assert bench.found("rows") == ["wiki:rows.csv#0"]


def test_file_is_not_given_up_while_nothing_can_be_read(bench: Bench) -> None:
    """Not the file is at fault, but the process that reads it."""
    source = MemorySource("wiki", {"page.md": b"old words"})
    bench.sync(source)
    source.bodies["page.md"] = b"new words"
    bench.reader.down = True
    for _ in range(3):
        assert dict(bench.sync(source).sources[0].failed) == {"wiki:page.md": "does not start"}
    bench.reader.down = False
    assert counts(bench.sync(source).sources[0]) == (0, 1, 0, 0)


def test_source_that_cannot_be_listed_keeps_everything(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    source.down = "the host is down"
    report = bench.sync(source)
    assert report.sources[0].held_back == "the host is down"
    assert (report.documents, report.chunks) == (20, 40)
    assert bench.catalogue.sources()[0].held_back == "the host is down"
    source.down = None
    assert bench.sync(source).sources[0].held_back is None


def test_source_that_goes_down_while_it_is_read_changes_nothing(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    source.bodies = {path: body + b" new" for path, body in source.bodies.items()}

    class Falling(MemorySource):
        def read(self, entry):
            if len(self.reads) == 7:
                self.down = "connection lost"
            return super().read(entry)

    report = bench.sync(Falling("wiki", source.bodies))
    assert report.sources[0].held_back == "connection lost"
    assert report.chunks == 40
    assert bench.found("new") == []
    assert counts(bench.sync(source).sources[0]) == (0, 20, 0, 0)


def test_source_that_shrinks_too_much_is_held_back_until_allowed(bench: Bench) -> None:
    source = MemorySource("wiki", pages(30))
    bench.sync(source)
    source.bodies = {**dict(list(pages(30).items())[:5]), "new.md": b"brand new"}
    report = bench.sync(source)
    assert report.sources[0].held_back
    assert "25 of 30" in report.sources[0].held_back
    assert (report.sources[0].removed, report.documents) == (0, 31)
    assert bench.found("brand") == ["wiki:new.md#0"]
    bench.rules = SyncRules(allow_shrink=True)
    assert counts(bench.sync(source).sources[0]) == (0, 0, 25, 6)


@pytest.mark.parametrize("down", [None, "the share is away"])
@pytest.mark.parametrize("collection", ["wiki", "board"])
def test_what_the_configuration_leaves_out_goes_however_much_it_is(
    bench: Bench, collection: str, down: str | None
) -> None:
    source = MemorySource("wiki", pages(30))
    bench.sync(source)
    source.collection = collection
    source.refused = set(list(source.bodies)[:25])
    source.down = down
    report = bench.sync(source)
    assert (report.sources[0].held_back, report.sources[0].removed, report.documents) == (down, 25, 5)
    left = bench.catalogue.documents()
    assert {one.collection for one in left} == {collection}
    assert source.refused.isdisjoint(one.path for one in left)
    assert differences(bench.catalogue, LanceStore.open(bench.data / INDEX)) == (set(), set())


def test_folder_that_cannot_be_listed_keeps_its_documents(bench: Bench) -> None:
    source = MemorySource("wiki", {"a.md": b"one", "deep/b.md": b"two", "deeper.md": b"three"})
    bench.sync(source)
    source.hidden = {"deep": "permission denied"}
    report = bench.sync(source).sources[0]
    assert report.failed == (("wiki:deep", "permission denied"),)
    assert (report.removed, bench.found("two")) == (0, ["wiki:deep/b.md#0"])


def test_source_that_is_no_longer_configured_goes(bench: Bench) -> None:
    wiki, notes = MemorySource("wiki", pages(3)), MemorySource("notes", {"n.md": b"a note"})
    bench.sync(wiki, notes)
    assert bench.sync(wiki, notes, only={"wiki"}).documents == 4
    report = bench.sync(wiki)
    assert [(source.name, source.removed) for source in report.sources] == [("wiki", 0), ("notes", 1)]
    assert (report.documents, bench.found("note")) == (3, [])


def test_dry_run_says_what_would_happen_and_does_nothing(bench: Bench) -> None:
    source = MemorySource("wiki", pages(5))
    assert counts(bench.sync(source, dry_run=True).sources[0]) == (5, 0, 0, 0)
    assert not (bench.data / INDEX).exists()
    bench.sync(source)
    source.bodies["page01.md"] = b"edited"
    source.bodies["new.md"] = b"new"
    del source.bodies["page02.md"]
    before = bench.catalogue.documents()
    assert counts(bench.sync(source, dry_run=True).sources[0]) == (1, 1, 1, 3)
    assert bench.catalogue.documents() == before
    assert bench.embedder.texts == []


def test_dry_run_names_the_sources_that_would_go(bench: Bench) -> None:
    notes = MemorySource("notes", {"n.md": b"a note"})
    bench.sync(MemorySource("handbook", pages(2)), notes)
    renamed = MemorySource("wiki", pages(2))
    planned = bench.sync(renamed, notes, dry_run=True)
    done = bench.sync(renamed, notes)
    for report in (planned, done):
        assert {one.name: counts(one) for one in report.sources} == {
            "wiki": (2, 0, 0, 0),
            "notes": (0, 0, 0, 1),
            "handbook": (0, 0, 2, 0),
        }
        assert report.sources[-1].chunks_removed == 4


def test_dry_run_of_named_sources_names_no_other(bench: Bench) -> None:
    wiki = MemorySource("wiki", pages(2))
    bench.sync(wiki, MemorySource("notes", {"n.md": b"a note"}))
    report = bench.sync(wiki, dry_run=True, only={"wiki"})
    assert [one.name for one in report.sources] == ["wiki"]


def test_another_embedder_is_refused_with_the_command_that_helps(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    version = bench.sync(source).index_version
    bench.embedder = CountingEmbedder(dimensions=24)
    with pytest.raises(IndexMismatch, match="groundling sync --rebuild"):
        bench.sync(source)
    report = bench.sync(source, rebuild=True)
    assert report.index_version > version
    assert (report.chunks, LanceStore.open(bench.data / INDEX).dimensions) == (40, 24)
    assert counts(bench.sync(source).sources[0]) == (0, 0, 0, 20)


def test_rebuild_that_cannot_reach_a_source_leaves_the_old_index(bench: Bench) -> None:
    wiki, notes = MemorySource("wiki", pages()), MemorySource("notes", {"n.md": b"a note"})
    bench.sync(wiki, notes)
    notes.down = "host down"
    with pytest.raises(SourceUnavailable, match="host down"):
        bench.sync(wiki, notes, rebuild=True)
    assert bench.found("note")
    assert bench.found("page3")
    notes.down = None
    assert bench.sync(wiki, notes).chunks == 41


def test_rebuild_carries_the_last_good_version_of_a_broken_file_over(bench: Bench) -> None:
    source = MemorySource("wiki", pages(3))
    bench.sync(source)
    source.bodies["page01.md"] = b"broken by an edit"
    bench.embedder = CountingEmbedder(dimensions=24)
    report = bench.sync(source, rebuild=True)
    assert dict(report.sources[0].failed) == {"wiki:page01.md": "is broken"}
    assert (report.documents, report.chunks) == (3, 6)
    assert bench.found("page1") == ["wiki:page01.md#0", "wiki:page01.md#1"]
    assert bench.sync(source).sources[0].chunks_embedded == 0
    store = LanceStore.open(bench.data / INDEX)
    assert differences(bench.catalogue, store) == (set(), set())


def test_new_chunker_cuts_everything_anew_and_keeps_known_vectors(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    bench.chunker = LineChunks("lines-2")
    report = bench.sync(source).sources[0]
    assert (counts(report), report.chunks_embedded) == ((0, 0, 0, 20), 0)
    assert bench.sync(source).sources[0].chunks_embedded == 0


def test_new_chunker_keeps_the_last_good_version_of_a_broken_file(bench: Bench) -> None:
    source = MemorySource("wiki", pages(3))
    bench.sync(source)
    source.bodies["page01.md"] = b"broken by an edit"
    bench.chunker = LineChunks("lines-2")
    assert dict(bench.sync(source).sources[0].failed) == {"wiki:page01.md": "is broken"}
    assert bench.found("page1")
    assert bench.sync(source).documents == 3


def test_renamed_document_is_not_embedded_again(bench: Bench) -> None:
    class Titled(LineReader):
        def read(self, body: bytes, *, suffix: str) -> Reading:
            return Reading("One title", super().read(body, suffix=suffix).sections)

    bench.reader = Titled()
    source = MemorySource("wiki", pages(3))
    bench.sync(source)
    source.bodies["moved.md"] = source.bodies.pop("page01.md")
    report = bench.sync(source).sources[0]
    assert (counts(report), report.chunks_embedded) == ((1, 0, 1, 2), 0)


@pytest.mark.parametrize("loss", ["folder", "data file", "flipped byte", "pointer", "manifests"])
def test_damaged_index_is_made_anew_from_the_sources(bench: Bench, loss: str) -> None:
    source = MemorySource("wiki", pages())
    version = bench.sync(source).index_version
    index = bench.data / INDEX
    data = sorted(index.rglob("data/*.lance"))
    if loss == "folder":
        index.rename(bench.data / "lost")
    elif loss == "data file":
        data[0].unlink()
    elif loss == "flipped byte":
        body = bytearray(data[0].read_bytes())
        body[len(body) // 2] ^= 1
        data[0].write_bytes(body)
        assert LanceStore.open(index).check(deep=True)
        bench.sync(source, rebuild=True)
    elif loss == "pointer":
        (index / "current.json").write_text("")
    else:
        for path in index.rglob("*.manifest"):
            path.write_bytes(b"")
    report = bench.sync(source)
    if loss not in ("folder", "flipped byte"):
        assert any("made anew" in note for note in report.notes)
    assert (report.chunks, report.documents) == (40, 20)
    assert report.index_version > version
    assert LanceStore.open(index).check(deep=True) == []
    assert counts(bench.sync(source).sources[0]) == (0, 0, 0, 20)


def test_older_version_after_power_loss_is_brought_level(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    source.bodies["late.md"] = b"a late kangaroo"
    bench.sync(source)
    for path in sorted((bench.data / INDEX).rglob("*.manifest"))[:2]:
        path.write_bytes(b"")
    report = bench.sync(source)
    assert any("set aside" in note for note in report.notes)
    assert (report.chunks, bench.found("kangaroo")) == (41, ["wiki:late.md#0"])
    assert LanceStore.open(bench.data / INDEX).check(deep=True) == []


def test_dying_between_index_and_catalogue_is_mended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemorySource("wiki", pages())
    bench.sync(source)
    source.bodies["page01.md"] = b"edited kangaroo"
    source.bodies["page30.md"] = b"new wombat"
    del source.bodies["page02.md"]

    class Dying(Catalogue):
        def record(self, *args, **kwargs):
            raise KeyboardInterrupt

    whole, bench.catalogue = bench.catalogue, Dying(bench.database)
    with pytest.raises(KeyboardInterrupt):
        bench.sync(source)
    bench.catalogue = whole
    del source.bodies["page30.md"]
    report = bench.sync(source)
    assert (report.documents, report.chunks) == (19, 37)
    assert (bench.found("kangaroo"), bench.found("wombat")) == (["wiki:page01.md#0"], [])
    assert bench.embedder.texts == []


def test_two_syncs_at_once_name_the_other(bench: Bench) -> None:
    with only_writer(bench.data), pytest.raises(Busy, match=str(os.getpid())):
        bench.sync(MemorySource("wiki", pages()))
    bench.sync(MemorySource("wiki", pages()))


def test_document_without_a_title_is_found_by_its_name_however_that_is_composed(bench: Bench) -> None:
    name = unicodedata.normalize("NFD", "Gehälter.md")
    bench.sync(MemorySource("wiki", {name: b"one"}))
    assert bench.found("Gehälter") == [f"wiki:{name}#0"]


def test_page_of_a_folder_without_a_title_is_called_as_the_folder(bench: Bench) -> None:
    pages = ("teams/payroll/index.md", "teams/canteen/README.md", "readme.md", "teams/canteen/menu.md")
    bench.sync(MemorySource("wiki", {page: f"{number} one".encode() for number, page in enumerate(pages)}))
    hits = LanceStore.open(bench.data / INDEX).search_keyword("one", limit=50, readable=ALL)
    titles = {hit.item.chunk.document_id: hit.item.title for hit in hits}
    assert [titles[f"wiki:{page}"] for page in pages] == ["payroll", "canteen", "readme", "menu"]


def test_names_text_and_paths_of_any_kind_survive(bench: Bench) -> None:
    source = MemorySource("wiki", {"a'b\"c #1/☃.md": b"lone \\ud800 'quotes' \0 nul"})
    report = bench.sync(source)
    assert report.chunks == 1
    assert bench.found("quotes") == ["wiki:a'b\"c #1/☃.md#0"]
    source.bodies.clear()
    assert bench.sync(source).chunks == 0


CHILD = """
import itertools, sys
from pathlib import Path
from tests.test_knowledge_sync import Bench, generation
bench = Bench(Path(sys.argv[1]))
print("ready", flush=True)
for number in itertools.count(int(sys.argv[2])):
    bench.sync(generation(number))
"""


def generation(number: int) -> MemorySource:
    """A source that says the same number in every document, and names one file of its own."""
    bodies = {
        f"p{n}.md": f"generation{number} text {n}\nmore of generation{number}".encode() for n in range(60)
    }
    return MemorySource("wiki", {**bodies, f"only{number}.md": f"generation{number} alone".encode()})


def generations(data: Path) -> set[str]:
    store = LanceStore.open(data / INDEX)
    hits = [
        hit
        for number in range(60)
        for hit in store.search_keyword(f"generation{number}", limit=500, readable=ALL)
    ]
    assert len(hits) == store.count()
    return {hit.item.chunk.text.split("generation")[1].split()[0] for hit in hits}


def test_killed_sync_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.sync(generation(0))
    chance = random.Random(7)
    for turn in range(1, 6):
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(turn * 7)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 1.0))
            process.kill()
        seen = generations(tmp_path)
        assert len(seen) == 1, f"mixed after kill {turn}: {seen}"
    bench.sync(generation(1))
    assert generations(tmp_path) == {"1"}
    assert LanceStore.open(tmp_path / INDEX).check(deep=True) == []
    bench.database.close()


def test_full_disk_fails_whole_and_the_next_sync_goes_on(bench: Bench) -> None:
    source = MemorySource("wiki", pages())
    version = bench.sync(source).index_version
    source.bodies |= {f"big{n}.md": os.urandom(3000).hex().encode() for n in range(60)}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DiskFull, match="no room on the disk"):
            bench.sync(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    store = LanceStore.open(bench.data / INDEX)
    assert (store.version, store.count(), len(bench.found("intro"))) == (version, 40, 20)
    report = bench.sync(source)
    assert (report.documents, report.sources[0].added) == (80, 60)
    assert LanceStore.open(bench.data / INDEX).check(deep=True) == []
