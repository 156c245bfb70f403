"""Runs `groundling sync` in a process of its own, so that reading and embedding never keep an answer waiting.

Rule: the process is niced, gets no token, and ends with whoever started it waiting no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bot.errors import Failed

log = logging.getLogger(__name__)

NICE = 5
_END_S = 5.0
_ROOT = Path(__file__).resolve().parent.parent
_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from bot.__main__ import main; main()"


class SyncProcess:
    """Syncs sources of the configuration `file` into the folder `data`, in `environment`."""

    def __init__(self, file: Path, data: Path, environment: Mapping[str, str]) -> None:
        self.file = file
        self._data = data
        self._environment = dict(environment)

    async def run(self, source: str | None) -> None:
        """Syncs one source, or all for None; logs what changed. Raises `Failed` with the reason.

        Where it is cancelled, the process is ended; what it has not published was never there.
        """
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _PROGRAM, str(_ROOT), "sync", "--json"),
            *("--config", str(self.file), "--data", str(self._data)),
            *([] if source is None else ["--", source]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=2**20,
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        try:
            told, complaint = await process.communicate()
        finally:
            await _end(process)
        if process.returncode:
            raise Failed(_reason(complaint, process.returncode))
        _log(told, time.monotonic() - began)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _reason(complaint: bytes, code: int) -> str:
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("groundling: ") if lines else f"it ended with {code}"


def _log(told: bytes, seconds: float) -> None:
    try:
        report = json.loads(told)
        for one in report["sources"]:
            log.info(
                "synced %s: %d added, %d changed, %d removed, %d unchanged, %d not read%s",
                *(one["name"], one["added"], one["changed"], one["removed"], one["unchanged"]),
                *(len(one["failed"]), f"; held back: {one['held_back']}" if one["held_back"] else ""),
            )
        log.info("index version %d, %.1f s", report["index_version"], seconds)
    except (ValueError, KeyError, TypeError):
        log.info("synced in %.1f s", seconds)
