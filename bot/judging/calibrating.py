"""Finds what a judge's log-odds are worth beside the evidence.

Rule: questions with known answers decide, about documents that the judge never learned from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.assistant import REFUSE_BELOW, PassageSearch
from bot.evaluation.golden import GoldenQuestion
from bot.evaluation.refusals import fitted
from bot.evidence import Evidence, find_evidence
from bot.judging.report import auc
from bot.languages import language_of
from bot.likelihood import Judge, judged
from bot.quoting import MOST_UNITS
from knowledge.documents import Passage
from knowledge.retrieval import EVERYTHING
from models.embedding.embedder import Embedder
from models.judge.calibration import Calibration

MOST_REFUSED = 0.1
MOST_LOST = 0.05
"""Of the questions with an answer so many may be refused, and of those that would be told it so many. Where what would be
quoted does not hold the answer, a refusal loses nothing."""

MOST_BELOW = 0.01
"""Of the questions with an answer so many may have their best evidence below what counts: the very lowest would lie the
lower, the more questions there are."""

BOUNDS = [percent / 100 for percent in range(1, 100)]
ALIKE = 0.01
"""Figures that are no further apart are the same over so few questions: over a hundred an AUC may be wrong by 0.07."""

ALIKE_RANKS = 0.02
"""The same of mean reciprocal ranks. A judge that counts more in the order also spreads the evidence, so that less of it comes
near the best and is quoted."""

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0)
ORDERS = (0.0, 0.02, 0.05, 0.1, 0.15)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Whether a question has an answer, score and log-odds of the best evidence found for it, and which of that
    holds the answer."""

    answerable: bool
    evidence: tuple[tuple[float, float], ...]
    holding: tuple[bool, ...] = ()

    def best(self, weight: float) -> tuple[float, float]:
        """The best sum of the two, the judge counting `weight`, and the score in it."""
        return max((score + weight * logit, score) for score, logit in self.evidence)

    def most(self, weight: float) -> float:
        """The best sum alone."""
        return self.best(weight)[0]

    def rank(self, weight: float) -> float:
        """One over the place of the first evidence that holds the answer, where the judge counts `weight`; 0
        where none does."""
        places = range(len(self.holding))
        order = sorted(places, key=lambda one: -(self.evidence[one][0] + weight * self.evidence[one][1]))
        return next((1 / number for number, one in enumerate(order, 1) if self.holding[one]), 0.0)


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
            holding = tuple(_holds(question, found, row) for row in evidence[: len(logits)])
            rows.append(Weighed(question.answerable, tuple(zip(scores, logits, strict=False)), holding))
    return rows


def _holds(question: GoldenQuestion, found: Sequence[Passage], row: Evidence) -> bool:
    unit = row.unit
    return (
        question.answerable
        and found[unit.passage - 1].chunk.document_id in question.documents
        and question.met_by(unit.reading)
    )


def calibrated(rows: Sequence[Weighed]) -> Calibration:
    """The smallest weight that tells the two kinds of `rows` apart about as well as the best, the curve that fits
    them with it, the largest bound of `BOUNDS` that refuses at most `MOST_REFUSED` of what can be answered, and
    `MOST_LOST` of what would be told, the smallest weight that puts the evidence that holds the answer about as
    high as the best, and the score below which the evidence of at most `MOST_BELOW` of the questions with an
    answer lies."""
    known = [row for row in rows if row.answerable]
    unknown = [row for row in rows if not row.answerable]

    def apart(weight: float) -> float:
        return auc([row.most(weight) for row in known], [row.most(weight) for row in unknown])

    aparts = {weight: apart(weight) for weight in WEIGHTS}
    weight = _smallest(aparts)
    slope, offset = fitted([row.most(weight) for row in known], [row.most(weight) for row in unknown])

    ranks = {one: sum(row.rank(one) for row in known) / max(1, len(known)) for one in ORDERS}
    scores = sorted(row.best(weight)[1] for row in known)
    least = scores[int(MOST_BELOW * len(scores))] if scores else -1.0
    found = Calibration(weight, slope, offset, REFUSE_BELOW, _smallest(ranks, ALIKE_RANKS), least)
    told = [row for row in known if row.rank(found.order) >= 1 / MOST_UNITS] or known

    def refused(rows: Sequence[Weighed], bound: float) -> float:
        return sum(found.likelihood(row.evidence) < bound for row in rows) / max(1, len(rows))

    bearable = [
        bound
        for bound in BOUNDS
        if known and refused(known, bound) <= MOST_REFUSED and refused(told, bound) <= MOST_LOST
    ]
    return replace(found, refuse_below=max(bearable, default=REFUSE_BELOW))


def _smallest(worth: Mapping[float, float], alike: float = ALIKE) -> float:
    return min(one for one, found in worth.items() if found >= max(worth.values()) - alike)
