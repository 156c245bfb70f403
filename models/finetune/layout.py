"""Where each pair of a LoRA belongs in the base's own GGUF file, and in which order its rows stand there.

Rule: the order is found out from the weights themselves, never assumed from the architecture's name: a tensor
that is neither the trained one nor its known permutation is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import torch

LEAST_LIKENESS = 0.9  # cosine of a matrix and itself quantised to 2 bits; another order of rows has none
Array = npt.NDArray[np.float32]


class ExportError(ValueError):
    """The LoRA cannot be written for this base; one line that says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """The base's tensor that a pair changes. Its rows are permuted in each of `heads` heads; 0 for not at all."""

    tensor: str
    heads: int


def places(
    model: Path, trained: Mapping[str, torch.Tensor], keys: Iterable[str], *, exactly: bool = True
) -> dict[str, Place]:
    """The place of each of `keys` ("model.layers.0.self_attn.q_proj") in the GGUF `model`.

    `trained` are the weights that the training begins with, by name. `exactly` wants them to be those of
    `model`, number by number; else the likest order counts, as for a file that was quantised later.
    Raises ExportError.
    """
    reader = gguf.GGUFReader(model)
    architecture = str(_field(reader, "general.architecture"))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    names = _names(reader, architecture)
    heads = [
        _heads(reader, f"{architecture}.attention.{kind}", architecture)
        for kind in ("head_count", "head_count_kv")
    ]
    found = {}
    for key in keys:
        target = names.get_name(key)
        if target is None or f"{target}.weight" not in tensors:
            raise ExportError(f"{model.name} has no tensor for {key}")
        there = tensors[f"{target}.weight"]
        known = gguf.dequantize(there.data, there.tensor_type)
        here: Array = trained[f"{key}.weight"].float().cpu().numpy()
        order = _exact(known, here, heads) if exactly else _likest(known, here, heads)
        if order is None:
            raise ExportError(
                f"the weights of {key} are in an order that is not known; this base cannot be exported for"
            )
        found[key] = Place(f"{target}.weight", order)
    return found


def permuted(rows: Array, heads: int) -> Array:
    """From halves to pairs in each head, as llama.cpp's converter orders rotary projections."""
    if not heads or rows.shape[0] % (2 * heads):
        return rows
    split = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def unpermuted(rows: Array, heads: int) -> Array:
    """What `permuted` was given."""
    if not heads or rows.shape[0] % (2 * heads):
        return rows
    split = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def _field(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.fields.get(key)
    if field is None:
        raise ExportError(f"the base has no {key}")
    return field.contents()


def _heads(reader: gguf.GGUFReader, key: str, architecture: str) -> int:
    found = _field(reader, key)
    if not isinstance(found, int):
        raise ExportError(
            f"the heads of {architecture!r} differ from layer to layer, which is not known here"
        )
    return found


def _names(reader: gguf.GGUFReader, architecture: str) -> gguf.TensorNameMap:
    kinds = [kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture]
    if not kinds:
        raise ExportError(f"the architecture {architecture!r} is not known to the gguf package")
    return gguf.get_tensor_name_map(kinds[0], int(_field(reader, f"{architecture}.block_count")))


def _exact(there: Array, here: Array, heads: Iterable[int]) -> int | None:
    for order in (0, *heads):
        if there.shape == here.shape and np.array_equal(there, permuted(here, order), equal_nan=True):
            return order
    return None


def _likest(there: Array, here: Array, heads: Iterable[int]) -> int | None:
    if there.shape != here.shape:
        return None
    size = float(np.linalg.norm(there) * np.linalg.norm(here)) or 1.0
    likeness = {order: float(np.vdot(there, permuted(here, order))) / size for order in (0, *heads)}
    best = max(likeness, key=lambda order: likeness[order])
    return best if likeness[best] >= LEAST_LIKENESS else None
