"""The search index on LanceDB: vectors and words of all chunks in one table.

Rule: whatever it takes to change the table, readers see it in one step, when the folder's
`current.json` names the new version; filters are typed expressions, never text.
"""

from __future__ import annotations

import contextlib
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
from lancedb.index import FTS, BTree, IvfSq
from lancedb.query import MatchQuery
from lancedb.table import Table

from knowledge import index_folder, lance_rows
from knowledge.documents import Chunk
from knowledge.errors import IndexDamaged, IndexMismatch
from knowledge.index_check import search_problems
from knowledge.index_errors import index_errors
from knowledge.index_folder import Current
from knowledge.lance_rows import COLUMNS, SEARCH_TEXT, VECTOR
from knowledge.store import Batch, Hit, IndexedChunk, Readable, row_digest, valid_text
from models.embedding.embedder import Vectors

T = TypeVar("T")

_IDS_A_FILTER = 500
_ROWS_OUTSIDE_INDEX = 2000
_FRAGMENTS = 20
_QUERY_CHARACTERS = 4000
_WORDS = "words"
_NEAREST = "nearest"

EXACT_ROWS = 65_536
"""Up to so many chunks every vector is compared; beyond, an index picks the ones worth comparing."""
_ROWS_A_PARTITION = 4096
_PARTITION_SHARE = 3


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
        return index_folder.while_it_changes(
            folder, lambda: cls(folder, index_folder.published(folder), published=True)
        )

    @classmethod
    def create(cls, folder: Path, dimensions: int, *, publish: bool = True, after: int = 0) -> LanceStore:
        """A new empty index, its version above `after` and above that of the index that is there.

        Unpublished, it is built beside the one that readers go on seeing.
        """
        with index_folder.private_files():
            folder.mkdir(parents=True, exist_ok=True)
            name = index_folder.next_table(folder)
            try:
                before = index_folder.read_current(folder)
            except ValueError:
                before = None
            index_folder.remove_other_tables(folder, before.table if before else "")
            current = _new_table(folder, name, dimensions)
            current = replace(current, base=max(after, before.index_version if before else 0))
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
    def untidy(self) -> bool:
        """Whether a writer that died left something beside the published state; `purge` takes it away."""
        others = index_folder.table_names(self._folder) != [self._current.table]
        return others or len(self._tables_with_vectors()) > 1

    @property
    def dimensions(self) -> int:
        """The length of the vectors in it."""
        return int(self._table.schema.field(VECTOR).type.list_size)

    def sample(self) -> tuple[IndexedChunk, Vectors] | None:
        """A chunk that is in the index, with its vector; None when it is empty."""

        def run(table: Table) -> tuple[IndexedChunk, Vectors] | None:
            rows = table.search().select([*COLUMNS, VECTOR]).limit(1).to_arrow()
            return (lance_rows.items_of(rows)[0], lance_rows.vectors_of(rows)[0]) if rows.num_rows else None

        return self._read(run)

    def count(self) -> int:
        return self._read(lambda table: int(table.count_rows()))

    def vectors(self, text_hashes: Iterable[str]) -> Mapping[str, Vectors]:
        wanted = list(dict.fromkeys(text_hashes))
        found: dict[str, Vectors] = {}
        for table in self._tables_with_vectors():
            for part in lance_rows.slices(wanted, _IDS_A_FILTER):
                found.update(_stored_vectors(table, part))
        return found

    def replace(self, source: str, documents: Sequence[str], batches: Iterable[Batch]) -> int:
        with self._writing() as table:
            _delete(table, source, documents)
            replaced = set(documents)
            for rows in lance_rows.writes(batches, self.dimensions):
                brought = dict.fromkeys(rows["document"].to_pylist())
                _delete(table, source, [document for document in brought if document not in replaced])
                replaced.update(brought)
                with index_errors():
                    table.add(rows)
            self._finish(table)
        return self._current.index_version

    def search_vector(self, vector: Vectors, *, limit: int, readable: Readable) -> list[Hit]:
        if _sees_nothing(readable) or limit < 1:
            return []
        query = np.ascontiguousarray(vector, dtype=np.float32)
        if query.shape != (self.dimensions,):
            raise IndexMismatch(lance_rows.other_length(self.dimensions, query.shape[-1]))

        def run(table: Any) -> list[Hit]:
            search = table.search(query, vector_column_name=VECTOR).distance_type("dot")
            if (partitions := table.count_rows() // _ROWS_A_PARTITION) > EXACT_ROWS // _ROWS_A_PARTITION:
                # Looks on until it has found enough that a narrow reader may see (0 is no limit).
                least = max(8, partitions // _PARTITION_SHARE)
                search = search.minimum_nprobes(least).maximum_nprobes(0).refine_factor(2)
            found = _limited(search, readable).select([*COLUMNS, "_distance"]).limit(limit).to_arrow()
            # Lance calls 1 - dot product the distance.
            return lance_rows.hits_of(found, [1.0 - distance for distance in found["_distance"].to_pylist()])

        return self._read(run)

    def search_keyword(self, query: str, *, limit: int, readable: Readable) -> list[Hit]:
        words = valid_text(query)[:_QUERY_CHARACTERS]
        if _sees_nothing(readable) or limit < 1 or not words.strip():
            return []

        def run(table: Table) -> list[Hit]:
            if not _has(table, _WORDS):
                return []
            search = table.search(_match(words), query_type="fts")
            found = _limited(search, readable).select([*COLUMNS, "_score"]).limit(limit).to_arrow()
            return lance_rows.hits_of(found, found["_score"].to_pylist())

        return self._read(run)

    def neighbours(self, chunks: Sequence[Chunk]) -> list[IndexedChunk]:
        own = {chunk.id for chunk in chunks}
        beside = {f"{chunk.document_id}#{chunk.ordinal + step}" for chunk in chunks for step in (-1, 1)}
        return self._items("id", sorted(beside - own))

    def chunks(self, documents: Sequence[str]) -> list[IndexedChunk]:
        found = self._items("document", documents)
        return sorted(found, key=lambda item: (item.chunk.document_id, item.chunk.ordinal))

    def _items(self, column: str, values: Sequence[str]) -> list[IndexedChunk]:
        if not values:
            return []
        wanted = _is_in(column, values)
        return self._read(lambda t: lance_rows.items_of(t.search().where(wanted).select(COLUMNS).to_arrow()))

    def digests(self) -> Iterator[tuple[str, str, str]]:
        with index_errors():
            for batch in lance_rows.all_rows(self._table):
                rows = pa.Table.from_batches([batch])
                for item, vector in zip(lance_rows.items_of(rows), lance_rows.vectors_of(rows), strict=True):
                    yield item.chunk.document_id, item.chunk.id, row_digest(item, vector)

    def check(self, *, deep: bool) -> list[str]:
        problems = (
            index_folder.damaged_files(self._folder) if deep else index_folder.missing_files(self._folder)
        )
        try:
            return [*problems, *search_problems(self)]
        except IndexDamaged as error:
            return [*problems, str(error)]

    def purge(self) -> int:
        with self._writing() as table, index_errors():
            current = _new_table(self._folder, index_folder.next_table(self._folder), self.dimensions)
            current = replace(current, version=0, base=self._current.index_version)  # published even if empty
            copy = self._database.open_table(current.table)
            if table.count_rows():
                copy.add(
                    pa.RecordBatchReader.from_batches(
                        lance_rows.schema(self.dimensions), lance_rows.all_rows(table)
                    )
                )
            self._current = current
            self._finish(copy)
        if self._published:
            index_folder.remove_other_tables(self._folder, current.table)
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
            with index_errors():
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
        with index_errors():
            # A table is born empty in version 1, which is nothing to fall back to.
            complete = [*(self._current.complete if self._current.version > 1 else ()), table.version]
            _index(table)
            complete = list(dict.fromkeys([*complete, table.version]))
            current = replace(self._current, version=table.version, complete=tuple(complete))
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
        return index_folder.while_it_changes(self._folder, lambda: run(self._refresh()))

    def _refresh(self) -> Table:
        with self._lock:
            stamp = index_folder.stamp(self._folder)
            if self._published and stamp != self._stamp:
                self._current = index_folder.published(self._folder)
                self._stamp = stamp
                self._table = self._open()
            return self._table

    def _open(self) -> Table:
        """The newest whole version of the published table."""
        table_folder = self._folder / f"{self._current.table}{index_folder.TABLE_SUFFIX}"
        while name := index_folder.set_aside_broken_manifest(table_folder):
            self._notes.append(f"index manifest {name} was cut off and has been set aside")
        with index_errors():
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
        with index_errors():
            head = self._database.open_table(self._current.table)
            return [self._table] if head.version == self._current.version else [self._table, head]


def _new_table(folder: Path, name: str, dimensions: int) -> Current:
    with index_errors():
        table = lancedb.connect(folder).create_table(name, schema=lance_rows.schema(dimensions))
        return Current(name, table.version, 0, (table.version,))


def _delete(table: Table, source: str, documents: Sequence[str]) -> None:
    with index_errors():
        for part in lance_rows.slices(documents, _IDS_A_FILTER) if table.count_rows() else ():
            table.delete((col("source") == lit(valid_text(source))) & _is_in("document", part))


def _index(table: Table) -> None:
    """Brings the indexes up to date on a rule; rows outside them are found all the same, but slower."""
    rows = table.count_rows()
    if not rows:
        return
    if rows > EXACT_ROWS and not _has(table, _NEAREST):
        table.create_index("id", config=BTree(), name="ids")
        partitions = rows // _ROWS_A_PARTITION
        table.create_index(
            VECTOR, config=IvfSq(distance_type="dot", num_partitions=partitions), name=_NEAREST
        )
    if not _has(table, _WORDS):
        _index_words(table)
        return
    stats = table.index_stats(_WORDS)
    outside = stats.num_unindexed_rows if stats else 0
    sizes = cast(dict[str, dict[str, int]], table.stats())
    if outside < _ROWS_OUTSIDE_INDEX and sizes["fragment_stats"]["num_fragments"] < _FRAGMENTS:
        return
    try:
        with index_errors():
            table.optimize()
    except IndexDamaged:
        # Updating an index of words has failed in the field where building it anew works.
        table.checkout_latest()  # type: ignore[no-untyped-call]
        _index_words(table)


def _index_words(table: Table) -> None:
    words = FTS(with_position=False, lower_case=True, ascii_folding=True, stem=True, remove_stop_words=False)
    table.create_index(SEARCH_TEXT, config=words, name=_WORDS, replace=True)


def _has(table: Table, name: str) -> bool:
    return any(index.name == name for index in table.list_indices())


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


def _stored_vectors(table: Table, text_hashes: Sequence[str]) -> dict[str, Vectors]:
    rows = table.search().where(_is_in("text_hash", text_hashes)).select(["text_hash", VECTOR]).to_arrow()
    return dict(zip(rows["text_hash"].to_pylist(), lance_rows.vectors_of(rows), strict=True))


def _can_check_out(table: Table, version: int) -> bool:
    try:
        with index_errors():
            table.checkout(version)
            table.count_rows()
    except IndexDamaged:
        return False
    return True
