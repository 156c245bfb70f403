"""Writes a trained LoRA as a GGUF file that llama.cpp and this project load, beside the base that it is for.

Rule: the file's layout is the base's own (`models.finetune.layout`), and it names the base by its hash.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import gguf
import numpy as np
import torch

from models.finetune import lora_model
from models.finetune.layout import ExportError, Place, permuted, places
from models.finetune.lineage import Trained, add_lineage
from models.lora import LoraHeader, read_lora
from models.weights import sha256_of


def export(trained: Path, model: Path, out: Path, *, name: str, licence: str) -> LoraHeader:
    """Writes what a run saved in `trained` as a LoRA for the GGUF `model`, F16, with lineage and licence.

    Raises ExportError, BaseError and BrokenWeights; a file that is refused is not left behind.
    """
    saved = Trained.from_file(trained)
    sha256 = sha256_of(model)
    saved.check_base(model, sha256)
    where = places_of(saved, model)
    part = out.with_name(f"{out.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(gguf.GGUFWriter(part, architecture_of(model))) as writer:
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_string("adapter.type", "lora")
            writer.add_float32("adapter.lora.alpha", saved.alpha)
            writer.add_name(name)
            writer.add_license(licence)
            add_lineage(writer, saved, base=model, base_sha256=sha256)
            for key in saved.keys:
                a, b = (saved.pairs[f"{key}.lora_{half}"] for half in "AB")
                rows = np.ascontiguousarray(permuted(b.float().numpy(), where[key].heads))
                writer.add_tensor(f"{where[key].tensor}.lora_a", a.to(torch.float16).numpy())
                writer.add_tensor(f"{where[key].tensor}.lora_b", rows.astype(np.float16))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        header = read_lora(part, base=model, base_sha256=sha256)
        part.replace(out)
        return header
    finally:
        part.unlink(missing_ok=True)


def places_of(saved: Trained, model: Path) -> dict[str, Place]:
    """Where the LoRA's pairs belong: as the run wrote it down when it began, or found out now."""
    if saved.places is not None and saved.base_sha256 is not None:
        return dict(saved.places)
    return places(model, lora_model.load(model).state_dict(), saved.keys)


def architecture_of(model: Path) -> str:
    """The base's architecture; raises ExportError."""
    field = gguf.GGUFReader(model).fields.get("general.architecture")
    if field is None:
        raise ExportError(f"{model.name} names no architecture")
    return str(field.contents())
