"""Hands memory that was freed back to the system.

Rule: best effort, where the C library knows how; elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def give_back() -> bool:
    """Gives back what the C library keeps of freed memory; whether there was any to give.

    Takes some milliseconds, and the next computation a little longer. Only glibc does it.
    """
    trim = _trim()
    return trim is not None and bool(trim(0))


@functools.cache
def _trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # no symbols of its own (Windows), or another C library
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    found: Callable[[int], int] = trim
    return found
