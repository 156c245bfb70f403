"""Everything that can go wrong with documents and their index, as one small tree.

    KnowledgeError
    ├── SourceUnavailable    a source cannot be listed now: its documents stay as they are
    ├── Unreadable           one file cannot be read; `reason` is one line
    │   └── ReaderDown       nothing can be read now; the files are not at fault
    ├── IndexMismatch        the index was made by another embedder
    ├── IndexDamaged         the index on disk fails its health check
    ├── IndexMissing         nothing has been synced yet
    ├── DatabaseUnusable     the database is damaged, or was written by a newer program
    ├── DiskFull             nothing was changed, because there is no room to write it
    └── Busy                 another process is writing the same data folder

Each message is one line for the person who runs the program and names the mend.
"""

from __future__ import annotations


class KnowledgeError(Exception):
    """Anything of the knowledge package."""


class SourceUnavailable(KnowledgeError):
    """A source cannot be listed now; what is known of it stays."""


class Unreadable(KnowledgeError):
    """One file cannot be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ReaderDown(Unreadable):
    """The process that reads documents does not start: it is not the file's fault, and the next sync tries again."""


class IndexMismatch(KnowledgeError):
    """The index was made with another embedding model or dimension."""


class IndexDamaged(KnowledgeError):
    """The index on disk fails its health check."""


class IndexMissing(KnowledgeError):
    """There is no index yet."""


class DatabaseUnusable(KnowledgeError):
    """The database is damaged, cannot be written, or was written by a newer program."""


class DiskFull(KnowledgeError):
    """There is no room on the disk; what was there before is untouched."""


class Busy(KnowledgeError):
    """Another process is writing the same data folder."""
