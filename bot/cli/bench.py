"""`groundling bench`: measured speed, a peer beside it in the same run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.bench_engine import engine
from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project


@click.group()
def bench() -> None:
    """Measure speed beside the bare libraries, as ratios."""


bench.add_command(engine)


@bench.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@as_json
@with_any_project
def sync(project: Project, folder: Path, *, json_: bool) -> None:
    """Sync FOLDER into a temporary index, against bare encoding of the same chunks."""
    from bot.bench import bench_sync

    report = bench_sync(folder, embedder=project.embedder, progress=_say)
    if json_:
        write_json(dataclasses.asdict(report))
        return
    click.echo(f"{report.documents} documents ({report.failed} not read), {report.chunks} chunks")
    click.echo(
        f"first sync {report.first_s:.1f} s; bare encoding of the same chunks {report.bare_encode_s:.1f} s"
    )
    click.echo(f"rate of the sync to that of bare encoding: {report.ratio:.2f}")
    click.echo(
        f"second sync, nothing changed: {report.again_s:.2f} s, {report.again_share:.1%} of the first, "
        f"{report.again_embedded} chunks embedded"
    )


@bench.command()
@click.option(
    "--chunks", type=click.IntRange(100), default=100_000, show_default=True, help="Size of the index."
)
@click.option("--queries", type=click.IntRange(1), default=100, show_default=True, help="How many are asked.")
@as_json
@with_any_project
def retrieval(project: Project, *, chunks: int, queries: int, json_: bool) -> None:
    """Search a made-up index, against embedding the query and one bare vector search."""
    from bot.bench import bench_retrieval

    report = bench_retrieval(embedder=project.embedder, chunks=chunks, queries=queries, progress=_say)
    if json_:
        write_json(dataclasses.asdict(report))
        return
    click.echo(f"{report.chunks} chunks, {report.queries} queries; medians in ms")
    click.echo(
        f"hybrid {report.hybrid_ms:.1f}  vector {report.vector_ms:.1f}  keyword {report.keyword_ms:.1f}"
    )
    click.echo(f"query embedding {report.query_embedding_ms:.1f} + bare search {report.bare_search_ms:.1f}")
    click.echo(f"hybrid to query embedding + bare search: {report.ratio:.2f}")


def _say(what: str) -> None:
    click.echo(what, err=True)
