"""`groundling init`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

USUAL = ("documents", "docs", "handbook", "wiki")
"""Folders that are offered when they are there, the first before the others."""


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("groundling.toml"),
    show_default=True,
    help="The configuration file to write.",
)
@click.option(
    "--source", type=click.Path(path_type=Path), default=None, help="The folder with the documents."
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
def init(*, config: Path, source: Path | None, yes: bool, force: bool) -> None:
    """Write a commented configuration."""
    from bot.config_template import template
    from bot.errors import WrongUse

    if config.exists() and not force:
        raise WrongUse(
            f"{config} is there already; look into it, or replace it with: groundling init --force"
        )
    offered = _found(config.parent)
    if source is None and not yes and sys.stdin.isatty():
        source = click.prompt(
            "Folder with the documents", default=offered, type=click.Path(path_type=Path), err=True
        )
    folder = _as_written(source, config.parent) if source is not None else str(offered)
    _write(config, template(name=_name(folder), path=folder))
    click.echo(f"Wrote {config}; it reads {folder}.")
    if not (config.parent / Path(folder).expanduser()).is_dir():
        click.echo(f"There is no folder {folder} yet: make it and put documents there.", err=True)
    click.echo('Next: groundling sync, then: groundling ask "..."')


def _found(beside: Path) -> Path:
    """The folder that most likely holds the documents, relative to the configuration."""
    there = next((name for name in USUAL if (beside / name).is_dir()), USUAL[0])
    return Path(there)


def _as_written(source: Path, beside: Path) -> str:
    """`source`, which is relative to here, as the configuration in `beside` names it."""
    from bot.config_values import place
    from bot.errors import WrongUse

    try:
        place(str(source))
        str(source).encode("utf-8")
    except UnicodeEncodeError:
        raise WrongUse(
            "the folder's name is not UTF-8, which a configuration must be; rename the folder"
        ) from None
    except ValueError as error:
        raise WrongUse(f"--source: {error}") from None
    if source.is_absolute() or str(source).startswith("~"):
        return str(source)
    try:
        return str(source.resolve().relative_to(beside.resolve()))
    except ValueError:
        return str(source.resolve())


def _name(folder: str) -> str:
    """A source's name out of its folder's: letters, digits, dots, dashes and underscores."""
    kept = "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in Path(folder).name
    )
    return kept.strip("-._")[:64].rstrip("-._") or "documents"


def _write(config: Path, text: str) -> None:
    """In one step: there is never half a configuration."""
    part = config.with_name(f".{config.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(config)
