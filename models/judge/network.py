"""The judge's network: the embedding model's own transformer, reading question and passage together.

Rule: plain torch on tensors with the names of the embedding model's file; no padding beyond the longest row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.judge.pairs import Pair

HEADS = ("answers", "supports")
"""What the first token is asked: does the passage answer the question, does it carry the sentence."""

SPAN = "span"
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the transformer."""

    layers: int
    width: int
    attention_heads: int


SHAPE = Shape(layers=6, width=384, attention_heads=12)
"""all-MiniLM-L6-v2, the default embedding model."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network makes of a batch: a logit a row for each of `HEADS`, and two logits a token, of
    where an answer begins and ends."""

    rows: Tensor
    span: Tensor


def tensors(pairs: Sequence[Pair], *, multiple: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Token numbers, kinds and which are there, padded to the longest and to a `multiple`."""
    longest = -(-max(len(pair.ids) for pair in pairs) // multiple) * multiple
    ids = torch.tensor([[*pair.ids, *[0] * (longest - len(pair.ids))] for pair in pairs])
    places = torch.arange(longest)[None]
    kinds = (places >= torch.tensor([[pair.passage_from] for pair in pairs])).long()
    there = (places < torch.tensor([[len(pair.ids)] for pair in pairs])).long()
    return ids, kinds * there, there


def read(weights: Mapping[str, Tensor], shape: Shape, ids: Tensor, kinds: Tensor, there: Tensor) -> Reading:
    """Reads `ids` (rows x tokens); `kinds` is 1 in the passage, `there` is 0 where a row has ended."""
    hidden = _embedded(weights, ids, kinds)
    mask = None
    if not bool(there.all()):
        mask = torch.zeros(there.shape, dtype=hidden.dtype).masked_fill(there == 0, -1e4)[:, None, None, :]
    for layer in range(shape.layers):
        hidden = _layer(weights, f"encoder.layer.{layer}.", hidden, mask, shape.attention_heads)
    first = torch.tanh(
        functional.linear(hidden[:, 0], weights["head.dense.weight"], weights["head.dense.bias"])
    )
    rows = functional.linear(first, weights["head.rows.weight"], weights["head.rows.bias"])
    span = functional.linear(hidden, weights["head.span.weight"], weights["head.span.bias"])
    return Reading(rows.float(), span.float().masked_fill(there[:, :, None] == 0, -1e4))


def _embedded(weights: Mapping[str, Tensor], ids: Tensor, kinds: Tensor) -> Tensor:
    tokens = functional.embedding(ids, weights["embeddings.word_embeddings.weight"])
    places = weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    types = functional.embedding(kinds, weights["embeddings.token_type_embeddings.weight"])
    return _normed(weights, "embeddings.LayerNorm", tokens + places + types)


def _layer(
    weights: Mapping[str, Tensor], name: str, hidden: Tensor, mask: Tensor | None, heads: int
) -> Tensor:
    rows, tokens, width = hidden.shape
    query, key, value = (
        _linear(weights, f"{name}attention.self.{part}", hidden)
        .view(rows, tokens, heads, width // heads)
        .transpose(1, 2)
        for part in ("query", "key", "value")
    )
    seen = _attended(query, key, value, mask)
    seen = seen.transpose(1, 2).reshape(rows, tokens, width)
    seen = _linear(weights, f"{name}attention.output.dense", seen)
    hidden = _normed(weights, f"{name}attention.output.LayerNorm", hidden + seen)
    wide = functional.gelu(_linear(weights, f"{name}intermediate.dense", hidden))
    return _normed(weights, f"{name}output.LayerNorm", hidden + _linear(weights, f"{name}output.dense", wide))


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attention. While learning it is spelled out: on a processor the way back through torch's fused one
    takes as long as all the rest of a step."""
    if not query.requires_grad:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return functional.softmax(scores if mask is None else scores + mask, dim=-1) @ value


def _linear(weights: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    return functional.linear(hidden, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _normed(weights: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    weight = weights[f"{name}.weight"]
    return functional.layer_norm(hidden, weight.shape, weight, weights[f"{name}.bias"], _EPSILON)
