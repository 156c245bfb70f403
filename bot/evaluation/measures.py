"""Everything that is told of one way of answering.

Rule: a figure whose packages are not installed is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.evaluation.abstention import AbstentionScores, abstention_scores
from bot.evaluation.answers import AnswerScores, scores
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.attribution import Outcome, outcomes
from bot.evaluation.citing import CitationScores, citation_scores
from bot.evaluation.facts import FactScores, fact_scores
from bot.evaluation.golden import model_failure
from bot.evaluation.model_support import ModelSupport, SupportModel, model_support
from bot.evaluation.overlap import Overlap, OverlapScores

SEARCH_PLACES = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Extras:
    """What not every machine has: the packages for BLEU, ROUGE-L and chrF, and a model that reads citations."""

    overlap: Overlap | None = None
    support: SupportModel | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """One arm's figures. `without_model` counts answers and refusals that came about without the model because
    it failed: a run with many of them measured a machine, not a model."""

    answers: AnswerScores
    citations: CitationScores
    facts: FactScores
    abstention: AbstentionScores
    overlap: OverlapScores | None
    support: ModelSupport | None
    outcomes: Mapping[Outcome, int]
    without_model: int


@dataclass(frozen=True, slots=True)
class SearchScores:
    """The search by itself, over answerable questions, 0 to 1: the share whose own paragraph (`own`) or a
    reference (`reference`) is among the first 1, 3, 5 and all passages, the mean reciprocal rank of the own
    paragraph, and the share of which a passage that answers was read by the model."""

    questions: int
    own: Mapping[str, float]
    reference: Mapping[str, float]
    mrr: float
    read: float


def measure(asked: Sequence[AskedQuestion], extras: Extras = Extras()) -> Measures:
    """All figures of the questions of one arm."""
    return Measures(
        answers=scores([(one.question, one.answer) for one in asked]),
        citations=citation_scores([one.answer for one in asked if not one.alone]),
        facts=fact_scores(asked),
        abstention=abstention_scores(asked),
        overlap=None if extras.overlap is None else extras.overlap.scores(asked),
        support=None if extras.support is None else model_support(asked, extras.support),
        outcomes=outcomes(asked),
        without_model=sum(model_failure(one.answer) is not None for one in asked),
    )


def search_scores(asked: Sequence[AskedQuestion]) -> SearchScores:
    """What the search found for the answerable ones of `asked`."""
    known = [one for one in asked if one.answerable]
    ranks = [_rank(one.own_found) for one in known]
    held = [_rank(one.reference_found) for one in known]
    return SearchScores(
        questions=len(known),
        own=_within(ranks),
        reference=_within(held),
        mrr=_mean([1 / rank if rank else 0.0 for rank in ranks]),
        read=_mean([float(bool(set(one.answering) & set(one.read))) for one in known]),
    )


def _rank(places: Sequence[int]) -> int:
    return places[0] if places else 0


def _within(ranks: Sequence[int]) -> dict[str, float]:
    first = {str(most): _mean([float(0 < rank <= most) for rank in ranks]) for most in SEARCH_PLACES}
    return {**first, "all": _mean([float(rank > 0) for rank in ranks])}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
