"""The embedder of the tests: words hashed to directions, so that shared words are real similarity.

Rule: no weights, no torch, the same text gives the same vector on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from models.embedding.embedder import Vectors

_WORD = re.compile(r"\w+")
_SPECIAL_TOKENS = 2


class WordVectors:
    """Each word is a fixed random direction; a text is the sum of its words, of length 1.

    A token is a word; `max_tokens` counts two special ones like most real models.
    """

    def __init__(self, *, dimensions: int = 128, max_tokens: int = 256) -> None:
        self._dimensions = dimensions
        self._max_tokens = max_tokens
        self._words: dict[str, Vectors] = {}

    @property
    def name(self) -> str:
        return f"word-vectors-{self._dimensions}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    def count_tokens(self, text: str) -> int:
        return len(_WORD.findall(text)) + _SPECIAL_TOKENS

    def count_tokens_many(self, texts: Sequence[str]) -> list[int]:
        return [self.count_tokens(text) for text in texts]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._dimensions), dtype=np.float32)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        words = _WORD.findall(text.casefold())[: self._max_tokens - _SPECIAL_TOKENS]
        total = np.sum([self._direction(word) for word in words or [""]], axis=0, dtype=np.float64)
        length = float(np.linalg.norm(total))
        return np.asarray(total / length, dtype=np.float32) if length else self._direction("")

    def _direction(self, word: str) -> Vectors:
        if word not in self._words:
            seed = hashlib.sha256(word.encode("utf-8", "replace")).digest()
            values = np.random.default_rng(int.from_bytes(seed[:8], "big")).standard_normal(self._dimensions)
            unit: Vectors = np.asarray(values / np.linalg.norm(values), dtype=np.float32)
            self._words[word] = unit
        return self._words[word]
