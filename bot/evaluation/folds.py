"""The same figures over each fold of the documents: how much they depend on which documents were asked about.

Rule: a document is in one fold, by its title alone; a fold that tells a figure nothing is left out of its mean.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.errors import WrongUse
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.figures import figures
from bot.evaluation.measures import measure
from bot.evaluation.report import Table
from bot.evaluation.split import fold

SHOWN = ("f1", "overall_f1", "citation_precision", "refused", "false_refusals", "facts_from_nowhere")


@dataclass(frozen=True, slots=True)
class FoldFigure:
    """A figure in each fold, None where the fold does not tell it; `mean` over those that do, `spread` their
    standard deviation, None for fewer than two."""

    folds: tuple[float | None, ...]
    mean: float | None
    spread: float | None


@dataclass(frozen=True, slots=True)
class Folds:
    """For each fold with questions how many `questions` and `documents` it has, and by the arms' names the
    figures."""

    questions: tuple[int, ...]
    documents: tuple[int, ...]
    arms: Mapping[str, Mapping[str, FoldFigure]]


def check_folds(titles: Sequence[str], folds: int | None) -> None:
    """Raises `WrongUse` where documents called `titles` are all in one of so many folds."""
    if folds is not None and len({fold(title, folds) for title in titles}) < 2:
        count = len(set(titles))
        raise WrongUse(
            f"--folds {folds}: the questions are about {count} document{'s' * (count > 1)}, all in one fold; "
            "ask about more documents, or leave --folds out"
        )


def by_folds(rows: Mapping[str, Sequence[AskedQuestion]], folds: int) -> Folds:
    """The figures of every arm by the fold of its questions' documents; without BLEU, ROUGE-L, chrF and what a
    model says of citations."""
    first = next(iter(rows.values()))
    there = sorted({fold(one.document, folds) for one in first})
    parts = [[one for one in first if fold(one.document, folds) == number] for number in there]
    return Folds(
        questions=tuple(map(len, parts)),
        documents=tuple(len({one.document for one in part}) for part in parts),
        arms={name: _figures(asked, folds, there) for name, asked in rows.items()},
    )


def folds_json(found: Folds | None) -> dict[str, object]:
    """As the JSON of a report has them; nothing where nobody asked for folds."""
    if found is None:
        return {}
    return {
        "folds": {
            "questions": list(found.questions),
            "documents": list(found.documents),
            "arms": {
                name: {
                    figure: {
                        "folds": [_round(value) for value in one.folds],
                        "mean": _round(one.mean),
                        "spread": _round(one.spread),
                    }
                    for figure, one in told.items()
                }
                for name, told in found.arms.items()
            },
        }
    }


def folds_tables(found: Folds | None) -> tuple[Table, ...]:
    """The most telling of them, a line for each arm and figure; none where nobody asked for folds."""
    if found is None:
        return ()
    heads = tuple(f"fold {number}" for number in range(1, len(found.questions) + 1))
    counted = "; ".join(
        f"{questions} of {documents}"
        for questions, documents in zip(found.questions, found.documents, strict=True)
    )
    lines = tuple(
        (name, figure, *map(_shown, (one.mean, one.spread, *one.folds)))
        for name, told in found.arms.items()
        for figure in SHOWN
        if (one := told[figure]).mean is not None
    )
    return (
        Table(
            "By folds of the documents",
            ("arm", "figure", "mean", "spread", *heads),
            lines,
            note=f"Each document is in one fold. Questions and documents of the folds: {counted}. "
            "The spread is the standard deviation between them.",
        ),
    )


def _figures(asked: Sequence[AskedQuestion], folds: int, there: Sequence[int]) -> dict[str, FoldFigure]:
    told = [
        figures(measure([one for one in asked if fold(one.document, folds) == number])).flat()
        for number in there
    ]
    return {name: _figure([one[name] for one in told]) for name in told[0]}


def _figure(values: Sequence[float | None]) -> FoldFigure:
    known = [value for value in values if value is not None]
    return FoldFigure(
        tuple(values),
        statistics.fmean(known) if known else None,
        statistics.stdev(known) if len(known) > 1 else None,
    )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
