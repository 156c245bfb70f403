"""The seam for places that documents come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a source as its listing shows it, without its body.

    `path` is unique in the source and stable ("policies/leave.md"); the document's id is
    "source:path". `fingerprint` changes whenever the body may have changed (size and time of a
    file, an ETag). `suffix` (".md", lower case, may be empty) is a hint to the format, not a proof.
    """

    path: str
    fingerprint: str
    suffix: str
    size: int
    updated_at: datetime | None
    url: str | None = None


class Source(Protocol):
    """A place that documents come from. `entries` is cheap; `read` is called for new or changed ones only."""

    @property
    def name(self) -> str: ...

    @property
    def collection(self) -> str: ...

    def entries(self) -> Iterator[Entry]:
        """Every document there is now. Raises `SourceUnavailable` when it cannot be told."""
        ...

    def unlisted(self) -> Mapping[str, str]:
        """After `entries` is through: what of the source could not be listed, path -> reason.

        Every document at such a path or below it ("path/...") stays as it is known.
        """
        ...

    def wanted(self, path: str) -> bool:
        """Whether the configuration lets a document at `path` be part of the source; asked of known ones, there or not."""
        ...

    def read(self, entry: Entry) -> bytes:
        """The body. Raises `Unreadable` for this one, `SourceUnavailable` for all."""
        ...
