"""Sees to it that one process at a time serves a data folder.

Rule: the lock is the operating system's, so it ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bot.errors import Failed

LOCK = "serve.lock"


@contextlib.contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Holds the data folder's lock for serving. Raises `Failed` with the other's process id when it is taken."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise Failed(
                f"{folder} is served already (process {other}); end that one, or use another --data"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
