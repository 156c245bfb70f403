"""The LoRA that a run begins with instead of one that changes nothing.

Rule: it is the file that was exported, for the same base; its licence and its audience go on into what is
made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import torch

from models.errors import BrokenWeights
from models.finetune.layout import Array, ExportError, Place, unpermuted
from models.gguf_reading import read_contents
from models.lora import MAX_HEADER, read_lora
from models.weights import sha256_of

EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Start:
    """The tensors by the training's names, what was learned from with its licence, and whose readers it is
    for (empty for everyone)."""

    pairs: Mapping[str, torch.Tensor]
    used: Mapping[str, str]
    audience: str


def read_start(
    path: Path, base: Path, places: Mapping[str, Place], *, base_sha256: str, rank: int, alpha: float
) -> Start:
    """The exported LoRA at `path`, as it was when its training ended, but for F16. Raises ExportError."""
    try:
        header = read_lora(path, base=base, base_sha256=base_sha256)
        told = read_contents(path, noun="LoRA file", header_bytes=MAX_HEADER)
    except BrokenWeights as error:
        raise ExportError(f"start: {error}") from error
    if (header.rank, header.alpha) != (rank, alpha):
        raise ExportError(
            f"start: {path.name} has rank {header.rank} and alpha {header.alpha:g}; write rank = {header.rank} "
            f"and alpha = {header.alpha:g} in the recipe"
        )
    halves = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    pairs: dict[str, torch.Tensor] = {}
    for key, place in places.items():
        for half in "ab":
            tensor = halves.get(f"{place.tensor}.lora_{half}")
            if tensor is None:
                raise ExportError(
                    f"start: {path.name} changes no {place.tensor}; train it again from its rows"
                )
            values: Array = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            values = unpermuted(values, place.heads) if half == "b" else values
            pairs[f"{key}.lora_{half.upper()}"] = torch.from_numpy(np.ascontiguousarray(values))
    audience = told.text("groundling.audience") or EVERYONE
    used = {f"{header.name or path.stem} {sha256_of(path)[:12]}": header.licence or "unknown"}
    return Start(pairs, used, "" if audience == EVERYONE else audience)
