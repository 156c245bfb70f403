"""`groundling slack`: what Slack's own set-up page wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.cli.options import with_any_project

if TYPE_CHECKING:
    from bot.wiring import Project


@click.group()
def slack() -> None:
    """Set Slack up."""


@slack.command()
@click.option("--minimal", is_flag=True, help="Hear mentions and direct messages alone, with fewer scopes.")
@click.option("--name", default="Groundling", show_default=True, help="What the bot is called in Slack.")
@with_any_project
def manifest(project: Project, *, minimal: bool, name: str) -> None:
    """Print the app manifest to paste at https://api.slack.com/apps, as JSON."""
    import json

    from adapters.slack_manifest import NAME_CHARACTERS
    from adapters.slack_manifest import manifest as made
    from bot.errors import WrongUse

    if not 0 < len(name.strip()) <= NAME_CHARACTERS:
        raise WrongUse(f"--name should have 1 to {NAME_CHARACTERS} characters")
    text = made(minimal=minimal, name=name.strip(), prompts=project.config.slack.prompts)
    click.echo(json.dumps(text, indent=2, ensure_ascii=False))
