"""`groundling chat`."""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, check_names, readable_options, with_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from knowledge.store import Readable

MOST_TURNS = 12


@click.command()
@readable_options
@as_json
@with_project
def chat(project: Project, *, collections: tuple[str, ...], sources: tuple[str, ...], json_: bool) -> None:
    """Hold a conversation; an empty line begins a new one, "exit" or Ctrl-D ends it."""
    check_names(project, "collection", collections)
    check_names(project, "source", sources)
    from bot.cli.ask import readable

    asyncio.run(_chat(project, readable(collections, sources), json_=json_))


async def _chat(project: Project, seen: Readable, *, json_: bool) -> None:
    from adapters.terminal import Terminal
    from bot.cli.ask import assistant_of, too_long
    from bot.question import Question
    from bot.rendering import answer_row
    from models.engine.generator import Turn

    earlier: list[Turn] = []
    async with assistant_of(project) as assistant:
        # Read in this thread: Ctrl-C would otherwise wait for a line that never comes.
        while (line := _read(prompt=not json_ and sys.stdin.isatty())) is not None:
            text = line.strip()
            if not text:
                earlier.clear()
                continue
            if not json_ and text.lower() in {"exit", "quit"}:
                break
            terminal = Terminal(functools.partial(click.echo, nl=False))
            question = Question(text, earlier=tuple(earlier), readable=seen)
            unread = too_long(project, text)
            answer = unread or await assistant.answer(question, show=None if json_ else terminal.show)
            if json_:
                write_json(answer_row(answer))
            else:
                terminal.finish(answer)
                click.echo()
            if unread is None:
                earlier += [Turn("user", text), Turn("assistant", answer.text)]
                del earlier[:-MOST_TURNS]


def _read(*, prompt: bool) -> str | None:
    """The next line, or None at the end."""
    if prompt:
        try:
            import readline  # noqa: F401 (line editing for input())

            return input("> ")
        except EOFError:
            return None
    line = sys.stdin.readline()
    return line or None
