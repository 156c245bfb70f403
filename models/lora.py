"""What a LoRA file says about itself, and whether it fits its base model, before llama.cpp sees it.

Rule: a file that passes neither ends llama.cpp's process nor is left out in silence there. llama.cpp
itself aborts on a metadata value of another type than it expects, on a tensor of more dimensions than
its base's and on a LoRA of tied embeddings, and takes any base of the same shape for the right one.
The names and shapes: llama.cpp's src/llama-adapter.cpp and convert_lora_to_gguf.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from models.errors import BrokenWeights
from models.gguf_reading import F32, Contents, Tensor, read_contents

MAX_HEADER = 2 * 1024 * 1024  # bytes before the weights; the LoRA of a model of 94 layers has 0.2 MB

_KINDS = {0: "F32", 1: "F16", 8: "Q8_0", 30: "BF16"}  # ggml_type
_HALVES = (".lora_a", ".lora_b")
_BASE_KEY = "general.base_model.0.version"
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_AGAIN = "export the LoRA again"


@dataclass(frozen=True, slots=True)
class LoraHeader:
    """What a LoRA that fits its base says about itself.

    `rank` is the largest of its pairs. `alpha` over a pair's rank is what llama.cpp scales the pair by;
    0 means that it does not. `base_sha256` is the hash the file names for its base, if it names one.
    `tensors` counts both halves of every pair. `file_bytes` is the size on disk.
    """

    name: str | None
    rank: int
    alpha: float
    base_sha256: str | None
    tensors: int
    file_bytes: int
    licence: str | None


def read_lora(path: Path, *, base: Path, base_sha256: str, allow_unnamed_base: bool = False) -> LoraHeader:
    """Checks that the LoRA at `path` is whole and changes tensors which the GGUF model `base` has.

    `base_sha256` is the hex sha256 of `base`, which is not hashed here; the LoRA must name it in
    `general.base_model.0.version`, bare or behind "sha256:". One that names none is refused too, unless
    `allow_unnamed_base`. Only headers are read: the numbers of the weights may still be anything.

    Raises BrokenWeights with one line that names the file, what is wrong and the mend.
    """
    try:
        lora = read_contents(path, noun="LoRA file", header_bytes=MAX_HEADER)
    except BrokenWeights as error:
        raise BrokenWeights(f"{error}; copy or export the LoRA again") from error
    try:
        model = read_contents(base)
    except BrokenWeights as error:
        raise BrokenWeights(f"{error}; {path.name} needs it as its base: import the model again") from error
    alpha = _alpha(path.name, lora)
    _check_architecture(path.name, lora, base.name, model)
    named = _check_base(path.name, lora, base.name, base_sha256, allow_unnamed=allow_unnamed_base)
    return LoraHeader(
        name=lora.text("general.name"),
        rank=_check_tensors(path.name, lora, base.name, model),
        alpha=alpha,
        base_sha256=named,
        tensors=len(lora.tensors),
        file_bytes=lora.file_bytes,
        licence=lora.text("general.license"),
    )


def _alpha(file: str, lora: Contents) -> float:
    """The LoRA's alpha, 0 where it has none; raises BrokenWeights when the file is no LoRA at all."""
    for key, needs in (("general.type", "adapter"), ("adapter.type", "lora")):
        if (kind := lora.text(key)) != needs:
            said = f"its {key} is {kind[:40]!r}, not {needs!r}" if kind else f"it has no {key}"
            raise BrokenWeights(
                f"{file} is not a LoRA: {said}; name the GGUF of a LoRA here, and import a model with "
                "groundling models import FILE"
            )
    if any(key.startswith("adapter.alora.") for key in lora.metadata):
        raise BrokenWeights(
            f"{file} is an activated LoRA, which works only behind tokens of its own; train a plain LoRA"
        )
    alpha = lora.metadata.get("adapter.lora.alpha", 0.0)
    if lora.kinds.get("adapter.lora.alpha", F32) != F32 or not isinstance(alpha, float):
        raise BrokenWeights(f"{file} has an adapter.lora.alpha that is no 32-bit float; {_AGAIN}")
    if not isfinite(alpha):
        raise BrokenWeights(f"{file} has an adapter.lora.alpha of {alpha}; {_AGAIN}")
    return alpha


