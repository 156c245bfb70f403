"""A run from its recipe to its LoRA: learning, going on after an interruption, and what ends it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.finetune import lora_model
from models.finetune.plan import packed
from models.finetune.recipe import Recipe, RecipeError
from models.finetune.rows import RowError, read_rows, write_rows
from models.finetune.tokens import Pack, Tokens, packs
from models.finetune.training import CHECKPOINT, Progress, TrainingError, train, used_of
from models.training_process import RunFailed, lines
from tests.test_models_finetune_tokens import row
from tests.tiny_base import write_tiny_base

QUESTIONS = [
    (["The workshop opens at seven.", "Tea is free."], "When does it open?", "At seven [1]."),
    (["The workshop opens at seven.", "Tea is free."], "What does tea cost?", "Nothing [2]."),
    (["Bicycles are lent for three days."], "How long?", "Three days [1]."),
    (["Keys are at the desk."], "Where are the keys?", "At the desk [1]."),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("training")
    write_tiny_base(found / "tiny.gguf")
    write_rows(found / "rows.jsonl", [row(*one) for one in QUESTIONS])
    return found


@pytest.fixture(scope="module")
def asked(folder: Path) -> list[Pack]:
    tokens = Tokens(folder / "tiny.gguf")
    return packs(tokens.row(row(*one)) for one in QUESTIONS)


def recipe(folder: Path, name: str, **changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "base": folder / "tiny.gguf",
        "rows": (folder / "rows.jsonl",),
        "rank": 4,
        "alpha": 8,
        "learning_rate": 0.01,
        "epochs": 3,
        "batch_tokens": 128,
        "warmup": 0.0,
    }
    return Recipe(out=folder / name, **{**settings, **changes})


def quiet(_progress: Progress) -> None:
    pass


def lora(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["lora"]
    return found


def test_the_loss_falls_and_the_rate_ends_at_zero(folder: Path) -> None:
    seen: list[Progress] = []
    train(recipe(folder, "learns", epochs=8), seen.append)
    assert [one.step for one in seen] == list(range(1, seen[-1].of + 1))
    assert sum(one.loss for one in seen[-3:]) < 0.8 * sum(one.loss for one in seen[:3])
    rates = [one.learning_rate for one in seen]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.1 * rates[0]


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(folder: Path) -> None:
    whole = train(recipe(folder, "whole"), quiet)
    ended = recipe(folder, "ended")
    assert train(ended, quiet, most_steps=2).name == CHECKPOINT
    seen: list[Progress] = []
    again = train(ended, seen.append)
    assert seen[0].step == 3
    one, other = lora(whole), lora(again)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_of_another_recipe_is_refused(folder: Path) -> None:
    train(recipe(folder, "other"), quiet, most_steps=1)
    with pytest.raises(TrainingError, match="another recipe"):
        train(recipe(folder, "other", seed=1), quiet)


def test_a_damaged_checkpoint_is_refused(folder: Path) -> None:
    train(recipe(folder, "damaged"), quiet, most_steps=1)
    file = folder / "damaged" / CHECKPOINT
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(TrainingError, match="damaged"):
        train(recipe(folder, "damaged"), quiet)


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_nothing(folder: Path) -> None:
    broken = write_tiny_base(folder / "broken.gguf", broken=True)
    with pytest.raises(TrainingError, match="the loss of step 1 is nan"):
        train(recipe(folder, "nan", base=broken), quiet)
    assert list((folder / "nan").iterdir()) == []


def test_a_run_ends_with_its_time_and_its_rate_is_at_zero_then(folder: Path) -> None:
    seen: list[Progress] = []
    train(recipe(folder, "timed", epochs=1000, minutes=0.01), seen.append)
    assert len(seen) < seen[-1].of
    assert seen[-1].seconds >= 0.6


def test_rows_that_share_passages_are_read_once_and_too_long_ones_left_out(folder: Path) -> None:
    rows = read_rows(folder / "rows.jsonl")
    assert [len(pack.tails) for pack in packed(recipe(folder, "x", batch_tokens=1024), rows)] == [2, 1, 1]
    with pytest.raises(RecipeError, match="no row fits"):
        packed(
            recipe(folder, "x", batch_tokens=64, most_tokens=64), [row(["word " * 200], "What?", "It [1].")]
        )


def test_a_data_set_of_two_licences_keeps_both() -> None:
    rows = [
        replace(row(["Two."], "Which?", "That [1]."), origin="faq", licence=one)
        for one in ("own", "CC BY-SA 4.0")
    ]
    assert used_of([*rows, rows[0]]) == {"faq": "CC BY-SA 4.0; own"}


def test_a_lora_that_was_not_trained_yet_changes_nothing(folder: Path) -> None:
    model = lora_model.load(folder / "tiny.gguf")
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        lora_model.add_lora(model, rank=4, alpha=8, seed=0, dtype=torch.bfloat16)
        after = model.float()(input_ids=ids).logits
    assert torch.allclose(before, after, atol=0.1)


def test_in_a_process_of_its_own_a_run_tells_its_progress_and_its_file(folder: Path) -> None:
    file = folder / "recipe.toml"
    file.write_text('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "process"\nrank = 4\n')
    said = [json.loads(line) for line in lines("models.finetune.training", file)]
    assert said[0]["step"] == 1
    assert said[-1] == {"saved": str(folder / "process" / "lora.pt")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rank = ", "cannot be read as a recipe"),
        ('rows = ["rows.jsonl"]\nout = "x"', "does not name its 'base'"),
        ('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\ndora = true', "'dora', which no recipe has"),
        (
            'base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\nuse_rslora = true',
            "llama.cpp scales by alpha",
        ),
        ('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\nlm_head = true', "tied embeddings"),
        ('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\nmodules_to_save = []', "no whole layers"),
        ('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\n[alpha_pattern]', "has one alpha"),
        ('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\nrank = 0', "rank must be a number from 1"),
        ('base = "tiny.gguf"\nrows = ["none.jsonl"]\nout = "x"', "none.jsonl is not there"),
        ('base = "tiny.gguf"\nrows = []\nout = "x"', "rows must be a list of files"),
        ('base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "x"\nminutes = "long"', "minutes must be"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused_in_one_line(folder: Path, text: str, says: str) -> None:
    file = folder / "bad.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=says):
        Recipe.from_file(file)


def test_a_base_that_is_no_model_and_a_row_that_is_no_prompt_are_named(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"rows\.jsonl is no model to train on: llama\.cpp cannot load it"):
        train(recipe(folder, "no-base", base=folder / "rows.jsonl"), quiet)
    good = read_rows(folder / "rows.jsonl")[0]
    for blocks, says in ((((0, 2), (4, 6)), "side by side"), (((5, 4000),), "must lie in its text")):
        turn = replace(good.turns[-1], blocks=blocks)
        bad = replace(good, id="row-5", turns=(*good.turns[:-1], turn))
        write_rows(folder / "bad.jsonl", [good, bad])
        with pytest.raises(RowError, match=f"the row 'row-5' cannot be read as a prompt: .*{says}"):
            train(recipe(folder, "no-row", rows=(folder / "bad.jsonl",)), quiet)


def test_a_recipe_that_is_refused_in_its_own_process_says_the_same_line(folder: Path) -> None:
    file = folder / "bad.toml"
    file.write_text("rank = 4")
    with pytest.raises(RunFailed, match="does not name its 'base'"):
        list(lines("models.finetune.training", file))
