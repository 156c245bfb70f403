"""A training run in a process of its own, so that its memory and its crashes are not the caller's.

Rule: nothing heavy is imported here; what the run says comes as lines.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    with (
        tempfile.TemporaryFile("w+", errors="replace") as said,  # a pipe that nobody reads would fill up
        subprocess.Popen(  # noqa: S603 (our own module, and no shell)
            command, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, **_MEMORY}
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield line.rstrip()
            if (code := process.wait()) != 0:
                said.seek(0)
                raise RunFailed(_why(code, said.read().strip().splitlines()))
        finally:
            if process.poll() is None:
                process.terminate()


def _why(code: int, said: list[str]) -> str:
    if code >= 0:
        return said[-1] if said else f"the training ended with {code}"
    name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
    full = ", as a system does that has no memory left: lower batch_tokens" if -code == signal.SIGKILL else ""
    return f"the training was ended by {name}{full}; run it again, and it goes on at its last checkpoint"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes the `folder` of a run, which no other run writes to meanwhile; raises RunFailed where one does.

    The lock is the operating system's and ends with the process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailed(
                f"another run is writing to {folder}; wait for it, or choose another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)
