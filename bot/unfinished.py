"""Long work that is under way, a line of JSON for each piece that is done, so that what was ended goes on.

Rule: a line counts when it is whole, and pieces of other work are never taken for one's own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

from bot.errors import Failed

Row = Mapping[str, Any]


class Unfinished:
    """The file of some work, open at its end; `known` are the pieces that an earlier run left there."""

    def __init__(self, file: FileIO, path: Path, known: list[dict[str, Any]]) -> None:
        self._file = file
        self._path = path
        self.known = known

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, digest: str, *, forget_others: bool = False) -> Iterator[Unfinished]:
        """That of `path`, which is of the work that `digest` names, or none yet; pieces of other work are
        forgotten with `forget_others`.

        Raises `Failed` where they are of other work, where somebody else is writing them, or where the disk
        takes nothing more.
        """
        with contextlib.ExitStack() as stack:
            with _told(path):
                file = stack.enter_context(path.open("a+b", buffering=0))
                _lock(file, path)
                known, whole = _read(file, path, digest, forget_others=forget_others)
                file.truncate(whole)  # whoever was killed may have left a part of a line
            found = cls(file, path, known)
            if whole == 0:
                found.add({"measurement": digest})
            yield found

    def add(self, row: Row) -> None:
        """Keeps the next piece; raises `Failed` where the disk is full."""
        # Only escapes: a lone surrogate has no UTF-8.
        left = json.dumps(row, default=_plain).encode("ascii") + b"\n"
        with _told(self._path):
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())


def broken(path: Path, number: int) -> Failed:
    """What to say of a line that cannot be read, counting from 1."""
    return Failed(f"{path} line {number} is broken; delete the file to begin anew")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}") from None


def _lock(file: FileIO, path: Path) -> None:
    """The lock is the operating system's and ends with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failed(
            f"another measurement is writing to {path.parent}; wait for it, or choose another folder"
        ) from None


def _read(file: FileIO, path: Path, digest: str, *, forget_others: bool) -> tuple[list[dict[str, Any]], int]:
    """The pieces in `file`, and how many of its bytes are whole lines."""
    file.seek(0)
    lines = file.read().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    known: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if number > 1:
                known.append(dict(row))
            elif row["measurement"] != digest:
                if forget_others:
                    return [], 0
                raise Failed(
                    f"{path} has the answers of a measurement that was ended, with other questions, options or "
                    "models; start that one again, or delete the file"
                )
        except (ValueError, KeyError, TypeError):
            raise broken(path, number) from None
    return known, sum(map(len, lines))


def _plain(value: Any) -> object:
    """A time as text; a number that is numpy's as Python's."""
    return value.isoformat() if isinstance(value, datetime) else float(value)
