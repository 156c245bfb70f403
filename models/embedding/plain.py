"""Reads texts with the default embedding model in plain torch: what a question needs, without the two and a half
seconds in which sentence-transformers is imported.

Rule: the arithmetic and its vectors are those of sentence-transformers; a folder of any other make is left to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from models.embedding.embedder import Vectors
from models.embedding.model_files import small_json

if TYPE_CHECKING:
    from torch import Tensor

    from models.bert import Shape

WEIGHTS = "model.safetensors"
_MADE_OF = ["Transformer", "Pooling", "Normalize"]
_CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "layer_norm_eps": 1e-12,
}


class PlainEncoder:
    """The model in a folder that `can_read`; raises whatever reading its files raises."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, most_tokens: int) -> None:
        from safetensors.torch import load_file

        from models.bert import Shape

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._shape: Shape = Shape(
            config["num_hidden_layers"], config["hidden_size"], config["num_attention_heads"]
        )
        self._weights: dict[str, Tensor] = {
            name: weight.float() if weight.is_floating_point() else weight
            for name, weight in load_file(folder / WEIGHTS).items()
        }
        self._tokenizer = tokenizer
        self._most_tokens = most_tokens

    def encode(self, texts: list[str], multiple: int = 1) -> Vectors:
        """A row of length 1 for each text, read as one batch that is padded to a `multiple` of tokens."""
        import torch
        from torch.nn import functional

        from models.bert import hidden_states

        rows = [self._cut(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(texts)]
        longest = -(-max(len(row) for row in rows) // multiple) * multiple
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        there = (torch.arange(longest)[None] < torch.tensor([[len(row)] for row in rows])).long()
        with torch.inference_mode():
            hidden = hidden_states(self._weights, self._shape, ids, torch.zeros_like(ids), there).float()
            mean = (hidden * there[:, :, None]).sum(dim=1) / there.sum(dim=1, keepdim=True)
            return np.asarray(functional.normalize(mean).numpy(), dtype=np.float32)

    def _cut(self, ids: list[int]) -> list[int]:
        return ids if len(ids) <= self._most_tokens else [*ids[: self._most_tokens - 1], ids[-1]]


def can_read(folder: Path) -> bool:
    """Whether the model in `folder` is a BERT whose tokens are averaged to a vector of length 1."""
    modules, config = small_json(folder / "modules.json"), small_json(folder / "config.json")
    if not isinstance(modules, list) or not isinstance(config, dict) or not (folder / WEIGHTS).is_file():
        return False
    if [str(one.get("type", "")).rpartition(".")[2] for one in modules if isinstance(one, dict)] != _MADE_OF:
        return False
    pooling = small_json(folder / str(modules[1].get("path", "")) / "config.json")
    if not isinstance(pooling, dict):
        return False
    ways = {name for name, used in pooling.items() if name.startswith("pooling_mode") and used}
    known = all(config.get(name, wanted) == wanted for name, wanted in _CONFIG.items())
    return known and ways == {"pooling_mode_mean_tokens"} and _named_plainly(folder / WEIGHTS, config)


def _named_plainly(weights: Path, config: dict[str, object]) -> bool:
    """Whether the weights are called as those of a bare BERT, down to its last layer."""
    try:
        last = f"encoder.layer.{int(str(config['num_hidden_layers'])) - 1}.output.dense.weight"
        with safe_open(weights, framework="np") as file:
            return {"embeddings.word_embeddings.weight", last} <= set(file.keys())
    except (OSError, SafetensorError, ValueError, KeyError):
        return False
