"""A copy of a file in another folder, whole and on disk or not there at all.

Rule: it has a passing name until the caller gives it its own.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = 4 * 2**20


@contextmanager
def copied(file: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """The copy of `file` in `folder`, which is made if need be, and its sha256 in hex. What is not renamed by
    the end is removed. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    part = Path(name)
    try:
        digest = hashlib.sha256()
        with file.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        yield part, digest.hexdigest()
    finally:
        part.unlink(missing_ok=True)
