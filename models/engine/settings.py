"""How a GGUF model is run: the values a configuration may set, with the defaults that suit most machines.

Rule: values only; what "auto" and None come to is decided in `models.hardware`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KvType = Literal["f16", "q8_0"]


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file that a request may name. `scale` multiplies what it adds. `sha256` is the file's, hex."""

    name: str
    path: str
    sha256: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`context_tokens` is capped at the length the model was trained for.

    `threads` None takes the cores this process may use. `gpu_layers` "auto" offloads as many layers
    as fit the GPU's free memory, 0 without a GPU. `kv_type` "q8_0" halves the memory of the context.
    `batch_tokens` is how much of a prompt is read between two looks for a cancellation; None takes a
    size that suits the model. `silence_s` is how long the child may say nothing while it has work
    before it counts as hung; `load_s` the same while it loads.

    `parallel` answers are written at the same time. With `passage_cache` they share memory for
    `kv_tokens`, where None takes half of a context for each; without it each has a context of its own.
    `prompt_memory_mb` holds what was read of prompts that have ended, for those that begin alike.
    `passage_cache` reads the blocks of a prompt
    apart and keeps what was read: `passage_memory_mb` of it in memory and `passage_disk_mb` in the
    folder `passages`, if there is one. `split` spreads a model over several GPUs by whole layers or
    rows. `lora_contexts` LoRAs are kept ready at the same time beside the bare model.
    """

    context_tokens: int = 4096
    threads: int | None = None
    gpu_layers: int | Literal["auto"] = "auto"
    kv_type: KvType = "f16"
    flash_attention: Literal["auto", "on", "off"] = "auto"
    batch_tokens: int | None = None
    silence_s: float = 10.0
    load_s: float = 60.0
    parallel: int = 1
    kv_tokens: int | None = None
    prompt_memory_mb: int = 256
    passage_cache: bool = False
    passage_memory_mb: int = 256
    passage_disk_mb: int = 2048
    passages: Path | None = None
    split: Literal["layer", "row", "none"] = "layer"
    loras: tuple[Lora, ...] = ()
    lora_contexts: int = 2


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The settings with nothing left to decide: what the child process is told to load.

    `repack` lets llama.cpp copy weights into a form that suits the processor better. It is off where the
    processor has AMX, whose kernels crash on some machines (ggml-org/llama.cpp#20824, open).
    """

    path: str
    context_tokens: int
    threads: int
    gpu_layers: int
    kv_type: KvType
    flash_attention: Literal["auto", "on", "off"]
    batch_tokens: int
    repack: bool
    sha256: str = ""
    parallel: int = 1
    kv_tokens: int = 0
    prompt_memory_mb: int = 256
    passage_cache: bool = False
    passage_memory_mb: int = 256
    passage_disk_mb: int = 2048
    passages: str | None = None
    split: Literal["layer", "row", "none"] = "layer"
    loras: tuple[Lora, ...] = ()
    lora_contexts: int = 2
