"""What every test runs under: no network, no model hub, and one small synced project to look at.

Rule: only this machine can be reached; a test that tries more fails with the address.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_HERE = ("127.0.0.1", "::1", "localhost", "", None)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if _WORKER and hasattr(os, "sched_setaffinity"):
    # Each worker has cores of its own: two models that both use all of them slow each other many times over.
    _CORES = sorted(os.sched_getaffinity(0))
    _WORKERS = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    _FIRST = int(_WORKER.removeprefix("gw")) % len(_CORES)
    os.sched_setaffinity(0, _CORES[_FIRST::_WORKERS])


def _network_is_closed(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in _HERE:
        raise AssertionError(f"a test wants to reach {host}, but tests run without a network")


# A hook in place of a patch: it also sees what libraries do, and cannot be undone by them.
sys.addaudithook(_network_is_closed)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs each test that is a coroutine in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


Groundling = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def groundling() -> Groundling:
    """Runs the real program: `groundling("ask", "-", cwd=folder, stdin=b"...")`."""

    def run(
        *arguments: str | bytes | Path, cwd: Path, stdin: bytes = b"", seconds: float = 480
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=cwd,
            input=stdin,
            capture_output=True,
            timeout=seconds,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", "OMP_NUM_THREADS": "1"},
        )

    return run


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory, groundling: Groundling) -> Path:
    """A folder with a configuration and a synced data folder; tests only look at it."""
    folder = tmp_path_factory.mktemp("project with spaces")
    documents = folder / "documents"
    documents.mkdir()
    documents.joinpath("leave.md").write_text(
        "# Annual leave\n\nEvery employee has 25 days of annual leave a year.\n\n"
        "## Carrying over\n\nUp to five days may be carried over into March of the next year.\n"
    )
    documents.joinpath("parking.txt").write_text("The car park closes at 21:30 on every working day.\n")
    documents.joinpath("rates.csv").write_text("Item,Rate\nBicycle,0.20\nCar,0.45\n")
    documents.joinpath("broken.docx").write_bytes(b"PK\x03\x04 this is no archive")
    folder.joinpath("groundling.toml").write_text(
        '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'
    )
    done = groundling("sync", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return folder
