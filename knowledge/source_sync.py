"""Brings one source's documents into the index: reading goes on ahead while the embedder works.

Rule: memory holds a few documents at a time; a document that cannot be read leaves its last good
version as it is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from knowledge.catalogue import Catalogue, Changes, Failure, KnownDocument
from knowledge.documents import Chunk, Document, Reading
from knowledge.errors import ReaderDown, SourceUnavailable, Unreadable
from knowledge.read_ahead import read_ahead
from knowledge.sources.source import Entry, Source
from knowledge.store import Batch, IndexedChunk, Store, row_digest, valid_text
from knowledge.sync_plan import Plan, attempt, document_id, name_of
from models.embedding.embedder import Embedder, Vectors

Progress = Callable[[str, int, int], None]
"""Is told a source's name, how many of its documents are done, and how many there are to do."""

UNEVEN = -1
"""The index version of a catalogue that is known not to be level with the index."""

_CHUNKS_AT_ONCE = 1024
_DOCUMENTS_AHEAD = 32


class DocumentReader(Protocol):
    """Reads the bytes of one document. Raises `Unreadable`.

    `limits` changes whenever a document may be read that was refused before.
    """

    @property
    def limits(self) -> str: ...

    def read(self, body: bytes, *, suffix: str) -> Reading: ...


