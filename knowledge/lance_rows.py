"""How a chunk stands in a table row; the only place that knows the columns.

Rule: a row holds the whole `IndexedChunk`, nothing is lost on the way in and out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from knowledge.documents import BlockKind, Chunk
from knowledge.errors import IndexMismatch
from knowledge.store import Batch, Hit, IndexedChunk, valid_text
from models.embedding.embedder import Vectors

VECTOR = "vector"
SEARCH_TEXT = "search_text"
ROWS_A_WRITE = 1024
COLUMNS = [
    "id",
    "document",
    "ordinal",
    "source",
    "collection",
    "title",
    "url",
    "updated_at",
    "headings",
    "page",
    "kind",
    "text_hash",
    SEARCH_TEXT,
    "text_start",
]
_GAP = "\n\n"
_KINDS: tuple[BlockKind, ...] = get_args(BlockKind)


def schema(dimensions: int) -> pa.Schema:
    """`search_text` is title, headings and text, for the words; `text` starts in it at `text_start`."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("document", pa.string(), nullable=False),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("collection", pa.string(), nullable=False),
            pa.field("title", pa.string(), nullable=False),
            pa.field("url", pa.string()),
            pa.field("updated_at", pa.timestamp("us", tz="UTC")),
            pa.field("headings", pa.list_(pa.string()), nullable=False),
            pa.field("page", pa.string()),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("text_hash", pa.string(), nullable=False),
            pa.field(SEARCH_TEXT, pa.string(), nullable=False),
            pa.field("text_start", pa.int32(), nullable=False),
            pa.field(VECTOR, pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


def table_of(items: Sequence[IndexedChunk], vectors: Vectors) -> pa.Table:
    """Rows for `items` with their `vectors`, float32 (len(items), dimensions)."""
    dimensions = vectors.shape[1]
    rows = [_row(item) for item in items]
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    fields = schema(dimensions)
    columns = [pa.array([row[name] for row in rows], fields.field(name).type) for name in COLUMNS]
    return pa.Table.from_arrays(
        [*columns, pa.FixedSizeListArray.from_arrays(flat, dimensions)], schema=fields
    )


def items_of(table: pa.Table) -> list[IndexedChunk]:
    """The chunks that `table` (with at least `COLUMNS`) holds, in its order."""
    return [_item(row) for row in table.select(COLUMNS).to_pylist()]


def vectors_of(rows: pa.Table) -> Vectors:
    """The vectors of the rows, float32 (rows, dimensions)."""
    column = rows[VECTOR].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(column), column.type.list_size)


def hits_of(found: pa.Table, scores: Sequence[float]) -> list[Hit]:
    """The rows as hits, best first, in an order that never changes between equal ones."""
    hits = [Hit(item, float(score)) for item, score in zip(items_of(found), scores, strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.item.chunk.document_id, hit.item.chunk.ordinal))


def all_rows(table: Any) -> Iterator[pa.RecordBatch]:
    """Every row of a Lance table, a thousand at a time, in the columns of `schema`."""
    # A query would hold its whole result in memory before giving the first batch.
    rows = range(table.count_rows())
    for start in range(0, len(rows), ROWS_A_WRITE):
        part = list(rows[start : start + ROWS_A_WRITE])
        found = table.take_offsets(part).select([*COLUMNS, VECTOR]).to_arrow()
        yield from found.cast(table.schema).to_batches()


def writes(batches: Iterable[Batch], dimensions: int) -> Iterator[pa.Table]:
    """Rows in writes of a useful size: each becomes a file, and is what a killed sync need not embed again."""
    waiting: list[pa.Table] = []
    for items, vectors in batches:
        if not items:
            continue
        if vectors.shape != (len(items), dimensions):
            raise IndexMismatch(other_length(dimensions, vectors.shape[-1]))
        waiting.append(table_of(items, vectors))
        if sum(rows.num_rows for rows in waiting) >= ROWS_A_WRITE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def other_length(stored: int, given: int) -> str:
    """The line that says which command brings an index to another embedding model."""
    return f"the index holds vectors of {stored} numbers, not {given}; run: groundling sync --rebuild"


def _row(item: IndexedChunk) -> dict[str, Any]:
    chunk = item.chunk
    above = "\n".join(part for part in (item.title, *chunk.headings) if part)
    search_text = valid_text(above) + _GAP + valid_text(chunk.text)
    return {
        "id": valid_text(chunk.id),
        "document": valid_text(chunk.document_id),
        "ordinal": chunk.ordinal,
        "source": valid_text(item.source),
        "collection": valid_text(item.collection),
        "title": valid_text(item.title),
        "url": None if item.url is None else valid_text(item.url),
        "updated_at": None if item.updated_at is None else item.updated_at.astimezone(UTC),
        "headings": [valid_text(heading) for heading in chunk.headings],
        "page": None if chunk.page is None else valid_text(chunk.page),
        "kind": chunk.kind,
        "text_hash": item.text_hash,
        SEARCH_TEXT: search_text,
        "text_start": len(valid_text(above)) + len(_GAP),
    }


def _item(row: dict[str, Any]) -> IndexedChunk:
    kind = next((known for known in _KINDS if known == row["kind"]), _KINDS[0])
    updated_at = row["updated_at"]
    chunk = Chunk(
        document_id=row["document"],
        ordinal=row["ordinal"],
        headings=tuple(row["headings"]),
        page=row["page"],
        text=row[SEARCH_TEXT][row["text_start"] :],
        kind=kind,
    )
    return IndexedChunk(
        chunk=chunk,
        title=row["title"],
        url=row["url"],
        updated_at=updated_at.astimezone(UTC) if isinstance(updated_at, datetime) else None,
        source=row["source"],
        collection=row["collection"],
        text_hash=row["text_hash"],
    )


def slices(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """`values` in runs of `size`: a filter that names too many of them overflows."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
