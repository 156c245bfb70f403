"""The answers of a measurement that is under way, a line for each question, so that one that was ended goes on.

Rule: a line counts when it is whole, and answers of another measurement are never taken for one's own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

from bot.answer import Answer, Citation, Timings
from bot.errors import Failed
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.datasets import ReferenceQuestion
from knowledge.documents import Chunk, Passage
from models.engine.generator import ModelIdentity

FILE = "unfinished.jsonl"

Answers = Mapping[str, AskedQuestion]
"""What became of one question, by the arms' names."""


class UnfinishedAnswers:
    """The file of a measurement, open at its end; `known` are the answers that an earlier run left there."""

    def __init__(self, file: FileIO, path: Path, known: list[Answers]) -> None:
        self._file = file
        self._path = path
        self.known = known

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path, digest: str) -> Iterator[UnfinishedAnswers]:
        """Those of `folder`, which are of the measurement that `digest` names, or none yet.

        Raises `Failed` where they are of another one, where somebody else is writing them, or where the disk
        takes nothing more.
        """
        path = folder / FILE
        with contextlib.ExitStack() as stack:
            with _told(path):
                file = stack.enter_context(path.open("a+b", buffering=0))
                _lock(file, folder)
                known, whole = _read(file, path, digest)
                file.truncate(whole)  # whoever was killed may have left a part of a line
            found = cls(file, path, known)
            if whole == 0:
                found._add({"measurement": digest})
            yield found

    def add(self, answers: Answers) -> None:
        """Keeps what became of the next question; raises `Failed` where the disk is full."""
        self._add({name: asdict(one) for name, one in answers.items()})

    def _add(self, row: Mapping[str, object]) -> None:
        # Only escapes: a lone surrogate has no UTF-8.
        left = json.dumps(row, default=_plain).encode("ascii") + b"\n"
        with _told(self._path):
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())


def forget(folder: Path) -> None:
    """Forgets the answers of a measurement whose report is written."""
    (folder / FILE).unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}") from None


def _lock(file: FileIO, folder: Path) -> None:
    """The lock is the operating system's and ends with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failed(
            f"another measurement is writing to {folder}; wait for it, or choose another --out"
        ) from None


def _read(file: FileIO, path: Path, digest: str) -> tuple[list[Answers], int]:
    """The answers in `file`, and how many of its bytes are whole lines."""
    file.seek(0)
    lines = file.read().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    known: list[Answers] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if number > 1:
                known.append({name: _asked(one) for name, one in row.items()})
            elif row["measurement"] != digest:
                raise Failed(
                    f"{path} has the answers of a measurement that was ended, with other questions, options or "
                    "models; start that one again, or delete the file"
                )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Failed(f"{path} line {number} is broken; delete the file to begin anew") from None
    return known, sum(map(len, lines))


def _plain(value: Any) -> object:
    """A time as text; a number that is numpy's as Python's."""
    return value.isoformat() if isinstance(value, datetime) else float(value)


def _asked(row: dict[str, Any]) -> AskedQuestion:
    question = {**row["question"], "references": tuple(row["question"]["references"])}
    changed = {"question": ReferenceQuestion(**question), "read": tuple(row["read"])}
    return AskedQuestion(**{**row, **changed, "answer": _answer(row["answer"])})


def _answer(row: dict[str, Any]) -> Answer:
    changed = {
        "citations": tuple(Citation(**_timed(one)) for one in row["citations"]),
        "passages": tuple(map(_passage, row["passages"])),
        "model": None if row["model"] is None else ModelIdentity(**row["model"]),
        "timings": Timings(**row["timings"]),
    }
    return Answer(**{**row, **changed})


def _passage(row: dict[str, Any]) -> Passage:
    chunk = {**row["chunk"], "headings": tuple(row["chunk"]["headings"])}
    return Passage(**{**_timed(row), "chunk": Chunk(**chunk)})


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    at = row["updated_at"]
    return {**row, "updated_at": None if at is None else datetime.fromisoformat(at)}
