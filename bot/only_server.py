"""Sees to it that one process at a time serves a data folder.

Rule: whoever comes second is told at once, and waits for nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from bot.errors import Failed
from knowledge.process_lock import one_process

LOCK = "serve.lock"


def only_server(folder: Path) -> AbstractContextManager[None]:
    """Holds the data folder's lock for serving. Raises `Failed` with the other's process id when it is taken."""
    return one_process(
        folder / LOCK,
        lambda other: Failed(
            f"{folder} is served already (process {other}); end that one, or use another --data"
        ),
    )
