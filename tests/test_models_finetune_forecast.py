"""What a run is said to take, before it begins; and how its log is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from bot.errors import Failed
from bot.loss_plot import plot_losses
from models.finetune.forecast import forecast
from models.finetune.progress import LOG, Progress, add_progress, read_progress
from models.finetune.rows import write_rows
from models.finetune.training import train
from tests.test_models_finetune_tokens import row
from tests.test_models_finetune_training import QUESTIONS, quiet, recipe
from tests.test_models_finetune_training import folder as folder


def test_a_forecast_counts_what_the_run_then_does_and_leaves_no_trace(folder: Path) -> None:
    asked = recipe(folder, "forecast")
    found = forecast(asked, lambda _done, _of: None)
    assert not asked.out.exists()
    seen: list[Progress] = []
    saved = train(asked, seen.append)
    assert (found.steps, found.tokens) == (seen[-1].of, seen[-1].tokens)
    # Two that share their passages would be too long together, and are read one after the other.
    assert (found.rows, found.left_out, found.measured_steps) == (len(QUESTIONS), 0, 3)
    assert found.step_s > 0
    assert found.total_s == found.ends_s
    assert 100e6 < found.peak_bytes < 8e9
    tensors = torch.load(saved, weights_only=True)["lora"].values()
    assert found.lora_bytes == 2 * sum(tensor.numel() for tensor in tensors)


def test_a_forecast_tells_which_rows_are_too_long_and_what_a_bound_of_time_cuts(folder: Path) -> None:
    long = row(["word " * 300], "What?", "It [1].")
    write_rows(folder / "long.jsonl", [row(*QUESTIONS[0]), long])
    asked = recipe(folder, "long", rows=(folder / "long.jsonl",), minutes=1e-5, batch_tokens=256)
    found = forecast(asked, lambda _done, _of: None)
    assert (found.rows, found.left_out) == (2, 1)
    assert found.longest > found.most_tokens == 256
    assert found.ends_s < found.total_s


def test_the_loss_of_a_run_becomes_a_picture(folder: Path, tmp_path: Path) -> None:
    train(recipe(folder, "drawn"), quiet)
    steps = read_progress(folder / "drawn")
    plot_losses(steps, tmp_path / "loss.svg", title="drawn")
    ElementTree.parse(tmp_path / "loss.svg")
    plot_losses(steps[:1], tmp_path / "loss.png", title="one step")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.png", "loss.svg"]
    with pytest.raises(Failed, match="no step yet"):
        plot_losses([], tmp_path / "none.svg", title="none")


def test_of_steps_that_were_done_twice_the_later_counts_and_a_line_cut_short_is_left_out(
    tmp_path: Path,
) -> None:
    for step, loss in ((1, 3.0), (2, 2.0), (3, 9.0), (3, 1.0)):
        add_progress(tmp_path, Progress(step, 4, 0, loss, 1e-4, 10, 5.0, 1.0, 2.0))
    with (tmp_path / LOG).open("a") as log:
        log.write(json.dumps({"step": 4})[:-3])
    assert [(one.step, one.loss) for one in read_progress(tmp_path)] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert read_progress(tmp_path / "nowhere") == []
