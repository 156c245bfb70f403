"""A data folder with everything that a sync needs, on documents whose lines are their paragraphs.

Rule: everything is the real thing but reader, chunker and embedder, which are as simple as they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from knowledge.catalogue import Catalogue
from knowledge.database import Database
from knowledge.documents import Block, Chunk, Document, Reading, Section
from knowledge.errors import ReaderDown, Unreadable
from knowledge.lancedb import LanceStore
from knowledge.sources.memory import MemorySource
from knowledge.store import Readable
from knowledge.sync import INDEX, Sync, SyncReport
from knowledge.sync_plan import SyncRules
from models.embedding.embedder import Vectors
from models.embedding.word_vectors import WordVectors

ALL = Readable()


class LineReader:
    """Each line of a body is a paragraph; a body that starts with "broken" cannot be read, and while it is `down` none."""

    def __init__(self) -> None:
        self.reads = 0
        self.down = False
        self.limits = "little"

    def read(self, body: bytes, *, suffix: str) -> Reading:
        self.reads += 1
        if self.down:
            raise ReaderDown("does not start")
        text = body.decode("utf-8")
        if text.startswith("broken"):
            raise Unreadable("is broken")
        blocks = tuple(Block(line) for line in text.splitlines() if line)
        return Reading(title=None, sections=(Section((), blocks),))


class LineChunks:
    """A chunk a paragraph."""

    def __init__(self, version: str = "lines-1") -> None:
        self.version = version

    def chunk(self, document: Document) -> list[Chunk]:
        blocks = [block for section in document.sections for block in section.blocks]
        return [Chunk(document.id, place, (), None, block.text) for place, block in enumerate(blocks)]

    def embedding_text(self, title: str, chunk: Chunk) -> str:
        return f"{title}\n{chunk.text}"


class CountingEmbedder(WordVectors):
    """Remembers what it was asked to embed."""

    def __init__(self, *, dimensions: int = 16) -> None:
        super().__init__(dimensions=dimensions)
        self.texts: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return super().embed_documents(texts)


@dataclass
class Bench:
    """A data folder with everything a sync needs."""

    data: Path
    embedder: CountingEmbedder = field(default_factory=CountingEmbedder)
    reader: LineReader = field(default_factory=LineReader)
    chunker: LineChunks = field(default_factory=LineChunks)
    rules: SyncRules = field(default_factory=SyncRules)

    def __post_init__(self) -> None:
        self.database = Database.open(self.data / "groundling.sqlite")
        self.catalogue = Catalogue(self.database)

    def sync(
        self,
        *sources: MemorySource,
        only: set[str] | None = None,
        rebuild: bool = False,
        dry_run: bool = False,
        copies: bool = False,
    ) -> SyncReport:
        self.embedder.texts.clear()
        sync = Sync(
            self.data,
            catalogue=self.catalogue,
            embedder=self.embedder,
            reader=self.reader,
            chunker=self.chunker,
            rules=self.rules,
            copies=copies,
        )
        if dry_run:
            return sync.dry_run(sources, only=only)
        return sync.run(sources, only=only, rebuild=rebuild)

    def found(self, words: str) -> list[str]:
        store = LanceStore.open(self.data / INDEX)
        return sorted(hit.item.chunk.id for hit in store.search_keyword(words, limit=50, readable=ALL))


def pages(count: int = 20) -> dict[str, bytes]:
    return {f"page{n:02}.md": f"Intro of page{n}\nSecond line of page{n}".encode() for n in range(count)}
