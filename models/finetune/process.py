"""A training run in a process of its own, so that its memory and its crashes are not the caller's.

Rule: nothing heavy is imported here; what the run says comes as lines.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class RunFailed(RuntimeError):
    """The run ended before it was done; one line that says why."""


def run(recipe: Path) -> Iterator[dict[str, Any]]:
    """The progress of the run of `recipe`, line by line, the last {"saved": path}. Closing it ends the run,
    which goes on at its last checkpoint when it is run again. Raises RunFailed."""
    command = [sys.executable, "-m", "models.finetune.training", str(recipe)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            yield json.loads(line)
        said = process.stderr.read().strip().splitlines()
        if process.wait() != 0:
            raise RunFailed(said[-1] if said else f"the training ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
