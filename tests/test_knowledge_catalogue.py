"""The catalogue: what is known comes back as it was, and a sync is taken over whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text

from knowledge.catalogue import Catalogue, Changes, Failure, IndexState, KnownDocument
from knowledge.database import Database
from knowledge.errors import DatabaseUnusable

NOW = datetime(2024, 5, 1, 8, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield Catalogue(database)
    database.close()


def known(path: str, *, source: str = "wiki", content: str = "1") -> KnownDocument:
    return KnownDocument(
        id=f"{source}:{path}",
        source=source,
        path=path,
        collection="team",
        title="Über 'quotes' 日本",
        url=None,
        content_hash=content * 64,
        fingerprint=f"print-{content}",
        updated_at=NOW,
        notes=("hidden text removed",),
        digests=b"0123456789abcdef" * 3,
        synced_at=NOW,
    )


def changes(
    *documents: KnownDocument, removed: tuple[str, ...] = (), failures: tuple[Failure, ...] = ()
) -> Changes:
    return Changes("wiki", documents, removed, failures, None, NOW)


def test_documents_come_back_as_they_were(catalogue: Catalogue) -> None:
    documents = [known("a.md"), known("b.md")]
    catalogue.record(changes(*documents), index_version=3)
    assert catalogue.documents() == catalogue.documents("wiki") == documents
    assert catalogue.document("wiki:a.md") == documents[0]
    assert documents[0].chunks == 3
    assert catalogue.documents("other") == []
    assert catalogue.document("wiki:nothing") is None


def test_times_are_kept_in_utc(catalogue: Catalogue) -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    catalogue.record(changes(replace(known("a.md"), updated_at=east)), index_version=1)
    (found,) = catalogue.documents()
    assert found.updated_at == NOW
    assert found.updated_at.tzinfo is UTC or found.updated_at.utcoffset() == timedelta(0)


def test_version_is_added_only_when_the_content_changes(catalogue: Catalogue) -> None:
    for content in ("1", "1", "2", "1"):
        catalogue.record(changes(known("a.md", content=content)), index_version=1)
    found = catalogue.versions("wiki:a.md")
    assert [(version.number, version.content_hash[0]) for version in found] == [(1, "1"), (2, "2"), (3, "1")]


def test_removed_document_takes_its_versions_along(catalogue: Catalogue) -> None:
    catalogue.record(changes(known("a.md"), known("b.md")), index_version=1)
    catalogue.record(changes(removed=("wiki:a.md",)), index_version=2)
    assert [document.path for document in catalogue.documents()] == ["b.md"]
    assert catalogue.versions("wiki:a.md") == []


def test_many_documents_are_recorded_and_removed(catalogue: Catalogue) -> None:
    documents = [known(f"{number:05}.md") for number in range(1300)]
    catalogue.record(changes(*documents), index_version=1)
    catalogue.record(changes(*documents), index_version=1)
    assert len(catalogue.documents()) == 1300
    catalogue.record(changes(removed=tuple(document.id for document in documents)), index_version=2)
    assert catalogue.documents() == []


def test_failures_are_those_of_the_last_sync(catalogue: Catalogue) -> None:
    failure = Failure("wiki:x.pdf", "wiki", "print", "encrypted", 2, NOW)
    other = Failure("notes:y.pdf", "notes", "print", "empty", 1, NOW)
    catalogue.record(changes(failures=(failure,)), index_version=1)
    catalogue.record(Changes("notes", (), (), (other,), None, NOW), index_version=1)
    assert catalogue.failures() == [other, failure]
    catalogue.record(changes(), index_version=1)
    assert catalogue.failures() == [other]


def test_unavailable_source_keeps_the_time_of_its_last_sync(catalogue: Catalogue) -> None:
    catalogue.record(changes(known("a.md")), index_version=1)
    later = NOW + timedelta(hours=1)
    catalogue.note_unavailable("wiki", "host down", at=later)
    (state,) = catalogue.sources()
    assert (state.synced_at, state.tried_at, state.held_back) == (NOW, later, "host down")
    assert len(catalogue.documents()) == 1


def test_forgotten_source_leaves_nothing(catalogue: Catalogue) -> None:
    catalogue.record(changes(known("a.md")), index_version=1)
    catalogue.forget_source("wiki")
    assert (catalogue.documents(), catalogue.sources(), catalogue.failures()) == ([], [], [])


def test_index_state_follows_each_sync(catalogue: Catalogue) -> None:
    assert catalogue.index() is None
    catalogue.set_index(IndexState("minilm", 384, "chunks-1", 1))
    catalogue.record(changes(known("a.md")), index_version=7)
    assert catalogue.index() == IndexState("minilm", 384, "chunks-1", 7)


def test_purge_is_owed_until_it_is_done(catalogue: Catalogue) -> None:
    catalogue.note_purge(owed=True)
    assert not catalogue.purge_owed()
    catalogue.set_index(IndexState("minilm", 384, "chunks-1", 1))
    assert not catalogue.purge_owed()
    catalogue.note_purge(owed=True)
    catalogue.set_index(IndexState("minilm", 384, "chunks-1", 2))
    catalogue.record(changes(known("a.md")), index_version=3)
    assert catalogue.purge_owed()
    catalogue.note_purge(owed=False)
    assert (catalogue.purge_owed(), catalogue.index()) == (False, IndexState("minilm", 384, "chunks-1", 3))


def test_index_from_before_it_was_noted_is_owed_a_purge(tmp_path: Path) -> None:
    file = tmp_path / "groundling.sqlite"
    database = Database.open(file)
    Catalogue(database).set_index(IndexState("minilm", 384, "chunks-1", 1))
    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE index_states DROP COLUMN purge_owed"))
        connection.execute(text("DROP TABLE source_descriptions"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    database.close()
    database = Database.open(file)
    try:
        assert Catalogue(database).purge_owed()
        assert Catalogue(database).index() == IndexState("minilm", 384, "chunks-1", 1)
    finally:
        database.close()


def test_sync_that_cannot_be_recorded_whole_is_not_recorded(catalogue: Catalogue) -> None:
    catalogue.record(changes(known("a.md")), index_version=1)
    twin = replace(known("a.md"), id="wiki:twin")
    with pytest.raises(DatabaseUnusable):
        catalogue.record(changes(known("b.md"), twin, removed=("wiki:nothing",)), index_version=2)
    assert [document.path for document in catalogue.documents()] == ["a.md"]
