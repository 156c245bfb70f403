"""An embedder that remembers what it has embedded: a sentence is read once, not once for each question.

Rule: the vectors are those of the embedder behind it, bit for bit, and no text is kept for them.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from models.embedding.embedder import Embedder, Vectors

LATEST = 20_000
"""So many sentences are enough for the passages that a team's questions meet again; 34 MB for the default model."""


class RememberingEmbedder:
    """Asks `embedder` for each document text once, as long as it is among the `most` texts that were wanted last; all
    of them where `most` is None. The memory grows with the texts: 1.7 KB each for the default model. Threads may share it."""

    def __init__(self, embedder: Embedder, *, most: int | None = None) -> None:
        self._embedder = embedder
        self._most = most
        self._known: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return self._embedder.embed_documents(texts)
        wanted = {_key(text): text for text in texts}
        with self._lock:
            found = {key: self._known[key] for key in wanted if key in self._known}
        new = [key for key in wanted if key not in found]
        if new:
            vectors = self._embedder.embed_documents([wanted[key] for key in new])
            found.update((key, vector.copy()) for key, vector in zip(new, vectors, strict=True))
        with self._lock:
            for key in wanted:
                self._known[key] = found[key]
                self._known.move_to_end(key)
            while self._most is not None and len(self._known) > self._most:
                self._known.popitem(last=False)
        return np.stack([found[_key(text)] for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
