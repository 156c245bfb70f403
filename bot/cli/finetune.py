"""`groundling finetune`: rows, training, and the file of a LoRA."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.finetune_prepare import prepare
from bot.cli.lora_registry import COMMANDS
from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW = click.Path(path_type=Path, dir_okay=False)


@click.group()
def finetune() -> None:
    """Train the model to answer from passages in your way."""


for _command in (prepare, *COMMANDS):
    finetune.add_command(_command)


@finetune.command()
@click.argument("recipe", type=_FILE)
@as_json
def train(recipe: Path, *, json_: bool) -> None:
    """Run RECIPE in a process of its own, or go on with it."""
    from bot.errors import Failed
    from models.training_process import RunFailed, lines

    try:
        for line in map(json.loads, lines("models.finetune.training", recipe)):
            if json_:
                write_json(line)
            elif "saved" in line:
                click.echo(f"\ntrained: {line['saved']}; next: groundling finetune export {line['saved']}")
            elif sys.stderr.isatty():
                said = f"step {line['step']} of {line['of']}  loss {line['loss']:.3f}  {line['tokens_a_second']:.0f} tokens/s"
                click.echo(f"\r{said}  {line['left_s'] / 60:.0f} min left ", nl=False, err=True)
    except RunFailed as error:
        raise Failed(str(error)) from error


@finetune.command()
@click.argument("trained", type=_FILE)
@click.option("--out", type=_NEW, required=True, help="The GGUF file to write.")
@click.option("--name", required=True, help="What the LoRA is called in its file.")
@click.option("--licence", required=True, help="Its licence, which that of its data must allow.")
@click.option(
    "--rows", type=_FILE, help="Rows by which llama.cpp with the file is held against the training."
)
@as_json
@with_any_project
def export(
    project: Project,
    trained: Path,
    *,
    out: Path,
    name: str,
    licence: str,
    rows: Path | None,
    json_: bool,
) -> None:
    """Write the trained LoRA as a GGUF file for the project's model."""
    from bot.errors import Failed
    from models.finetune.export import ExportError, parity_over
    from models.finetune.export import export as write
    from models.finetune.lora_model import BaseError
    from models.finetune.rows import RowError

    base = project.weights().path
    try:
        header = write(trained, base, out, name=name, licence=licence)
        same = None if rows is None else parity_over(trained, base, out, rows)
    except (BaseError, ExportError, RowError) as error:
        raise Failed(str(error)) from error
    if json_:
        write_json({"file": header, "parity": same})
    else:
        if same is not None:
            click.echo(
                f"llama.cpp agrees with the training over {same.tokens} tokens: cosine {same.cosine:.3f}"
            )
        click.echo(
            f"{out}: rank {header.rank}, {header.file_bytes:,} bytes; to use it:\n\n"
            f'[[lora]]\nname = "{name}"\npath = "{out}"\n\n[model]\nlora = "{name}"'
        )
