"""The catalogue: what is known of every document, and what the index was made with.

Rule: it is the truth, the search index is a copy that can be made again from the sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    RowMapping,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from knowledge.database import Database, metadata

DIGEST_BYTES = 16
_INDEX = "chunks"
_IDS_A_STATEMENT = 500

_documents = Table(
    "documents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("content_hash", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("updated_at", Text),
    Column("notes", Text, nullable=False),
    Column("digests", LargeBinary, nullable=False),
    Column("synced_at", Text, nullable=False),
)
_versions = Table(
    "document_versions",
    metadata,
    Column("document_id", Text, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", Text, nullable=False),
    Column("synced_at", Text, nullable=False),
)
_failures = Table(
    "failures",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("source", Text, nullable=False, index=True),
    Column("fingerprint", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failed_at", Text, nullable=False),
)
_sources = Table(
    "source_states",
    metadata,
    Column("source", Text, primary_key=True),
    Column("synced_at", Text),
    Column("tried_at", Text, nullable=False),
    Column("held_back", Text),
)
_index = Table(
    "index_states",
    metadata,
    Column("name", Text, primary_key=True),
    Column("embedder", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("chunker", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("purge_owed", Boolean, nullable=False),
)


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """The last good version of a document.

    `content_hash` is the sha256 of its bytes, `digests` one `row_digest` (16 bytes) a chunk in
    reading order, `notes` the reader's remarks. Times are in UTC.
    """

    id: str
    source: str
    path: str
    collection: str
    title: str
    url: str | None
    content_hash: str
    fingerprint: str
    updated_at: datetime | None
    notes: tuple[str, ...]
    digests: bytes
    synced_at: datetime

    @property
    def chunks(self) -> int:
        """How many chunks it has in the index."""
        return len(self.digests) // DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """`number` counts the contents a document has had, from 1."""

    number: int
    content_hash: str
    synced_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be read `tries` times with this fingerprint."""

    document_id: str
    source: str
    fingerprint: str
    reason: str
    tries: int
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class SourceState:
    """When a source was last synced and tried; `held_back` says why the last try left things as they were."""

    source: str
    synced_at: datetime | None
    tried_at: datetime
    held_back: str | None


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the index was made with, and its version when the catalogue was last brought level with it."""

    embedder: str
    dimensions: int
    chunker: str
    version: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What one sync of `source` found; `failures` are all there are now, not only the new ones.

    A source that was not `listed` has been tried, not synced.
    """

    source: str
    documents: Sequence[KnownDocument]
    removed: Sequence[str]
    failures: Sequence[Failure]
    held_back: str | None
    at: datetime
    listed: bool = True


