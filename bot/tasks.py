"""Tasks that run as long as the bot does.

Rule: one that falls over is told in the log, and takes no other with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

log = logging.getLogger(__name__)


def log_failure(task: asyncio.Task[None]) -> None:
    """Logs a part of the bot that fell over: the others go on without it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s fell over, restart to have it again: %s", task.get_name(), error, exc_info=error)


async def cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Ends `tasks`; what they raise was told when they raised it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
