"""`groundling sources` and `groundling documents`: what is known, out of the catalogue alone."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, check_names, shown, table, with_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project
    from knowledge.catalogue import Failure, KnownDocument


@click.command()
@as_json
@with_project
def sources(project: Project, *, json_: bool) -> None:
    """List the sources and their state."""
    rows = _source_rows(project)
    if json_:
        write_json({"sources": rows})
        return
    if not rows:
        click.echo("No source is configured; add a [[source]] to the configuration.", err=True)
    for line in table(
        ("source", "kind", "documents", "chunks", "not read", "last sync", "remarks"),
        [
            (
                row["name"],
                row["kind"] or "-",
                row["documents"],
                row["chunks"],
                row["failures"],
                _moment(row["synced_at"]),
                _remark(row),
            )
            for row in rows
        ],
    ):
        click.echo(line)


@click.command()
@click.argument("pattern", required=False)
@click.option("--source", "names", multiple=True, metavar="NAME", help="Only this source (repeatable).")
@click.option("--failed", is_flag=True, help="List what could not be read, with the reasons.")
@as_json
@with_project
def documents(
    project: Project, pattern: str | None, *, names: tuple[str, ...], failed: bool, json_: bool
) -> None:
    """List the documents, or those whose id or title holds PATTERN ("*" and "?" stand for any text)."""
    check_names(project, "source", names)
    matches = _matcher(pattern)
    known = project.catalogue.documents() if project.has_catalogue else []
    if failed:
        failures = project.catalogue.failures() if project.has_catalogue else []
        _print_failures(
            [one for one in failures if _wanted(one.source, names) and matches(one.document_id)],
            readable={document.id for document in known},
            json_=json_,
        )
        return
    found = [
        document
        for document in known
        if _wanted(document.source, names) and (matches(document.id) or matches(document.title))
    ]
    if json_:
        write_json({"documents": [_document_row(document) for document in found]})
        return
    for document in found:
        dated = f", {document.updated_at.date().isoformat()}" if document.updated_at else ""
        click.echo(f"{shown(document.id)}  {shown(document.title)} ({document.chunks} chunks{dated})")
        for note in document.notes:
            click.echo(f"    {shown(note)}")
    if not found:
        click.echo(
            "No document matches." if known else "Nothing is known yet; run: groundling sync", err=True
        )


def _source_rows(project: Project) -> list[dict[str, object]]:
    catalogue = project.catalogue if project.has_catalogue else None
    known = catalogue.documents() if catalogue else []
    failures = Counter(failure.source for failure in (catalogue.failures() if catalogue else ()))
    states = {state.source: state for state in (catalogue.sources() if catalogue else ())}
    configured = {section.name: section for section in project.config.source}
    rows: list[dict[str, object]] = []
    for name in [*configured, *(name for name in states if name not in configured)]:
        section, state = configured.get(name), states.get(name)
        own = [document for document in known if document.source == name]
        rows.append(
            {
                "name": name,
                "kind": section.kind if section else None,
                "collection": section.collection if section else None,
                "configured": section is not None,
                "documents": len(own),
                "chunks": sum(document.chunks for document in own),
                "failures": failures[name],
                "synced_at": state.synced_at if state else None,
                "tried_at": state.tried_at if state else None,
                "held_back": state.held_back if state else None,
            }
        )
    return rows


def _remark(row: dict[str, object]) -> str:
    if not row["configured"]:
        return "no longer configured; the next sync removes it"
    return str(row["held_back"] or "")


def _moment(moment: object) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if isinstance(moment, datetime) else "never"


def _document_row(document: KnownDocument) -> dict[str, object]:
    return {
        "id": document.id,
        "title": document.title,
        "source": document.source,
        "collection": document.collection,
        "url": document.url,
        "updated_at": document.updated_at,
        "synced_at": document.synced_at,
        "chunks": document.chunks,
        "content_hash": document.content_hash,
        "notes": list(document.notes),
    }


def _print_failures(failures: list[Failure], *, readable: set[str], json_: bool) -> None:
    if json_:
        write_json(
            {
                "failed": [
                    {
                        "id": failure.document_id,
                        "source": failure.source,
                        "reason": failure.reason,
                        "tries": failure.tries,
                        "failed_at": failure.failed_at,
                        "older_version_kept": failure.document_id in readable,
                    }
                    for failure in failures
                ]
            }
        )
        return
    for failure in failures:
        kept = " (an older version is kept)" if failure.document_id in readable else ""
        click.echo(f"{shown(failure.document_id)}  {shown(failure.reason)}{kept}")
    if not failures:
        click.echo("Everything could be read.", err=True)


def _wanted(source: str, names: tuple[str, ...]) -> bool:
    return not names or source in names


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    """Without "*" and "?" a pattern may stand anywhere; upper and lower case are the same."""
    if pattern is None:
        return lambda _text: True
    folded = pattern.casefold()
    if not set(folded) & set("*?"):
        return lambda text: folded in text.casefold()
    return lambda text: fnmatch.fnmatchcase(text.casefold(), folded.replace("[", "[[]"))
