"""`groundling finetune`: rows, training, and the file of a LoRA."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.lora_registry import COMMANDS
from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from models.finetune.rows import Row

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW = click.Path(path_type=Path, dir_okay=False)

RECIPE = """\
# What `groundling finetune train` does; run it again after an interruption and it goes on.
base = {base}
rows = [{rows}]
out = "lora-run"
rank = 16
alpha = 32
learning_rate = 5e-4
epochs = 1
# minutes = 60       # ends then at the latest, and the learning rate is at zero by then
batch_tokens = 2048
apart = 0.75         # share of batches that read passages apart, as the passage cache does
threads = {threads}
"""


@click.group()
def finetune() -> None:
    """Train the model to answer from passages in your way."""


for _command in COMMANDS:
    finetune.add_command(_command)


@finetune.command()
@click.option("--squad", "files", type=_FILE, multiple=True, help="A file in SQuAD's layout (repeatable).")
@click.option(
    "--golden", "golden", type=_FILE, multiple=True, help="Golden questions about this project's index."
)
@click.option(
    "--licence", "licences", multiple=True, help="The licence of each --squad, then of each --golden."
)
@click.option("--out", type=_NEW, required=True, help="The file of rows; the recipe is written beside it.")
@click.option("--most", type=click.IntRange(1), help="Make at most so many rows.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed mixes otherwise.")
@as_json
@with_any_project
def prepare(
    project: Project,
    *,
    files: tuple[Path, ...],
    golden: tuple[Path, ...],
    licences: tuple[str, ...],
    out: Path,
    most: int | None,
    seed: int,
    json_: bool,
) -> None:
    """Make training rows out of questions with known answers. A fixed fifth of the documents is left out,
    to measure on."""
    from bot.errors import WrongUse
    from bot.evaluation.golden import load_golden
    from bot.finetuning.golden import golden_rows
    from bot.finetuning.prepare import rows_of
    from bot.finetuning.sets import squad_set
    from models.finetune.rows import write_rows

    if not (files or golden) or len(files) + len(golden) != len(licences):
        raise WrongUse("give at least one --squad or --golden FILE, and a --licence for each")
    sets = [squad_set(file, licence) for file, licence in zip(files, licences, strict=False)]
    asked = [(file, load_golden(file)) for file in golden]

    async def run() -> list[Row]:
        model = project.generator()
        if model is None:
            raise WrongUse('[model] kind is "none": there is no model to make prompts for')
        try:
            rows = []
            for (file, questions), licence in zip(asked, licences[len(files) :], strict=True):
                rows += await golden_rows(
                    questions,
                    project.retriever,
                    project.embedder,
                    model,
                    origin=file.stem,
                    licence=licence,
                )
            if sets:
                rest = None if most is None else max(0, most - len(rows))
                rows += await rows_of(sets, project.embedder, model, most=rest, seed=seed, progress=_progress)
            return rows[:most]
        finally:
            await model.close()

    rows = asyncio.run(run())
    if not rows:
        raise WrongUse("no row came out: every document is of the test fifth, or nothing was found")
    count = write_rows(out, rows)
    recipe = out.with_suffix(".toml")
    if not recipe.exists():
        base = _quoted(str(project.weights().path))
        recipe.write_text(RECIPE.format(base=base, rows=_quoted(out.name), threads=1), encoding="utf-8")
    if json_:
        write_json({"rows": count, "file": out, "recipe": recipe})
    else:
        click.echo(f"{count:,} rows in {out}; next: groundling finetune train {recipe}")


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


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{what}: {done} of {of} ", nl=False, err=True)
