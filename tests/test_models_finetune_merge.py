"""A merged model: what the training changed is in it, everything else is the base's, and it says what it is."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from models.finetune.layout import ExportError
from models.finetune.merge import merge
from models.finetune.parity import parity
from models.finetune.tokens import Pack
from models.finetune.training import train
from models.gguf import read_header
from models.gguf_reading import read_contents
from models.weights import sha256_of
from tests.test_models_finetune_training import asked as asked
from tests.test_models_finetune_training import folder as folder
from tests.test_models_finetune_training import quiet, recipe
from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    return train(recipe(folder, "merged", learning_rate=0.05), quiet)


@pytest.mark.parametrize(("kind", "tensors", "most_error"), [("f16", 1, 0.01), ("q8_0", 8, 0.1)])
def test_llama_cpp_says_with_the_merged_file_what_the_trained_model_says(
    folder: Path, trained: Path, asked: list[Pack], kind: str, tensors: int, most_error: float
) -> None:
    base, out = folder / "tiny.gguf", folder / f"{kind}.gguf"
    told = merge(trained, base, out, kind=kind, name="Test", licence="CC0-1.0")
    assert (told.kind, told.changed, told.file_bytes) == (kind, 2 * 7, out.stat().st_size)
    found = parity(trained, base, asked, merged=out)
    assert found.cosine > 0.995
    assert found.error < most_error * found.change
    changed = [
        tensor
        for tensor in read_contents(out).tensors
        if ".ffn_" in tensor.name and "norm" not in tensor.name
    ]
    assert {tensor.kind for tensor in changed} == {tensors}


def test_what_the_lora_does_not_change_stays_byte_for_byte(folder: Path, trained: Path) -> None:
    base, out = folder / "tiny.gguf", folder / "same.gguf"
    merge(trained, base, out, kind="q8_0", name="Test", licence="CC0-1.0")
    before, after = ({t.name: t for t in gguf.GGUFReader(path).tensors} for path in (base, out))
    assert list(before) == list(after)
    kept = [name for name in before if "norm" in name or "embd" in name]
    assert len(kept) == 2 + 2 * 2
    assert all(before[name].data.tobytes() == after[name].data.tobytes() for name in kept)
    assert not any(
        np.array_equal(before[name].data, gguf.dequantize(after[name].data, after[name].tensor_type))
        for name in before
        if name not in kept
    )


def test_the_file_keeps_the_bases_keys_and_says_where_it_comes_from(folder: Path, trained: Path) -> None:
    base, out = folder / "tiny.gguf", folder / "keys.gguf"
    merge(trained, base, out, kind="q8_0", name="House", licence="CC0-1.0")
    before, after = read_contents(base), read_contents(out)
    for key in ("tokenizer.chat_template", "general.architecture", "general.basename", "tokenizer.ggml.pre"):
        assert after.text(key) == before.text(key)
    assert after.text("general.name") == "House"
    assert after.text("general.license") == "CC0-1.0"
    assert after.text("groundling.base_licence") == before.text("general.license") == "apache-2.0"
    assert after.text("general.organization") is None
    assert after.text("general.base_model.0.organization") == before.text("general.organization")
    assert after.text("general.base_model.0.version") == f"sha256:{sha256_of(base)}"
    assert after.text("groundling.data") == "test (CC0-1.0)"
    assert f"rows.jsonl sha256:{sha256_of(folder / 'rows.jsonl')}" == after.text("groundling.rows")
    assert "seed 0" in (after.text("groundling.settings") or "")
    assert "torch " in (after.text("groundling.versions") or "")
    assert str(folder).encode() not in out.read_bytes()
    assert after.metadata["general.file_type"] == 7
    assert [read_header(path).trained for path in (base, out)] == [False, True]


def test_a_run_that_did_not_write_down_its_places_is_merged_all_the_same(folder: Path, trained: Path) -> None:
    state = torch.load(trained, weights_only=True)
    for key in ("base", "folder", "places", "rows", "settings", "versions"):
        del state[key]
    torch.save(state, folder / "earlier.pt")
    base, one, other = folder / "tiny.gguf", folder / "one.gguf", folder / "other.gguf"
    merge(trained, base, one, kind="f16", name="Test", licence="CC0-1.0")
    merge(folder / "earlier.pt", base, other, kind="f16", name="Test", licence="CC0-1.0")
    first, second = (gguf.GGUFReader(path).tensors for path in (one, other))
    assert all(a.data.tobytes() == b.data.tobytes() for a, b in zip(first, second, strict=True))


def test_a_lora_is_not_merged_into_another_base_of_the_same_shape(folder: Path, trained: Path) -> None:
    other, out = write_tiny_base(folder / "another.gguf", seed=1), folder / "never.gguf"
    with pytest.raises(ExportError, match="was trained for the model with the sha256"):
        merge(trained, other, out, kind="q8_0", name="Test", licence="CC0-1.0")
    assert list(folder.glob("never.gguf*")) == []


def test_a_lora_of_other_sizes_is_refused_and_leaves_no_file(folder: Path, trained: Path) -> None:
    state = torch.load(trained, weights_only=True)
    state["lora"] = {
        name: tensor[:, :-1] if name.endswith("lora_A") else tensor for name, tensor in state["lora"].items()
    }
    torch.save(state, folder / "narrow.pt")
    out = folder / "narrow.gguf"
    with pytest.raises(ExportError, match="the LoRA does not fit"):
        merge(folder / "narrow.pt", folder / "tiny.gguf", out, kind="q8_0", name="Test", licence="CC0-1.0")
    assert list(folder.glob("narrow.gguf*")) == []
