"""`groundling doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.options import as_json, project_options, shown, write_json

_MARKS = {"ok": "ok     ", "warning": "WARNING", "broken": "BROKEN "}
_COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


@click.command()
@click.option("--deep", is_flag=True, help="Also read every byte of index and model, and embed a text.")
@as_json
@project_options
def doctor(*, deep: bool, json_: bool, config: Path, data: Path | None) -> None:
    """Check the installation, the index and the hardware; exit 1 when something is broken."""
    from bot.doctor import examine

    findings = []
    for finding in examine(config, data, deep=deep):
        findings.append(finding)
        if not json_:
            mark = click.style(_MARKS[finding.state], fg=_COLOURS[finding.state])
            click.echo(f"{mark}  {finding.name:<14}  {shown(finding.line)}")
    broken = sum(finding.state == "broken" for finding in findings)
    if json_:
        write_json({"findings": findings, "broken": broken})
    if broken:
        raise click.exceptions.Exit(1)
