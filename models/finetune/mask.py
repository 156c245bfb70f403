"""What sees what in a batch of packs, with passages read apart exactly as the engine's passage cache does it.

Rule: read apart, a block sees the head (the system message) and itself, from the place right behind the
head; what stands behind the blocks sees all of them, their keys moved to where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from models.finetune.tokens import Pack

ATTENTION = "groundling_packs"
Tensor = torch.Tensor


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
    """A batch's masks and the rotation of its moved keys, as `attend` takes them."""

    prefix: int
    prefix_mask: Tensor
    tail_mask: Tensor
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


def layout(batch: Batch, frequencies: Tensor) -> Layout:
    """`frequencies` are the rotary embedding's, (half a head,)."""
    moved = None
    if batch.moves is not None:
        angles = batch.moves[:, :, None].float() * frequencies.float()
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        moved = (angles.cos(), angles.sin())
    return Layout(batch.prefix, batch.prefix_mask, batch.tail_mask, moved)


def hidden_states(model: Any, batch: Batch) -> Tensor:
    """The last hidden states at the batch's learned places, (places, width)."""
    model.set_attn_implementation(ATTENTION)
    frequencies = model.model.rotary_emb.inv_freq
    states = model.model(
        input_ids=batch.ids,
        position_ids=batch.positions,
        use_cache=False,
        layout=layout(batch, frequencies),
    ).last_hidden_state
    found: Tensor = states[batch.learned]
    return found


def attend(
    module: Any,
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
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    split = layout.prefix
    outputs = []
    if split:
        outputs.append(
            scaled_dot_product_attention(
                query[:, :, :split],
                key[:, :, :split],
                value[:, :, :split],
                attn_mask=layout.prefix_mask,
                scale=scaling,
            )
        )
    if layout.moved is not None:
        cos, sin = layout.moved
        still = key[:, :, :split]
        first, second = still.chunk(2, dim=-1)
        moved = still * cos + torch.cat((-second, first), dim=-1) * sin
        key = torch.cat((moved.to(key.dtype), key[:, :, split:]), dim=2)
    outputs.append(
        scaled_dot_product_attention(
            query[:, :, split:], key, value, attn_mask=layout.tail_mask, scale=scaling
        )
    )
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attend)
