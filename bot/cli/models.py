"""`groundling models`: the language models of the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, shown, table, with_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from models.weights import Weights


@click.group()
def models() -> None:
    """Manage language models on disk."""


@models.command(name="list")
@as_json
@with_project
def list_models(project: Project, *, json_: bool) -> None:
    """List the models; the one that answers is marked."""
    found = project.models.list()
    active, problem = _active(project)
    if json_:
        write_json(
            {"models": [_row(weights, active) for weights in found], "active": active, "problem": problem}
        )
        return
    rows = [
        (
            "*" if weights.name == active else "",
            weights.name,
            f"{weights.bytes / 2**20:,.0f} MB",
            weights.architecture,
            weights.licence or "licence not named",
            weights.sha256[:12],
        )
        for weights in found
    ]
    for line in table(("", "model", "size", "architecture", "licence", "sha256"), rows):
        click.echo(line)
    if (answering := _answering(project)) is not None:
        click.echo(f"The configuration names {answering}, which answers.", err=True)
    elif not found:
        click.echo("There is no model; add one with: groundling models import FILE", err=True)
    elif problem is not None:
        click.echo(f"No model answers: {shown(problem)}", err=True)


@models.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default=None, help="What to call it.  [default: the file's name]")
@with_project
def import_model(project: Project, file: Path, *, name: str | None) -> None:
    """Copy the GGUF FILE into the data folder."""
    weights = project.models.take_in(file, name=name)
    click.echo(f"Imported {weights.name} (sha256 {weights.sha256}).")
    click.echo(f"Next: groundling models use {weights.name}")


@models.command()
@click.argument("name", required=False)
@with_project
def verify(project: Project, name: str | None) -> None:
    """Compare the file of NAME, or of every model, with its sha256."""
    from bot.errors import Failed
    from models.errors import ModelError

    names = [name] if name else [weights.name for weights in project.models.list()]
    wrong: list[str] = []
    for one in names:
        try:
            click.echo(f"{one}: as it was taken in (sha256 {project.models.verify(one).sha256})")
        except ModelError as error:
            wrong.append(str(error))
    if wrong:
        raise Failed("; ".join(wrong))


@models.command()
@click.argument("name")
@with_project
def use(project: Project, name: str) -> None:
    """Make NAME the model that answers."""
    weights = project.models.use(name)
    click.echo(f"{weights.name} answers from now on.")
    if (answering := _answering(project)) is not None:
        click.echo(f"But the configuration's [model] names {answering}; take it out.", err=True)


def _answering(project: Project) -> str | None:
    """The file or server that the configuration names, which no chosen model comes before."""
    section = project.config.model
    return section.url if section.kind == "server" else section.path


def _active(project: Project) -> tuple[str | None, str | None]:
    """The chosen model's name, or what is wrong with it; neither where the configuration names another or none."""
    from models.errors import ModelError

    section = project.config.model
    if section.kind != "gguf" or section.path is not None:
        return None, None
    try:
        return project.models.active().name, None
    except ModelError as error:
        return None, str(error)


def _row(weights: Weights, active: str | None) -> dict[str, object]:
    return {
        "name": weights.name,
        "active": weights.name == active,
        "path": weights.path,
        "sha256": weights.sha256,
        "bytes": weights.bytes,
        "licence": weights.licence,
        "architecture": weights.architecture,
    }
