"""The source for tests: documents in a dictionary, that can be made to fail.

Rule: it keeps every promise of the seam, so that what works on it works on the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from knowledge.errors import SourceUnavailable, Unreadable
from knowledge.sources.source import Entry

_WRITTEN = datetime(2024, 1, 1, tzinfo=UTC)


class MemorySource:
    """`bodies` is path -> body and may be changed at any time.

    `down` is the reason why nothing can be listed, `locked` are paths that are listed and cannot be
    read, `hidden` path -> reason for what cannot be listed, `refused` paths that the configuration leaves out.
    """

    def __init__(self, name: str, bodies: dict[str, bytes], *, collection: str | None = None) -> None:
        self.name = name
        self.collection = collection or name
        self.bodies = bodies
        self.down: str | None = None
        self.locked: set[str] = set()
        self.hidden: dict[str, str] = {}
        self.refused: set[str] = set()
        self.reads: list[str] = []

    def entries(self) -> Iterator[Entry]:
        if self.down:
            raise SourceUnavailable(self.down)
        for path, body in sorted(self.bodies.items()):
            if self.wanted(path) and not any(
                path == hidden or path.startswith(f"{hidden}/") for hidden in self.hidden
            ):
                fingerprint = hashlib.sha256(body).hexdigest()
                suffix = PurePosixPath(path).suffix.lower()
                yield Entry(path, fingerprint, suffix, len(body), _WRITTEN, f"https://wiki.example/{path}")

    def unlisted(self) -> Mapping[str, str]:
        return dict(self.hidden)

    def wanted(self, path: str) -> bool:
        return path not in self.refused

    def read(self, entry: Entry) -> bytes:
        if self.down:
            raise SourceUnavailable(self.down)
        if entry.path in self.locked or entry.path not in self.bodies:
            raise Unreadable("cannot be opened")
        self.reads.append(entry.path)
        return self.bodies[entry.path]
