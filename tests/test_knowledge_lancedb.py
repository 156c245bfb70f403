"""The index on disk: what it survives, what it notices, what it leaves behind."""

from __future__ import annotations

import json
import re
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import IndexDamaged, IndexMissing
from knowledge.lancedb import EXACT_ROWS, LanceStore
from knowledge.store import Readable
from tests.test_knowledge_store_contract import ALL, DIMENSIONS, EMBEDDER, batch_of, chunk_of, ids, put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index with space.lance"


def filled(folder: Path) -> LanceStore:
    store = LanceStore.create(folder, DIMENSIONS)
    put(store, *(chunk_of(f"{place}.md", 0, f"sentence number{place} about leave") for place in range(40)))
    put(store, chunk_of("last.md", 0, "canary phrase zanzibar"))
    return store


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file() and path.stat().st_size > 0)


def test_no_index_is_said_in_one_line(folder: Path) -> None:
    with pytest.raises(IndexMissing, match="groundling sync"):
        LanceStore.open(folder)


def test_another_process_would_see_changes_at_once(folder: Path) -> None:
    writer = filled(folder)
    reader = LanceStore.open(folder)
    put(writer, chunk_of("new.md", 0, "kangaroo"))
    assert ids(reader.search_keyword("kangaroo", limit=5, readable=ALL)) == ["handbook:new.md#0"]
    writer.replace("handbook", ["handbook:new.md"], [])
    writer.purge()
    assert reader.search_keyword("kangaroo", limit=5, readable=ALL) == []
    assert reader.version == writer.version


def test_readers_never_fail_while_a_writer_purges(folder: Path) -> None:
    writer = filled(folder)
    reader = LanceStore.open(folder)
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        vector = EMBEDDER.embed_query("canary phrase zanzibar")
        while not done.is_set():
            try:
                found = ids(reader.search_vector(vector, limit=1, readable=ALL))
                found += ids(reader.search_keyword("zanzibar", limit=1, readable=ALL))
            except Exception as error:
                wrong.append(error)
            else:
                if found != ["handbook:last.md#0"] * 2:
                    wrong.append(found)

    thread = threading.Thread(target=read)
    thread.start()
    for turn in range(8):
        put(writer, chunk_of("other.md", 0, f"turn {turn}"))
        writer.purge()
    done.set()
    thread.join()
    assert wrong == []


def test_rows_outside_the_index_of_words_are_found(folder: Path) -> None:
    store = filled(folder)
    put(store, chunk_of("late.md", 0, "xylophone"))
    assert ids(store.search_keyword("xylophone", limit=5, readable=ALL)) == ["handbook:late.md#0"]


def test_files_are_for_their_owner_alone(folder: Path) -> None:
    filled(folder).purge()
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in [folder, *folder.rglob("*")]}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_removed_text_is_off_the_disk_after_a_purge(folder: Path) -> None:
    store = filled(folder)
    assert any(b"zanzibar" in path.read_bytes() for path in files(folder, "*"))
    store.replace("handbook", ["handbook:last.md"], [])
    store.purge()
    assert not any(b"zanzibar" in path.read_bytes() for path in files(folder, "*"))
    assert store.check(deep=True) == []


def test_unpublished_index_stays_unseen_until_activated(folder: Path) -> None:
    old = filled(folder)
    beside = LanceStore.create(folder, DIMENSIONS * 2, publish=False)
    assert LanceStore.open(folder).count() == 41
    version = old.version
    beside.activate()
    assert LanceStore.open(folder).count() == 0
    assert LanceStore.open(folder).version > version


def test_writer_that_died_leaves_the_old_state_and_its_vectors(folder: Path) -> None:
    store = filled(folder)
    half = [chunk_of("half.md", place, f"half written {place}") for place in range(1100)]

    def batches():
        yield batch_of(*half)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.replace("handbook", ["handbook:last.md"], batches())
    again = LanceStore.open(folder)
    assert again.count() == 41
    assert len(again.vectors([half[0].text_hash, half[-1].text_hash])) == 2
    put(again, chunk_of("next.md", 0, "next"))
    assert again.count() == 42
    assert again.search_keyword("half written", limit=5, readable=ALL) == []


@pytest.mark.parametrize("pattern", ["data/*.lance", "_versions/*", "_transactions/*", "_indices/*/*"])
def test_every_flipped_byte_is_found(folder: Path, pattern: str) -> None:
    filled(folder)
    victims = [path for path in files(folder, pattern) if path.name != "latest_version_hint.json"]
    assert victims
    for victim in victims:
        body = victim.read_bytes()
        place = len(body) // 2
        victim.write_bytes(body[:place] + bytes([body[place] ^ 0x40]) + body[place + 1 :])
        try:
            problems = LanceStore.open(folder).check(deep=True)
        except IndexDamaged as error:
            problems = [str(error)]
        assert problems, victim
        victim.write_bytes(body)
    assert LanceStore.open(folder).check(deep=True) == []


