"""`groundling finetune`: rows, training, and the file of a LoRA."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.finetune_export import export
from bot.cli.finetune_train import train
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


finetune.add_command(train)
finetune.add_command(export)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{what}: {done} of {of} ", nl=False, err=True)
