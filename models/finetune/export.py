"""Writes a trained LoRA as a GGUF file that llama.cpp and this project load, and checks it against the training.

Rule: the file's layout is found out from the base itself, never assumed: a tensor that is neither the
trained one nor its known permutation is refused, and so is a file whose logits are not those of the training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import torch

from models.engine.context import Context, Row
from models.engine.llama import Llama
from models.engine.settings import EnginePlan, Lora
from models.finetune import lora_model
from models.finetune.mask import batch, hidden_states
from models.finetune.rows import read_rows
from models.finetune.tokens import Pack, Tokens, packs
from models.lora import LoraHeader, read_lora
from models.weights import sha256_of

LEAST_COSINE = 0.98  # of the change of the logits, here and there; a 4-bit base's own noise leaves 0.995
PARITY_ROWS = 20
Array = npt.NDArray[np.float32]


class ExportError(ValueError):
    """The LoRA cannot be written for this base; one line that says why."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How llama.cpp with the file agrees with the training's model over `tokens` places.

    `error` is the mean difference of a logit, `change` how much the LoRA changes one, `cosine` that of the
    two changes, `argmax` the share of places with the same likeliest token.
    """

    tokens: int
    error: float
    change: float
    cosine: float
    argmax: float


def export(trained: Path, model: Path, out: Path, *, name: str, licence: str) -> LoraHeader:
    """Writes what a run saved in `trained` as a LoRA for the GGUF `model`, F16, with lineage and licence.

    Raises ExportError, BaseError and BrokenWeights; a file that is refused is not left behind.
    """
    state = _state(trained)
    pairs: Mapping[str, torch.Tensor] = state["lora"]
    if bad := [key for key, tensor in pairs.items() if not bool(torch.isfinite(tensor).all())]:
        raise ExportError(f"{trained} has values in {bad[0]} that are no numbers")
    reader = gguf.GGUFReader(model)
    architecture = str(_field(reader, "general.architecture"))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    dense = lora_model.load(model).state_dict()
    names = _names(reader, architecture)
    heads = (
        int(_field(reader, f"{architecture}.attention.head_count")),
        int(_field(reader, f"{architecture}.attention.head_count_kv")),
    )
    part = out.with_name(f"{out.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    sha256 = sha256_of(model)
    writer = gguf.GGUFWriter(part, architecture)
    _add_keys(writer, state, name=name, licence=licence, model=model, sha256=sha256)
    for key in sorted(key.removesuffix(".lora_A") for key in pairs if key.endswith(".lora_A")):
        target = names.get_name(key)
        if target is None or f"{target}.weight" not in tensors:
            raise ExportError(f"{model.name} has no tensor for {key}")
        there = tensors[f"{target}.weight"]
        known = gguf.dequantize(there.data, there.tensor_type)
        order = _order(known, _dense(dense, key), heads, key)
        b = pairs[f"{key}.lora_B"].float().numpy()
        writer.add_tensor(f"{target}.weight.lora_a", pairs[f"{key}.lora_A"].to(torch.float16).numpy())
        writer.add_tensor(f"{target}.weight.lora_b", np.ascontiguousarray(_permuted(b, order)).astype("f2"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    try:
        header = read_lora(part, base=model, base_sha256=sha256)
        part.replace(out)
        return header
    finally:
        part.unlink(missing_ok=True)


def parity_over(trained: Path, model: Path, lora: Path, rows: Path) -> Parity:
    """The same over the first rows of a file; raises RowError too, and removes a file that differs."""
    tokens = Tokens(model)
    try:
        return parity(trained, model, lora, packs(map(tokens.row, read_rows(rows)[:PARITY_ROWS])))
    except ExportError:
        lora.unlink(missing_ok=True)
        raise


def parity(trained: Path, model: Path, lora: Path, asked: Sequence[Pack]) -> Parity:
    """Holds the file `lora` in llama.cpp against the training's own model, over the answers of `asked`,
    read from the first to the last token. Raises ExportError below `LEAST_COSINE`."""
    there, there_bare = (_served(model, path, asked) for path in (lora, None))
    state = _state(trained)
    dense = lora_model.load(model)
    here_bare = _trained(dense, asked)
    lora_model.add_lora(dense, rank=state["rank"], alpha=state["alpha"], seed=0, dtype=torch.float32)
    lora_model.set_lora_state(dense, state["lora"])
    here = _trained(dense, asked)
    one, other = here - here_bare, there - there_bare
    found = Parity(
        tokens=len(here),
        error=float(np.abs(here - there).mean()),
        change=float(np.abs(one).mean()),
        cosine=float((one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-12)),
        argmax=float((here.argmax(1) == there.argmax(1)).mean()),
    )
    if found.cosine < LEAST_COSINE:
        raise ExportError(f"llama.cpp with {lora.name} does not say what the trained model says: {found}")
    return found


def _state(trained: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(trained, weights_only=True)
        if {"lora", "rank", "alpha", "used", "digest", "step"} <= state.keys():
            return state
    except Exception as error:  # a file that is something else fails in as many ways as a pickle can
        raise ExportError(f"{trained} is no trained LoRA; name what `finetune train` saved") from error
    raise ExportError(f"{trained} is no trained LoRA; name what `finetune train` saved")


def _field(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.fields.get(key)
    if field is None:
        raise ExportError(f"the base has no {key}")
    return field.contents()


def _names(reader: gguf.GGUFReader, architecture: str) -> gguf.TensorNameMap:
    kinds = [kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture]
    if not kinds:
        raise ExportError(f"the architecture {architecture!r} is not known to the gguf package")
    return gguf.get_tensor_name_map(kinds[0], int(_field(reader, f"{architecture}.block_count")))


def _dense(state: Mapping[str, torch.Tensor], key: str) -> Array:
    found: Array = state[f"{key}.weight"].float().numpy()
    return found


def _order(there: Array, here: Array, heads: Sequence[int], key: str) -> int:
    """Of how many heads the rows are permuted in the GGUF, 0 for none: whichever makes them equal."""
    for order in (0, *heads):
        if there.shape == here.shape and np.array_equal(there, _permuted(here, order)):
            return order
    raise ExportError(
        f"the weights of {key} are in an order that is not known; this base cannot be exported for"
    )


def _permuted(rows: Array, heads: int) -> Array:
    """From halves to pairs in each head, as llama.cpp's converter orders rotary projections."""
    if not heads or rows.shape[0] % (2 * heads):
        return rows
    split = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def _add_keys(
    writer: gguf.GGUFWriter, state: Mapping[str, Any], *, name: str, licence: str, model: Path, sha256: str
) -> None:
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(state["alpha"]))
    writer.add_name(name)
    writer.add_license(licence)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, model.stem)
    writer.add_base_model_version(0, f"sha256:{sha256}")
    used: Mapping[str, str] = state["used"]
    writer.add_dataset_count(len(used))
    for number, origin in enumerate(used):
        writer.add_dataset_name(number, origin)
    # llama.cpp shows an adapter's plain keys only, no lists: so one text.
    writer.add_string("groundling.data", "; ".join(f"{origin} ({kind})" for origin, kind in used.items()))
    # What was learned from a collection may be told to its readers only.
    writer.add_string("groundling.audience", str(state.get("audience") or "everyone"))
    writer.add_string("groundling.recipe", f"sha256:{state['digest']}")
    writer.add_uint32("groundling.steps", int(state["step"]))


