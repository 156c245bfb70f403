"""How likely the documents answer a question: what the best evidence scores, and what the judge says.

Rule: one number between 0 and 1, calibrated on documents that the judge never learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.evidence import Evidence
from knowledge.documents import Passage
from models.judge.pairs import shown


class Judge(Protocol):
    """Reads a question and a passage together; `models.judge.judge.Judge` is one."""

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        """The log-odds that each passage answers the question at its place."""
        ...


@dataclass(frozen=True, slots=True)
class Curve:
    """The logistic curve over the score of the best evidence and the judge's log-odds of the best passage."""

    evidence: float
    judge: float
    offset: float


CURVE = Curve(evidence=5.0, judge=0.5, offset=-4.0)
"""docs/decisions/013-the-judge.md has the data."""


def likelihood(
    question: str, passages: Sequence[Passage], evidence: Sequence[Evidence], judge: Judge | None
) -> float:
    """How likely `passages`, whose best `evidence` comes first, answer `question`; 0 without evidence."""
    if not evidence:
        return 0.0
    if judge is None:
        return evidence[0].likelihood
    texts = [shown(passage.title, passage.chunk.location, passage.chunk.text) for passage in passages]
    best = max(judge.answers([question] * len(texts), texts))
    return 1 / (1 + math.exp(-(CURVE.evidence * evidence[0].score + CURVE.judge * best + CURVE.offset)))
