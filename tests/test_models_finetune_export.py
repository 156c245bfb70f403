"""A trained LoRA as a GGUF: what stands in it, and that llama.cpp says with it what the training says."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from models.errors import BrokenWeights
from models.finetune.export import export
from models.finetune.layout import ExportError
from models.finetune.parity import parity, parity_over
from models.finetune.rows import read_rows
from models.finetune.tokens import Pack
from models.finetune.training import train
from models.gguf_reading import read_contents
from models.lora import read_lora
from models.weights import sha256_of
from tests.test_models_finetune_training import QUESTIONS, quiet, recipe
from tests.test_models_finetune_training import asked as asked
from tests.test_models_finetune_training import folder as folder
from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """So long that no two words are nearly as likely: then they are the same ones on every processor."""
    return train(recipe(folder, "exported", learning_rate=0.05, epochs=20), quiet)


def test_the_file_passes_the_check_and_says_where_it_comes_from(folder: Path, trained: Path) -> None:
    base, out = folder / "tiny.gguf", folder / "lora.gguf"
    header = export(trained, base, out, name="Test", licence="CC0-1.0")
    assert header == read_lora(out, base=base, base_sha256=sha256_of(base))
    assert (header.rank, header.alpha, header.name, header.licence) == (4, 8.0, "Test", "CC0-1.0")
    assert header.tensors == 2 * 7 * 2
    found = read_contents(out, noun="LoRA file")
    assert found.text("groundling.data") == "test (CC0-1.0)"
    assert {tensor.kind for tensor in found.tensors} == {1}
    assert len(read_rows(folder / "rows.jsonl")) == len(QUESTIONS)


def test_llama_cpp_says_with_the_file_what_the_trained_model_says(
    folder: Path, trained: Path, asked: list[Pack]
) -> None:
    base, out = folder / "tiny.gguf", folder / "same.gguf"
    export(trained, base, out, name="Test", licence="CC0-1.0")
    found = parity(trained, base, asked, lora=out)
    assert found.tokens == sum(len(t.tokens) - t.answer for pack in asked for t in pack.tails)
    assert found.cosine > 0.999
    assert found.error < 0.02 * found.change
    assert found.argmax == 1


def test_a_file_whose_query_rows_are_in_the_trainings_order_is_found_out(
    folder: Path, trained: Path, asked: list[Pack]
) -> None:
    """What a forgotten permutation would give: llama.cpp loads it, and answers otherwise."""
    base, out, wrong = folder / "tiny.gguf", folder / "right.gguf", folder / "wrong.gguf"
    export(trained, base, out, name="Test", licence="CC0-1.0")
    state = torch.load(trained, weights_only=True)["lora"]
    reader = gguf.GGUFReader(out)
    writer = gguf.GGUFWriter(wrong, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for tensor in reader.tensors:
        data = np.array(tensor.data)
        for kind in ("q", "k"):
            if f"attn_{kind}.weight.lora_b" in tensor.name:
                layer = tensor.name.split(".")[1]
                key = f"model.layers.{layer}.self_attn.{kind}_proj.lora_B"
                data = state[key].numpy().astype(np.float16)
        writer.add_tensor(tensor.name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ExportError, match="does not say what the trained model says"):
        parity(trained, base, asked, lora=wrong)
    assert parity_over(trained, base, folder / "rows.jsonl", lora=out).argmax == 1
    with pytest.raises(ExportError):
        parity_over(trained, base, folder / "rows.jsonl", lora=wrong)


def test_a_lora_with_values_that_are_no_numbers_is_refused(folder: Path, trained: Path) -> None:
    state = torch.load(trained, weights_only=True)
    next(iter(state["lora"].values()))[0, 0] = float("inf")
    torch.save(state, folder / "infinite.pt")
    out = folder / "infinite.gguf"
    with pytest.raises(ExportError, match="no numbers"):
        export(folder / "infinite.pt", folder / "tiny.gguf", out, name="Test", licence="CC0-1.0")
    assert not out.exists()


def test_a_lora_for_a_model_of_other_sizes_is_refused_and_leaves_no_file(folder: Path, trained: Path) -> None:
    state = torch.load(trained, weights_only=True)
    state["lora"] = {
        name: tensor[:, :-1] if name.endswith("lora_A") else tensor for name, tensor in state["lora"].items()
    }
    torch.save(state, folder / "narrow.pt")
    out = folder / "narrow.gguf"
    with pytest.raises(BrokenWeights, match="do not fit"):
        export(folder / "narrow.pt", folder / "tiny.gguf", out, name="Test", licence="CC0-1.0")
    assert list(folder.glob("narrow.gguf*")) == []


def test_the_file_is_refused_beside_another_base_of_the_same_shape(folder: Path, trained: Path) -> None:
    out = folder / "own.gguf"
    export(trained, folder / "tiny.gguf", out, name="Test", licence="CC0-1.0")
    other = write_tiny_base(folder / "other.gguf", seed=1)
    with pytest.raises(BrokenWeights, match="was trained on the model with the sha256"):
        read_lora(out, base=other, base_sha256=sha256_of(other))
