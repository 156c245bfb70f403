"""The judge on disk: what differs from the embedding model, in float16, and which model that was.

Rule: a file is held against the base it was trained from before a number of it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.errors import EmbedderUnavailable
from models.judge.network import HEADS, SHAPE

BASE_KEY = "base_sha256"
CALIBRATION_KEY = "calibration"
WEIGHTS = "model.safetensors"
_FROZEN = "embeddings."
_HEAD_ROWS = {"dense": SHAPE.width, "rows": len(HEADS), "span": 2}


@dataclass(frozen=True, slots=True)
class Base:
    """The embedding model's weights: `frozen` in `dtype` as they stay, `trained` in float32 with fresh heads."""

    frozen: dict[str, Tensor]
    trained: dict[str, Tensor]
    dtype: torch.dtype


def base_of(folder: Path, *, dtype: torch.dtype = torch.bfloat16, seed: int = 7) -> Base:
    """What training starts from; raises `EmbedderUnavailable` when `folder` is not of the judge's shape."""
    weights = _weights_of(folder)
    trained = {name: weight.float() for name, weight in weights.items() if name.startswith("encoder.")}
    generator = torch.Generator().manual_seed(seed)
    for name, rows in _HEAD_ROWS.items():
        trained[f"head.{name}.weight"] = torch.randn(rows, SHAPE.width, generator=generator) * 0.02
        trained[f"head.{name}.bias"] = torch.zeros(rows)
    frozen = {name: weight.to(dtype) for name, weight in weights.items() if name.startswith(_FROZEN)}
    return Base(frozen, trained, dtype)


def save_weights(file: Path, weights: Mapping[str, Tensor], *, note: Mapping[str, str] | None = None) -> None:
    """Writes `weights` in float16, all or nothing; `note` is kept beside them. Raises `EmbedderUnavailable` in one
    line where `file` cannot be written."""
    halves = {name: weight.half().contiguous() for name, weight in weights.items()}
    fresh = file.with_name(f"{file.name}.new")
    try:
        save_file(halves, fresh, metadata=dict(note or {}))
    except SafetensorError as error:
        fresh.unlink(missing_ok=True)
        line = " ".join(str(error).split())[:160]
        raise EmbedderUnavailable(f"{file} cannot be written: {line}") from None
    fresh.chmod(0o644)
    fresh.replace(file)


def note_of(file: Path) -> dict[str, str]:
    """What is kept beside the weights of `file`; raises `EmbedderUnavailable` in one line."""
    try:
        with safe_open(file, framework="pt") as kept:
            return dict(kept.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise EmbedderUnavailable(f"{file} holds no judge: {' '.join(str(error).split())[:160]}") from None


def note_down(file: Path, note: Mapping[str, str]) -> None:
    """Adds `note` to what is kept beside the weights of `file`."""
    save_weights(file, load_file(file), note={**note_of(file), **note})


def load_weights(file: Path, base: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """The whole network's weights: those of `file` over the embeddings of the model in `base`.

    Raises `EmbedderUnavailable` in one line when a file is missing or broken, or `file` was trained from
    another model.
    """
    note, trained = note_of(file), trained_weights(file)
    wanted = note.get(BASE_KEY)
    if wanted is not None and wanted != weights_sha256(base):
        raise EmbedderUnavailable(f"{file} was made for another embedding model than the one in {base}")
    frozen = {name: one for name, one in _weights_of(base).items() if name.startswith(_FROZEN)}
    return {name: weight.to(dtype) for name, weight in {**frozen, **trained}.items()}


def trained_weights(file: Path) -> dict[str, Tensor]:
    """The weights in `file`, in float16; raises `EmbedderUnavailable` in one line when it holds no judge."""
    try:
        trained = load_file(file)
    except (OSError, SafetensorError) as error:
        raise EmbedderUnavailable(f"{file} holds no judge: {' '.join(str(error).split())[:160]}") from None
    shapes = _shapes()
    if missing := shapes.keys() - trained.keys():
        raise EmbedderUnavailable(f"{file} holds no judge: {min(missing)} is missing; train it again")
    if other := [name for name, sides in shapes.items() if tuple(trained[name].shape) != sides]:
        raise EmbedderUnavailable(f"{file} holds no judge: {other[0]} is of another shape; train it again")
    return {name: trained[name] for name in shapes}


def _shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor of a judge, with its shape."""
    width = SHAPE.width
    parts: dict[str, tuple[int, int]] = {
        **{f"attention.self.{name}": (width, width) for name in ("query", "key", "value")},
        "attention.output.dense": (width, width),
        "intermediate.dense": (4 * width, width),
        "output.dense": (width, 4 * width),
    }
    found: dict[str, tuple[int, ...]] = {}
    for layer in (f"encoder.layer.{number}." for number in range(SHAPE.layers)):
        for name, (rows, columns) in parts.items():
            found |= {f"{layer}{name}.weight": (rows, columns), f"{layer}{name}.bias": (rows,)}
        for name in ("attention.output", "output"):
            found |= {f"{layer}{name}.LayerNorm.{kind}": (width,) for kind in ("weight", "bias")}
    for name, rows in _HEAD_ROWS.items():
        found |= {f"head.{name}.weight": (rows, width), f"head.{name}.bias": (rows,)}
    return found


def weights_sha256(folder: Path) -> str:
    """The sha256 of the embedding model's weights."""
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weights_of(folder: Path) -> dict[str, Tensor]:
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        line = " ".join(str(error).split())[:160]
        raise EmbedderUnavailable(f"{folder} holds no embedding model for the judge: {line}") from None
    words = weights.get("embeddings.word_embeddings.weight")
    if words is None or words.shape[1] != SHAPE.width or f"encoder.layer.{SHAPE.layers}" in "".join(weights):
        raise EmbedderUnavailable(f"the model in {folder} is not of the shape that a judge is made from")
    return weights
