"""A run that begins with an exported LoRA: it is that LoRA, to F16, and what it was made of is told on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.finetune.export import export
from models.finetune.layout import ExportError, permuted, unpermuted
from models.finetune.recipe import Recipe
from models.finetune.training import TrainingError, train
from models.gguf_reading import read_contents
from models.weights import sha256_of
from tests.test_models_finetune_training import folder as folder
from tests.test_models_finetune_training import lora, quiet, recipe
from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="module")
def first(folder: Path) -> Path:
    return train(recipe(folder, "first", learning_rate=0.05), quiet)


@pytest.fixture(scope="module")
def exported(folder: Path, first: Path) -> Path:
    export(first, folder / "tiny.gguf", folder / "first.gguf", name="First", licence="CC0-1.0")
    return folder / "first.gguf"


def test_rows_come_back_to_their_order() -> None:
    rows = torch.arange(48.0).reshape(16, 3).numpy()
    assert (unpermuted(permuted(rows, 2), 2) == rows).all()
    assert (permuted(rows, 2) != rows).any()


def test_it_begins_where_the_other_ended(folder: Path, first: Path, exported: Path) -> None:
    """At a rate next to nothing one step leaves what was read as it is."""
    second = recipe(folder, "second", start=exported, learning_rate=1e-7, epochs=1)
    before, after = lora(first), lora(train(second, quiet))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.allclose(tensor, after[name], rtol=1e-3, atol=1e-4), name


def test_what_the_first_was_made_of_stands_in_the_second(folder: Path, exported: Path) -> None:
    trained = train(recipe(folder, "third", start=exported, epochs=1), quiet)
    out = folder / "third.gguf"
    export(trained, folder / "tiny.gguf", out, name="Third", licence="CC0-1.0")
    told = read_contents(out, noun="LoRA file")
    sha256 = sha256_of(exported)
    assert told.text("groundling.start") == f"sha256:{sha256}"
    assert told.text("groundling.data") == f"First {sha256[:12]} (CC0-1.0); test (CC0-1.0)"


def test_one_that_does_not_fit_is_refused_before_the_first_step(folder: Path, exported: Path) -> None:
    with pytest.raises(ExportError, match=r"write rank = 4 and alpha = 8 in the recipe"):
        train(recipe(folder, "rank", start=exported, rank=8), quiet)
    write_tiny_base(folder / "other.gguf", seed=1)
    with pytest.raises(ExportError, match=r"start: .* was trained on the model with the sha256"):
        train(recipe(folder, "base", start=exported, base=folder / "other.gguf"), quiet)
    with pytest.raises(ExportError, match=r"start: "):
        train(recipe(folder, "no", start=folder / "rows.jsonl"), quiet)


def test_a_run_does_not_go_on_from_another_start(folder: Path, exported: Path) -> None:
    ended = recipe(folder, "ended-start", start=exported)
    train(ended, quiet, most_steps=1)
    with pytest.raises(TrainingError, match="belongs to another recipe"):
        train(recipe(folder, "ended-start"), quiet)


def test_the_recipe_takes_a_file_beside_it_or_the_one_that_ships(folder: Path, exported: Path) -> None:
    told = 'base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "out"\n'
    (folder / "recipe.toml").write_text(f'{told}start = "first.gguf"\n')
    assert Recipe.from_file(folder / "recipe.toml").start == exported
    (folder / "recipe.toml").write_text(f'{told}start = "shipped"\n')
    found = Recipe.from_file(folder / "recipe.toml").start
    assert found is not None
    assert found.name == "answers.gguf"
