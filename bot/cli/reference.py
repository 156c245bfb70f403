"""The tables of docs/command-line.md, made from the commands themselves.

Rule: a command or option that is not in the page, or no longer exists, fails a test;
`python -m bot.cli.reference docs/command-line.md` brings the page up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bot.cli.root import root

_BLOCK = re.compile(r"<!-- options of: (?P<name>[a-z ]*) -->\n.*?<!-- end -->", re.DOTALL)
_EVERYWHERE = ("config", "data", "help")


def commands() -> dict[str, click.Command]:
    """Every command that does something, by its words ("models list"), in the order of `--help`."""
    return dict(_below(root, ""))


def updated(page: str) -> str:
    """`page` with every block "<!-- options of: NAME --> ... <!-- end -->" made anew."""
    known = commands()

    def made(block: re.Match[str]) -> str:
        name = block["name"].strip()
        if name not in known:
            raise KeyError(f"the page describes {name!r}, which is no command")
        return "\n".join([f"<!-- options of: {name} -->", *_table(name, known[name]), "<!-- end -->"])

    return _BLOCK.sub(made, page)


def described(page: str) -> list[str]:
    """The commands that `page` has a block for."""
    return [block["name"].strip() for block in _BLOCK.finditer(page)]


def _below(group: click.Group, above: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _below(command, f"{above}{name} ")
        elif command is not None:
            yield above + name, command


def _table(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"groundling {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"`groundling {name} {usage}`"
    own = [
        record
        for option in command.params
        if isinstance(option, click.Option)
        and option.name not in _EVERYWHERE
        and (record := option.get_help_record(context)) is not None
    ]
    if own:
        yield ""
        yield "| option | meaning |"
        yield "|---|---|"
    for names, meaning in own:
        cells = (f"`{names}`", " ".join(meaning.split()))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    for _name in sys.argv[1:]:
        _page = Path(_name)
        _page.write_text(updated(_page.read_text(encoding="utf-8")), encoding="utf-8")
