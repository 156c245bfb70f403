"""The search index on LanceDB: vectors and words of all chunks in one table.

Rule: whatever it takes to change the table, readers see it in one step, when the folder's
`current.json` names the new version; filters are typed expressions, never text.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

# Read once, when the library is loaded: its per-query deprecation lines would fill every log.
os.environ.setdefault("LANCE_LOG", "error")

import lancedb
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from lancedb.expr import Expr, col, lit
from lancedb.index import FTS
from lancedb.query import MatchQuery
from lancedb.table import Table

from knowledge import index_folder
from knowledge.documents import Chunk
from knowledge.errors import DiskFull, IndexDamaged, IndexMismatch, IndexMissing
from knowledge.index_folder import Current
from knowledge.lance_rows import (
    COLUMNS,
    ROWS_A_WRITE,
    SEARCH_TEXT,
    VECTOR,
    items_of,
    other_length,
    schema,
    vectors_of,
    writes,
)
from knowledge.store import Batch, Hit, IndexedChunk, Readable, row_digest, valid_text
from models.embedding.embedder import Vectors

T = TypeVar("T")

_VENDOR_ERRORS = (RuntimeError, OSError, ValueError, TypeError)
_IDS_A_FILTER = 500
_ROWS_OUTSIDE_INDEX = 2000
_FRAGMENTS = 20
_QUERY_CHARACTERS = 4000
_TRIES = 3
_SAME_COSINE = 0.01
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TABLE = "chunks"
_WORDS = "words"


class LanceStore:
    """The index in `folder`. Any number of processes may read while one writes.

    `notes` says in one line each what had to be mended when it was opened. Errors: `IndexMissing`,
    `IndexDamaged`, `IndexMismatch` (vectors of another length), `DiskFull`.
    """

    def __init__(self, folder: Path, current: Current, *, published: bool) -> None:
        self._folder = folder
        self._current = current
        self._published = published
        self._stamp = index_folder.stamp(folder)
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._database = lancedb.connect(folder)
        self._table = self._open()

    @classmethod
    def open(cls, folder: Path) -> LanceStore:
        """The published index, or the last good version of it. Raises `IndexMissing`, `IndexDamaged`."""
        return cls(folder, _published(folder), published=True)

    @classmethod
    def create(cls, folder: Path, dimensions: int, *, publish: bool = True) -> LanceStore:
        """A new empty index. Unpublished, it is built beside the one that readers go on seeing."""
        with index_folder.private_files():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                before = index_folder.read_current(folder)
            except ValueError:
                before = None
            index_folder.remove_other_tables(folder, before.table if before else "")
            current = _new_table(folder, before, dimensions)
        store = cls(folder, current, published=publish)
        if publish:
            store._publish(current)
        return store

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    @property
    def version(self) -> int:
        self._refresh()
        return self._current.index_version

    @property
    def dimensions(self) -> int:
        """The length of the vectors in it."""
        return int(self._table.schema.field(VECTOR).type.list_size)

    def sample(self) -> tuple[IndexedChunk, Vectors] | None:
        """A chunk that is in the index, with its vector; None when it is empty."""

        def run(table: Table) -> tuple[IndexedChunk, Vectors] | None:
            rows = table.search().select([*COLUMNS, VECTOR]).limit(1).to_arrow()
            return (items_of(rows)[0], vectors_of(rows)[0]) if rows.num_rows else None

        return self._read(run)

    def count(self) -> int:
        return self._read(lambda table: int(table.count_rows()))

    def vectors(self, text_hashes: Iterable[str]) -> Mapping[str, Vectors]:
        wanted = list(dict.fromkeys(text_hashes))
        found: dict[str, Vectors] = {}
        for table in self._tables_with_vectors():
            for part in _slices(wanted, _IDS_A_FILTER):
                found.update(_stored_vectors(table, part))
        return found

    def replace(self, source: str, documents: Sequence[str], batches: Iterable[Batch]) -> int:
        with self._writing() as table:
            _delete(table, source, documents)
            replaced = set(documents)
            for rows in writes(batches, self.dimensions):
                brought = dict.fromkeys(rows["document"].to_pylist())
                _delete(table, source, [document for document in brought if document not in replaced])
                replaced.update(brought)
                with _vendor_errors():
                    table.add(rows)
            self._finish(table)
        return self._current.index_version

    def search_vector(self, vector: Vectors, *, limit: int, readable: Readable) -> list[Hit]:
        if _sees_nothing(readable) or limit < 1:
            return []
        query = np.ascontiguousarray(vector, dtype=np.float32)
        if query.shape != (self.dimensions,):
            raise IndexMismatch(other_length(self.dimensions, query.shape[-1]))

        def run(table: Any) -> list[Hit]:
            search = table.search(query, vector_column_name=VECTOR)
            found = (
                _limited(search.distance_type("dot"), readable)
                .select([*COLUMNS, "_distance"])
                .limit(limit)
                .to_arrow()
            )
            # Lance calls 1 - dot product the distance.
            return _hits(found, [1.0 - distance for distance in found["_distance"].to_pylist()])

        return self._read(run)

    def search_keyword(self, query: str, *, limit: int, readable: Readable) -> list[Hit]:
        words = valid_text(query)[:_QUERY_CHARACTERS]
        if _sees_nothing(readable) or limit < 1 or not words.strip():
            return []

        def run(table: Table) -> list[Hit]:
            if not _has_words(table):
                return []
            search = table.search(_match(words), query_type="fts")
            found = _limited(search, readable).select([*COLUMNS, "_score"]).limit(limit).to_arrow()
            return _hits(found, found["_score"].to_pylist())

        return self._read(run)

    def neighbours(self, chunks: Sequence[Chunk]) -> list[IndexedChunk]:
        own = {chunk.id for chunk in chunks}
        beside = {f"{chunk.document_id}#{chunk.ordinal + step}" for chunk in chunks for step in (-1, 1)}
        wanted = sorted(beside - own)
        if not wanted:
            return []
        return self._read(
            lambda table: items_of(table.search().where(_is_in("id", wanted)).select(COLUMNS).to_arrow())
        )

    def digests(self) -> Iterator[tuple[str, str, str]]:
        with _vendor_errors():
            for batch in _all_rows(self._table):
                rows = pa.Table.from_batches([batch])
                for item, vector in zip(items_of(rows), vectors_of(rows), strict=True):
                    yield item.chunk.document_id, item.chunk.id, row_digest(item, vector)

    def check(self, *, deep: bool) -> list[str]:
        problems = (
            index_folder.damaged_files(self._folder) if deep else index_folder.missing_files(self._folder)
        )
        try:
            return [*problems, *_search_problems(self)]
        except IndexDamaged as error:
            return [*problems, str(error)]

    def purge(self) -> int:
        before = self._current
        with self._writing() as table, _vendor_errors():
            current = _new_table(self._folder, before, self.dimensions)
            copy = self._database.open_table(current.table)
            if table.count_rows():
                copy.add(pa.RecordBatchReader.from_batches(schema(self.dimensions), _all_rows(table)))
            self._current = current
            self._finish(copy)
        if self._published:
            index_folder.remove_other_tables(self._folder, current.table)
            index_folder.record_checksums(self._folder, current.table)
        return self._current.index_version

    def activate(self) -> int:
        """Makes an index that was built unpublished the one that readers see; the old one goes."""
        self._published = True
        self._publish(self._current)
        index_folder.remove_other_tables(self._folder, self._current.table)
        return self._current.index_version

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Table]:
        self._refresh()
        with index_folder.private_files():
            with _vendor_errors():
                table = self._database.open_table(self._current.table)
                if table.version != self._current.version:
                    # A writer died before it published: what it wrote is not the state to build on.
                    table.checkout(self._current.version)
                    table.restore()
                    table.checkout_latest()  # type: ignore[no-untyped-call]
            yield table

    def _finish(self, table: Table) -> None:
        if table.version == self._current.version:
            return
        with _vendor_errors():
            complete = [*self._current.complete, table.version]
            _index(table)
            complete.append(table.version)
            current = replace(self._current, version=table.version, complete=tuple(dict.fromkeys(complete)))
            self._publish(current)
            self._table = table
            table.checkout(current.version)

    def _publish(self, current: Current) -> None:
        self._current = current
        if not self._published:
            return
        index_folder.record_checksums(self._folder, current.table)
        index_folder.write_current(self._folder, current)
        self._stamp = index_folder.stamp(self._folder)

    def _read(self, run: Callable[[Table], T]) -> T:
        """`run` on the published state; once more when a writer cleaned that state away meanwhile."""
        for _ in range(_TRIES):
            table = self._refresh()
            stamp = self._stamp
            try:
                with _vendor_errors():
                    return run(table)
            except IndexDamaged:
                if index_folder.stamp(self._folder) == stamp:
                    raise
        raise IndexDamaged("the index changes faster than it can be read; try again")

    def _refresh(self) -> Table:
        with self._lock:
            stamp = index_folder.stamp(self._folder)
            if self._published and stamp != self._stamp:
                self._current = _published(self._folder)
                self._stamp = stamp
                self._table = self._open()
            return self._table

    def _open(self) -> Table:
        """The newest whole version of the published table."""
        table_folder = self._folder / f"{self._current.table}{index_folder.TABLE_SUFFIX}"
        while name := index_folder.set_aside_broken_manifest(table_folder):
            self._notes.append(f"index manifest {name} was cut off and has been set aside")
        with _vendor_errors():
            table = self._database.open_table(self._current.table)
        for newer, version in enumerate(reversed(self._current.complete)):
            if _can_check_out(table, version):
                return self._fallen_back(table, version, newer) if newer else table
        raise IndexDamaged("no version of the index can be opened; run: groundling sync")

    def _fallen_back(self, table: Table, version: int, newer: int) -> Table:
        current = self._current
        complete = tuple(known for known in current.complete if known <= version)
        # The version of the index grows even where the table steps back.
        base = current.index_version + 1 - version
        self._notes.append(f"the last good version of the index was opened, {newer} newer ones are damaged")
        self._publish(Current(current.table, version, base, complete))
        return table

    def _tables_with_vectors(self) -> list[Table]:
        """The published state, and what a writer that died left beside it."""
        with _vendor_errors():
            head = self._database.open_table(self._current.table)
            return [self._table] if head.version == self._current.version else [self._table, head]


def _published(folder: Path) -> Current:
    try:
        current = index_folder.read_current(folder)
    except ValueError as error:
        raise IndexDamaged(f"{error}; run: groundling sync") from error
    if current is None:
        raise IndexMissing("there is no index yet; run: groundling sync")
    return current


def _new_table(folder: Path, before: Current | None, dimensions: int) -> Current:
    number = 1 + max((int(name.rpartition("_")[2]) for name in index_folder.table_names(folder)), default=0)
    name = f"{_TABLE}_{number:06}"
    with _vendor_errors():
        table = lancedb.connect(folder).create_table(name, schema=schema(dimensions))
        return Current(name, table.version, before.index_version if before else 0, (table.version,))


def _delete(table: Table, source: str, documents: Sequence[str]) -> None:
    with _vendor_errors():
        for part in _slices(documents, _IDS_A_FILTER) if table.count_rows() else ():
            table.delete((col("source") == lit(valid_text(source))) & _is_in("document", part))


def _index(table: Table) -> None:
    """Brings the index of words up to date on a rule; rows outside it are found all the same, but slower."""
    if not table.count_rows():
        return
    if not _has_words(table):
        _index_words(table)
        return
    stats = table.index_stats(_WORDS)
    outside = stats.num_unindexed_rows if stats else 0
    sizes = cast(dict[str, dict[str, int]], table.stats())
    if outside < _ROWS_OUTSIDE_INDEX and sizes["fragment_stats"]["num_fragments"] < _FRAGMENTS:
        return
    try:
        table.optimize()
    except _VENDOR_ERRORS:
        # Updating an index of words has failed in the field where building it anew works.
        table.checkout_latest()  # type: ignore[no-untyped-call]
        _index_words(table)


def _index_words(table: Table) -> None:
    words = FTS(with_position=False, lower_case=True, ascii_folding=True, stem=True, remove_stop_words=True)
    table.create_index(SEARCH_TEXT, config=words, name=_WORDS, replace=True)


def _has_words(table: Table) -> bool:
    return any(index.name == _WORDS for index in table.list_indices())


def _match(words: str) -> MatchQuery:
    """Words, not a query language: whatever stands in the string is looked for as a word."""
    build = cast(Callable[[str, str], MatchQuery], MatchQuery)
    return build(words, SEARCH_TEXT)


def _limited(search: Any, readable: Readable) -> Any:
    """Applied before the search picks its best rows, so that a narrow reader loses none of them."""
    filters = []
    if readable.collections is not None:
        filters.append(_is_in("collection", sorted(readable.collections)))
    if readable.sources is not None:
        filters.append(_is_in("source", sorted(readable.sources)))
    for wanted in filters[1:]:
        filters[0] = filters[0] & wanted
    return search.where(filters[0], prefilter=True) if filters else search


def _sees_nothing(readable: Readable) -> bool:
    return readable.collections == frozenset() or readable.sources == frozenset()


def _is_in(column: str, values: Sequence[str]) -> Expr:
    return col(column).isin([lit(valid_text(value)) for value in values])


def _hits(found: pa.Table, scores: Sequence[float]) -> list[Hit]:
    hits = [Hit(item, float(score)) for item, score in zip(items_of(found), scores, strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.item.chunk.document_id, hit.item.chunk.ordinal))


def _all_rows(table: Table) -> Iterator[pa.RecordBatch]:
    for batch in table.search().select([*COLUMNS, VECTOR]).to_batches(ROWS_A_WRITE):
        yield from pa.Table.from_batches([batch]).cast(table.schema).to_batches()


def _stored_vectors(table: Table, text_hashes: Sequence[str]) -> dict[str, Vectors]:
    rows = table.search().where(_is_in("text_hash", text_hashes)).select(["text_hash", VECTOR]).to_arrow()
    return dict(zip(rows["text_hash"].to_pylist(), vectors_of(rows), strict=True))


def _search_problems(store: LanceStore) -> list[str]:
    """A chunk that is in the index must find itself by its vector and by its words."""
    sample = store.sample()
    if sample is None:
        return []
    item, vector = sample
    everything = Readable()
    problems = []
    nearest = store.search_vector(vector, limit=1, readable=everything)
    if not nearest or abs(nearest[0].score - 1.0) > _SAME_COSINE:
        problems.append("the vector search does not find a chunk that is in the index")
    if not store.search_keyword(item.chunk.text, limit=1, readable=everything):
        problems.append("the keyword search does not find a chunk that is in the index")
    return problems


def _can_check_out(table: Table, version: int) -> bool:
    try:
        table.checkout(version)
        table.count_rows()
    except _VENDOR_ERRORS:
        return False
    return True


def _slices(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


@contextlib.contextmanager
def _vendor_errors() -> Iterator[None]:
    try:
        yield
    except _VENDOR_ERRORS as error:
        text = str(error)
        if any(f"os error {number}" in text for number in _NO_ROOM) or getattr(error, "errno", 0) in _NO_ROOM:
            raise DiskFull("there is no room on the disk for the index; free some and sync again") from error
        raise IndexDamaged(f"the index cannot be used: {_first_line(text)}; run: groundling sync") from error


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["unknown"])[0][:300]
