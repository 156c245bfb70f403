"""The values that everything in the knowledge package is made of; they hold content, never storage.

Rule: frozen and slotted, equal content is an equal object, no vendor types.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

BlockKind = Literal["text", "table", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of a section that reads on its own.

    `text` is plain text for "text" (one paragraph, or one list with a line an item), a GitHub pipe
    table for "table" (header row first), and the bare lines for "code".
    """

    text: str
    kind: BlockKind = "text"


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, on one page.

    `headings` is the path from the top of the document ("Leave", "Sick leave"), empty before the
    first heading. `page` says where in a paged document, in words: "page 3", "slide 2",
    "sheet Rates"; None where the format has no pages.
    """

    headings: tuple[str, ...]
    blocks: tuple[Block, ...]
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader got out of one file.

    `title` is None where the file names none. `notes` are one-line remarks for the administrator
    ("hidden text removed: 12 zero-width characters").
    """

    title: str | None
    sections: tuple[Section, ...]
    updated_at: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a source, in the version that `content_hash` (sha256 of its bytes) names.

    `id` is "source:path", `updated_at` is in UTC, `url` None for a document without an address.
    """

    id: str
    title: str
    url: str | None
    sections: tuple[Section, ...]
    content_hash: str
    updated_at: datetime | None
    collection: str
    source: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document that is embedded and found as one.

    `ordinal` counts from 0 in reading order. `text` is verbatim document text without the headings.
    """

    document_id: str
    ordinal: int
    headings: tuple[str, ...]
    page: str | None
    text: str
    kind: BlockKind = "text"

    @property
    def id(self) -> str:
        """The deterministic id: the same document and place give the same id in every sync."""
        return f"{self.document_id}#{self.ordinal}"

    @property
    def location(self) -> str:
        """Where in the document, in words: "page 3 › Leave › Sick leave"; empty for a whole file."""
        return " › ".join(part for part in (self.page, *self.headings) if part)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk (or several neighbouring ones joined) that was found for a query.

    `score` is the order of retrieval, higher is better, comparable within one search only.
    `similarity` is the cosine of query and chunk (-1 to 1), comparable between searches; None when
    the search did not look at vectors.
    """

    chunk: Chunk
    title: str
    url: str | None
    score: float
    similarity: float | None
    updated_at: datetime | None
    source: str
    collection: str

    @property
    def location(self) -> str:
        """The chunk's location as shown behind the title: without a first heading that is the title again."""
        headings = self.chunk.headings
        if headings and _same_words(headings[0], self.title):
            headings = headings[1:]
        return " › ".join(part for part in (self.chunk.page, *headings) if part)


def _same_words(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()
