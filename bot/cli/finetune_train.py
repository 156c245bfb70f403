"""`groundling finetune train`: runs a recipe, or says what it would take."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, check_picture, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_DRAWN_EVERY_S = 30.0
_GB = 1e9


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--dry-run", is_flag=True, help="Train three steps, keep nothing, and say what the whole run takes."
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the loss into this file, again and again while it runs.",
)
@as_json
def train(recipe: Path, *, dry_run: bool, plot: Path | None, json_: bool) -> None:
    """Run RECIPE in a process of its own, or go on with it."""
    from bot.errors import Failed
    from models.training_process import RunFailed

    if plot is not None:
        check_picture(plot)
    try:
        if dry_run:
            _forecast(recipe, json_=json_)
        else:
            _train(recipe, plot, json_=json_)
    except RunFailed as error:
        raise Failed(str(error)) from error


def _train(recipe: Path, plot: Path | None, *, json_: bool) -> None:
    from models.training_process import lines

    drawn = time.monotonic()
    saved = None
    for line in map(json.loads, lines("models.finetune.training", recipe)):
        saved = line.get("saved")
        if json_:
            write_json(line)
        elif saved is not None:
            click.echo(f"\ntrained: {saved}; next: groundling finetune export {saved}")
        elif sys.stderr.isatty():
            said = f"step {line['step']} of {line['of']}  loss {line['loss']:.3f}  {line['tokens_a_second']:.0f} tokens/s"
            click.echo(f"\r{said}  {line['left_s'] / 60:.0f} min left ", nl=False, err=True)
        if plot is not None and time.monotonic() - drawn > _DRAWN_EVERY_S:
            _draw(recipe, plot)
            drawn = time.monotonic()
    if plot is not None:
        _draw(recipe, plot)
        click.echo(f"drawn: {plot}", err=True)


def _draw(recipe: Path, plot: Path) -> None:
    from bot.loss_plot import plot_losses
    from models.finetune.progress import read_progress
    from models.finetune.recipe import Recipe

    plot_losses(read_progress(Recipe.from_file(recipe).out), plot, title=recipe.stem)


def _forecast(recipe: Path, *, json_: bool) -> None:
    from models.training_process import lines

    for line in map(json.loads, lines("models.finetune.forecast", recipe)):
        if "measured" in line:
            if sys.stderr.isatty():
                click.echo(f"\rmeasured {line['measured']} of {line['of']} steps ", nl=False, err=True)
        elif json_:
            write_json(line)
        else:
            for text in _told(line):
                click.echo(text)


def _told(found: dict[str, float]) -> Iterator[str]:
    left_out = found["left_out"]
    yield f"rows          {found['rows']:,}, of which {left_out:,} are left out because they are too long"
    yield f"longest row   {found['longest']:,} tokens of at most {found['most_tokens']:,}; none is cut off"
    yield f"steps         {found['steps']:,}, {found['tokens']:,} tokens"
    yield f"a step        {found['step_s']:.1f} s, {found['tokens_a_second']:.0f} tokens/s, measured over {found['measured_steps']}"
    yield f"the whole     {_time(found['total_s'])}"
    if found["minutes"] is not None and found["ends_s"] < found["total_s"]:
        share = found["ends_s"] / found["total_s"]
        yield f"              ends at minutes = {found['minutes']:g}, after about {share:.0%} of the steps"
    yield f"memory        {found['peak_bytes'] / _GB:.1f} GB at most"
    yield f"on disk       {found['checkpoint_bytes'] / 1e6:.0f} MB a checkpoint, {found['lora_bytes'] / 1e6:.1f} MB the LoRA in GGUF"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
