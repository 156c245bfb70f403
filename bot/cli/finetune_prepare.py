"""`groundling finetune prepare`: rows out of every source that is named, checked, with their card.

Rule: nothing is written before everything is made and checked.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.finetune_sources import Wanted, make_rows, read_sources
from bot.cli.lora_origins import note, trace
from bot.cli.options import as_json, shown, table, with_any_project, write_json

if TYPE_CHECKING:
    from bot.finetuning.prepared import Prepared
    from bot.registry import Registry
    from bot.wiring import Project
    from models.finetune.rows import Row
    from models.finetune.tokens import Part, Tokens

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_THERE = click.Path(path_type=Path, exists=True)
_NEW = click.Path(path_type=Path, dir_okay=False)
MOST_TOKENS = 2048
MOST_REFUSED_OF_ROWS = 0.28
MOST_REFUSED = 0.35

RECIPE = """\
# What `groundling finetune train` does; run it again after an interruption and it goes on.
base = {base}
rows = [{rows}]
out = "lora-run"
# start = "shipped"  # goes on from the LoRA that ships, or from a file; few rows are enough then
rank = 16
alpha = 32
learning_rate = 5e-4
epochs = 1
# minutes = 60       # ends then at the latest, and the learning rate is at zero by then
most_tokens = {most_tokens}   # longer rows are left out
batch_tokens = {batch_tokens}
apart = 0.75         # share of batches that read passages apart, as the passage cache does
threads = {threads}
"""


@click.command()
@click.option("--squad", type=_FILE, multiple=True, help="A file in SQuAD's layout (repeatable).")
@click.option("--golden", type=_FILE, multiple=True, help="Golden questions about this project's index.")
@click.option(
    "--reviewed",
    type=_FILE,
    multiple=True,
    help="Reviewed answers, CSV or JSONL, as `curated export` writes.",
)
@click.option(
    "--transcripts",
    type=_THERE,
    multiple=True,
    help="Questions with answers: CSV, JSONL, or the folder of a Slack export.",
)
@click.option("--question-column", metavar="NAME", help="The questions' column in --transcripts.")
@click.option("--answer-column", metavar="NAME", help="The answers' column in --transcripts.")
@click.option("--curated", is_flag=True, help="The reviewed answers of this project.")
@click.option("--journal", is_flag=True, help="Answers of this project that were voted up, or corrected.")
@click.option("--index", is_flag=True, help="Questions made of the headings, terms and tables of the index.")
@click.option(
    "--licence",
    "licences",
    multiple=True,
    metavar="[SOURCE=]TEXT",
    help="The licence of each source; without a name they count in the order of the options above.",
)
@click.option(
    "--out", type=_NEW, required=True, help="The file of rows; recipe, test rows and card stand beside it."
)
@click.option("--most", type=click.IntRange(1), help="Make at most so many rows.")
@click.option(
    "--most-tokens",
    type=click.IntRange(64),
    default=MOST_TOKENS,
    show_default=True,
    help="Longer rows are left out.",
)
@click.option(
    "--refused",
    type=click.FloatRange(0, 0.5),
    default=MOST_REFUSED_OF_ROWS,
    show_default=True,
    help="At most this share of the rows refuse.",
)
@click.option(
    "--keep-personal", is_flag=True, help="Keep rows with e-mail addresses, phone numbers and the like."
)
@click.option(
    "--preview",
    is_flag=False,
    flag_value=3,
    type=click.IntRange(1),
    help="Show so many rows (3 without a number) as the training reads them.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed mixes otherwise.")
@as_json
@with_any_project
def prepare(
    project: Project,
    *,
    licences: tuple[str, ...],
    out: Path,
    most: int | None,
    most_tokens: int,
    refused: float,
    keep_personal: bool,
    preview: int | None,
    seed: int,
    json_: bool,
    **sources: object,
) -> None:
    """Make training rows out of questions with known answers. A fixed fifth of the documents is left out,
    to measure on."""
    from bot.errors import WrongUse
    from bot.finetuning.checks import checked, enough
    from bot.finetuning.licences import licences_for
    from bot.finetuning.prepared import Prepared, sha256_of_rows

    if refused != refused:  # a range lets what is no number through
        raise WrongUse("--refused nan is no share; give a number from 0 to 0.5")
    wanted = Wanted(**sources)  # type: ignore[arg-type]
    given = licences_for(_unlike(wanted.names), licences)
    _check_places(project, wanted, out)
    found = asyncio.run(read_sources(project, wanted, given))
    tokens = _tokens(project)
    rows, test = asyncio.run(make_rows(project, found, refused=refused, most=most, seed=seed))
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    lengths: dict[str, int] = {}

    def length(row: Row) -> int:
        lengths[row.id] = len(tokens.row(row).tokens)
        return lengths[row.id]

    kept = checked(rows, test, length=length, most_tokens=most_tokens, keep_personal=keep_personal)
    enough(kept)
    prepared = Prepared(
        kept,
        tuple(found.told),
        seed=seed,
        most_tokens=most_tokens,
        tokens=sum(lengths[row.id] for row in kept.rows),
        keep_personal=keep_personal,
    )
    asked = frozenset().union(*(found.questions.get(row.id, ()) for row in prepared.rows))
    asyncio.run(trace(project, sha256_of_rows(prepared.rows), asked))
    files = _write(project, prepared, out)
    note(project, lambda registry: _note(registry, project, prepared, out))
    if json_:
        write_json(_report(prepared, files))
    else:
        _tell(prepared, files)
    if preview is not None:
        _show(prepared.rows[:preview], tokens, err=json_)


@dataclass(frozen=True, slots=True)
class _Files:
    """Where everything was written; `test` is None where no document is of the test fifth."""

    rows: Path
    test: Path | None
    recipe: Path
    card: Path


def _unlike(names: list[str]) -> list[str]:
    from bot.errors import WrongUse

    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise WrongUse(f"two sources are called {twice[0]!r}; give one of the files another name")
    return names


def _check_places(project: Project, wanted: Wanted, out: Path) -> None:
    """Refuses an --out whose files would take the place of what is read, before minutes are spent on rows."""
    from bot.errors import WrongUse

    read = (*wanted.squad, *wanted.golden, *wanted.reviewed, *wanted.transcripts, project.file)
    taken = {file.resolve() for file in read if file is not None and file.is_file()}
    test, recipe = _beside(out)
    if recipe == out:
        raise WrongUse(f"--out {out} is the name of its recipe; choose another, such as {out.stem}.jsonl")
    for file, is_what in ((out, "its rows"), (test, "its test rows"), (recipe, "its recipe")):
        if file.resolve() in taken:
            raise WrongUse(
                f"--out {out} would have {is_what} in {file}, which is read here; choose another name"
            )


def _beside(out: Path) -> tuple[Path, Path]:
    """The files of the test rows and of the recipe."""
    return out.with_suffix(f".test{out.suffix}"), out.with_suffix(".toml")


def _tokens(project: Project) -> Tokens:
    from bot.errors import Failed
    from models.engine.llama import LoadError
    from models.finetune.tokens import Tokens

    try:
        return Tokens(project.weights().path)
    except LoadError as error:
        raise Failed(f"the model cannot be read: {error}") from error


def _write(project: Project, prepared: Prepared, out: Path) -> _Files:
    """The rows come last: where they stand, everything that belongs to them stands."""
    from bot.errors import Failed
    from bot.finetuning.card import card, card_file
    from bot.finetuning.prepared import write_text
    from models.finetune.rows import write_rows

    test, recipe = _beside(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        described = card_file(out)
        if prepared.test:
            write_rows(test, prepared.test)
        else:
            test.unlink(missing_ok=True)
        if not recipe.exists():
            base = _quoted(str(project.weights().path))
            most = prepared.most_tokens
            batch = max(2048, most)
            made = RECIPE.format(
                base=base, rows=_quoted(out.name), threads=1, most_tokens=most, batch_tokens=batch
            )
            write_text(recipe, made)
        write_text(described, card(prepared, out, test))
        write_rows(out, prepared.rows)
    except OSError as error:
        raise Failed(f"{error.filename or out} cannot be written: {error.strerror}") from error
    return _Files(out, test if prepared.test else None, recipe, described)


def _note(registry: Registry, project: Project, prepared: Prepared, out: Path) -> None:
    from bot.finetuning.prepared import sha256_of_rows
    from bot.lora_origins import rows_manifest

    manifest = rows_manifest(
        out.name,
        base=project.weights().sha256,
        counts={source.name: prepared.of(source)[0] for source in prepared.sources},
        licences=[source.licence for source in prepared.sources],
        audience=prepared.audience,
    )
    registry.record("rows", sha256_of_rows(prepared.rows), manifest)


def _report(prepared: Prepared, files: _Files) -> dict[str, object]:
    from bot.finetuning.prepared import sha256_of_rows

    sources = []
    for source in prepared.sources:
        rows, test = prepared.of(source)
        sources.append(
            {
                "name": source.name,
                "licence": source.licence,
                "questions": source.questions,
                "rows": rows,
                "test_rows": test,
                "left_out": dict(source.left_out),
            }
        )
    return {
        "rows": len(prepared.rows),
        "test_rows": len(prepared.test),
        "file": files.rows,
        "test_file": files.test,
        "recipe": files.recipe,
        "card": files.card,
        "sha256": sha256_of_rows(prepared.rows),
        "sources": sources,
        "checks": [
            {"name": one.name, "left_out": one.left_out, "ids": one.ids, "kinds": dict(one.kinds or {})}
            for one in prepared.checked.checks
        ],
        "shapes": prepared.shapes,
        "refusals": round(prepared.checked.refusals, 4),
        "tokens": prepared.tokens,
        "audience": prepared.audience or "everyone",
    }


def _tell(prepared: Prepared, files: _Files) -> None:
    lines = []
    for source in prepared.sources:
        reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(source.left_out.items()))
        lines.append([source.name, source.licence, source.questions, *prepared.of(source), reasons])
    for line in table(["source", "licence", "questions", "rows", "test rows", "gave no row"], lines):
        click.echo(line)
    click.echo()
    checks = []
    for check in prepared.checked.checks:
        kinds = "; ".join(f"{kind}: {count}" for kind, count in sorted((check.kinds or {}).items()))
        ids = " ".join(check.ids) + (" …" if check.left_out > len(check.ids) > 0 else "")
        checks.append([check.name, check.left_out, kinds, ids])
    for line in table(["check", "left out", "found", "ids"], checks):
        click.echo(line)
    share = prepared.checked.refusals
    shapes = ", ".join(f"{count} {kind}" for kind, count in prepared.shapes.items())
    click.echo(f"\nanswered from: {shapes}; {share:.0%} refused; {prepared.tokens:,} tokens")
    if share > MOST_REFUSED:
        click.echo(f"more than {MOST_REFUSED:.0%} refusals teach to refuse everything", err=True)
    if prepared.audience:
        click.echo(f"not for everyone: only for readers of {prepared.audience}")
    click.echo(f"{len(prepared.test):,} rows to measure on in {files.test}" if files.test else "no test rows")
    click.echo(f"{len(prepared.rows):,} rows in {files.rows}, described in {files.card}")
    click.echo(f"next: groundling finetune train {files.recipe}")


def _show(rows: Sequence[Row], tokens: Tokens, *, err: bool) -> None:
    """Rows as the training reads them: blocks that may be read apart, and last what is learned."""
    colours = (sys.stderr if err else sys.stdout).isatty()
    if not colours:
        click.echo("\n{{ }} is read apart, >>> <<< is learned", err=err)
    for number, row in enumerate(rows, 1):
        read = tokens.row(row)
        learned = len(read.tokens) - read.answer
        head = f"row {number}: {row.id}, {row.origin}, {len(read.tokens)} tokens, {learned} of them learned"
        click.echo(f"\n--- {shown(head)}", err=err)
        click.echo("".join(_marked(part, colours=colours) for part in tokens.parts(read)), err=err)


def _marked(part: Part, *, colours: bool) -> str:
    text = "\n".join(shown(line) for line in part.text.split("\n"))
    if colours:
        looks = {"block": {"fg": "cyan"}, "answer": {"fg": "green", "bold": True}, "prompt": {"dim": True}}
        return click.style(text, **looks[part.kind])  # type: ignore[arg-type]
    return {"block": f"{{{{{text}}}}}", "answer": f">>>{text}<<<", "prompt": text}[part.kind]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
