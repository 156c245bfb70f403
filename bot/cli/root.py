"""The command line's root: every command by name, none of them imported before it is asked for.

Rule: modules in this package import only click and the standard library at their top, so that
`groundling --help` answers at once.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version

import click

COMMANDS = {
    "init": ("bot.cli.init:init", "Write a commented configuration."),
    "sync": ("bot.cli.sync:sync", "Bring the index up to date with the sources."),
    "search": ("bot.cli.search:search", "Find passages, without an answer."),
    "ask": ("bot.cli.ask:ask", "Answer a question from the documents."),
    "chat": ("bot.cli.chat:chat", "Hold a conversation in the terminal."),
    "serve": ("bot.cli.serve:serve", "Answer in Slack and Discord, and keep the index up to date."),
    "slack": ("bot.cli.slack:slack", "Print what Slack's page for new apps wants."),
    "discord": ("bot.cli.discord:discord", "Print the address that lets the bot into a Discord server."),
    "sources": ("bot.cli.documents:sources", "List the sources and their state."),
    "documents": ("bot.cli.documents:documents", "List the documents and what could not be read."),
    "curated": ("bot.cli.curated:curated", "Keep reviewed answers, which go before all others."),
    "models": ("bot.cli.models:models", "Manage language models on disk."),
    "eval": ("bot.cli.eval:evaluate", "Measure quality."),
    "finetune": ("bot.cli.finetune:finetune", "Train the model on your own questions."),
    "judge": ("bot.cli.judge:judge", "Train the judge of passages."),
    "advise": ("bot.cli.advise:advise", "Say whether to retrieve, to fine-tune, or both."),
    "bench": ("bot.cli.bench:bench", "Measure speed."),
    "doctor": ("bot.cli.doctor:doctor", "Check the installation, the index and the hardware."),
}
"""Command name to ("module:object", help line). A new command is one line here."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run; their help lines stand in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("groundling"), prog_name="groundling")
def root() -> None:
    """Answers from your own documents, offline, with citations."""
