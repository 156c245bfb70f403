"""One arm held against the others over the same questions, with how sure each difference is.

Rule: a difference is told only over questions for which both arms have a value, and drawn again by document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.evaluation.asked import AskedQuestion
from bot.evaluation.grounding import facts_from_nowhere, is_right
from bot.evaluation.intervals import FEWEST, RESAMPLES, Difference, paired_difference

Verdict = Literal["ahead", "behind", "not told apart"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with a value for each question, None for one that it says nothing about."""

    name: str
    of: Callable[[AskedQuestion], float | None]
    more_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """`arm` less `against` in `metric`, over `questions` of `documents`; without any question both are 0 and
    nothing is told apart."""

    arm: str
    against: str
    metric: str
    questions: int
    documents: int
    difference: Difference
    verdict: Verdict


METRICS = (
    Metric("f1", lambda asked: asked.f1 if asked.answerable else None),
    Metric("overall_f1", lambda asked: asked.value),
    Metric("citation_precision", lambda asked: _citations(asked)),
    Metric("refused", lambda asked: None if asked.answerable else float(asked.refused)),
    Metric(
        "false_refusals",
        lambda asked: float(asked.refused) if asked.answerable else None,
        more_is_better=False,
    ),
    Metric("hallucinated_entities", lambda asked: _from_nowhere(asked), more_is_better=False),
)
"""f1 of answerable questions (0 where refused); overall F1; right citations of the answers to answerable
questions, 0 for an answer without any; refusals of what has no answer, and of what has one; and answers with
a number or name that stands in no passage. All but the citations, whose figure counts each citation once, are
the figures of these names by question."""

BY_ANSWER = (
    "citation_precision here is a mean over answers, 0 for one without a citation; in the figures each citation "
    "counts once."
)
"""What a reader of both has to know."""


def compare(
    rows: Mapping[str, Sequence[AskedQuestion]],
    arm: str,
    others: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Comparison]:
    """`arm` against each of `others` in every metric; `rows` are in the same order in every arm."""
    return [
        _compared(rows, arm, other, metric, seed=seed, resamples=resamples)
        for other in others
        for metric in METRICS
    ]


def mean_of(
    asked: Sequence[AskedQuestion], metric: Metric, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[int, Difference]:
    """Of how many questions `metric` has a value, and their mean with its 95 % interval."""
    values = [(value, one.document) for one in asked if (value := metric.of(one)) is not None]
    if not values:
        return 0, Difference(0.0, 0.0, 0.0)
    zeros = [0.0] * len(values)
    documents = [document for _, document in values]
    return len(values), paired_difference(
        [value for value, _ in values], zeros, documents, seed=seed, resamples=resamples
    )


def _compared(
    rows: Mapping[str, Sequence[AskedQuestion]],
    arm: str,
    against: str,
    metric: Metric,
    *,
    seed: int,
    resamples: int,
) -> Comparison:
    both = [
        (one, other, row.document)
        for row, beside in zip(rows[arm], rows[against], strict=True)
        if (one := metric.of(row)) is not None and (other := metric.of(beside)) is not None
    ]
    if not both:
        return Comparison(arm, against, metric.name, 0, 0, Difference(0.0, 0.0, 0.0), "not told apart")
    documents = [document for _, _, document in both]
    difference = paired_difference(
        [one for one, _, _ in both],
        [other for _, other, _ in both],
        documents,
        seed=seed,
        resamples=resamples,
    )
    count = len(set(documents))
    return Comparison(
        arm, against, metric.name, len(both), count, difference, _verdict(difference, count, metric)
    )


def _verdict(difference: Difference, documents: int, metric: Metric) -> Verdict:
    if not difference.sure or documents < FEWEST:
        return "not told apart"
    return "ahead" if (difference.low > 0) is metric.more_is_better else "behind"


def _citations(asked: AskedQuestion) -> float | None:
    if not asked.answerable or not asked.answered:
        return None
    right = [is_right(asked.question, asked.answer, one.number) for one in asked.answer.citations]
    return sum(right) / len(right) if right else 0.0


def _from_nowhere(asked: AskedQuestion) -> float | None:
    return float(bool(facts_from_nowhere(asked.answer))) if asked.answered else None
