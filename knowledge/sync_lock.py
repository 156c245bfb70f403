"""Sees to it that one process at a time changes a data folder.

Rule: whoever comes second is told at once, and waits for nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from knowledge.errors import Busy
from knowledge.process_lock import one_process

LOCK = "sync.lock"


def only_writer(folder: Path) -> AbstractContextManager[None]:
    """Holds the data folder's lock. Raises `Busy` with the other's process id when it is taken."""
    return one_process(
        folder / LOCK,
        lambda other: Busy(f"another sync is running (process {other}); wait for it to end"),
    )
