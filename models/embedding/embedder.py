"""The seam for embedding models, with the fake that tests use in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns text into vectors of unit length.

    `name` identifies the weights and how they are used (two embedders with the same name give the
    same vectors). `max_tokens` is the longest text in tokens, special tokens included, of which
    nothing is cut.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens included."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """One row a text: float32 (len(texts), dimensions), each of length 1."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """float32 (dimensions,), of length 1."""
        ...
