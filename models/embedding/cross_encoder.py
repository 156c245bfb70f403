"""Reranks with a sentence-transformers cross-encoder, from a folder on this machine.

Rule: loaded with the first call, never from the network.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import EmbedderUnavailable

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

BATCH_PAIRS = 16


class LocalCrossEncoder:
    """A model that reads query and text together; `max_tokens` cuts each pair.

    Raises `EmbedderUnavailable` when `folder` holds no such model.
    """

    def __init__(self, folder: Path, *, max_tokens: int = 384) -> None:
        if not (folder / "config.json").is_file():
            raise EmbedderUnavailable(
                f"{folder} holds no reranking model: set [retrieval] reranker to a model folder"
            )
        self._folder = folder
        self._max_tokens = max_tokens
        self._model: CrossEncoder | None = None
        self._lock = threading.Lock()

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, 0 to 1, in their order."""
        if not texts:
            return []
        pairs = [(_clean(query), _clean(text)) for text in texts]
        with self._lock:
            model = self._loaded()
            try:
                scores = model.predict(pairs, batch_size=BATCH_PAIRS, show_progress_bar=False)
            except (RuntimeError, ValueError) as error:
                raise EmbedderUnavailable(f"reranking failed in {self._folder}: {error}") from error
        return [float(score) for score in scores]

    def _loaded(self) -> CrossEncoder:
        if self._model is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            try:
                from sentence_transformers import CrossEncoder
                from torch import nn

                self._model = CrossEncoder(
                    str(self._folder),
                    num_labels=1,
                    max_length=self._max_tokens,
                    activation_fn=nn.Sigmoid(),
                    local_files_only=True,
                    trust_remote_code=False,
                )
            except Exception as error:  # any of a dozen kinds, by the file that is broken
                line = " ".join(str(error).split())[:200]
                raise EmbedderUnavailable(f"reranker {self._folder} cannot be loaded: {line}") from error
        return self._model


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
