"""How likely the documents answer a question: what the best evidence scores, and what the judge says.

Rule: one number between 0 and 1, calibrated on documents that the judge never learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from bot.evidence import Evidence
from bot.languages import language_of
from knowledge.documents import Passage
from knowledge.retrieval import Reranker
from models.judge.calibration import Calibration
from models.judge.pairs import shown


class Judge(Protocol):
    """Reads a question and a passage together; `models.judge.judge.Judge` is one."""

    @property
    def calibration(self) -> Calibration | None:
        """What its log-odds are worth beside the evidence; None where nobody has measured it."""
        ...

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        """The log-odds that each passage answers the question at its place."""
        ...


def reads(question: str) -> bool:
    """Whether the judge can tell anything about `question`: it learned from English alone."""
    return language_of(question) == "en"


class ReadingReranker:
    """Puts passages in the judge's order where it `reads` the question, and else leaves them as they are."""

    def __init__(self, judge: Reranker) -> None:
        self._judge = judge

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """As the judge's."""
        return self._judge.scores(query, texts) if reads(query) else [0.0] * len(texts)


def likelihood(
    question: str, passages: Sequence[Passage], evidence: Sequence[Evidence], judge: Judge | None
) -> float:
    """How likely `passages`, whose best `evidence` comes first, answer `question`; 0 without evidence.

    With a calibrated `judge` that passage counts in which evidence and judge together find most; without
    one the best evidence alone.
    """
    if not evidence:
        return 0.0
    calibration = judge.calibration if judge is not None else None
    if judge is None or calibration is None:
        return evidence[0].likelihood
    both = weighed(question, passages, evidence, judge)
    most = max(score + calibration.weight * logit for score, logit in both)
    return 1 / (1 + math.exp(-(calibration.slope * most + calibration.offset)))


def weighed(
    question: str, passages: Sequence[Passage], evidence: Sequence[Evidence], judge: Judge
) -> list[tuple[float, float]]:
    """For each passage with evidence the score of its best and the judge's log-odds."""
    best: dict[int, float] = {}
    for row in evidence:
        best.setdefault(row.unit.passage, row.score)
    read = [passages[number - 1] for number in best]
    texts = [shown(passage.title, passage.chunk.location, passage.chunk.text) for passage in read]
    return list(zip(best.values(), judge.answers([question] * len(texts), texts), strict=True))
