"""An index of benchmark texts in a temporary folder that is gone afterwards.

Rule: documents take the way they take in a sync: the project's chunks, vectors and store.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from bot.evaluation.datasets import Text
from knowledge.chunking import Chunker
from knowledge.documents import Block, Chunk, Document, Section
from knowledge.lancedb import LanceStore
from knowledge.store import Batch, IndexedChunk
from models.embedding.embedder import Embedder

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many of them are done, and of how many."""

SOURCE = "benchmark"
CHUNKS_A_BATCH = 256


@contextmanager
def temporary_index(
    texts: Sequence[Text], embedder: Embedder, say: Progress
) -> Iterator[tuple[LanceStore, list[tuple[Chunk, str]]]]:
    """An index of `texts`, each a document "benchmark:<name>", and its chunks with their titles."""
    chunker = Chunker(embedder.count_tokens, embedder.max_tokens)
    chunks = [(chunk, text.title) for text in texts for chunk in chunker.chunk(_document(text))]
    with tempfile.TemporaryDirectory(prefix="groundling-eval-") as folder:
        store = LanceStore.create(Path(folder) / "index.lance", embedder.dimensions)
        store.replace(
            SOURCE, [f"{SOURCE}:{text.name}" for text in texts], _batches(chunks, chunker, embedder, say)
        )
        yield store, chunks


def _batches(
    chunks: Sequence[tuple[Chunk, str]], chunker: Chunker, embedder: Embedder, say: Progress
) -> Iterator[Batch]:
    rest = iter(chunks)
    done = 0
    while batch := list(islice(rest, CHUNKS_A_BATCH)):
        say("chunks", done, len(chunks))
        texts = [chunker.embedding_text(title, chunk) for chunk, title in batch]
        items = [
            IndexedChunk(
                chunk=chunk,
                title=title,
                url=None,
                updated_at=None,
                source=SOURCE,
                collection=SOURCE,
                text_hash=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
            )
            for (chunk, title), text in zip(batch, texts, strict=True)
        ]
        yield items, embedder.embed_documents(texts)
        done += len(batch)


def _document(text: Text) -> Document:
    """Plain text: paragraphs between empty lines, no headings."""
    blocks = tuple(Block(part) for part in re.split(r"\n[^\S\n]*\n", text.text) if part.strip())
    return Document(
        id=f"{SOURCE}:{text.name}",
        title=text.title,
        url=None,
        sections=(Section((), blocks),),
        content_hash="",
        updated_at=None,
        collection=SOURCE,
        source=SOURCE,
    )
