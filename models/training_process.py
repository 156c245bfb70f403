"""A training run in a process of its own, so that its memory and its crashes are not the caller's.

Rule: nothing heavy is imported here; what the run says comes as lines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# A step takes and gives back tensors of some MB a thousand times. glibc would get each from the kernel anew,
# which was a third of a step's time; so it keeps them.
_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}


class RunFailed(RuntimeError):
    """The run ended before it was done; one line that says why."""


def lines(module: str, recipe: Path) -> Iterator[str]:
    """What the run of `recipe` by `module` says, line by line. Closing it ends the run, which goes on at its
    last checkpoint when it is run again. Raises RunFailed."""
    command = [sys.executable, "-m", module, str(recipe)]
    with subprocess.Popen(  # noqa: S603 (our own module, and no shell)
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **_MEMORY}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                yield line.rstrip()
            said = process.stderr.read().strip().splitlines()
            if process.wait() != 0:
                raise RunFailed(said[-1] if said else f"the training ended with {process.returncode}")
        finally:
            if process.poll() is None:
                process.terminate()
