"""Keeps what a model has read of passages: in memory, then on disk, each within its limit.

Rule: what was stored comes back as it was or not at all; a file that is damaged, or of another make, is
deleted and read anew. The files go into native code, so they are never taken from elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections import OrderedDict
from pathlib import Path

_MAGIC = b"passage1"
_DIGEST = 32
_MOST_UNWRITTEN = 64  # states waiting for the disk; more are not kept there
_SUFFIX = ".kv"


class PassageCache:
    """States by their key (hex). `folder` None keeps nothing on disk."""

    def __init__(self, *, memory_bytes: int, folder: Path | None = None, disk_bytes: int = 0) -> None:
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._held = 0
        self._disk = _Disk(folder, disk_bytes) if folder is not None and disk_bytes > 0 else None

    def get(self, key: str) -> bytes | None:
        """The state of that key, now the most recently used one."""
        state = self._memory.get(key)
        if state is not None:
            self._memory.move_to_end(key)
            return state
        state = self._disk.get(key) if self._disk else None
        if state is not None:
            self._keep(key, state)
        return state

    def put(self, key: str, state: bytes) -> None:
        """Keeps `state`; what was used longest ago makes room."""
        self._keep(key, state)
        if self._disk:
            self._disk.put(key, state)

    def forget(self, key: str) -> None:
        """Drops a state that is of no use."""
        self._held -= len(self._memory.pop(key, b""))
        if self._disk:
            self._disk.forget(key)

    def close(self) -> None:
        """Writes what is still to be written."""
        if self._disk:
            self._disk.close()

    def _keep(self, key: str, state: bytes) -> None:
        self._held += len(state) - len(self._memory.pop(key, b""))
        self._memory[key] = state
        while self._held > self._memory_bytes and self._memory:
            self._held -= len(self._memory.popitem(last=False)[1])


class _Disk:
    """One file a state, written by a thread of its own; a file's time of change is that of its last use."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._unwritten: queue.Queue[tuple[str, bytes] | None] = queue.Queue(_MOST_UNWRITTEN)
        self._thread: threading.Thread | None = None
        self._total: int | None = None  # bytes on disk as far as known; other processes may write too

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        state = stored[len(_MAGIC) + _DIGEST :]
        if stored[: len(_MAGIC)] != _MAGIC or stored[len(_MAGIC) :][:_DIGEST] != _digest(key, state):
            self.forget(key)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return state

    def forget(self, key: str) -> None:
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def put(self, key: str, state: bytes) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="passages", daemon=True)
            self._thread.start()
        with contextlib.suppress(queue.Full):
            self._unwritten.put_nowait((key, state))

    def close(self) -> None:
        if self._thread is not None:
            self._unwritten.put(None)
            self._thread.join()
            self._thread = None

    def _write_all(self) -> None:
        while (item := self._unwritten.get()) is not None:
            with contextlib.suppress(OSError):  # a full or missing disk costs reading anew, nothing else
                if self._total is None:
                    self._make_room()
                self._write(*item)
                self._total = (self._total or 0) + len(item[1])
                if self._total > self._limit:
                    self._make_room()

    def _write(self, key: str, state: bytes) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            fresh.write_bytes(_MAGIC + _digest(key, state) + state)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    def _make_room(self) -> None:
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.rglob("*" + _SUFFIX + "*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._total = total

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / (key + _SUFFIX)


def _digest(key: str, state: bytes) -> bytes:
    return hashlib.blake2b(state, digest_size=_DIGEST, key=key.encode()[:64]).digest()
