"""An embedder that remembers what it has embedded, for work that meets the same sentences again and again.

Rule: the vectors are those of the embedder behind it, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.embedding.embedder import Embedder, Vectors


class RememberingEmbedder:
    """Asks `embedder` for each document text once. The memory grows with the texts: 1.5 KB each."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

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
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        for text, vector in zip(new, self._embedder.embed_documents(new) if new else (), strict=True):
            self._known[text] = vector
        if not texts:
            return self._embedder.embed_documents(texts)
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)
