"""The answers of a measurement that is under way, so that one that was ended goes on where it was.

Rule: what comes back is what was kept, to the last number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.answer import Answer, Citation, Timings
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.datasets import ReferenceQuestion
from bot.unfinished import Unfinished, broken
from knowledge.documents import Chunk, Passage
from models.engine.generator import ModelIdentity

FILE = "unfinished.jsonl"

Answers = Mapping[str, AskedQuestion]
"""What became of one question, by the arms' names."""


class UnfinishedAnswers:
    """The answers that are kept in a folder; `known` are those that an earlier run left there."""

    def __init__(self, kept: Unfinished, known: list[Answers]) -> None:
        self._kept = kept
        self.known = known

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path, digest: str) -> Iterator[UnfinishedAnswers]:
        """Those of `folder`, which are of the measurement that `digest` names, or none yet; raises `Failed` as
        `Unfinished.opened` does."""
        path = folder / FILE
        with Unfinished.opened(path, digest) as kept:
            yield cls(kept, [_answers(path, number, row) for number, row in enumerate(kept.known, 2)])

    def add(self, answers: Answers) -> None:
        """Keeps what became of the next question; raises `Failed` where the disk is full."""
        self._kept.add({name: asdict(one) for name, one in answers.items()})


class UnfinishedGolden:
    """The answers to golden questions that are kept in a folder; `known` are those to the first questions, which an
    earlier run left there."""

    def __init__(self, kept: Unfinished, known: list[Answer]) -> None:
        self._kept = kept
        self.known = known

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path, digest: str) -> Iterator[UnfinishedGolden]:
        """As `UnfinishedAnswers.opened`."""
        path = folder / FILE
        with Unfinished.opened(path, digest) as kept:
            yield cls(kept, [_golden(path, number, row) for number, row in enumerate(kept.known, 2)])

    def add(self, answer: Answer) -> None:
        """Keeps the answer to the next question; raises `Failed` where the disk is full."""
        self._kept.add({"answer": asdict(answer)})


def forget(folder: Path) -> None:
    """Forgets the answers of a measurement whose report is written."""
    (folder / FILE).unlink(missing_ok=True)


def _golden(path: Path, number: int, row: dict[str, Any]) -> Answer:
    try:
        return _answer(row["answer"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise broken(path, number) from None


def _answers(path: Path, number: int, row: dict[str, Any]) -> Answers:
    try:
        return {name: _asked(one) for name, one in row.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise broken(path, number) from None


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
