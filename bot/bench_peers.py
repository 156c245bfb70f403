"""The bare libraries that the measurements of speed stand beside.

Rule: used as their own first example does it, nothing tuned, nothing left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import lancedb
from lancedb.query import LanceVectorQueryBuilder

from models.embedding.embedder import Vectors


def bare_vector_search(index: Path) -> Callable[[Vectors, int], int]:
    """A LanceDB search in the table in `index`: takes a vector and a limit, gives the number of rows found."""
    database = lancedb.connect(index)
    table = database.open_table(sorted(database.list_tables().tables)[-1])

    def search(vector: Vectors, limit: int) -> int:
        query = cast(LanceVectorQueryBuilder, table.search(vector))
        return len(query.distance_type("dot").limit(limit).to_list())

    return search


def bare_encode_seconds(folder: Path, texts: Sequence[str]) -> float:
    """`SentenceTransformer.encode` of `texts` with the model in `folder`, the loading not counted."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), local_files_only=True)
    model.encode(list(texts[:8]), show_progress_bar=False)
    start = time.perf_counter()
    model.encode(list(texts), show_progress_bar=False)
    return time.perf_counter() - start
