"""Real GGUF files for tests: a LoRA for the bundled model, a tiny model, and LoRAs for that.

Rule: bytes only, by the format's own words; what is written here loads in llama.cpp unless a test asks
for something broken.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.gguf_reading import F32, LIST, STRING, U32, read_contents
from models.weights import BUNDLED_SHA256, bundled_path

Setting = str | int | float | list[str] | bytes  # bytes: the number of the type, then the value, as they are
TINY_SHA256 = "0123456789abcdef" * 4


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor to be written; `sides` in ggml's order, `kind` a ggml_type, `raw` its data."""

    name: str
    sides: tuple[int, ...]
    raw: bytes
    kind: int = 0

    @classmethod
    def from_array(cls, name: str, array: npt.NDArray[np.float32]) -> Part:
        """`array` in numpy's order, written as F32."""
        return cls(name, array.shape[::-1], array.astype("<f4").tobytes())


def gguf_bytes(settings: Mapping[str, Setting], parts: Sequence[Part], *, version: int = 3) -> bytes:
    """A whole GGUF; texts, whole numbers and others become STRING, U32 and F32."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(parts), len(settings))
    for key, value in settings.items():
        head += _text(key) + _value(value)
    data = b""
    for part in parts:
        sides = struct.pack(f"<I{len(part.sides)}Q", len(part.sides), *part.sides)
        head += _text(part.name) + sides + struct.pack("<IQ", part.kind, len(data))
        data += part.raw + bytes(-len(part.raw) % 32)
    return head + bytes(-len(head) % 32) + data


def lora_settings(*, base_sha256: str | None = BUNDLED_SHA256, alpha: float = 8.0) -> dict[str, Setting]:
    """The metadata of a LoRA for a model of the architecture llama."""
    named: dict[str, Setting] = {
        "general.base_model.count": 1,
        "general.base_model.0.version": f"sha256:{base_sha256}",
    }
    return {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": "Test LoRA",
        "general.license": "apache-2.0",
        **({} if base_sha256 is None else named),
        "adapter.type": "lora",
        "adapter.lora.alpha": alpha,
    }


def pair(name: str, inside: int, outside: int, *, rank: int, seed: int = 0, scale: float = 0.1) -> list[Part]:
    """Both halves for the base tensor `name` of numpy shape (outside, inside)."""
    chance = np.random.default_rng(seed)
    a = chance.standard_normal((rank, inside), np.float32) / np.float32(inside**0.5)
    b = chance.standard_normal((outside, rank), np.float32) * np.float32(scale)
    return [Part.from_array(f"{name}.lora_a", a), Part.from_array(f"{name}.lora_b", b)]


def write_lora(
    path: Path,
    *,
    rank: int = 4,
    seed: int = 0,
    scale: float = 0.1,
    alpha: float = 8.0,
    audience: str | None = None,
) -> Path:
    """A LoRA on all seven projections of every layer of the bundled model; with `scale` 0 it adds nothing. `audience`
    is whom it says it is for."""
    base = bundled_path()
    assert base is not None
    parts: list[Part] = []
    for tensor in read_contents(base).tensors:
        if tensor.name.startswith("blk.") and len(tensor.sides) == 2:
            number = seed * 1000 + len(parts)
            parts += pair(tensor.name, *tensor.sides, rank=rank, seed=number, scale=scale)
    own: dict[str, Setting] = {} if audience is None else {"groundling.audience": audience}
    path.write_bytes(gguf_bytes({**lora_settings(alpha=alpha), **own}, parts))
    return path


def tiny_model(*, untied: bool = True) -> bytes:
    """A model of two layers that only the check takes for one: 64 wide, 96 tokens."""
    shapes = {
        "token_embd.weight": (64, 96),
        "blk.0.attn_q.weight": (64, 64),
        "blk.0.attn_norm.weight": (64,),
        "blk.1.ffn_down.weight": (128, 64),
        "blk.1.ffn_gate_exps.weight": (64, 128, 2),
        **({"output.weight": (64, 96)} if untied else {}),
    }
    settings: dict[str, Setting] = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "llama.context_length": 128,
        "llama.block_count": 2,
        "tokenizer.ggml.tokens": ["a", "b", "ä", "<s>"],
    }
    parts = [Part(name, sides, bytes(4 * prod(sides))) for name, sides in shapes.items()]
    return gguf_bytes(settings, parts)


def _value(value: Setting) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", U32, value)
    if isinstance(value, float):
        return struct.pack("<If", F32, value)
    return struct.pack("<IIQ", LIST, STRING, len(value)) + b"".join(map(_text, value))


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw
