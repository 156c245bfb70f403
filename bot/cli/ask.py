"""`groundling ask`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from typing import TYPE_CHECKING

import click

from bot.cli.options import (
    Words,
    as_json,
    check_names,
    check_question,
    readable_options,
    with_project,
    write_json,
)

if TYPE_CHECKING:
    from bot.assistant import Assistant, PassageSearch
    from bot.wiring import Project
    from knowledge.store import Readable
    from models.engine.process import LocalModel


@click.command()
@click.argument("question", type=Words())
@readable_options
@as_json
@with_project
def ask(
    project: Project, question: str, *, collections: tuple[str, ...], sources: tuple[str, ...], json_: bool
) -> None:
    """Answer QUESTION from the documents; "-" reads questions from standard input, one a line."""
    check_names(project, "collection", collections)
    check_names(project, "source", sources)
    if question != "-":
        check_question(project, question)
    asyncio.run(_ask(project, question, readable(collections, sources), json_=json_))


async def _ask(project: Project, question: str, seen: Readable, *, json_: bool) -> None:
    from adapters.terminal import Terminal
    from bot.question import Question
    from bot.rendering import answer_row

    assistant, model = prepare(project)
    try:
        await load(project, model)
        for line in sys.stdin if question == "-" else [question]:
            text = line.strip("\r\n")
            if not text.strip():
                continue
            if question == "-" and not json_:
                click.echo(click.style(f"> {text}", bold=True))
            terminal = Terminal(functools.partial(click.echo, nl=False))
            answer = await assistant.answer(
                Question(text, readable=seen), show=None if json_ else terminal.show
            )
            if json_:
                write_json(answer_row(answer))
            else:
                terminal.finish(answer)
                click.echo("\n" if question == "-" else "", nl=False)
    finally:
        if model is not None:
            await model.close()


def prepare(project: Project, search: PassageSearch | None = None) -> tuple[Assistant, LocalModel | None]:
    """The assistant, and the model to be closed at the end; a model that is missing is no reason to stop."""
    from bot.assistant import without_model
    from models.errors import ModelError

    try:
        model = project.generator()
    except ModelError as error:
        return project.assistant(None, search, without_model=without_model(error)), None
    return project.assistant(model, search), model


async def load(project: Project, model: LocalModel | None) -> None:
    """Loads everything that the first answer needs side by side; what fails here is told by the answer."""
    from models.errors import ModelError

    async def start() -> None:
        if model is not None:
            with contextlib.suppress(ModelError):
                await model.start()

    def embedder() -> None:
        with contextlib.suppress(ModelError):
            project.embedder.load()

    await asyncio.gather(start(), asyncio.to_thread(embedder))


def readable(collections: tuple[str, ...], sources: tuple[str, ...]) -> Readable:
    """The filter that `--collection` and `--source` stand for."""
    from knowledge.store import Readable

    return Readable(
        collections=frozenset(collections) or None,
        sources=frozenset(sources) or None,
    )
