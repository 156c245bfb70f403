"""What one way of answering comes to: its JSON, its report, and the bounds that it has to keep.

Rule: a bound names a figure of `bot.evaluation.figures`; a figure that could not be told keeps none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.evaluation.arms_report import (
    NOTES,
    outcomes_plot,
    outcomes_table,
    risk_plots,
    scores_table,
    search_json,
    search_table,
)
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.comparison import BY_ANSWER, METRICS, mean_of
from bot.evaluation.figures import figures
from bot.evaluation.folds import Folds, by_folds, folds_json, folds_tables
from bot.evaluation.measures import Extras, Measures, SearchScores, measure, search_scores
from bot.evaluation.report import Bar, Bars, Case, Report, Table


@dataclass(frozen=True, slots=True)
class AnswersFound:
    """The answers of one way of answering, and what is told of them."""

    asked: Sequence[AskedQuestion]
    measures: Measures
    search: SearchScores
    seed: int
    folds: Folds | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure has to reach (`least`) or may not pass."""

    figure: str
    value: float
    least: bool

    def kept(self, measures: Measures) -> bool:
        """Whether the figure keeps it."""
        found = figures(measures).flat().get(self.figure)
        if found is None:
            return False
        return found >= self.value if self.least else found <= self.value

    def told(self, measures: Measures) -> str:
        """The figure beside its bound, in one line."""
        found = figures(measures).flat().get(self.figure)
        shown = "not told" if found is None else f"{found:.4f}"
        return f"{self.figure} is {shown}, {self.wanted} is wanted"

    @property
    def wanted(self) -> str:
        """Such as "at least 0.65"."""
        return f"{'at least' if self.least else 'at most'} {self.value:g}"


def answers_found(
    asked: Sequence[AskedQuestion], extras: Extras = Extras(), *, seed: int, folds: int | None = None
) -> AnswersFound:
    """The figures of `asked`, and with `folds` those of so many parts of the documents."""
    found = None if folds is None else by_folds({"answers": asked}, folds)
    return AnswersFound(asked, measure(asked, extras), search_scores(asked), seed, found)


def answers_json(found: AnswersFound) -> dict[str, object]:
    """The whole as JSON has it."""
    return {
        **figures(found.measures).nested(),
        "retrieval": search_json(found.search),
        **folds_json(found.folds),
    }


def answers_document(
    found: AnswersFound, facts: Sequence[tuple[str, str]], bounds: Sequence[Bound]
) -> Report:
    """The report, with `facts` about what was measured first."""
    one = {"answers": found.measures}
    means = [(metric.name, *mean_of(found.asked, metric, seed=found.seed)) for metric in METRICS]
    told = [(name, count, mean) for name, count, mean in means if count]
    return Report(
        title="Answers held against references",
        facts=(
            *facts,
            ("questions", str(len(found.asked))),
            ("documents", str(len({row.document for row in found.asked}))),
            ("seed", str(found.seed)),
        ),
        tables=(
            scores_table(one),
            Table(
                "How sure they are",
                ("figure", "questions", "mean", "95 % interval"),
                tuple(
                    (name, str(count), f"{mean.mean:.3f}", f"{mean.low:.3f} to {mean.high:.3f}")
                    for name, count, mean in told
                ),
                note=BY_ANSWER,
            ),
            *folds_tables(found.folds),
            outcomes_table(one),
            search_table(found.search),
        ),
        plots=(
            Bars(
                "Figures with their 95 % intervals",
                tuple(Bar(name, mean.mean, mean.low, mean.high) for name, _, mean in told),
            ),
            outcomes_plot(one),
            *risk_plots(one),
        ),
        cases=tuple(_case(bound, found.measures) for bound in bounds) or _figures(found.measures),
        notes=NOTES,
    )


def _case(bound: Bound, measures: Measures) -> Case:
    told = bound.told(measures)
    return Case("bounds", f"{bound.figure} {bound.wanted}", None if bound.kept(measures) else told, told)


def _figures(measures: Measures) -> tuple[Case, ...]:
    """A case for each figure that nobody has bound, so that a CI shows it."""
    told = figures(measures).flat()
    return tuple(Case("figures", f"{name} {value:.4f}") for name, value in told.items() if value is not None)