def _check_architecture(file: str, lora: Contents, base: str, model: Contents) -> None:
    has, needs = lora.text("general.architecture"), model.text("general.architecture")
    if not needs or model.text("general.type") == "adapter":
        raise BrokenWeights(f"{base} is no model, so {file} has no base; choose a model for it")
    if has != needs:
        raise BrokenWeights(
            f"{file} is a LoRA for the architecture {(has or '')[:40]!r}, but {base} is {needs[:40]!r}; "
            "use the model it was trained on, or a LoRA trained on this one"
        )


def _check_base(file: str, lora: Contents, base: str, sha256: str, *, allow_unnamed: bool) -> str | None:
    """The sha256 that the LoRA names for its base, which is `sha256`, or None."""
    found = _SHA256.fullmatch(lora.text(_BASE_KEY) or "")
    if found is None:
        if allow_unnamed:
            return None
        raise BrokenWeights(
            f"{file} does not name the sha256 of its base in {_BASE_KEY}, so any model of the same shape "
            "would pass for it; export it with that key, or allow it with allow_unnamed_base=True"
        )
    named = found[1].lower()
    if named != sha256.lower():
        raise BrokenWeights(
            f"{file} was trained on the model with the sha256 {named[:12]}…, but {base} has "
            f"{sha256[:12].lower()}…; use that model, or train the LoRA on this one"
        )
    return named


def _check_tensors(file: str, lora: Contents, base: str, model: Contents) -> int:
    """The largest rank; every tensor is half of a pair that fits a tensor of `model`."""
    known = {tensor.name: tensor for tensor in model.tensors}
    halves = {tensor.name: tensor for tensor in lora.tensors}
    if not halves:
        raise BrokenWeights(f"{file} holds no tensors; {_AGAIN}")
    for tensor in lora.tensors:
        if not tensor.name.endswith(_HALVES):
            raise BrokenWeights(
                f"{file} has the tensor {tensor.name!r}, which is no .lora_a or .lora_b; "
                "train without modules to save, biases or new tokens"
            )
        if tensor.kind not in _KINDS:
            raise BrokenWeights(
                f"{file} has the tensor {tensor.name!r} of the type {tensor.kind}; "
                f"export the LoRA as {', '.join(_KINDS.values())}"
            )
        if tensor.name[:-1] + ("b" if tensor.name.endswith("a") else "a") not in halves:
            raise BrokenWeights(f"{file} has {tensor.name!r} without its other half; {_AGAIN}")
    names = [name.removesuffix(".lora_a") for name in halves if name.endswith(".lora_a")]
    return max(_rank(file, name, halves, base, known) for name in names)


def _rank(file: str, name: str, halves: Mapping[str, Tensor], base: str, known: Mapping[str, Tensor]) -> int:
    """The rank of the pair for the base tensor `name`, whose shapes fit it."""
    a, b = (halves[name + half].sides for half in _HALVES)
    if name not in known:
        raise BrokenWeights(f"{file} changes {name!r}, which {base} does not have; use the model it is for")
    sides = known[name].sides
    if len(sides) < 2:
        raise BrokenWeights(
            f"{file} changes {name!r}, which is no matrix, so llama.cpp would leave it out; "
            "train without that tensor"
        )
    rank = b[0]
    needs_a, needs_b = (sides[0], rank, *sides[2:]), (rank, *sides[1:])
    if name.endswith("token_embd.weight"):
        if name == "token_embd.weight" and "output.weight" not in known:
            raise BrokenWeights(
                f"{file} changes {name!r}, which {base} uses for its output too, and llama.cpp cannot do "
                "both; train without the embeddings"
            )
        needs_a, needs_b = (rank, sides[1], *sides[2:]), (rank, sides[0], *sides[2:])  # A is transposed
    if (a, b) != (needs_a, needs_b):
        raise BrokenWeights(
            f"{file} has halves of {list(a)} and {list(b)} for {name!r}, which is {list(sides)} in {base}: "
            "they do not fit; use the model it is for, or export the LoRA again"
        )
    return rank
