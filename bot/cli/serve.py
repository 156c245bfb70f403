"""`groundling serve`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from bot.cli.options import with_project

if TYPE_CHECKING:
    from bot.wiring import Project

LEAVE_S = 4.0
"""How long threads may go on when everything is closed, in seconds."""


@click.command()
@click.option("--verbose", is_flag=True, help="Log more of what the bot does.")
@with_project
def serve(project: Project, *, verbose: bool) -> None:
    """Answer in the configured chat platforms and keep the index up to date, until SIGTERM or Ctrl-C."""
    # Until the loop listens to it, a signal has nothing to end but this process.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    # The loop begins with what the file says by then.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    before = dict(os.environ)
    leave_room()
    from bot import logs, tokens
    from bot.only_server import only_server

    logs.set_up(verbose=verbose, secrets=tokens.texts())
    with only_server(project.data):
        asyncio.run(_serve(project, before))


async def _serve(project: Project, environment: dict[str, str]) -> None:
    from bot.serving import Serving

    serving = Serving(project, environment=environment)
    serving.listen_to_signals()
    status = 1
    try:
        await serving.run()
        status = 0
    finally:
        # A thread that waits for a disk that does not answer is no reason to stay.
        leaving = threading.Timer(LEAVE_S, os._exit, (status,))
        leaving.daemon = True
        leaving.start()


def leave_room() -> None:
    """Leaves one processor to the event loop, whatever the libraries compute here; before they are imported.

    Their threads sleep while they wait, and hand the interpreter over soon: else they would take the loop's
    turns. What is set already stays.
    """
    sys.setswitchinterval(0.001)
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LANCE_CPU_THREADS"):
        os.environ.setdefault(name, threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
