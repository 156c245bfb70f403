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
    from collections.abc import AsyncIterator

    from bot.answer import Answer
    from bot.assistant import Assistant, PassageSearch
    from bot.wiring import Project
    from knowledge.store import Readable


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

    async with assistant_of(project) as assistant:
        for line in sys.stdin if question == "-" else [question]:
            text = line.strip("\r\n")
            if not text.strip():
                continue
            if question == "-" and not json_:
                click.echo(click.style(f"> {text}", bold=True))
            terminal = Terminal(functools.partial(click.echo, nl=False))
            answer = too_long(project, text) or await assistant.answer(
                Question(text, readable=seen), show=None if json_ else terminal.show
            )
            if json_:
                write_json(answer_row(answer))
            else:
                terminal.finish(answer)
                click.echo("\n" if question == "-" else "", nl=False)


def too_long(project: Project, text: str) -> Answer | None:
    """What is said instead of an answer to a question that is longer than the configuration allows."""
    from bot.answer import Answer
    from bot.languages import language_of
    from bot.notices import Notices

    most = project.config.limits.question_characters
    if len(text) <= most:
        return None
    beginning = text[:most].encode("utf-8", "replace").decode()
    notice = Notices(beginning).too_long(len(text), most)
    return Answer(text, notice, "failed", language_of(beginning), "none")


@contextlib.asynccontextmanager
async def assistant_of(project: Project, search: PassageSearch | None = None) -> AsyncIterator[Assistant]:
    """The assistant with everything its first answer needs, and its model ended afterwards.

    Model, embedder and index are opened side by side, because each takes seconds. A model that is missing
    or does not load is no reason to stop: the answers tell it.
    """
    from models.errors import ModelError

    model, missing = None, None
    try:
        model = project.generator()
    except ModelError as error:
        missing = error

    async def start() -> None:
        if model is not None:
            with contextlib.suppress(ModelError):
                await model.start()

    def readers() -> None:
        with contextlib.suppress(ModelError):  # the question meets it again and says so
            project.load_readers()

    def assistant() -> Assistant:
        from bot.assistant import without_model

        return project.assistant(model, search, without_model=without_model(missing) if missing else None)

    try:
        starting = asyncio.create_task(start())
        loading = asyncio.create_task(asyncio.to_thread(readers))
        try:
            made = await asyncio.to_thread(assistant)
        finally:
            await asyncio.gather(starting, loading)
        yield made
    finally:
        if model is not None:
            await model.close()


def readable(collections: tuple[str, ...], sources: tuple[str, ...]) -> Readable:
    """The filter that `--collection` and `--source` stand for."""
    from knowledge.store import Readable

    return Readable(
        collections=frozenset(collections) or None,
        sources=frozenset(sources) or None,
    )
