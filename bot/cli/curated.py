"""`groundling curated`: the reviewed questions and answers that go before all others."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Words, as_json, check_names, shown, table, with_project, write_json

if TYPE_CHECKING:
    from bot.curated import CuratedAnswers, Pair
    from bot.curated_draft import Draft
    from bot.wiring import Project

COLUMNS = (
    "id",
    "state",
    "question",
    "answer",
    "collection",
    "url",
    "proposed_by",
    "approved_by",
    "changed_at",
)
_READ = ("id", "state", "question", "answer", "collection", "url")

reviewer = click.option(
    "--by",
    type=Words(),
    metavar="NAME",
    help="Who reviewed it, as readers see it.  [default: your login name]",
)


@click.group()
def curated() -> None:
    """Keep reviewed answers, which are served before anything is searched."""


@curated.command("list")
@click.option("--proposed", is_flag=True, help="Only what waits for approval.")
@as_json
@with_project
def list_(project: Project, *, proposed: bool, json_: bool) -> None:
    """List the pairs."""
    pairs = _pairs(project, only_proposed=proposed)
    if json_:
        write_json({"curated": [_row(pair) for pair in pairs]})
        return
    rows = [
        (pair.id, pair.state, pair.collection, _day(pair), _short(pair.question), _short(pair.answer))
        for pair in pairs
    ]
    for line in table(("id", "state", "collection", "changed", "question", "answer"), rows):
        click.echo(line)
    if not rows:
        click.echo("There is no reviewed answer yet; see: groundling curated add --help", err=True)


@curated.command()
@click.argument("question", type=Words())
@click.argument("answer", type=Words())
@click.option("--also", type=Words(), multiple=True, help="The question in other words (repeatable).")
@click.option("--collection", default="main", show_default=True, metavar="NAME", help="Who may read it.")
@click.option("--url", help="Where readers find more.")
@reviewer
@as_json
@with_project
def add(
    project: Project,
    question: str,
    answer: str,
    *,
    also: tuple[str, ...],
    collection: str,
    url: str | None,
    by: str | None,
    json_: bool,
) -> None:
    """Add the reviewed ANSWER to QUESTION; it is served at once."""
    from bot.curated_draft import Draft

    check_names(project, "collection", (collection,))
    draft = Draft("\n".join((question, *also)), answer, collection, url)
    _saved(project, [draft], by, json_=json_)


@curated.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--collection", default="main", show_default=True, help="For rows that name none.")
@click.option("--proposed", is_flag=True, help="Keep rows that name no state as proposals.")
@reviewer
@as_json
@with_project
def import_(
    project: Project, file: Path, *, collection: str, proposed: bool, by: str | None, json_: bool
) -> None:
    """Add the pairs of FILE, all or none: CSV with a header line, or JSONL.

    Columns: question (a phrasing a line), answer, and as wanted collection, url, state, id. A row
    with the id of a known pair replaces it.
    """
    from bot.errors import WrongUse

    drafts, faults = _drafts(project, file, collection, "proposed" if proposed else "approved")
    if faults:
        raise WrongUse("\n".join((f"{file.name}: nothing was imported", *faults)))
    _saved(project, drafts, by, json_=json_)


@curated.command()
@click.argument("id")
@reviewer
@as_json
@with_project
def approve(project: Project, id: str, *, by: str | None, json_: bool) -> None:
    """Serve the pair ID from now on."""
    _report("approved", [asyncio.run(_answers(project).approve(id, by or _login()))], json_=json_)


@curated.command()
@click.argument("id")
@as_json
@with_project
def remove(project: Project, id: str, *, json_: bool) -> None:
    """Take the pair ID off the disk."""
    _report("removed", [asyncio.run(_answers(project).remove(id, _login()))], json_=json_)


@curated.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), help="[default: by FILE, else csv]")
@with_project
def export(project: Project, file: Path | None, *, format_: str | None) -> None:
    """Write every pair to FILE, or to standard output, as `import` reads it."""
    from bot.errors import Failed

    rows = [_row(pair) for pair in _pairs(project, only_proposed=False)]
    lines = format_ == "jsonl" or (format_ is None and file is not None and file.suffix == ".jsonl")
    text = _jsonl(rows) if lines else _csv(rows)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}") from None
    click.echo(f"{len(rows)} pairs are in {shown(str(file))}", err=True)


def _answers(project: Project) -> CuratedAnswers:
    from bot.curated import CuratedAnswers

    return CuratedAnswers(project.database, None)


def _pairs(project: Project, *, only_proposed: bool) -> list[Pair]:
    if not project.has_catalogue:
        return []
    return asyncio.run(_answers(project).pairs(state="proposed" if only_proposed else None))


def _saved(project: Project, drafts: Sequence[Draft], by: str | None, *, json_: bool) -> None:
    answers = _answers(project)
    ids = asyncio.run(answers.save(drafts, by or _login()))
    wanted = set(ids)
    _report("kept", [pair for pair in asyncio.run(answers.pairs()) if pair.id in wanted], json_=json_)


def _report(done: str, pairs: Sequence[Pair], *, json_: bool) -> None:
    if json_:
        write_json({done: [_row(pair) for pair in pairs]})
        return
    for pair in pairs:
        click.echo(f"{done}: {pair.id}  {_short(pair.question)} ({pair.state}, {shown(pair.collection)})")


def _drafts(project: Project, file: Path, collection: str, state: str) -> tuple[list[Draft], list[str]]:
    """The pairs of `file`, and one line for each row that is none."""
    from bot.curated_draft import Draft, checked
    from bot.errors import WrongUse

    drafts, faults = [], []
    for place, row in _rows(file):
        try:
            values = _values(row)
            name = values["collection"] or collection
            check_names(project, "collection", (name,))
            draft = Draft(
                values["question"],
                values["answer"],
                name,
                values["url"] or None,
                values["state"] or state,  # type: ignore[arg-type]
                values["id"],
            )
            drafts.append(checked(draft))
        except WrongUse as error:
            faults.append(f"{place}: {error}")
    if not drafts and not faults:
        faults.append("it holds no pair")
    return drafts, faults


def _values(row: object) -> dict[str, str]:
    """The columns that are read of one row; raises `WrongUse`."""
    from bot.errors import WrongUse

    if not isinstance(row, dict):
        raise WrongUse("this is no JSON object")
    for name in row:
        if name not in COLUMNS:
            raise WrongUse(f"there is no column {name!r}; there are: {', '.join(_READ)}")
    found: dict[str, str] = {}
    for name in _READ:
        value = row.get(name)
        if name == "question" and isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = "\n".join(value)
        if not isinstance(value, str | None):
            raise WrongUse(f"{name} is no text")
        found[name] = (value or "").strip()
    return found


def _rows(file: Path) -> Iterator[tuple[str, object]]:
    """Each row with where it stands, "line 7"; raises `WrongUse` for a file that is neither CSV nor JSONL."""
    from bot.errors import WrongUse

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _json_rows(text)
    elif file.suffix.lower() == ".csv":
        yield from _csv_rows(text, file)
    else:
        raise WrongUse(f"{file.name} is neither .csv nor .jsonl")


def _json_rows(text: str) -> Iterator[tuple[str, object]]:
    # Not splitlines: JSON may hold U+2028, U+2029 and U+0085 as they are.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row: object = None
            with suppress(json.JSONDecodeError):
                row = json.loads(line)
            yield f"line {number}", row


def _csv_rows(text: str, file: Path) -> Iterator[tuple[str, object]]:
    from bot.errors import WrongUse

    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in head else ",", strict=True)
    if not {"question", "answer"} <= set(reader.fieldnames or ()):
        raise WrongUse(f"{file.name}: the first line names no columns question and answer")
    try:
        for row in reader:
            place = f"line {reader.line_num}"
            if None in row:
                raise WrongUse(f"{place}: there are more cells than columns; nothing was imported")
            yield place, row
    except csv.Error as error:
        raise WrongUse(f"after line {reader.line_num}: {error}; nothing was imported") from None


def _row(pair: Pair) -> dict[str, object]:
    changed = datetime.fromtimestamp(pair.changed_at, UTC).isoformat(timespec="seconds")
    return {name: getattr(pair, name) for name in COLUMNS} | {"changed_at": changed}


def _csv(rows: Sequence[dict[str, object]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _jsonl(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "command line"


def _day(pair: Pair) -> str:
    return datetime.fromtimestamp(pair.changed_at).astimezone().strftime("%Y-%m-%d")


def _short(text: str) -> str:
    line = " / ".join(text.splitlines())
    return shown(line if len(line) <= 60 else line[:59] + "…")
