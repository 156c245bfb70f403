"""Finds what a judge's log-odds are worth beside the evidence.

Rule: questions with known answers decide, about documents that the judge never learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.assistant import REFUSE_BELOW, PassageSearch
from bot.evaluation.golden import GoldenQuestion
from bot.evaluation.refusals import fitted
from bot.evidence import find_evidence
from bot.judging.report import auc
from bot.languages import language_of
from bot.likelihood import Judge, judged
from knowledge.retrieval import EVERYTHING
from models.embedding.embedder import Embedder
from models.judge.calibration import Calibration

MOST_REFUSED = 0.05
BOUNDS = [percent / 100 for percent in range(1, 100)]
ALIKE = 0.01
"""AUCs that are no further apart are the same over so few questions: over a hundred one may be wrong by 0.07."""

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Whether a question has an answer, and score and log-odds of the best evidence found for it."""

    answerable: bool
    evidence: tuple[tuple[float, float], ...]

    def most(self, weight: float) -> float:
        """The best sum of the two, the judge counting `weight`."""
        return max(score + weight * logit for score, logit in self.evidence)


def weigh(
    questions: Sequence[GoldenQuestion],
    search: PassageSearch,
    embedder: Embedder,
    judge: Judge,
    *,
    passages: int,
) -> list[Weighed]:
    """What evidence and judge say of each question; without those for which nothing is found."""
    rows = []
    for question in questions:
        found = search.search(question.ask, limit=passages, readable=EVERYTHING)
        evidence = find_evidence(question.ask, found, embedder, language_of(question.ask))
        if evidence:
            logits = judged(question.ask, found, evidence, judge)
            scores = [row.score for row in evidence]
            rows.append(Weighed(question.answerable, tuple(zip(scores, logits, strict=False))))
    return rows


def calibrated(rows: Sequence[Weighed]) -> Calibration:
    """The smallest weight that tells the two kinds of `rows` apart about as well as the best, the curve that fits them with it, and the
    largest bound of `BOUNDS` that refuses at most `MOST_REFUSED` of what can be answered."""
    known = [row for row in rows if row.answerable]
    unknown = [row for row in rows if not row.answerable]

    def apart(weight: float) -> float:
        return auc([row.most(weight) for row in known], [row.most(weight) for row in unknown])

    aparts = {weight: apart(weight) for weight in WEIGHTS}
    weight = min(one for one, found in aparts.items() if found >= max(aparts.values()) - ALIKE)
    slope, offset = fitted([row.most(weight) for row in known], [row.most(weight) for row in unknown])

    def refused(bound: float) -> float:
        return sum(1 / (1 + math.exp(-(slope * row.most(weight) + offset))) < bound for row in known) / len(
            known
        )

    bearable = [bound for bound in BOUNDS if known and refused(bound) <= MOST_REFUSED]
    return Calibration(weight, slope, offset, max(bearable, default=REFUSE_BELOW))
