"""`groundling search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.cli.options import (
    Words,
    as_json,
    check_names,
    check_question,
    readable_options,
    shown,
    with_project,
    write_json,
)

if TYPE_CHECKING:
    from bot.wiring import Project


@click.command()
@click.argument("query", type=Words())
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="How many passages.")
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "vector", "keyword"]),
    default="hybrid",
    show_default=True,
    help="Which halves of the search are used.",
)
@readable_options
@as_json
@with_project
def search(
    project: Project,
    query: str,
    *,
    limit: int,
    mode: str,
    collections: tuple[str, ...],
    sources: tuple[str, ...],
    json_: bool,
) -> None:
    """Find the passages for QUERY, without an answer."""
    import time

    from bot.cli.ask import readable
    from bot.rendering import passage_rows

    check_names(project, "collection", collections)
    check_names(project, "source", sources)
    check_question(project, query)
    retriever = project.retriever
    began = time.monotonic()
    found = retriever.search(query, limit=limit, mode=mode, readable=readable(collections, sources))  # type: ignore[arg-type]
    took = round((time.monotonic() - began) * 1000)
    if json_:
        rows = passage_rows(found, cited=frozenset())
        write_json({"query": query, "mode": mode, "passages": rows, "timings": {"retrieve_ms": took}})
        return
    for number, passage in enumerate(found, 1):
        where = shown(" › ".join(part for part in (passage.title, passage.location) if part))
        click.echo(click.style(f"[{number}] {where}", bold=True) + f"  ({shown(passage.chunk.document_id)})")
        click.echo("    " + "\n    ".join(shown(line) for line in passage.chunk.text.splitlines()) + "\n")
    if not found:
        click.echo("Nothing found.")