def _trained(model: Any, asked: Sequence[Pack]) -> Array:
    with torch.inference_mode():
        logits = [model.lm_head(hidden_states(model.eval(), batch([pack], apart=False))) for pack in asked]
    found: Array = torch.cat(logits).float().numpy()
    return found


def _served(model: Path, lora: Path | None, asked: Sequence[Pack]) -> Array:
    """The engine's logits before each answer token of `asked`."""
    most = max(len(pack.prefix) + len(tail.tokens) for pack in asked for tail in pack.tails)
    plan = EnginePlan(
        path=str(model),
        context_tokens=most,
        threads=1,
        gpu_layers=0,
        kv_type="f16",
        flash_attention="auto",
        batch_tokens=most,
        repack=False,
        kv_tokens=most,
    )
    llama = Llama(plan, progress=lambda: None)
    chosen = None if lora is None else Lora("parity", str(lora), "")
    context = Context(llama, sequences=1, lora=chosen)
    logits = []
    for pack in asked:
        for tail in pack.tails:
            tokens = (*pack.prefix, *tail.tokens)
            first = len(pack.prefix) + tail.answer - 1
            context.drop(0, 0)
            context.read(
                [Row(token, place, 0, first <= place < len(tokens) - 1) for place, token in enumerate(tokens)]
            )
            logits += [context.logits(place).copy() for place in range(first, len(tokens) - 1)]
    context.close()
    return np.stack(logits)
