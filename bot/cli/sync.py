"""`groundling sync`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, check_names, login, shown, with_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from knowledge.source_sync import SourceReport
    from knowledge.sync import SyncReport

READ_AHEAD_S = 120.0
_KEPT_SHARE = 0.8
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@click.command()
@click.argument("source", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Say what would be read and removed, change nothing.")
@click.option("--rebuild", is_flag=True, help="Make the index anew, beside the old one.")
@click.option("--allow-shrink", is_flag=True, help="Let a source lose most of its documents.")
@click.option(
    "--read-ahead",
    is_flag=True,
    help="Then let the model read passages ahead, the newest first, for two minutes at most.",
)
@click.option("--accept", is_flag=True, help="Sync nothing; let the index pass that is held back.")
@as_json
@with_project
def sync(
    project: Project,
    source: tuple[str, ...],
    *,
    dry_run: bool,
    rebuild: bool,
    allow_shrink: bool,
    read_ahead: bool,
    accept: bool,
    json_: bool,
) -> None:
    """Bring the index up to date with the sources (all, or those named)."""
    from bot.errors import Failed, WrongUse
    from bot.source_changes import note_synced

    if accept:
        if source or dry_run or rebuild or allow_shrink or read_ahead:
            raise WrongUse("--accept syncs nothing, so nothing else goes with it")
        _accept(project, json_=json_)
        return
    if dry_run and rebuild:
        raise WrongUse("--dry-run and --rebuild do not go together; a rebuild reads everything")
    if read_ahead:
        _check_read_ahead(project, dry_run=dry_run)
    check_names(project, "source", source)
    sources = project.sources()
    only = source or None
    run = project.sync(allow_shrink=allow_shrink, progress=_Progress() if not json_ else None)
    report = run.dry_run(sources, only=only) if dry_run else run.run(sources, only=only, rebuild=rebuild)
    if not dry_run:
        listed = {one.name for one in report.sources if not one.unavailable}
        note_synced(project.database, project.config, listed, root=project.root, data=project.data)
    passages = asyncio.run(_read_ahead(project)) if read_ahead else None
    if json_:
        write_json(_as_contract(report) | ({} if passages is None else {"passages_read_ahead": passages}))
    else:
        _print(report, dry_run=dry_run)
        if passages is not None:
            click.echo(f"{passages} passages read ahead")
        _tell_what_is_held(project)
    if any(one.unavailable for one in report.sources):
        raise Failed("; ".join(one.held_back or "" for one in report.sources if one.unavailable))


def _accept(project: Project, *, json_: bool) -> None:
    from bot.errors import ConfigError, Failed
    from bot.index_hold import accept

    if not project.config.schedule.hold:
        raise ConfigError("[schedule] hold is not true, so no index is held back")
    if not project.has_catalogue:
        raise Failed(f"nothing was synced in {project.data} yet, so no index is held back")
    move = accept(project.registry, who=login())
    if json_:
        write_json({"move": move})
    else:
        click.echo(
            f"The index passes, although: {move.why}. A running `serve` takes it over within half a minute."
        )


def _tell_what_is_held(project: Project) -> None:
    from bot.index_hold import held, in_words

    found = held(project.registry) if project.config.schedule.hold else None
    if found is not None:
        click.echo(f"Note: {shown(in_words(found))}", err=True)


def _check_read_ahead(project: Project, *, dry_run: bool) -> None:
    from bot.errors import ConfigError, WrongUse

    if dry_run:
        raise WrongUse("--dry-run and --read-ahead do not go together; nothing is indexed that could be read")
    if project.config.model.kind != "gguf" or not project.config.model.passage_cache:
        raise ConfigError(
            'passages can be read ahead with [model] kind = "gguf" and passage_cache = true only'
        )


async def _read_ahead(project: Project) -> int:
    """How many passages the model has read; a model that fails is told, and no reason for the sync to fail."""
    from bot.reading_ahead import read_ahead
    from models.engine.process import LocalModel
    from models.errors import ModelError

    newest = sorted(
        project.catalogue.documents(), key=lambda document: document.updated_at or _LONG_AGO, reverse=True
    )
    kept, most = project.data / "cache" / "passages", project.config.model.passage_disk_mb * 2**20
    model = None
    try:
        model = project.generator()
        if not isinstance(model, LocalModel):
            return 0
        return await read_ahead(
            model,
            project.store,
            [document.id for document in newest],
            project.answer_settings(model),
            seconds=READ_AHEAD_S,
            # What is read beyond what is kept would push out the newest.
            enough=lambda: _bytes_in(kept) > _KEPT_SHARE * most,
        )
    except ModelError as error:
        click.echo(f"Note: nothing was read ahead: {shown(str(error))}", err=True)
        return 0
    finally:
        if model is not None:
            await model.close()


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*.kv*"):
        with contextlib.suppress(OSError):  # others may clear it up meanwhile
            total += path.stat().st_size
    return total


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
