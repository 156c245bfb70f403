"""Writes the base with a trained LoRA inside, as one GGUF file that any llama.cpp reads.

Rule: tensors that the LoRA does not change stay what they are, byte for byte; those that it changes become Q8_0
or F16 and nothing smaller, because rounded to four bits they would snap back to what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np

from models.finetune.export import architecture_of, places_of
from models.finetune.layout import ExportError, permuted
from models.finetune.lineage import Trained, add_lineage
from models.gguf import read_header
from models.weights import sha256_of

Kind = Literal["q8_0", "f16"]
_KINDS: dict[Kind, tuple[gguf.GGMLQuantizationType, gguf.LlamaFileType]] = {
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
}
_Q8_BLOCK = 32  # numbers that share a scale; a row must be made of whole blocks
# Of the base these say what the merged file is not; its maker's names move to "general.base_model.0".
_OWN = (
    "GGUF.",
    "split.",
    "general.base_model.",
    "general.dataset.",
    "general.architecture",
    "general.file_type",
    "general.quantization_version",
    "general.name",
    "general.license",
    "general.uuid",
    "general.version",
    "general.organization",
    "general.author",
    "general.url",
    "general.repo_url",
    "groundling.",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged file: its kind, how many of the base's tensors changed, and its size on disk in bytes."""

    kind: Kind
    changed: int
    file_bytes: int
    sha256: str


def merge(trained: Path, model: Path, out: Path, *, kind: Kind, name: str, licence: str) -> Merged:
    """Writes `model` with the LoRA that a run saved in `trained` added to its weights.

    One tensor at a time is in memory. Raises ExportError, BaseError and BrokenWeights; a file that is refused
    is not left behind.
    """
    saved = Trained.from_file(trained)
    sha256 = sha256_of(model)
    saved.check_base(model, sha256)
    where = places_of(saved, model)
    deltas = {where[key].tensor: (key, where[key].heads) for key in saved.keys}
    reader = gguf.GGUFReader(model)
    part = out.with_name(f"{out.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(gguf.GGUFWriter(part, architecture_of(model))) as writer:
            _copy_keys(reader, writer)
            writer.add_name(name)
            writer.add_license(licence)
            add_lineage(writer, saved, base=model, base_sha256=sha256)
            _add_maker(reader, writer)
            writer.add_file_type(_KINDS[kind][1])
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
            for tensor in reader.tensors:
                _announce(writer, tensor, _kind_of(tensor, deltas, kind))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for tensor in reader.tensors:
                writer.write_tensor_data(_written(tensor, deltas, saved, kind))
        read_header(part)
        found = Merged(kind, len(deltas), part.stat().st_size, sha256_of(part))
        part.replace(out)
        return found
    finally:
        part.unlink(missing_ok=True)


def _copy_keys(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for field in reader.fields.values():
        if not field.name.startswith(_OWN):
            kind = field.types[0]
            inside = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, inside)


def _add_maker(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    """The base's maker and licence, under the base's name."""
    for key in ("organization", "author", "url", "repo_url"):
        field = reader.fields.get(f"general.{key}")
        if field is not None:
            writer.add_string(f"general.base_model.0.{key}", str(field.contents()))
    licence = reader.fields.get("general.license")
    if licence is not None:
        writer.add_string("groundling.base_licence", str(licence.contents()))


def _kind_of(
    tensor: gguf.ReaderTensor, deltas: Mapping[str, object], kind: Kind
) -> gguf.GGMLQuantizationType:
    if tensor.name not in deltas:
        return tensor.tensor_type
    if kind == "q8_0" and int(tensor.shape[0]) % _Q8_BLOCK:
        return gguf.GGMLQuantizationType.F16
    return _KINDS[kind][0]


def _announce(writer: gguf.GGUFWriter, tensor: gguf.ReaderTensor, kind: gguf.GGMLQuantizationType) -> None:
    sides = [int(side) for side in reversed(tensor.shape)]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    writer.add_tensor_info(
        tensor.name, sides, np.dtype(np.float32), tensor.n_elements // block * size, raw_dtype=kind
    )


def _written(
    tensor: gguf.ReaderTensor, deltas: Mapping[str, tuple[str, int]], saved: Trained, kind: Kind
) -> np.ndarray[Any, Any]:
    if tensor.name not in deltas:
        return tensor.data
    key, heads = deltas[tensor.name]
    a, b = (saved.pairs[f"{key}.lora_{half}"].float().numpy() for half in "AB")
    weights = gguf.dequantize(tensor.data, tensor.tensor_type)
    if weights.shape != (b.shape[0], a.shape[1]):
        raise ExportError(f"{tensor.name} is {list(weights.shape)} in the base, which the LoRA does not fit")
    merged = weights + np.float32(saved.alpha / saved.rank) * (permuted(b, heads) @ a)
    found: np.ndarray[Any, Any] = gguf.quantize(merged, _kind_of(tensor, deltas, kind))
    return found
