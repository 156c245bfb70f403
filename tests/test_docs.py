"""What the documentation shows is true: Python runs, commands and options exist, configurations load.

A block that cannot be run says so: `<!-- not executed: reason -->` on the line before it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from bot.cli.reference import commands, described, updated
from bot.cli.root import root
from bot.config import parse

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<mark><!-- not executed: .+ -->\n)?```(?P<language>\w+)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
GROUNDLING = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?groundling(?P<rest> .*)?$")


@dataclass(frozen=True, slots=True)
class Shown:
    """A block of a page; `line` is where its first line stands."""

    page: Path
    line: int
    language: str
    body: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Shown]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for fence in FENCE.finditer(text):
            if fence["language"] in languages and not fence["mark"]:
                line = text.count("\n", 0, fence.start("body")) + 1
                found.append(Shown(page, line, fence["language"], fence["body"]))
    return found


def command_lines(shown: Shown) -> Iterator[list[str]]:
    """The words after `groundling` of each line that calls it, up to a pipe or a redirection."""
    for line in shown.body.replace("\\\n", " ").splitlines():
        if called := GROUNDLING.match(line):
            words = shlex.split(called["rest"] or "", comments=True)
            ends = (place for place, word in enumerate(words) if word in {"|", "<", ">", ">>", "&&", ";"})
            yield words[: next(ends, len(words))]


def check_call(words: list[str]) -> None:
    """Raises `click.UsageError` for a command or option that does not exist; runs nothing."""
    command: click.Command = root
    context = click.Context(root, info_name="groundling")
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            break
        inner = command.get_command(context, words[0])
        if inner is None:
            raise click.UsageError(f"{words[0]!r} is no command of {context.command_path}")
        context = click.Context(inner, parent=context, info_name=words[0])
        command, words = inner, words[1:]
    command.make_parser(context).parse_args(args=list(words))


@pytest.mark.parametrize("shown", blocks("python"), ids=str)
def test_python_in_the_docs_runs(shown: Shown) -> None:
    assert "assert" in shown.body, "an example says what comes out of it"
    code = compile("\n" * (shown.line - 1) + shown.body, str(shown.page), "exec")
    exec(code, {"__name__": "__main__"})


@pytest.mark.parametrize("shown", blocks("console", "sh", "bash"), ids=str)
def test_commands_in_the_docs_exist_with_their_options(shown: Shown) -> None:
    for words in command_lines(shown):
        check_call(words)


@pytest.mark.parametrize("shown", blocks("toml"), ids=str)
def test_configurations_in_the_docs_load(shown: Shown) -> None:
    assert parse(shown.body, str(shown)).model_fields_set, "it sets something"


def test_call_that_does_not_exist_would_be_found() -> None:
    with pytest.raises(click.UsageError, match="is no command"):
        check_call(["serch", "x"])
    with pytest.raises(click.UsageError, match="No such option"):
        check_call(["search", "x", "--limits", "3"])
    with pytest.raises(click.UsageError, match="is no command of groundling models"):
        check_call(["models", "pul"])
    check_call(["search", "x", "--limit", "3"])
    check_call(["--help"])


def test_every_command_is_described_with_the_options_it_has() -> None:
    page = ROOT / "docs" / "command-line.md"
    text = page.read_text(encoding="utf-8")
    assert sorted(described(text)) == sorted(commands())
    mend = "run: python -m bot.cli.reference docs/command-line.md"
    assert updated(text) == text, mend


def test_links_between_pages_lead_somewhere() -> None:
    lost = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                lost.append(f"{page.relative_to(ROOT)}: {target}")
    assert lost == []
