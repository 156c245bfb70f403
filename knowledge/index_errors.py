"""Turns what the index library raises into the errors of this package.

Rule: the library's own errors never reach a caller.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from knowledge.errors import DiskFull, IndexDamaged

_VENDOR_ERRORS = (RuntimeError, OSError, ValueError, TypeError)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def index_errors() -> Iterator[None]:
    """Raises `DiskFull` where there was no room, else `IndexDamaged`."""
    try:
        yield
    except Exception as error:
        if not of_the_library(error):
            raise
        text = str(error)
        if any(f"os error {number}" in text for number in _NO_ROOM) or getattr(error, "errno", 0) in _NO_ROOM:
            raise DiskFull("there is no room on the disk for the index; free some and sync again") from error
        raise IndexDamaged(f"the index cannot be used: {_first_line(text)}; run: groundling sync") from error


def of_the_library(error: Exception) -> bool:
    """Whether the index library may have raised it. Its panics over damaged files have no public class."""
    return isinstance(error, _VENDOR_ERRORS) or type(error).__name__ == "RustPanic"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["unknown"])[0][:300]
