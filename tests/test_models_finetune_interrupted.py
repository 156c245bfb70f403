"""What may happen to a run: killed, no room on the disk, another base, a loss that is no number."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.finetune import lora_model
from models.finetune.export import export
from models.finetune.layout import ExportError, places
from models.finetune.parity import parity
from models.finetune.progress import Progress, read_progress
from models.finetune.recipe import Recipe, RecipeError
from models.finetune.tokens import Tokens, packs
from models.finetune.training import CHECKPOINT, TrainingError, train
from models.training_process import RunFailed, alone_in, lines
from tests.conftest import ROOT
from tests.test_models_finetune_tokens import row
from tests.test_models_finetune_training import QUESTIONS, lora, quiet, recipe
from tests.test_models_finetune_training import folder as folder
from tests.tiny_base import write_tiny_base

RECIPE = 'base = "tiny.gguf"\nrows = ["rows.jsonl"]\nout = "{out}"\nrank = 4\nepochs = 5\nbatch_tokens = 128\ncheckpoint_s = 0\n'


def written(folder: Path, out: str) -> Path:
    file = folder / f"{out}.toml"
    file.write_text(RECIPE.format(out=out))
    return file


def process(folder: Path, out: str, *, most_bytes: int | None = None) -> subprocess.Popen[str]:
    """The run in a process of its own, which can write no file larger than `most_bytes`."""

    def limited() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.Popen(
        [sys.executable, "-m", "models.finetune.training", str(written(folder, out))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_run_that_is_killed_ends_with_the_same_lora(folder: Path) -> None:
    whole: list[Progress] = []
    train(Recipe.from_file(written(folder, "uninterrupted")), whole.append)
    with process(folder, "killed") as ended:
        assert ended.stdout is not None
        for line in ended.stdout:
            if json.loads(line)["step"] >= len(whole) // 2:
                ended.kill()
                break
    again: list[Progress] = []
    train(Recipe.from_file(written(folder, "killed")), again.append)
    assert 1 < again[0].step < len(whole)
    one, other = (lora(folder / name / "lora.pt") for name in ("uninterrupted", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [step.step for step in read_progress(folder / "killed")] == list(range(1, len(whole) + 1))


def test_two_runs_never_write_to_one_folder(folder: Path) -> None:
    with alone_in(folder / "two"), pytest.raises(RunFailed, match=r"another run is writing to .*two; wait"):
        list(lines("models.finetune.training", written(folder, "two")))
    assert list((folder / "two").iterdir()) == []
    assert train(Recipe.from_file(folder / "two.toml"), quiet).is_file()


def test_a_run_that_the_system_kills_says_so_with_its_mend(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    running = lines("models.finetune.training", written(folder, "out-of-memory"))
    next(running)
    (child,) = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    with pytest.raises(
        RunFailed, match=r"ended by SIGKILL, as a system does .*: lower batch_tokens; run it again"
    ):
        list(running)


@pytest.mark.timeout(120)
def test_a_run_that_says_much_before_it_ends_is_heard_out(folder: Path) -> None:
    (folder / "much.toml").write_text(f"{'k' * 200_000} = 1\n")
    with pytest.raises(RunFailed, match="which no recipe has"):
        list(lines("models.finetune.training", folder / "much.toml"))


def test_a_full_disk_ends_a_run_in_one_line_and_leaves_the_last_checkpoint(folder: Path) -> None:
    train(Recipe.from_file(written(folder, "full")), quiet, most_steps=3)
    checkpoint = folder / "full" / CHECKPOINT
    before = checkpoint.read_bytes()
    with process(folder, "full", most_bytes=len(before) // 2) as full:
        _, error = full.communicate()
    assert full.returncode == 1
    assert len(error.splitlines()) == 1
    assert "cannot be written, is the disk full?" in error
    assert checkpoint.read_bytes() == before
    assert list((folder / "full").glob("*.part")) == []


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(folder: Path) -> None:
    train(recipe(folder, "blown"), quiet, most_steps=2)
    checkpoint = folder / "blown" / CHECKPOINT
    state = torch.load(checkpoint, weights_only=True)
    for tensor in state["lora"].values():
        tensor *= 1e30
    torch.save(state, checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(TrainingError, match="the loss of step 3 is nan") as ended:
        train(recipe(folder, "blown", checkpoint_s=0), quiet)
    assert "\n" not in str(ended.value)
    assert checkpoint.read_bytes() == before
    assert not (folder / "blown" / "lora.pt").exists()


def test_a_run_does_not_go_on_with_another_base_of_the_same_name(folder: Path) -> None:
    train(recipe(folder, "moved"), quiet, most_steps=1)
    (folder / "elsewhere").mkdir()
    other = write_tiny_base(folder / "elsewhere" / "tiny.gguf", seed=1)
    with pytest.raises(TrainingError, match="was trained on another base than tiny"):
        train(recipe(folder, "moved", base=other), quiet)


def test_rows_in_an_order_that_is_not_known_are_refused(folder: Path) -> None:
    base = folder / "tiny.gguf"
    weights = lora_model.load(base).state_dict()
    key = "model.layers.0.self_attn.q_proj"
    assert places(base, weights, [key])[key].heads == 4
    weights[f"{key}.weight"] = weights[f"{key}.weight"].flip(0)
    for exactly in (True, False):
        with pytest.raises(ExportError, match="in an order that is not known"):
            places(base, weights, [key], exactly=exactly)


def test_a_folder_of_hugging_face_is_trained_and_exported_for_its_gguf(folder: Path) -> None:
    base, whole = folder / "tiny.gguf", folder / "hugging-face"
    lora_model.load(base).save_pretrained(whole)
    trained = train(recipe(folder, "from-folder", base=whole, gguf=base, learning_rate=0.05), quiet)
    header = export(trained, base, folder / "folder.gguf", name="Test", licence="CC0-1.0")
    tokens = Tokens(base)
    asked = packs(tokens.row(row(*one)) for one in QUESTIONS)
    assert header.tensors == 2 * 7 * 2
    assert parity(trained, base, asked, lora=folder / "folder.gguf").cosine > 0.999


def test_a_folder_of_another_model_is_refused_before_training(folder: Path) -> None:
    other = folder / "other-model"
    lora_model.load(write_tiny_base(folder / "other-model.gguf", seed=5)).save_pretrained(other)
    with pytest.raises(ExportError, match="in an order that is not known"):
        train(recipe(folder, "mismatched", base=other, gguf=folder / "tiny.gguf"), quiet)
    assert not (folder / "mismatched").exists()
    with pytest.raises(RecipeError, match="name the GGUF of the same model"):
        recipe(folder, "nameless", base=other).check()
    with pytest.raises(RecipeError, match="gguf is for a base that is a folder"):
        recipe(folder, "twice", gguf=folder / "tiny.gguf").check()
    (folder / "empty").mkdir()
    with pytest.raises(RecipeError, match="so there are no weights"):
        recipe(folder, "empty-one", base=folder / "empty", gguf=folder / "tiny.gguf").check()


def test_what_is_left_is_told_from_the_steps_to_come_and_never_more_than_the_run_may_have(
    folder: Path,
) -> None:
    seen: list[Progress] = []
    train(recipe(folder, "left"), seen.append)
    assert seen[-1].left_s == 0
    assert all(one.left_s <= (one.of - one.step) * (one.seconds + 0.1) for one in seen)
    bounded: list[Progress] = []
    train(recipe(folder, "bounded", epochs=1000, minutes=0.01), bounded.append)
    assert all(one.left_s <= 0.6 for one in bounded)
