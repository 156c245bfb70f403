"""What a comparison of arms comes to: its figures, its JSON, its report, and a line for each question.

Rule: everything here is worked out of answers that are already there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.evaluation.abstention import RiskPoint
from bot.evaluation.arms import Arm
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.attribution import OUTCOMES, outcome
from bot.evaluation.comparison import BY_ANSWER, METRICS, Comparison, compare, mean_of
from bot.evaluation.figures import figures, signed
from bot.evaluation.folds import Folds, by_folds, folds_json, folds_tables
from bot.evaluation.intervals import FEWEST, Difference
from bot.evaluation.measures import Extras, Measures, SearchScores, measure, search_scores
from bot.evaluation.report import Bar, Bars, Case, Lines, Report, Stack, Table

BEST = "LoRA+retrieval"
"""The arm that is held against the others."""

DRAWN = {
    "f1": "F1 of answerable questions with its 95 % interval",
    "overall_f1": "Overall F1 with its 95 % interval",
}

_SHOWN = (
    ("f1", "F1"),
    ("em", "exact"),
    ("overall_f1", "overall F1"),
    ("citation_precision", "citations right"),
    ("refused", "refused rightly"),
    ("false_refusals", "refused wrongly"),
    ("hallucinated_entities", "hallucinated entities"),
    ("facts_from_nowhere", "facts from nowhere"),
    ("bleu", "BLEU"),
    ("rouge_l", "ROUGE-L"),
    ("chrf", "chrF"),
    ("aurc", "AURC"),
    ("model_support", "model's support"),
)
_CURVE = 60


@dataclass(frozen=True, slots=True)
class ArmsFound:
    """The answers of every arm by its name, what is told of them, how sure the differences are, and for each of
    `DRAWN` the mean of every arm that has one, with its interval."""

    rows: Mapping[str, Sequence[AskedQuestion]]
    measures: Mapping[str, Measures]
    comparisons: tuple[Comparison, ...]
    means: Mapping[str, Mapping[str, Difference]]
    search: SearchScores
    documents: int
    seed: int
    folds: Folds | None = None


def arms_found(
    rows: Mapping[str, Sequence[AskedQuestion]],
    arms: Sequence[Arm],
    extras: Extras = Extras(),
    *,
    seed: int,
    folds: int | None = None,
) -> ArmsFound:
    """The figures of `rows`, and with `folds` those of so many parts of the documents. Arms that answer from
    distractors alone are in no comparison: their questions have another right answer."""
    others = [arm.name for arm in arms if arm.given != "distractors" and arm.name != BEST]
    retrieved = next(arm.name for arm in arms if arm.given == "found")
    means = {
        metric.name: {name: mean_of(asked, metric, seed=seed) for name, asked in rows.items()}
        for metric in METRICS
        if metric.name in DRAWN
    }
    return ArmsFound(
        rows=rows,
        measures={name: measure(asked, extras) for name, asked in rows.items()},
        comparisons=tuple(compare(rows, BEST, others, seed=seed)) if BEST in rows else (),
        means={
            metric: {name: mean for name, (count, mean) in told.items() if count}
            for metric, told in means.items()
        },
        search=search_scores(rows[retrieved]),
        documents=len({one.document for one in rows[retrieved]}),
        seed=seed,
        folds=None if folds is None else by_folds(rows, folds),
    )


def arms_json(found: ArmsFound) -> dict[str, object]:
    """The whole as JSON has it."""
    return {
        "questions": len(next(iter(found.rows.values()))),
        "documents": found.documents,
        "seed": found.seed,
        "arms": {
            name: {
                **figures(measures).nested(),
                **{f"{metric}_95": _interval(means.get(name)) for metric, means in found.means.items()},
            }
            for name, measures in found.measures.items()
        },
        "comparisons": [
            {
                "arm": one.arm,
                "against": one.against,
                "metric": one.metric,
                "questions": one.questions,
                "documents": one.documents,
                "difference": round(one.difference.mean, 4) if one.questions else None,
                "95": _interval(one.difference if one.questions else None),
                "verdict": one.verdict,
            }
            for one in found.comparisons
        ],
        "retrieval": search_json(found.search),
        **folds_json(found.folds),
    }


def search_json(search: SearchScores) -> dict[str, object]:
    """The search's own figures."""
    return {
        "questions": search.questions,
        "own_paragraph": {name: round(value, 4) for name, value in search.own.items()},
        "reference": {name: round(value, 4) for name, value in search.reference.items()},
        "mrr": round(search.mrr, 4),
        "read": round(search.read, 4),
    }


def question_rows(rows: Mapping[str, Sequence[AskedQuestion]]) -> Iterator[dict[str, object]]:
    """A line for each question and arm, in the order of the questions."""
    for number, together in enumerate(zip(*rows.values(), strict=True), 1):
        for name, one in zip(rows, together, strict=True):
            yield {
                "number": number,
                "arm": name,
                "document": one.document,
                "ask": one.question.ask,
                "references": list(one.question.references),
                "status": one.answer.status,
                "voice": one.answer.voice,
                "text": one.answer.text,
                "outcome": outcome(one),
                "f1": round(one.f1, 4),
                "value": round(one.value, 4),
                "cited": [citation.number for citation in one.answer.citations],
                "read": list(one.read),
                "answering": list(one.answering),
                "confidence": None if one.confidence is None else round(one.confidence, 4),
                "note": one.answer.note,
                "total_ms": one.answer.timings.total_ms,
            }


