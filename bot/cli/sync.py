"""`groundling sync`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, check_names, shown, with_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from knowledge.source_sync import SourceReport
    from knowledge.sync import SyncReport


@click.command()
@click.argument("source", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Say what would be read and removed, change nothing.")
@click.option("--rebuild", is_flag=True, help="Make the index anew, beside the old one.")
@click.option("--allow-shrink", is_flag=True, help="Let a source lose most of its documents.")
@as_json
@with_project
def sync(
    project: Project,
    source: tuple[str, ...],
    *,
    dry_run: bool,
    rebuild: bool,
    allow_shrink: bool,
    json_: bool,
) -> None:
    """Bring the index up to date with the sources (all, or those named)."""
    from bot.errors import Failed, WrongUse

    if dry_run and rebuild:
        raise WrongUse("--dry-run and --rebuild do not go together; a rebuild reads everything")
    check_names(project, "source", source)
    sources = project.sources()
    only = source or None
    run = project.sync(allow_shrink=allow_shrink, progress=_Progress() if not json_ else None)
    report = run.dry_run(sources, only=only) if dry_run else run.run(sources, only=only, rebuild=rebuild)
    if json_:
        write_json(_as_contract(report))
    else:
        _print(report, dry_run=dry_run)
    if any(one.unavailable for one in report.sources):
        raise Failed("; ".join(one.held_back or "" for one in report.sources if one.unavailable))


class _Progress:
    """A bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, source: str, done: int, of: int) -> None:
        if sys.stderr.isatty():
            filled = 30 * done // max(of, 1)
            click.echo(
                f"\r{source} [{'#' * filled}{'.' * (30 - filled)}] {done}/{of}", nl=done >= of, err=True
            )
        elif time.monotonic() - self._said > 5:
            self._said = time.monotonic()
            click.echo(f"{source}: {done} of {of} documents", err=True)


def _as_contract(report: SyncReport) -> dict[str, object]:
    return {
        "sources": [
            {
                "name": one.name,
                "added": one.added,
                "changed": one.changed,
                "removed": one.removed,
                "unchanged": one.unchanged,
                "chunks_embedded": one.chunks_embedded,
                "chunks_removed": one.chunks_removed,
                "seconds": round(one.seconds, 3),
                "failed": [{"id": id_, "reason": reason} for id_, reason in one.failed],
                "held_back": one.held_back,
            }
            for one in report.sources
        ],
        "index_version": report.index_version,
        "documents": report.documents,
        "chunks": report.chunks,
        "notes": list(report.notes),
    }


def _print(report: SyncReport, *, dry_run: bool) -> None:
    for note in report.notes:
        click.echo(f"Note: {shown(note)}", err=True)
    for one in report.sources:
        click.echo(_line(one, dry_run=dry_run))
        for id_, reason in one.failed:
            click.echo(f"  not read: {shown(id_)}: {shown(reason)}")
    if not dry_run:
        click.echo(
            f"{report.documents} documents, {report.chunks} chunks, index version {report.index_version}"
        )


def _line(one: SourceReport, *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    counts = f"{one.added} {would}added, {one.changed} {would}changed, {one.removed} {would}removed"
    line = f"{one.name}: {counts}, {one.unchanged} unchanged"
    if not dry_run:
        line += f"; {one.chunks_embedded} chunks embedded in {one.seconds:.1f} s"
    return f"{line}; held back: {one.held_back}" if one.held_back else line
