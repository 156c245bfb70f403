"""Makes the judge's rows, measures and calibrates a judge: `python -m bot.judging rows|report|calibrate`.

Rule: what it writes is reproducible from the data folder and the seed alone.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from bot.evaluation.golden import load_golden
from bot.judging.calibrating import calibrated, weigh
from bot.judging.mixture import mixed, public_rows
from bot.judging.report import report
from bot.judging.rows import Side, read, write
from bot.wiring import Project
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.judge.file import CALIBRATION_KEY, note_down
from models.judge.judge import Judge

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def main() -> None:
    """Data for the judge of passages."""


@main.command()
@click.argument("data", type=_FOLDER)
@click.argument("out", type=_FOLDER)
@click.option("--but", type=_FILE, help="Questions about pages that nothing is to be learned from.")
def rows(data: Path, out: Path, but: Path | None) -> None:
    """Write OUT/learn.jsonl, calibrate.jsonl and test.jsonl from the public data sets in DATA."""
    asked = tomllib.loads(but.read_text(encoding="utf-8"))["question"] if but else []
    named = frozenset(name.partition(":")[2] for one in asked for name in one.get("documents", []))
    embedder = SentenceTransformerEmbedder.from_package()
    out.mkdir(parents=True, exist_ok=True)
    sides: tuple[Side, ...] = get_args(Side)
    for side in sides:
        found = list(public_rows(data, side, embedder, but=named))
        count = write(out / f"{side}.jsonl", mixed(found) if side == "learn" else found)
        click.echo(f"{side}: {count} rows")


@main.command("report")
@click.argument("judge", type=_FILE)
@click.argument("file", type=_FILE)
@click.option("--every", default=1, show_default=True, help="Take each so-manieth row only.")
def measure(judge: Path, file: Path, every: int) -> None:
    """Measure JUDGE, a safetensors file, on the rows of FILE."""
    base = SentenceTransformerEmbedder.from_package().folder
    found = report(list(read(file))[::every], Judge(base, judge))
    click.echo(json.dumps(asdict(found), indent=1))


@main.command()
@click.argument("judge", type=_FILE)
@click.argument("config", type=_FILE)
@click.argument("questions", type=_FILE)
def calibrate(judge: Path, config: Path, questions: Path) -> None:
    """Ask QUESTIONS of the synced index of CONFIG, and note in JUDGE what its log-odds are worth."""
    with Project.open(config, None) as project:
        reader = Judge(SentenceTransformerEmbedder.from_package().folder, judge)
        rows = weigh(
            load_golden(questions),
            project.retriever,
            project.embedder,
            reader,
            passages=project.config.retrieval.passages,
        )
    found = calibrated(rows)
    note_down(judge, {CALIBRATION_KEY: found.written()})
    click.echo(found.written())


if __name__ == "__main__":
    main()