class Catalogue:
    """Reads and writes the catalogue's tables; each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self, source: str | None = None) -> list[KnownDocument]:
        """The documents of a source, or of all, by id."""
        query = select(_documents).order_by(_documents.c.id)
        if source is not None:
            query = query.where(_documents.c.source == source)
        with self._database.reading() as connection:
            return [_known(row) for row in connection.execute(query).mappings()]

    def document(self, document_id: str) -> KnownDocument | None:
        """One document, None when it is not known."""
        with self._database.reading() as connection:
            query = select(_documents).where(_documents.c.id == document_id)
            row = connection.execute(query).mappings().first()
        return _known(row) if row else None

    def collections(self, documents: Iterable[str]) -> dict[str, str]:
        """The collection of each of those documents (ids) that is known."""
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            for part in _slices(list(documents)):
                query = select(_documents.c.id, _documents.c.collection).where(_documents.c.id.in_(part))
                found.update({row[0]: row[1] for row in connection.execute(query)})
        return found

    def versions(self, document_id: str) -> list[DocumentVersion]:
        """The contents a document has had, oldest first."""
        query = select(_versions).where(_versions.c.document_id == document_id).order_by(_versions.c.number)
        with self._database.reading() as connection:
            return [
                DocumentVersion(row["number"], row["content_hash"], _time(row["synced_at"]))
                for row in connection.execute(query).mappings()
            ]

    def failures(self, source: str | None = None) -> list[Failure]:
        """The documents that cannot be read now, by id."""
        query = select(_failures).order_by(_failures.c.document_id)
        if source is not None:
            query = query.where(_failures.c.source == source)
        with self._database.reading() as connection:
            return [
                Failure(**{**row, "failed_at": _time(row["failed_at"])})
                for row in connection.execute(query).mappings()
            ]

    def sources(self) -> list[SourceState]:
        """Every source that was ever synced, by name."""
        with self._database.reading() as connection:
            return [
                SourceState(
                    row["source"],
                    _time(row["synced_at"]) if row["synced_at"] else None,
                    _time(row["tried_at"]),
                    row["held_back"],
                )
                for row in connection.execute(select(_sources).order_by(_sources.c.source)).mappings()
            ]

    def index(self) -> IndexState | None:
        """What the index was made with; None before the first sync."""
        query = select(_index).where(_index.c.name == _INDEX)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return IndexState(row["embedder"], row["dimensions"], row["chunker"], row["version"]) if row else None

    def set_index(self, state: IndexState) -> None:
        """Notes what the index is made with, and the version of it that the catalogue is level with."""
        with self._database.transaction() as connection:
            known = connection.execute(_index.update().where(_index.c.name == _INDEX).values(asdict(state)))
            if not known.rowcount:
                connection.execute(insert(_index).values(name=_INDEX, purge_owed=False, **asdict(state)))

    def purge_owed(self) -> bool:
        """Whether index and catalogue may still hold on disk what was taken out of them."""
        with self._database.reading() as connection:
            query = select(_index.c.purge_owed).where(_index.c.name == _INDEX)
            return bool(connection.execute(query).scalar())

    def note_purge(self, *, owed: bool) -> None:
        """Notes that text is about to be taken out of the index, or that none is left of what was."""
        with self._database.transaction() as connection:
            connection.execute(_index.update().where(_index.c.name == _INDEX).values(purge_owed=owed))

    def purge(self) -> None:
        """Takes what was removed or replaced off the disk. Raises `Busy`, `DiskFull`."""
        self._database.purge()

    def record(self, changes: Changes, *, index_version: int) -> None:
        """Takes over what a sync found, and the version of the index that holds it, in one transaction."""
        with self._database.transaction() as connection:
            numbers = {
                row[0]: (row[1], row[2])
                for part in _slices([document.id for document in changes.documents])
                for row in connection.execute(_last_versions(part))
            }
            for part in _slices(changes.removed):
                connection.execute(delete(_documents).where(_documents.c.id.in_(part)))
            for document in changes.documents:
                known = connection.execute(
                    _documents.update().where(_documents.c.id == document.id).values(**_columns(document))
                )
                if not known.rowcount:
                    connection.execute(insert(_documents).values(**_columns(document)))
                number, content_hash = numbers.get(document.id, (0, ""))
                if content_hash != document.content_hash:
                    connection.execute(
                        insert(_versions).values(
                            document_id=document.id,
                            number=number + 1,
                            content_hash=document.content_hash,
                            synced_at=changes.at.isoformat(),
                        )
                    )
            connection.execute(delete(_failures).where(_failures.c.source == changes.source))
            if changes.failures:
                connection.execute(insert(_failures), [_failure_columns(known) for known in changes.failures])
            connection.execute(_index.update().where(_index.c.name == _INDEX).values(version=index_version))
            synced = changes.at.isoformat() if changes.listed else _synced_at(connection, changes.source)
            _set_source(
                connection, changes.source, synced_at=synced, at=changes.at, held_back=changes.held_back
            )

    def note_unavailable(self, source: str, reason: str, *, at: datetime) -> None:
        """Notes that a source could not be listed; nothing else changes."""
        with self._database.transaction() as connection:
            before = _synced_at(connection, source)
            _set_source(connection, source, synced_at=before, at=at, held_back=reason)

    def forget_source(self, source: str) -> None:
        """Takes out everything that is known of a source."""
        with self._database.transaction() as connection:
            for table in (_documents, _failures, _sources):
                connection.execute(delete(table).where(table.c.source == source))


def _synced_at(connection: Connection, source: str) -> str | None:
    row = connection.execute(select(_sources.c.synced_at).where(_sources.c.source == source)).first()
    return row[0] if row else None


def _set_source(
    connection: Connection, source: str, *, synced_at: str | None, at: datetime, held_back: str | None
) -> None:
    connection.execute(delete(_sources).where(_sources.c.source == source))
    connection.execute(
        insert(_sources).values(
            source=source, synced_at=synced_at, tried_at=at.isoformat(), held_back=held_back
        )
    )


def _last_versions(document_ids: Sequence[str]) -> Select[str, int, str]:
    newest = (
        select(_versions.c.document_id, func.max(_versions.c.number).label("number"))
        .where(_versions.c.document_id.in_(document_ids))
        .group_by(_versions.c.document_id)
        .subquery()
    )
    return select(_versions.c.document_id, _versions.c.number, _versions.c.content_hash).join(
        newest,
        (newest.c.document_id == _versions.c.document_id) & (newest.c.number == _versions.c.number),
    )


def _known(row: RowMapping) -> KnownDocument:
    return KnownDocument(
        id=row["id"],
        source=row["source"],
        path=row["path"],
        collection=row["collection"],
        title=row["title"],
        url=row["url"],
        content_hash=row["content_hash"],
        fingerprint=row["fingerprint"],
        updated_at=_time(row["updated_at"]) if row["updated_at"] else None,
        notes=tuple(json.loads(row["notes"])),
        digests=bytes(row["digests"]),
        synced_at=_time(row["synced_at"]),
    )


def _columns(document: KnownDocument) -> dict[str, object]:
    return {
        "id": document.id,
        "source": document.source,
        "path": document.path,
        "collection": document.collection,
        "title": document.title,
        "url": document.url,
        "content_hash": document.content_hash,
        "fingerprint": document.fingerprint,
        "updated_at": document.updated_at.astimezone(UTC).isoformat() if document.updated_at else None,
        "notes": json.dumps(document.notes),
        "digests": document.digests,
        "synced_at": document.synced_at.isoformat(),
    }


def _failure_columns(failure: Failure) -> dict[str, object]:
    return {
        "document_id": failure.document_id,
        "source": failure.source,
        "fingerprint": failure.fingerprint,
        "reason": failure.reason,
        "tries": failure.tries,
        "failed_at": failure.failed_at.isoformat(),
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _slices(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _IDS_A_STATEMENT):
        yield values[start : start + _IDS_A_STATEMENT]