class Chunking(Protocol):
    """Cuts documents; `version` changes whenever the same document would give other chunks."""

    @property
    def version(self) -> str: ...

    def chunk(self, document: Document) -> list[Chunk]: ...

    def embedding_text(self, title: str, chunk: Chunk) -> str: ...


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one sync did for one source. `held_back` says why something was left as it was."""

    name: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks_embedded: int = 0
    chunks_removed: int = 0
    seconds: float = 0.0
    failed: tuple[tuple[str, str], ...] = ()
    held_back: str | None = None
    unavailable: bool = False


@dataclass(frozen=True, slots=True)
class _Failed:
    entry: Entry
    reason: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class _Same:
    document: KnownDocument


@dataclass(frozen=True, slots=True)
class _New:
    document: KnownDocument
    items: list[IndexedChunk]
    texts: list[str]


class SourceSync:
    """One sync of one source; `run` does it.

    `level` says whether catalogue and index hold the same once this source is done, `intact` whether
    documents that are to be indexed anew may stay as they are when they cannot be read. From the index
    `old`, which is being made anew, every document that is not read is carried over.
    """

    def __init__(
        self,
        source: Source,
        plan: Plan,
        *,
        catalogue: Catalogue,
        store: Store,
        embedder: Embedder,
        reader: DocumentReader,
        chunker: Chunking,
        progress: Progress,
        level: bool,
        intact: bool,
        old: Store | None = None,
    ) -> None:
        self._source = source
        self._plan = plan
        self._catalogue = catalogue
        self._store = store
        self._embedder = embedder
        self._reader = reader
        self._chunker = chunker
        self._progress = progress
        self._level = level
        self._intact = intact
        self._old = old
        self._at = datetime.now(UTC)
        self._done: list[KnownDocument] = []
        self._same = 0
        self._failed: list[_Failed] = []
        self._embedded = 0
        self._looked_at = 0

    def run(self) -> SourceReport:
        """Index first, catalogue after it. Raises `SourceUnavailable`, `DiskFull`, `IndexDamaged`."""
        started = time.monotonic()
        plan = self._plan
        if plan.read or plan.removed or plan.moved or self._old:
            self._catalogue.note_purge(owed=True)
            self._store.replace(plan.source, plan.removed, self._batches())
        lost = self._lost()
        if lost:
            self._store.replace(plan.source, lost, ())
        removed = [*plan.removed, *lost]
        failures = [*plan.failures, *(self._failure(failed) for failed in self._failed)]
        changes = Changes(
            plan.source, self._done, removed, failures, plan.held_back, self._at, listed=plan.listed
        )
        self._catalogue.record(changes, index_version=self._store.version if self._level else UNEVEN)
        return self._report(removed, failures, time.monotonic() - started)

    def _lost(self) -> list[str]:
        """Documents that must not stay in the index as they are: not the catalogue's, or with other readers."""
        failed = {document_id(self._plan.source, failed.entry.path) for failed in self._failed}
        wrong = {key for key in failed if self._doubtful(key)}
        collection = self._source.collection
        return sorted(left.id for left in self._left() if left.id in wrong or left.collection != collection)

    def _doubtful(self, key: str) -> bool:
        """Whether the chunks of a document in the index may not be those of the catalogue."""
        return not self._intact and key in self._plan.again

    def _left(self) -> list[KnownDocument]:
        """Known documents that were neither indexed nor removed."""
        settled = {document.id for document in self._done}.union(self._plan.removed)
        return [known for known in self._plan.known.values() if known.id not in settled]

    def _carried(self) -> Iterator[_New]:
        """The last good versions of documents that are not read now.

        All of them out of the old index; out of one that stays those that have moved and are right in it.
        """
        collection = self._source.collection
        urls = {
            document_id(self._plan.source, failed.entry.path): failed.entry.url for failed in self._failed
        }
        for known in self._left():
            if not self._old and (known.id not in self._plan.moved or self._doubtful(known.id)):
                continue
            url = urls.get(known.id, known.url)
            found = (self._old or self._store).chunks([known.id])
            items = [replace(item, url=url, collection=collection) for item in found]
            if items:
                texts = [self._chunker.embedding_text(item.title, item.chunk) for item in items]
                yield _New(replace(known, url=url, collection=collection), items, texts)

    def _batches(self) -> Iterator[Batch]:
        for documents in (self._read(), self._carried()):
            waiting: list[_New] = []
            for new in documents:
                waiting.append(new)
                if sum(len(new.items) for new in waiting) >= _CHUNKS_AT_ONCE:
                    yield self._embed(waiting)
                    waiting = []
            if waiting:
                yield self._embed(waiting)

    def _read(self) -> Iterator[_New]:
        for outcome in read_ahead(map(self._outcome, self._plan.read), ahead=_DOCUMENTS_AHEAD):
            self._looked_at += 1
            self._progress(self._plan.source, self._looked_at, len(self._plan.read))
            if isinstance(outcome, _Failed):
                self._failed.append(outcome)
            elif isinstance(outcome, _Same):
                self._same += 1
                self._done.append(outcome.document)
            else:
                yield outcome

    def _embed(self, documents: Sequence[_New]) -> Batch:
        items = [item for new in documents for item in new.items]
        text_of = {
            item.text_hash: text for new in documents for item, text in zip(new.items, new.texts, strict=True)
        }
        vectors: dict[str, Vectors] = dict(self._store.vectors(text_of))
        missing = [text_hash for text_hash in text_of if text_hash not in vectors]
        if missing:
            made = self._embedder.embed_documents([text_of[text_hash] for text_hash in missing])
            vectors.update(zip(missing, made, strict=True))
            self._embedded += len(missing)
        for new in documents:
            digests = (bytes.fromhex(row_digest(item, vectors[item.text_hash])) for item in new.items)
            self._done.append(replace(new.document, digests=b"".join(digests)))
        return items, np.stack([vectors[item.text_hash] for item in items])

    def _outcome(self, entry: Entry) -> _Failed | _Same | _New:
        """Runs ahead, in the reading thread."""
        try:
            body = self._source.read(entry)
        except Unreadable as error:
            return _Failed(entry, error.reason, lasting=False)
        key = document_id(self._plan.source, entry.path)
        content_hash = hashlib.sha256(body).hexdigest()
        known = self._plan.known.get(key)
        forced = key in self._plan.again or key in self._plan.moved
        if known and known.content_hash == content_hash and not forced:
            return _Same(replace(known, fingerprint=entry.fingerprint, synced_at=self._at))
        try:
            return self._new(entry, self._reader.read(body, suffix=entry.suffix), content_hash)
        except Unreadable as error:
            return _Failed(entry, error.reason, lasting=not isinstance(error, ReaderDown))

    def _new(self, entry: Entry, reading: Reading, content_hash: str) -> _New:
        source = self._source
        title = reading.title or name_of(entry.path)
        document = Document(
            id=document_id(source.name, entry.path),
            title=valid_text(title),
            url=entry.url,
            sections=reading.sections,
            content_hash=content_hash,
            updated_at=reading.updated_at or entry.updated_at,
            collection=source.collection,
            source=source.name,
        )
        items: list[IndexedChunk] = []
        texts: list[str] = []
        for chunk in self._chunker.chunk(document):
            text = self._chunker.embedding_text(document.title, chunk)
            text_hash = hashlib.sha256(valid_text(text).encode()).hexdigest()
            items.append(_indexed(chunk, document, text_hash))
            texts.append(text)
        if not items:
            raise Unreadable("holds no text")
        return _New(_catalogued(document, entry, reading.notes, self._at), items, texts)

    def _failure(self, failed: _Failed) -> Failure:
        key = document_id(self._plan.source, failed.entry.path)
        before = {known.document_id: known for known in self._catalogue.failures(self._plan.source)}.get(key)
        fingerprint = attempt(failed.entry, self._reader.limits)
        again = before is not None and before.fingerprint == fingerprint
        tries = (before.tries if before and again else 0) + 1 if failed.lasting else 0
        return Failure(key, self._plan.source, fingerprint, failed.reason, tries, self._at)

    def _report(self, removed: Sequence[str], failures: Sequence[Failure], seconds: float) -> SourceReport:
        known = self._plan.known
        gone = [known[key] for key in removed if key in known]
        new = [document for document in self._done if document.id not in known]
        changed = [
            document
            for document in self._done
            if document.id in known and known[document.id].content_hash != document.content_hash
        ]
        lost_chunks = sum(document.chunks for document in gone)
        lost_chunks += sum(
            _chunks_gone(known[document.id], document) for document in self._done if document.id in known
        )
        return SourceReport(
            name=self._plan.source,
            added=len(new),
            changed=len(changed),
            removed=len(gone),
            unchanged=self._plan.unchanged + len(self._done) - len(new) - len(changed),
            chunks_embedded=self._embedded,
            chunks_removed=lost_chunks,
            seconds=seconds,
            failed=tuple((failure.document_id, failure.reason) for failure in failures),
            held_back=self._plan.held_back,
            unavailable=not self._plan.listed,
        )


