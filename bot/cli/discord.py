"""`groundling discord`: what Discord's own set-up pages want."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.wiring import Project


@click.group()
def discord() -> None:
    """Set Discord up."""


@discord.command()
@click.option(
    "--application",
    metavar="ID",
    default=None,
    help="The application's id.  [default: the one of DISCORD_TOKEN]",
)
@as_json
@with_any_project
def invite(project: Project, *, application: str | None, json_: bool) -> None:
    """Print the address that adds the bot to a server, with the least rights."""
    from adapters.discord_invite import PERMISSIONS, SCOPES
    from adapters.discord_invite import invite as address
    from bot.errors import WrongUse

    if application is not None and not (application.isascii() and application.isdecimal()):
        raise WrongUse(
            "--application is no application's id; copy it from General Information > Application ID"
        )
    url = address(application or _application())
    if json_:
        write_json({"url": url, "scopes": list(SCOPES), "permissions": list(PERMISSIONS)})
        return
    click.echo(url)
    click.echo(f"It asks for: {', '.join(PERMISSIONS)}.", err=True)
    if not project.config.discord.guilds:
        click.echo("Then name the server in the configuration, under [discord] guilds.", err=True)


def _application() -> str:
    import os

    from adapters.discord_invite import application_of
    from bot.errors import WrongUse
    from bot.secret import secret

    token = secret("DISCORD_TOKEN", os.environ)
    if token is None:
        raise WrongUse(
            "DISCORD_TOKEN is not set; set it, or give the application's id (General Information > "
            "Application ID): groundling discord invite --application ID"
        )
    found = application_of(token)
    if found is None:
        raise WrongUse(
            "DISCORD_TOKEN does not look like a bot's token; copy it anew under Bot > Reset Token, "
            "or give --application ID"
        )
    return found
