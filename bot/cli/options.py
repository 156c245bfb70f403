"""The options that commands share, and the one way results are written.

Rule: one JSON value on standard output with `--json`, everything else on standard error.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from bot.wiring import Project

P = ParamSpec("P")
R = TypeVar("R")

as_json = click.option("--json", "json_", is_flag=True, help="Write one JSON value to standard output.")


def project_options(command: Callable[..., R]) -> Callable[..., R]:
    """Adds `--config` and `--data`, as `config` and `data`."""
    for option in (
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            default=None,
            help="The data folder.  [default: data, beside the configuration]",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            default=Path("groundling.toml"),
            show_default=True,
            help="The configuration file.",
        ),
    ):
        command = option(command)
    return command


def with_project(command: Callable[P, R]) -> Callable[..., R]:
    """Adds `--config` and `--data` to a command and hands it the `Project` as its first argument."""
    return _with_project(command, optional=False)


def with_any_project(command: Callable[P, R]) -> Callable[..., R]:
    """The same for a command that works on the defaults where there is no configuration."""
    return _with_project(command, optional=True)


def _with_project(command: Callable[P, R], *, optional: bool) -> Callable[..., R]:
    @project_options
    @functools.wraps(command)
    def wrapped(*args: Any, config: Path, data: Path | None, **kwargs: Any) -> R:
        from bot.wiring import Project

        with Project.open(config, data, optional=optional) as project:
            return command(project, *args, **kwargs)  # type: ignore[arg-type]

    return wrapped


def readable_options(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--collection` and `--source`, each may be given more than once."""
    for name in ("source", "collection"):
        command = click.option(
            f"--{name}", f"{name}s", multiple=True, metavar="NAME", help=f"Only this {name} (repeatable)."
        )(command)
    return command


class Words(click.ParamType[str]):
    """Text out of the command line; bytes of it that are not UTF-8 become replacement signs."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        return os.fsencode(value).decode("utf-8", "replace")


def write_json(value: object) -> None:
    """One JSON value and a line end on standard output, flushed, so that a reader of lines gets it at once."""
    text = json.dumps(plain(value), ensure_ascii=not _writes_unicode(sys.stdout.encoding))
    # A lone surrogate has no UTF-8, but JSON can name it.
    sys.stdout.write(re.sub("[\ud800-\udfff]", lambda sign: f"\\u{ord(sign[0]):04x}", text) + "\n")
    sys.stdout.flush()


def _writes_unicode(encoding: str) -> bool:
    return encoding.lower().replace("-", "").startswith("utf")


def shown(text: str) -> str:
    """`text` on one line, without signs that could move a terminal's cursor or change its colours."""
    from adapters.terminal import safe

    return safe(text).replace("\n", " ")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Lines of a table, numbers to the right; nothing without rows."""
    if not rows:
        return
    cells = [list(heads), *([shown(str(value)) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    right = [all(isinstance(row[place], int) for row in rows) for place in range(len(heads))]
    for row in cells:
        padded = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def plain(value: object) -> object:
    """Dataclasses, tuples and times as JSON knows them; null for a number that it has no name for."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def check_names(project: Project, kind: str, names: tuple[str, ...]) -> None:
    """Refuses a source or collection that the configuration does not know, naming the nearest that it does."""
    import difflib

    from bot.errors import WrongUse

    known = sorted({s.name if kind == "source" else s.collection for s in project.config.source})
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise WrongUse(f"no {kind} is called {name!r}; {hint}")


def check_question(project: Project, text: str) -> None:
    """Refuses a question that is empty or longer than the configuration allows."""
    from bot.errors import WrongUse

    most = project.config.limits.question_characters
    if not text.strip():
        raise WrongUse("the question is empty; write it in quotes after the command")
    if len(text) > most:
        raise WrongUse(
            f"the question has {len(text):,} characters, at most {most:,} are read; "
            "shorten it, or raise [limits] question_characters"
        )


def check_picture(file: Path) -> None:
    """Refuses a picture that could not be written, before minutes are spent on measuring."""
    from bot.bench_plot import check_plotting
    from bot.errors import WrongUse

    if file.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise WrongUse(f"{file} is no name for a picture; end it with .png, .svg or .pdf")
    if not file.absolute().parent.is_dir():
        raise WrongUse(f"there is no folder {file.absolute().parent} to draw into")
    check_plotting()


def login() -> str:
    """Who calls the program, for the history; "command line" where nobody can tell."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "command line"
