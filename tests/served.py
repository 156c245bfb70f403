"""The real `groundling serve` as a process that tests can watch, ask and end.

Rule: whatever a test does, the process is gone when its block ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

PATIENCE_S = 150.0


class Served:
    """A running `groundling serve`; `lines` is what it has logged so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        """Where it tells how it is."""
        found = self.until(lambda: re.search(r"http://[\d.]+:\d+(?=/healthz)", self.log))
        assert isinstance(found, re.Match)
        return found[0]

    def until(self, condition: Callable[[], object]) -> object:
        """What `condition` gives as soon as that is true; fails when the process ends before."""
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            if self.process.poll() is not None:
                self._reader.join(5)
                if found := condition():
                    return found
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.log}")
            assert time.monotonic() < end, f"it took too long:\n{self.log}"
            time.sleep(0.05)
        return found

    def until_logged(self, text: str, times: int = 1) -> None:
        self.until(lambda: self.log.count(text) >= times)

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and value of a page."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=20) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, when it has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(5)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))


@contextmanager
def serving(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`groundling serve` in `folder`, which is killed at the end of the block if it still runs."""
    fixed = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", "OMP_NUM_THREADS": "1"}
    given = {**os.environ, **fixed, **(environment or {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=given,
    )
    served = Served(process)
    try:
        yield served
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            served._reader.join(5)
            process.stderr.close()
