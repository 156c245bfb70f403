"""Batches of texts through a model, several side by side.

Rule: threads that share one small batch wait for each other after every layer, for long when something else
runs on the machine; batches side by side, each on its own few threads, do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np

from models.embedding.embedder import Vectors
from models.processor import has_bfloat16

BATCH_TEXTS = 8
MOST_WORKERS = 4

Precision = Literal["auto", "float32", "bfloat16"]
Read = Callable[[list[str]], Vectors]
"""Gives a row for each text of at most `BATCH_TEXTS`."""


def read_side_by_side(read: Read, texts: Sequence[str], threads: int | None, precision: Precision) -> Vectors:
    """A row for each of `texts`, in batches of `BATCH_TEXTS`, on `threads` together."""
    import torch

    threads = threads or torch.get_num_threads()
    workers = min(threads, MOST_WORKERS)
    batches = [list(texts[start : start + BATCH_TEXTS]) for start in range(0, len(texts), BATCH_TEXTS)]
    if workers == 1 or len(batches) == 1:
        return np.concatenate([read_batch(read, batch, threads, precision) for batch in batches])
    # The first one alone: it settles the tokenizer's state, which must not change under a neighbour.
    first = read_batch(read, batches[0], threads, precision)
    with ThreadPoolExecutor(workers, thread_name_prefix="embedding") as pool:
        rest = pool.map(lambda batch: read_batch(read, batch, threads // workers, precision), batches[1:])
        return np.concatenate([first, *rest])


def read_batch(read: Read, texts: list[str], threads: int, precision: Precision) -> Vectors:
    """A row for each of `texts`, on so many threads; "auto" is bfloat16 where the processor has it."""
    import torch

    faster = precision == "bfloat16" or (precision == "auto" and has_bfloat16())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=faster):
            return read(texts)
    finally:
        torch.set_num_threads(before)
