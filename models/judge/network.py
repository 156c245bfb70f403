"""The judge's network: the embedding model's own transformer, reading question and passage together.

Rule: plain torch on tensors with the names of the embedding model's file; no padding beyond the longest row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.bert import Shape, hidden_states
from models.judge.pairs import Pair

HEADS = ("answers", "supports")
"""What the first token is asked: does the passage answer the question, does it carry the sentence."""

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


def read(
    weights: Mapping[str, Tensor], ids: Tensor, kinds: Tensor, there: Tensor, *, dropout: float = 0.0
) -> Reading:
    """Reads `ids` (rows x tokens); `kinds` is 1 in the passage, `there` is 0 where a row has ended. While
    learning, a share `dropout` of what the layers say is left out."""
    hidden = hidden_states(weights, SHAPE, ids, kinds, there, dropout=dropout)
    span = functional.linear(hidden, weights["head.span.weight"], weights["head.span.bias"])
    return Reading(_asked(weights, hidden), span.float().masked_fill(there[:, :, None] == 0, -1e4))


def read_rows(weights: Mapping[str, Tensor], ids: Tensor, kinds: Tensor, there: Tensor) -> Tensor:
    """`Reading.rows` alone: a fifth less to compute."""
    return _asked(weights, hidden_states(weights, SHAPE, ids, kinds, there, first_alone=True))


def _asked(weights: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
    first = torch.tanh(
        functional.linear(hidden[:, 0], weights["head.dense.weight"], weights["head.dense.bias"])
    )
    return functional.linear(first, weights["head.rows.weight"], weights["head.rows.bias"]).float()
