"""What sees what in a batch of packs, with passages read apart exactly as the engine's passage cache does it.

Rule: read apart, a block sees the head (the system message) and itself, from the place right behind the
head; what stands behind the blocks sees all of them, their keys moved to where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from models.finetune.tokens import Pack

ATTENTION = "groundling_packs"


@dataclass(frozen=True, slots=True)
class Batch:
    """Packs side by side: prefixes first, filled up to `prefix` tokens, then their tails, filled up too.

    `ids` and `positions` are (packs, tokens); `learned` the places (pack, token) whose next token is in
    `targets`. `moves` is by how much the keys of the prefix move for what stands behind (packs, prefix),
    None where nothing is read apart. The masks are True where a token (third dimension) sees another.
    """

    ids: Tensor
    positions: Tensor
    prefix: int
    prefix_mask: Tensor
    tail_mask: Tensor
    moves: Tensor | None
    learned: tuple[Tensor, Tensor]
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """A batch's masks, as what is added to a score, and the rotation of its moved keys."""

    prefix: int
    prefix_bias: Tensor
    tail_bias: Tensor
    moved: tuple[Tensor, Tensor] | None


def batch(packs: Sequence[Pack], *, apart: bool) -> Batch:
    """The tensors for `packs`; with `apart` their blocks are read apart."""
    prefix = max(len(pack.prefix) for pack in packs)
    tails = max(pack.tail_tokens for pack in packs)
    count = len(packs)
    ids = torch.zeros(count, prefix + tails, dtype=torch.long)
    positions = torch.zeros_like(ids)
    moves = torch.zeros(count, prefix, dtype=torch.long)
    prefix_mask = torch.eye(prefix, dtype=torch.bool).repeat(count, 1, 1)  # a filler sees itself
    tail_mask = torch.zeros(count, tails, prefix + tails, dtype=torch.bool)
    tail_mask[:, torch.arange(tails), prefix + torch.arange(tails)] = True
    places: list[tuple[int, int]] = []
    targets: list[int] = []
    for row, pack in enumerate(packs):
        length = len(pack.prefix)
        ids[row, :length] = torch.tensor(pack.prefix, dtype=torch.long)
        positions[row, :length] = torch.arange(length)
        prefix_mask[row, :length, :length] = torch.ones(length, length, dtype=torch.bool).tril()
        for start, end in pack.blocks if apart else ():
            prefix_mask[row, start:end, pack.head : start] = False
            positions[row, start:end] = pack.head + torch.arange(end - start)
            moves[row, start:end] = start - pack.head
        place = 0
        for tail in pack.tails:
            size = len(tail.tokens)
            inside = slice(prefix + place, prefix + place + size)
            ids[row, inside] = torch.tensor(tail.tokens, dtype=torch.long)
            positions[row, inside] = length + torch.arange(size)
            tail_mask[row, place : place + size, :length] = True
            tail_mask[row, place : place + size, inside] = torch.ones(size, size, dtype=torch.bool).tril()
            places += [(row, prefix + place + at - 1) for at in range(tail.answer, size)]
            targets += tail.tokens[tail.answer :]
            place += size
    rows, columns = torch.tensor(places, dtype=torch.long).T
    return Batch(
        ids,
        positions,
        prefix,
        prefix_mask[:, None],
        tail_mask[:, None],
        moves if apart else None,
        (rows, columns),
        torch.tensor(targets, dtype=torch.long),
    )


def layout(batch: Batch, frequencies: Tensor, dtype: torch.dtype) -> Layout:
    """`frequencies` are the rotary embedding's, (half a head,); `dtype` is what attention computes in."""
    moved = None
    if batch.moves is not None:
        angles = batch.moves[:, :, None].float() * frequencies.float()
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        moved = (angles.cos().to(dtype), angles.sin().to(dtype))
    return Layout(batch.prefix, _bias(batch.prefix_mask, dtype), _bias(batch.tail_mask, dtype), moved)


def _bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Nothing where the mask is True, else what no score survives; with room for the heads' groups."""
    return torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, float("-inf"))[:, None]


def hidden_states(model: Any, batch: Batch) -> Tensor:
    """The last hidden states at the batch's learned places, (places, width)."""
    model.set_attn_implementation(ATTENTION)
    dtype = model.model.embed_tokens.weight.dtype
    states = model.model(
        input_ids=batch.ids,
        position_ids=batch.positions,
        use_cache=False,
        layout=layout(batch, model.model.rotary_emb.inv_freq, dtype),
    ).last_hidden_state
    found: Tensor = states[batch.learned]
    return found


def attend(
    _module: object,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: object,
    *,
    scaling: float,
    layout: Layout,
    **_others: object,
) -> tuple[Tensor, None]:
    """Attention in the form that transformers calls."""
    split = layout.prefix
    outputs = []
    if split:
        before = (query[:, :, :split], key[:, :, :split], value[:, :, :split])
        outputs.append(_weighted(*before, layout.prefix_bias, scaling))
    if layout.moved is not None:
        cos, sin = layout.moved
        still = key[:, :, :split]
        first, second = still.chunk(2, dim=-1)
        moved = still * cos + torch.cat((-second, first), dim=-1) * sin
        key = torch.cat((moved.to(key.dtype), key[:, :, split:]), dim=2)
    outputs.append(_weighted(query[:, :, split:], key, value, layout.tail_bias, scaling))
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _weighted(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scaling: float) -> Tensor:
    """Attention in plain products: the fused one's way back is three times slower on a processor."""
    count, heads, tokens, width = query.shape
    groups, seen = key.shape[1], key.shape[2]
    rows = (query * scaling).reshape(count, groups, -1, width)
    scores = (rows @ key.transpose(-1, -2)).view(count, groups, -1, tokens, seen)
    weights = torch.softmax(scores + bias, dim=-1, dtype=scores.dtype)
    return (weights.view(count, groups, -1, seen) @ value).view(count, heads, tokens, width)


AttentionInterface.register(ATTENTION, attend)
