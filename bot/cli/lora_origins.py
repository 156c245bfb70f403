"""Notes in the registry what `finetune` commands have made, where there is one.

Rule: what was made stands; that it could not be noted is a note to whoever made it, and no failure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import click

from bot.cli.options import shown

if TYPE_CHECKING:
    from bot.registry import Registry
    from bot.wiring import Project


def note(project: Project, made: Callable[[Registry], None]) -> None:
    """Calls `made` with the project's registry; does nothing where nothing was ever synced or asked here."""
    from knowledge.errors import KnowledgeError
    from models.errors import ModelError

    if not project.has_catalogue:
        return
    try:
        made(project.registry)
    except (KnowledgeError, ModelError) as error:
        click.echo(f"Note: the registry does not know of it: {shown(str(error))}", err=True)


async def trace(project: Project, rows: str, questions: Collection[str]) -> None:
    """Notes which of the journal's questions stand in the rows (a sha256) that are about to be written.

    Raises `Failed` where somebody who asked one of them was forgotten meanwhile.
    """
    from bot.errors import Failed
    from bot.inbox import Inbox

    if not questions:
        return
    # Noted first and looked at then: whoever is forgotten in between is found by the one or the other.
    project.registry.keep_questions(rows, questions)
    inbox = Inbox(project.database)
    known = {entry.id for entry in await inbox.answered() if entry.asked.text}
    await inbox.close()
    if set(questions) - known:
        raise Failed(
            "somebody was forgotten while the rows were made; run: groundling finetune prepare again"
        )