def _chunks_gone(before: KnownDocument, after: KnownDocument) -> int:
    return len(_digests(before) - _digests(after))


def _digests(document: KnownDocument) -> set[bytes]:
    return {document.digests[start : start + 16] for start in range(0, len(document.digests), 16)}


def _indexed(chunk: Chunk, document: Document, text_hash: str) -> IndexedChunk:
    clean = replace(
        chunk,
        headings=tuple(map(valid_text, chunk.headings)),
        page=None if chunk.page is None else valid_text(chunk.page),
        text=valid_text(chunk.text),
    )
    return IndexedChunk(
        chunk=clean,
        title=document.title,
        url=document.url,
        updated_at=document.updated_at,
        source=document.source,
        collection=document.collection,
        text_hash=text_hash,
    )


def _catalogued(document: Document, entry: Entry, notes: tuple[str, ...], at: datetime) -> KnownDocument:
    return KnownDocument(
        id=document.id,
        source=document.source,
        path=entry.path,
        collection=document.collection,
        title=document.title,
        url=document.url,
        content_hash=document.content_hash,
        fingerprint=entry.fingerprint,
        updated_at=document.updated_at,
        notes=notes,
        digests=b"",
        synced_at=at,
    )


def unavailable(source: str, error: SourceUnavailable) -> SourceReport:
    """The report of a source that could not be listed or read."""
    return SourceReport(name=source, held_back=str(error), unavailable=True)


def rehearse(source: Source, plan: Plan) -> SourceReport:
    """What a sync would do, told from the bodies' hashes; nothing is parsed, embedded or changed."""
    started = time.monotonic()
    added = changed = 0
    failed = [(failure.document_id, failure.reason) for failure in plan.failures]
    for entry in plan.read:
        key = document_id(plan.source, entry.path)
        try:
            content_hash = hashlib.sha256(source.read(entry)).hexdigest()
        except Unreadable as error:
            failed.append((key, error.reason))
            continue
        added += key not in plan.known
        changed += key in plan.known and plan.known[key].content_hash != content_hash
    return SourceReport(
        name=plan.source,
        added=added,
        changed=changed,
        removed=len(plan.removed),
        unchanged=plan.unchanged + len(plan.read) - added - changed - (len(failed) - len(plan.failures)),
        chunks_removed=sum(plan.known[key].chunks for key in plan.removed if key in plan.known),
        seconds=time.monotonic() - started,
        failed=tuple(failed),
        held_back=plan.held_back,
    )


def forget_source(source: str, *, catalogue: Catalogue, store: Store) -> SourceReport:
    """Takes a source with all its documents out of index and catalogue."""
    started = time.monotonic()
    report = rehearse_forgetting(source, catalogue)
    if known := catalogue.documents(source):
        catalogue.note_purge(owed=True)
        store.replace(source, [document.id for document in known], ())
    catalogue.forget_source(source)
    return replace(report, seconds=time.monotonic() - started)


def rehearse_forgetting(source: str, catalogue: Catalogue) -> SourceReport:
    """What `forget_source` would do."""
    known = catalogue.documents(source)
    chunks = sum(document.chunks for document in known)
    return SourceReport(name=source, removed=len(known), chunks_removed=chunks)
