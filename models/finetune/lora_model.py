"""The model to be trained, with the weights of the very GGUF file that will be served.

Rule: the weights are the file's, made dense; only the LoRA added to them ever changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from models.weights import sha256_of

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class BaseError(ValueError):
    """The file cannot be trained."""


def load(path: Path) -> Any:
    """The causal language model of the GGUF or Hugging Face folder at `path`, float32 on the processor; raises
    BaseError.

    What `from_pretrained` reads from a GGUF counts as quantised and is refused by everything that trains or
    saves; a model made from its configuration and filled with its weights does not.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    if path.is_dir():
        return _of_folder(path)
    try:
        config = AutoConfig.from_pretrained(str(path.parent), gguf_file=path.name, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        with contextlib.redirect_stderr(io.StringIO()):  # a bar that cannot be turned off
            read = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)
        known = model.load_state_dict(read["tensors"], strict=False)
    except Exception as error:  # the library raises whatever its parts raise
        line = " ".join(str(error).split())[:200]
        raise BaseError(f"{path.name} cannot be loaded for training: {line}") from error
    model.tie_weights()
    if known.unexpected_keys or set(known.missing_keys) - set(model.all_tied_weights_keys):
        raise BaseError(f"{path.name} cannot be loaded for training: its tensors are not those of its kind")
    return model


def sha256_of_folder(folder: Path) -> str:
    """One hash for a Hugging Face folder: over the names and hashes of its configuration and its weights."""
    files = sorted([folder / "config.json", *folder.glob("*.safetensors")])
    told = "".join(f"{file.name} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256(told.encode()).hexdigest()


def projections(model: Any) -> list[str]:
    """The names of the layers that get a LoRA, "model.layers.0.self_attn.q_proj" and so on; raises BaseError
    for a model that has not all seven kinds."""
    names = [
        name
        for name, layer in model.named_modules()
        if name.rpartition(".")[2] in PROJECTIONS and isinstance(layer, torch.nn.Linear)
    ]
    found = {name.rpartition(".")[2] for name in names}
    if missing := [name for name in PROJECTIONS if name not in found]:
        raise BaseError(
            f"the model has no {missing[0]}: only models with separate projections can be trained"
        )
    return names


def _of_folder(path: Path) -> Any:
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(path), dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
    except Exception as error:  # the library raises whatever its parts raise
        line = " ".join(str(error).split())[:200]
        raise BaseError(f"{path.name} cannot be loaded for training: {line}") from error
    return model


class Projection(torch.nn.Module):  # type: ignore[misc]
    """A linear layer with a LoRA beside it: weight x + scale B A x."""

    def __init__(self, layer: torch.nn.Linear, *, rank: int, scale: float) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = layer.weight, layer.bias, scale
        self.lora_A = torch.nn.Parameter(torch.empty(rank, layer.in_features))
        self.lora_B = torch.nn.Parameter(torch.zeros(layer.out_features, rank))
        torch.nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # as PEFT does

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = _Both.apply(x, self.weight, self.lora_A, self.lora_B, self.scale)
        return y if self.bias is None else y + self.bias


class _Both(torch.autograd.Function):  # type: ignore[misc]
    """The two products added in place, forwards and backwards: on a processor what is written between them
    costs more time than the LoRA's own products."""

    @staticmethod
    def forward(
        context: Any, x: torch.Tensor, weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        a, b = a.to(x.dtype), b.to(x.dtype)
        low = (flat @ a.t()) * scale
        y = (flat @ weight.t()).addmm_(low, b.t())
        context.save_for_backward(flat, weight, a, b, low)
        context.scale = scale
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, weight, a, b, low = context.saved_tensors
        (gradient,) = gradients
        out = gradient.reshape(-1, gradient.shape[-1])
        below = (out @ b) * context.scale
        to_x = (out @ weight).addmm_(below, a).view(*gradient.shape[:-1], -1)
        return to_x, None, (below.t() @ flat).float(), (out.t() @ low).float(), None


def add_lora(
    model: Any, *, rank: int, alpha: float, seed: int, dtype: torch.dtype
) -> list[torch.nn.Parameter]:
    """Puts a LoRA on the seven projections of every layer, in place; its parameters, which alone are trained.

    The model's own weights become `dtype`, and with them what is computed; the LoRA's stay float32.
    """
    torch.manual_seed(seed)
    layers = [(name, model.get_submodule(name)) for name in projections(model)]
    for parameter in model.parameters():
        parameter.requires_grad = False
        parameter.data = parameter.data.to(dtype)
    trained = []
    for name, layer in layers:
        place, _, last = name.rpartition(".")
        projection = Projection(layer, rank=rank, scale=alpha / rank)
        setattr(model.get_submodule(place), last, projection)
        trained += [projection.lora_A, projection.lora_B]
    return trained


def lora_state(model: Any) -> dict[str, torch.Tensor]:
    """The LoRA's tensors by name, "model.layers.0.self_attn.q_proj.lora_A" and so on."""
    return {
        name: parameter.detach().clone() for name, parameter in model.named_parameters() if "lora_" in name
    }


def set_lora_state(model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Takes over what `lora_state` gave; raises KeyError where a tensor is missing."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(state[name])
