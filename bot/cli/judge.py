"""`groundling judge`: rows, training, measuring and calibrating of the judge of passages.

Rule: what it writes is reproducible from the data folder and the seed alone.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from bot.cli.options import with_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from models.judge.judge import Judge

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def judge() -> None:
    """Train the judge of whether a passage answers a question."""


@judge.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=_FOLDER)
@click.option("--but", type=_FILE, help="Questions about pages that nothing is to be learned from.")
@click.option(
    "--golden",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of golden questions, each NAME.toml with its Markdown pages in the folder NAME beside it.",
)
@click.option("--hard", type=_FILE, help="A judge: beside what has no answer stands what it takes for one.")
def rows(data: Path, out: Path, but: Path | None, golden: Path | None, hard: Path | None) -> None:
    """Write OUT/learn.jsonl, calibrate.jsonl and test.jsonl from the public data sets in DATA."""
    from bot.evaluation.golden import load_golden
    from bot.judging.golden_rows import question_sets
    from bot.judging.mixture import absent, mixed, public_pages, public_rows
    from bot.judging.question_alone import told
    from bot.judging.rows import Side, write
    from models.embedding.sentence_transformer import SentenceTransformerEmbedder

    taking = _judge(hard) if hard else None
    if taking is not None:
        taking.load()
    asked = load_golden(but) if but else []
    sets = question_sets(golden, public_pages(data)) if golden else []
    named = frozenset(name.partition(":")[2] for one in asked for name in one.documents)
    if missing := absent(data):
        click.echo(f"{data} has no {', '.join(missing)}: rows are made of the rest", err=True)
    if len(sets) > 1:
        alone = told({one.name: one.questions for one in sets})
        click.echo(
            f"the words of a golden question alone tell whether it has an answer with an AUC of {alone:.2f}"
        )
    embedder = SentenceTransformerEmbedder.from_package()
    out.mkdir(parents=True, exist_ok=True)
    sides: tuple[Side, ...] = get_args(Side)
    for side in sides:
        judge = taking if side == "learn" else None
        found = list(public_rows(data, side, embedder, but=named, golden=sets, judge=judge))
        count = write(out / f"{side}.jsonl", mixed(found) if side == "learn" else found)
        click.echo(f"{side}: {count:,} rows")


@judge.command()
@click.argument("recipe", type=_FILE)
def train(recipe: Path) -> None:
    """Run RECIPE in a process of its own, or go on with it."""
    from bot.errors import Failed
    from models.training_process import RunFailed, lines

    try:
        for line in lines("models.judge.training", recipe):
            click.echo(line)
    except RunFailed as error:
        raise Failed(str(error)) from error


@judge.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("files", type=_FILE, nargs=-1, required=True)
def merge(out: Path, files: tuple[Path, ...]) -> None:
    """Write the mean of the judges in FILES to OUT."""
    from bot.errors import Failed
    from models.errors import EmbedderUnavailable
    from models.judge.merging import merge as merged

    try:
        merged(files, out)
    except (EmbedderUnavailable, OSError) as error:
        raise Failed(str(error)) from error
    click.echo(f"{out}: the mean of {len(files)}")


@judge.command()
@click.argument("file", type=_FILE)
@click.argument("rows", type=_FILE)
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Take each so-manieth row only."
)
def report(file: Path, rows: Path, every: int) -> None:
    """Measure the judge in FILE on ROWS."""
    from bot.judging.report import report as measured
    from bot.judging.rows import read

    write_json(asdict(measured(list(read(rows))[::every], _judge(file))))


@judge.command()
@click.argument("file", type=_FILE)
@click.argument("questions", type=_FILE, nargs=-1, required=True)
@with_project
def calibrate(project: Project, file: Path, questions: tuple[Path, ...]) -> None:
    """Ask QUESTIONS of this project's index, and note in FILE what the judge's log-odds are worth."""
    from bot.evaluation.golden import load_golden
    from bot.judging.calibrating import calibrated, weigh
    from models.judge.file import CALIBRATION_KEY, note_down

    passages = project.config.retrieval.passages
    asked = [question for one in questions for question in load_golden(one)]
    found = calibrated(weigh(asked, project.retriever, project.embedder, _judge(file), passages=passages))
    note_down(file, {CALIBRATION_KEY: found.written()})
    click.echo(found.written())


def _judge(file: Path) -> Judge:
    from models.embedding.sentence_transformer import SentenceTransformerEmbedder
    from models.judge.judge import Judge

    return Judge(SentenceTransformerEmbedder.from_package().folder, file)