def test_wrong_version_hint_does_no_harm(folder: Path) -> None:
    filled(folder)
    for hint in files(folder, "latest_version_hint.json"):
        for text in ("", "x", '{"version":1}', '{"version":99}'):
            hint.write_text(text)
            assert LanceStore.open(folder).check(deep=True) == []


def test_missing_and_emptied_data_files_are_found_without_reading_everything(folder: Path) -> None:
    filled(folder)
    for victim in files(folder / "chunks_000001.lance" / "data", "*.lance"):
        body = victim.read_bytes()
        victim.unlink()
        assert LanceStore.open(folder).check(deep=False)
        victim.write_bytes(b"")
        assert LanceStore.open(folder).check(deep=False)
        victim.write_bytes(body)
    assert LanceStore.open(folder).check(deep=False) == []


@pytest.mark.parametrize("left", [0, 1, 100])
def test_cut_off_newest_manifest_falls_back_to_the_last_good_version(folder: Path, left: int) -> None:
    version = filled(folder).version
    newest = files(folder, "*.manifest")[0]
    newest.write_bytes(newest.read_bytes()[:left])
    store = LanceStore.open(folder)
    assert any("set aside" in note for note in store.notes)
    assert any("last good version" in note for note in store.notes)
    assert ids(store.search_keyword("number7", limit=1, readable=ALL)) == ["handbook:7.md#0"]
    assert store.version > version
    put(store, chunk_of("after.md", 0, "armadillo"))
    assert ids(LanceStore.open(folder).search_keyword("armadillo", limit=1, readable=ALL))


def test_index_without_any_whole_version_is_damaged(folder: Path) -> None:
    filled(folder)
    for manifest in files(folder, "*.manifest"):
        manifest.write_bytes(b"")
    with pytest.raises(IndexDamaged, match="groundling sync"):
        LanceStore.open(folder)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"table": "chunks_000009", "version": 1}'])
def test_broken_pointer_is_damage_with_one_line(folder: Path, text: str) -> None:
    filled(folder)
    (folder / "current.json").write_text(text)
    with pytest.raises(IndexDamaged, match="groundling sync"):
        LanceStore.open(folder)


def test_pointer_to_a_table_that_is_gone_is_damage(folder: Path) -> None:
    filled(folder)
    pointer = folder / "current.json"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"table": "chunks_000077"}))
    with pytest.raises(IndexDamaged, match="groundling sync"):
        LanceStore.open(folder)


def test_large_index_finds_what_an_exact_search_finds(folder: Path) -> None:
    store = LanceStore.create(folder, 8)
    chance = np.random.default_rng(5)
    vectors = chance.standard_normal((EXACT_ROWS + 2000, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [
        chunk_of(
            f"{place // 50}.md",
            place % 50,
            f"word{place % 997}",
            collection="rare" if place % 5000 == 0 else "x",
        )
        for place in range(len(vectors))
    ]
    parts = range(0, len(vectors), 8192)
    store.replace("handbook", [], ((items[at : at + 8192], vectors[at : at + 8192]) for at in parts))
    late = (vectors[:1] + vectors[1:2]) / np.linalg.norm(vectors[0] + vectors[1])
    store.replace("handbook", [], [([chunk_of("late.md", 0, "outside the index")], late)])
    assert ids(store.search_vector(late[0], limit=1, readable=ALL)) == ["handbook:late.md#0"]
    rare = Readable(collections=frozenset({"rare"}))
    for query in vectors[::9000]:
        exact = {items[place].chunk.id for place in np.argsort(-(vectors @ query))[:10]}
        found = ids(store.search_vector(query, limit=10, readable=ALL))
        assert len(exact & set(found)) >= 9
        assert len(store.search_vector(query, limit=14, readable=rare)) == 14
    assert len(store.neighbours([items[51].chunk])) == 2
    assert store.check(deep=True) == []


def test_filters_are_never_built_from_text() -> None:
    sources = [*Path("knowledge").rglob("*.py"), *Path("bot").rglob("*.py")]
    assert sources
    for path in sources:
        found = re.findall(r"\.(?:where|delete|update|count_rows)\(\s*[frb]*[\"']", path.read_text("utf-8"))
        assert not found, path
