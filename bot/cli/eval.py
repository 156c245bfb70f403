"""`groundling eval`: measured quality."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import as_json, with_project, write_json

if TYPE_CHECKING:
    from bot.evaluation.golden import GoldenReport, GoldenResult
    from bot.wiring import Project


@click.group(name="eval")
def evaluate() -> None:
    """Measure the quality of retrieval and answers."""


@evaluate.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--least-answers",
    type=click.FloatRange(0, 1),
    default=0.94,
    show_default=True,
    help="Share that must be right.",
)
@click.option(
    "--least-refusals",
    type=click.FloatRange(0, 1),
    default=0.86,
    show_default=True,
    help="Share that must be refused.",
)
@as_json
@with_project
def golden(project: Project, file: Path, *, least_answers: float, least_refusals: float, json_: bool) -> None:
    """Ask the questions of FILE; exit 1 when too few are answered rightly."""
    from bot.cli.ask import prepare
    from bot.errors import Failed
    from bot.evaluation.golden import load_golden, run_golden

    questions = load_golden(file)

    async def run() -> GoldenReport:
        assistant, model = prepare(project)
        try:
            return await run_golden(questions, assistant, project.retriever, progress=_say)
        finally:
            if model is not None:
                await model.close()

    report = asyncio.run(run())
    right, answerable = report.count(answerable=True)
    refused, unanswerable = report.count(answerable=False)
    if json_:
        write_json(_golden_row(report))
    else:
        click.echo(
            f"answered rightly {right} of {answerable}, refused {refused} of {unanswerable} unanswerable"
        )
        click.echo(f"expected document in the first 5 passages: {report.retrieved} of {answerable}")
        click.echo(f"citations that do not resolve: {report.dangling}")
    passed = right >= least_answers * answerable and refused >= least_refusals * unanswerable
    if not passed or report.dangling:
        raise Failed("the golden questions fail the gate")


def _say(result: GoldenResult) -> None:
    if result.right:
        return
    question = result.question
    wanted = "an answer" if question.answerable else "a refusal"
    why = [] if question.answerable is (result.answer.status == "answered") else [f"wanted {wanted}"]
    why += ["facts missing"] if question.answerable and not result.facts else []
    why += ["document not cited"] if question.answerable and not result.cited else []
    why += ["document not found"] if question.answerable and not result.retrieved else []
    click.echo(f"{question.id}: {', '.join(why)}: {' '.join(result.answer.text.split())[:200]}", err=True)


def _golden_row(report: GoldenReport) -> dict[str, object]:
    right, answerable = report.count(answerable=True)
    refused, unanswerable = report.count(answerable=False)
    return {
        "answerable": {"n": answerable, "right": right, "retrieved": report.retrieved},
        "unanswerable": {"n": unanswerable, "refused": refused},
        "unresolved_citations": report.dangling,
        "questions": [
            {
                "id": result.question.id,
                "right": result.right,
                "status": result.answer.status,
                "voice": result.answer.voice,
                "facts": result.facts,
                "cited": result.cited,
                "retrieved": result.retrieved,
                "text": result.answer.text,
            }
            for result in report.results
        ],
    }
