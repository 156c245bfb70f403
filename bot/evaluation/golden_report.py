"""The golden questions of a team as a report: each question a case, with why it is wrong.

Rule: the questions file decides what is right; the report only tells it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.evaluation.golden import GoldenReport, GoldenResult
from bot.evaluation.report import Case, Report, Stack, Table


def golden_document(found: GoldenReport, facts: Sequence[tuple[str, str]], gate: str | None) -> Report:
    """The report, with `facts` about what was asked first; `gate` is why the gate fails, None where it does
    not."""
    right, answerable = found.count(answerable=True)
    refused, unanswerable = found.count(answerable=False)
    leading, led = found.leads
    return Report(
        title="Golden questions",
        facts=tuple(facts),
        tables=(
            Table(
                "Figures",
                ("figure", "count", "of"),
                (
                    ("answered rightly", str(right), str(answerable)),
                    ("refused rightly", str(refused), str(unanswerable)),
                    ("expected document found", str(found.retrieved), str(answerable)),
                    ("answered rightly by the words above the quotes", str(leading), str(led)),
                    ("citations that do not resolve", str(found.dangling), ""),
                    (
                        "without the model, which failed",
                        str(len(found.without_model)),
                        str(len(found.results)),
                    ),
                ),
            ),
            Table(
                "Questions",
                ("question", "asked", "outcome", "answer"),
                tuple(
                    (one.question.id, one.question.ask, wrong(one) or "right", one.answer.text)
                    for one in found.results
                ),
            ),
        ),
        plots=(
            Stack(
                "Questions by kind",
                ("right", "wrong"),
                (
                    ("answerable", (right, answerable - right)),
                    ("unanswerable", (refused, unanswerable - refused)),
                ),
            ),
        ),
        cases=(
            Case("gate", "the golden questions pass the gate", gate),
            *(Case("questions", one.question.id, wrong(one), _said(one)) for one in found.results),
        ),
    )


def wrong(result: GoldenResult) -> str | None:
    """Why a question is wrong, in one line; None where it is right."""
    if result.right:
        return None
    question = result.question
    wanted = "an answer" if question.answerable else "a refusal"
    why = [] if question.answerable is (result.answer.status == "answered") else [f"wanted {wanted}"]
    why += ["facts missing"] if question.answerable and not result.facts else []
    why += ["document not cited"] if question.answerable and not result.cited else []
    why += ["document not found"] if question.answerable and not result.retrieved else []
    why += ["citations that do not resolve"] if result.dangling else []
    return ", ".join(why)


def _said(result: GoldenResult) -> str:
    return f"{result.question.ask}\n{result.answer.text}"