def arms_document(found: ArmsFound, facts: Sequence[tuple[str, str]]) -> Report:
    """The report, with `facts` about what was measured first."""
    names = list(found.rows)
    return Report(
        title="Arms: the model alone, with retrieval, with its LoRA",
        facts=(
            *facts,
            ("questions", str(len(found.rows[names[0]]))),
            ("documents", str(found.documents)),
            ("seed", str(found.seed)),
        ),
        tables=(
            scores_table(found.measures),
            _comparisons_table(found.comparisons),
            *folds_tables(found.folds),
            outcomes_table(found.measures),
            search_table(found.search),
        ),
        plots=(
            *(
                Bars(DRAWN[metric], tuple(Bar(name, m.mean, m.low, m.high) for name, m in means.items()))
                for metric, means in found.means.items()
            ),
            outcomes_plot(found.measures),
            *risk_plots(found.measures),
        ),
        cases=tuple(_case(one) for one in found.comparisons),
        notes=NOTES,
    )


NOTES = (
    "Intervals are 95 % percentile intervals of a paired bootstrap over documents with 10,000 draws. With few "
    f"documents they are too narrow; with fewer than {FEWEST} nothing is told apart.",
    "An answer is right where a reference stands in it, or where it has an F1 of at least 0.5 with one and all "
    "its numbers and names. Support of citations is lexical; no model judges anything here.",
)


def scores_table(measures: Mapping[str, Measures]) -> Table:
    """The figures of each arm, a line an arm."""
    flat = {name: figures(one).flat() for name, one in measures.items()}
    shown = [(key, head) for key, head in _SHOWN if any(row.get(key) is not None for row in flat.values())]
    return Table(
        "Figures",
        ("arm", *(head for _, head in shown)),
        tuple((name, *(_figure(row.get(key)) for key, _ in shown)) for name, row in flat.items()),
    )


def outcomes_table(measures: Mapping[str, Measures]) -> Table:
    """What became of the questions, a line an arm."""
    kinds = [kind for kind in OUTCOMES if any(one.outcomes[kind] for one in measures.values())]
    return Table(
        "What became of the questions",
        ("arm", *kinds),
        tuple((name, *(str(one.outcomes[kind]) for kind in kinds)) for name, one in measures.items()),
    )


def outcomes_plot(measures: Mapping[str, Measures]) -> Stack:
    """The same as bars."""
    rows = tuple((name, tuple(one.outcomes[kind] for kind in OUTCOMES)) for name, one in measures.items())
    return Stack("What became of the questions", tuple(OUTCOMES), rows)


def risk_plots(measures: Mapping[str, Measures]) -> tuple[Lines, ...]:
    """The risk-coverage curves of the arms that have one."""
    lines = tuple(
        (name, tuple((point.coverage, point.risk) for point in _thinned(one.abstention.curve)))
        for name, one in measures.items()
        if one.abstention.curve
    )
    if not lines:
        return ()
    return (
        Lines(
            "Risk by coverage, the surest answers first", "share of questions answered", "mean loss", lines
        ),
    )


def search_table(search: SearchScores) -> Table:
    """The search by itself."""
    rows = [(f"own paragraph in the first {most}", value) for most, value in search.own.items()]
    rows += [(f"a reference in the first {most}", value) for most, value in search.reference.items()]
    rows += [
        ("reciprocal rank of the own paragraph", search.mrr),
        ("a passage that answers was read", search.read),
    ]
    return Table(
        "The search by itself",
        ("figure", "share"),
        tuple((name.replace("first all", "passages found"), f"{value:.3f}") for name, value in rows),
        note=f"Over {search.questions} answerable questions.",
    )


def _comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    return Table(
        f"{BEST} against the others",
        ("against", "figure", "questions", "difference", "95 % interval", "verdict"),
        tuple(
            (
                one.against,
                one.metric,
                str(one.questions),
                signed(one.difference.mean),
                f"{signed(one.difference.low)} to {signed(one.difference.high)}",
                one.verdict,
            )
            for one in comparisons
            if one.questions
        ),
        note=BY_ANSWER,
    )


def _case(one: Comparison) -> Case:
    told = told_comparison(one)
    failure = told if one.verdict == "behind" else None
    return Case(one.against, f"{one.arm} against {one.against}: {one.metric}", failure, told)


def told_comparison(one: Comparison) -> str:
    """The comparison in one line."""
    if not one.questions:
        return f"{one.arm} against {one.against}, {one.metric}: no question tells, {one.verdict}"
    return (
        f"{one.arm} against {one.against}, {one.metric}: {signed(one.difference.mean)} "
        f"({signed(one.difference.low)} to {signed(one.difference.high)}) over {one.questions} questions of "
        f"{one.documents} documents, {one.verdict}"
    )


def _thinned(points: Sequence[RiskPoint]) -> list[RiskPoint]:
    step = max(1, len(points) // _CURVE)
    return [*points[::step], *points[-1:]]


def _interval(difference: Difference | None) -> list[float] | None:
    return None if difference is None else [round(difference.low, 4), round(difference.high, 4)]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
