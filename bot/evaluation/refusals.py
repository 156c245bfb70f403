"""How well the best evidence tells questions that the documents answer from those that they do not.

Rule: search and evidence only, no model; so a team can see in seconds what each bound would do to its own
questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.assistant import PassageSearch
from bot.evaluation.golden import GoldenQuestion
from bot.evidence import find_evidence
from bot.languages import language_of
from bot.likelihood import Judge, likelihood, reads
from knowledge.retrieval import EVERYTHING
from models.embedding.embedder import Embedder

BOUNDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
_STEPS = 50
_NOTHING = -1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A question with the score and the likelihood of its best evidence."""

    question: GoldenQuestion
    score: float
    likelihood: float


@dataclass(frozen=True, slots=True)
class Bound:
    """What refusing below `likelihood` would do: shares of each kind, 0 to 1."""

    likelihood: float
    false_refusals: float
    refused: float


@dataclass(frozen=True, slots=True)
class RefusalReport:
    """`auc` is how often an answerable question scores above an unanswerable one. `slope` and `offset` are those
    of the logistic curve that fits these questions, both kinds weighing the same. None without both kinds."""

    answerable: int
    unanswerable: int
    auc: float | None
    slope: float | None
    offset: float | None
    bounds: tuple[Bound, ...]


def judge(
    questions: Sequence[GoldenQuestion],
    search: PassageSearch,
    embedder: Embedder,
    *,
    passages: int,
    reader: Judge | None = None,
) -> list[Judged]:
    """The best evidence for each question, and its likelihood as `reader` sees it; a question for which
    nothing is found scores -1."""
    rows = []
    for question in questions:
        found = search.search(question.ask, limit=passages, readable=EVERYTHING)
        evidence = find_evidence(question.ask, found, embedder, language_of(question.ask))
        best = evidence[0] if evidence else None
        likely = likelihood(question.ask, found, evidence, reader if reads(question.ask) else None)
        rows.append(Judged(question, best.score if best else _NOTHING, likely))
    return rows


def report(rows: Sequence[Judged]) -> RefusalReport:
    """What the scores of `rows` are worth."""
    known = [row for row in rows if row.question.answerable]
    unknown = [row for row in rows if not row.question.answerable]
    both = bool(known and unknown)
    slope, offset = fitted([row.score for row in known], [row.score for row in unknown])
    return RefusalReport(
        answerable=len(known),
        unanswerable=len(unknown),
        auc=_auc([row.likelihood for row in known], [row.likelihood for row in unknown]),
        slope=slope if both else None,
        offset=offset if both else None,
        bounds=tuple(Bound(bound, _below(known, bound), _below(unknown, bound)) for bound in BOUNDS),
    )


def fitted(known: Sequence[float], unknown: Sequence[float]) -> tuple[float, float]:
    """Slope and offset of the logistic curve between the two, by Newton's method; (0, 0) without both."""
    if not known or not unknown:
        return 0.0, 0.0
    points = [(x, 1.0, 0.5 / len(known)) for x in known] + [(x, 0.0, 0.5 / len(unknown)) for x in unknown]
    slope = offset = 0.0
    for _ in range(_STEPS):
        rows = [(x, w, 1 / (1 + math.exp(-(slope * x + offset))), y) for x, y, w in points]
        a = sum(w * (p - y) * x for x, w, p, y in rows) + 1e-4 * slope
        b = sum(w * (p - y) for x, w, p, y in rows)
        aa = sum(w * p * (1 - p) * x * x for x, w, p, _ in rows) + 1e-4
        ab = sum(w * p * (1 - p) * x for x, w, p, _ in rows)
        bb = sum(w * p * (1 - p) for _, w, p, _ in rows) + 1e-9
        determinant = aa * bb - ab * ab
        slope, offset = slope - (bb * a - ab * b) / determinant, offset - (aa * b - ab * a) / determinant
    return slope, offset


def _auc(known: Sequence[float], unknown: Sequence[float]) -> float | None:
    pairs = [(a > b) + 0.5 * (a == b) for a in known for b in unknown]
    return sum(pairs) / len(pairs) if pairs else None


def _below(rows: Sequence[Judged], bound: float) -> float:
    return sum(row.likelihood < bound for row in rows) / len(rows) if rows else 0.0
