"""Whether refusals fall on the questions that have no answer, and whether confidence tells right from wrong.

Rule: a refusal is what the assistant says is one, never guessed from words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.evaluation.asked import AskedQuestion


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """Where only answers with at least `confidence` were given: `coverage` is the share of all questions that
    would be answered, `risk` the mean loss of those answers, both 0 to 1."""

    confidence: float
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class AbstentionScores:
    """Refusals held against the questions without an answer: `precision`, `recall` and their `f1`, 0 to 1.

    `curve` begins with the surest answers; `aurc` is the area under it (Geifman and El-Yaniv 2017): the mean
    risk over all answers, surest first, smaller is better; None without confidences. `aurc_least` is what an
    order that knew all losses would have.
    """

    precision: float
    recall: float
    f1: float
    aurc: float | None
    aurc_least: float | None
    curve: tuple[RiskPoint, ...]


def abstention_scores(asked: Sequence[AskedQuestion]) -> AbstentionScores:
    """The figures over all of `asked`."""
    refused = sum(one.refused for one in asked)
    unanswerable = sum(not one.answerable for one in asked)
    both = sum(one.refused and not one.answerable for one in asked)
    precision = both / refused if refused else 0.0
    recall = both / unanswerable if unanswerable else 0.0
    losses = [
        (one.confidence, 1.0 - one.value) for one in asked if one.answered and one.confidence is not None
    ]
    return AbstentionScores(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if both else 0.0,
        aurc=_mean_risk(_by_confidence(losses)) if losses else None,
        aurc_least=_mean_risk([[loss] for loss in sorted(loss for _, loss in losses)]) if losses else None,
        curve=risk_curve(losses, len(asked)),
    )


def risk_curve(losses: Sequence[tuple[float, float]], of: int) -> tuple[RiskPoint, ...]:
    """A point for each confidence among `losses` (confidence and loss of an answer) of `of` questions."""
    points, total, count = [], 0.0, 0
    levels = sorted({confidence for confidence, _ in losses}, reverse=True)
    for level, group in zip(levels, _by_confidence(losses), strict=True):
        total, count = total + sum(group), count + len(group)
        points.append(RiskPoint(level, count / of, total / count))
    return tuple(points)


def _by_confidence(losses: Sequence[tuple[float, float]]) -> list[list[float]]:
    """The losses by falling confidence; those of one confidence together, for no order of them is right."""
    groups: dict[float, list[float]] = {}
    for confidence, loss in sorted(losses, reverse=True):
        groups.setdefault(confidence, []).append(loss)
    return list(groups.values())


def _mean_risk(groups: Sequence[Sequence[float]]) -> float:
    area, total, count = 0.0, 0.0, 0
    for group in groups:
        mean = sum(group) / len(group)
        for place in range(1, len(group) + 1):
            area += (total + mean * place) / (count + place)
        total, count = total + sum(group), count + len(group)
    return area / count
