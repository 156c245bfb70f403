"""The transformer of small BERT models in plain torch: what the default embedding model and the judge are made of.

Rule: tensors have the names of the model's own file; importing torch is all that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the transformer."""

    layers: int
    width: int
    attention_heads: int


def hidden_states(
    weights: Mapping[str, Tensor],
    shape: Shape,
    ids: Tensor,
    kinds: Tensor,
    there: Tensor,
    *,
    dropout: float = 0.0,
    first_alone: bool = False,
) -> Tensor:
    """What the last layer says of each token (rows x tokens x width), or of each row's first token alone (rows x 1 x
    width), for which it then computes nothing else. `kinds` is 1 in a second text, `there` is 0 where a row has
    ended; a share `dropout` of what the layers say is left out, which is for learning."""
    hidden = functional.dropout(_embedded(weights, ids, kinds), dropout)
    mask = None
    if not bool(there.all()):
        mask = hidden.new_zeros(there.shape).masked_fill(there == 0, -1e4)[:, None, None, :]
    for layer in range(shape.layers):
        asking = hidden[:, :1] if first_alone and layer == shape.layers - 1 else hidden
        name = f"encoder.layer.{layer}."
        hidden = _attending(weights, name, asking, hidden, mask, shape.attention_heads, dropout)
        hidden = _fed_forward(weights, name, hidden, dropout)
    return hidden


def _embedded(weights: Mapping[str, Tensor], ids: Tensor, kinds: Tensor) -> Tensor:
    tokens = functional.embedding(ids, weights["embeddings.word_embeddings.weight"])
    places = weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    types = functional.embedding(kinds, weights["embeddings.token_type_embeddings.weight"])
    return _normed(weights, "embeddings.LayerNorm", tokens + places + types)


def _attending(
    weights: Mapping[str, Tensor],
    name: str,
    asking: Tensor,
    hidden: Tensor,
    mask: Tensor | None,
    heads: int,
    dropout: float,
) -> Tensor:
    """What the tokens `asking` are after they have seen all that is `hidden` in their row."""
    rows, _, width = hidden.shape
    query, key, value = (
        _linear(weights, f"{name}attention.self.{part}", source)
        .view(rows, -1, heads, width // heads)
        .transpose(1, 2)
        for part, source in (("query", asking), ("key", hidden), ("value", hidden))
    )
    seen = _attended(query, key, value, mask).transpose(1, 2).reshape(asking.shape)
    seen = functional.dropout(_linear(weights, f"{name}attention.output.dense", seen), dropout)
    return _normed(weights, f"{name}attention.output.LayerNorm", asking + seen)


def _fed_forward(weights: Mapping[str, Tensor], name: str, hidden: Tensor, dropout: float) -> Tensor:
    wide = functional.gelu(_linear(weights, f"{name}intermediate.dense", hidden))
    wide = functional.dropout(_linear(weights, f"{name}output.dense", wide), dropout)
    return _normed(weights, f"{name}output.LayerNorm", hidden + wide)


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attention. While learning it is spelled out: on a processor the way back through torch's fused one
    takes as long as all the rest of a step."""
    if not query.requires_grad:
        same = None if mask is None else mask.to(query.dtype)
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=same)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return functional.softmax(scores if mask is None else scores + mask, dim=-1) @ value


def _linear(weights: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    return functional.linear(hidden, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _normed(weights: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    weight = weights[f"{name}.weight"]
    return functional.layer_norm(hidden, weight.shape, weight, weights[f"{name}.bias"], _EPSILON)
