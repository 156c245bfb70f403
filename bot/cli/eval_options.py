"""The options that the commands that measure answers share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_MANY = 20

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for report.md, report.json, report.xml (JUnit) and report.html.",
)


support_option = click.option(
    "--support-model",
    type=FOLDER,
    help="A cross-encoder's folder that also says whether citations support: one figure more, never a bound.",
)


def squad_options(command: Callable[P, R]) -> Callable[P, R]:
    """Adds what says which questions of which files are asked."""
    for option in (
        click.option(
            "--test-fifth",
            is_flag=True,
            help="Ask only about documents that no training and no calibration has seen.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Which questions, when not all are asked.",
        ),
        click.option(
            "--folds",
            type=click.IntRange(2, 20),
            help="Tell the figures by so many folds of the documents too, with their mean and spread.",
        ),
        click.option("--limit", type=click.IntRange(1), help="Ask only so many of the questions."),
        click.option(
            "--squad",
            type=FILE,
            required=True,
            multiple=True,
            help="A SQuAD file (repeatable); the paragraphs of all are the knowledge base.",
        ),
    ):
        command = option(command)
    return command


def counter(what: str, done: int, of: int) -> None:
    """A counter on a terminal; elsewhere a line for each tenth of many questions, which may take hours."""
    if sys.stderr.isatty():
        if done % 10 == 0 or done >= of - 1:
            click.echo(f"\r{what}: {done} of {of}    ", nl=False, err=True)
    elif what == "questions" and of >= _MANY and done % (of // 10) == 0:
        click.echo(f"{what}: {done} of {of}", err=True)
