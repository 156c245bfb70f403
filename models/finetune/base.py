"""The model to be trained, with the weights of the very GGUF file that will be served.

Rule: the weights are the file's, made dense; only the LoRA added to them ever changes.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import AutoModelForCausalLM

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class BaseError(ValueError):
    """The file cannot be trained."""


def load(path: Path) -> Any:
    """The causal language model of the GGUF at `path`, float32 on the processor; raises BaseError."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        read = AutoModelForCausalLM.from_pretrained(
            str(path.parent), gguf_file=path.name, dtype=torch.float32, local_files_only=True
        )
    except Exception as error:  # the library raises whatever its parts raise
        line = " ".join(str(error).split())[:200]
        raise BaseError(f"{path.name} cannot be loaded for training: {line}") from error
    # What was read from a GGUF counts as quantised and is refused by everything that trains or saves;
    # a model rebuilt from its configuration and weights does not.
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    return model


def add_lora(model: Any, *, rank: int, alpha: float, seed: int) -> list[torch.nn.Parameter]:
    """Puts a LoRA on the seven projections of every layer, in place; its parameters, which alone are trained.

    The model's own weights become bfloat16, as autocast would make them in every step.
    """
    missing = [name for name in PROJECTIONS if not any(key.endswith(name) for key, _ in model.named_modules())]
    if missing:
        raise BaseError(f"the model has no {missing[0]}: only models with separate projections can be trained")
    torch.manual_seed(seed)
    settings = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(PROJECTIONS))
    inject_adapter_in_model(settings, model)
    for module in model.modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = False  # autocast does it, once
    trained = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
        if parameter.requires_grad:
            trained.append(parameter)
        else:
            parameter.data = parameter.data.to(torch.bfloat16)
    return trained


def lora_state(model: Any) -> dict[str, torch.Tensor]:
    """The LoRA's tensors by name, "model.layers.0.self_attn.q_proj.lora_A" and so on."""
    return {
        name.removesuffix(".default.weight"): parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if "lora_" in name
    }
