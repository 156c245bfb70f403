"""Reads documents in a process of its own, which may hang, crash or eat its memory without harm.

Rule: nothing that a document does reaches the caller, except a `Reading` or `Unreadable`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import knowledge
from knowledge.documents import Block, BlockKind, Reading, Section
from knowledge.errors import ReaderDown, Unreadable

_START_S: Final = 60.0
_LENGTH: Final = struct.Struct("!Q")
_MB: Final = 2**20
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What one document may cost. A document over a limit is `Unreadable`; the others go on.

    `text_bytes` limits files that are text throughout, `input_bytes` all others. `memory_bytes` is
    what the worker may hold beyond its libraries, `files_per_worker` after how many documents a
    fresh worker takes over.
    """

    input_bytes: int = 64 * _MB
    text_bytes: int = 32 * _MB
    output_characters: int = 16_000_000
    cpu_s: int = 30
    wall_s: float = 60.0
    memory_bytes: int = 512 * _MB
    files_per_worker: int = 1000


class ReaderProcess:
    """Reads one document after the other in a worker process, a fresh one after each failure.

    Use it in a `with` statement. It belongs to one thread. The worker is started by the first
    document and ends with its parent.
    """

    def __init__(self, limits: ReadingLimits | None = None) -> None:
        self._limits = limits or ReadingLimits()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._files = 0

    @property
    def limits(self) -> str:
        return hashlib.sha256(repr(self._limits).encode()).hexdigest()[:16]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, body: bytes, *, suffix: str) -> Reading:
        """What the document says; `suffix` (".md", may be empty) is a hint to its format.

        Raises `Unreadable` with one line for a document that is empty, encrypted, damaged, of no
        known format, or over a limit.
        """
        if not body:
            raise Unreadable("empty")
        if len(body) > self._limits.input_bytes:
            raise Unreadable(f"larger than {self._limits.input_bytes // _MB} MB")
        if self._files >= self._limits.files_per_worker:
            self.close()
        connection = self._connection()
        self._files += 1
        deadline = time.monotonic() + self._limits.wall_s
        try:
            _send(connection, suffix.encode("utf-8", "replace")[:32], body, deadline=deadline)
            answer = _receive(connection, deadline=deadline)
        except TimeoutError:
            self.close()
            raise Unreadable(f"takes over {self._limits.wall_s:g} s to read") from None
        except (OSError, EOFError):
            raise Unreadable(self._death()) from None
        except BaseException:
            self.close()  # an interrupted exchange would answer the next document with this one
            raise
        return self._reading(answer)

    def close(self) -> None:
        """Ends the worker, if there is one; the next `read` starts another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._files = 0

    def _reading(self, answer: bytes) -> Reading:
        try:
            value = json.loads(answer)
            if value["retire"]:
                self.close()
            if value["reason"] is not None:
                raise Unreadable(str(value["reason"]))
            return _from_json(value)
        except (KeyError, TypeError, ValueError, IndexError):
            self.close()
            raise Unreadable("its reader broke down") from None

    def _connection(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self.close()
        ours, theirs = socket.socketpair()
        root = str(Path(knowledge.__file__).resolve().parent.parent)
        environment = {
            # No secret of ours comes near a document.
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
            # A number library that a format library loads would reserve memory for each core.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        with theirs:
            # The command is our own interpreter with our own module.
            self._process = subprocess.Popen(  # noqa: S603
                [
                    sys.executable,
                    "-P",  # the working folder may hold modules of anybody's
                    "-m",
                    "knowledge.readers.worker",
                    str(theirs.fileno()),
                    json.dumps(asdict(self._limits)),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the parent to handle
            )
        self._socket = ours
        try:
            _receive(ours, deadline=time.monotonic() + _START_S)
        except (OSError, EOFError):
            self.close()
            raise ReaderDown("the reading process does not start") from None
        return ours

    def _death(self) -> str:
        """Why the worker died, in words."""
        process = self._process
        assert process is not None
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        memory = f"needs more than {self._limits.memory_bytes // _MB} MB"
        if code == -signal.SIGXCPU:
            return f"takes over {self._limits.cpu_s} s of computing to read"
        if code == -signal.SIGKILL:  # by the kernel, when the machine itself is out of memory
            return memory
        if code < 0:  # libraries in C end so when memory is refused to them
            return f"crashes its reader ({signal.Signals(-code).name}): damaged, or it {memory}"
        return f"crashes its reader (exit {code})"


def _send(connection: socket.socket, suffix: bytes, body: bytes, *, deadline: float) -> None:
    connection.settimeout(max(0.001, deadline - time.monotonic()))
    connection.sendall(_LENGTH.pack(len(suffix)) + suffix + _LENGTH.pack(len(body)))
    connection.settimeout(max(0.001, deadline - time.monotonic()))
    connection.sendall(body)


def _receive(connection: socket.socket, *, deadline: float) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline=deadline))
    return bytes(_exactly(connection, length, deadline=deadline))


def _exactly(connection: socket.socket, length: int, *, deadline: float) -> bytearray:
    received = bytearray()
    while len(received) < length:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connection.recv(min(_MB, length - len(received)))
        if not piece:
            raise EOFError
        received += piece
    return received


def _from_json(value: dict[str, object]) -> Reading:
    """The reading of a worker's answer, whose shape nobody vouches for."""
    title, updated_at = value["title"], value["updated_at"]
    sections = []
    for headings, page, blocks in cast(list[list[object]], value["sections"]):
        sections.append(
            Section(
                headings=tuple(str(heading) for heading in cast(list[object], headings)),
                blocks=tuple(
                    Block(text=str(text), kind=_kind(kind)) for text, kind in cast(list[list[object]], blocks)
                ),
                page=None if page is None else str(page),
            )
        )
    return Reading(
        title=None if title is None else str(title),
        sections=tuple(sections),
        updated_at=None if updated_at is None else datetime.fromisoformat(str(updated_at)),
        notes=tuple(str(note) for note in cast(list[object], value["notes"])),
    )


def _kind(kind: object) -> BlockKind:
    if kind == "table":
        return "table"
    return "code" if kind == "code" else "text"
