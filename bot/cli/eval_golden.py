"""`groundling eval golden`: a team's own questions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_options import FILE, P, R, out_option
from bot.cli.eval_parts import configured, lora_json
from bot.cli.options import as_json, with_project, write_json

if TYPE_CHECKING:
    from bot.assistant import Assistant
    from bot.evaluation.golden import GoldenQuestion, GoldenReport, GoldenResult
    from bot.wiring import Project


def _least(option: str, share: float, what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    return click.option(
        option,
        type=click.FloatRange(0, 1),
        default=share,
        show_default=True,
        help=f"Share that must be {what}.",
    )


@click.command()
@click.argument("file", type=FILE)
@_least("--least-answers", 0.94, "right")
@_least("--least-refusals", 0.86, "refused")
@out_option
@as_json
@with_project
def golden(
    project: Project,
    file: Path,
    *,
    least_answers: float,
    least_refusals: float,
    out: Path | None,
    json_: bool,
) -> None:
    """Ask the questions of FILE; exit 1 when too few are answered rightly."""
    from bot.errors import Failed
    from bot.evaluation.golden import load_golden
    from bot.evaluation.golden_report import golden_document
    from bot.evaluation.report_folder import ReportFolder
    from bot.evaluation.unfinished import forget

    questions = load_golden(file)
    folder = None if out is None else ReportFolder(out)
    report, measured = asyncio.run(_asked(project, questions, out))
    right, answerable = report.count(answerable=True)
    refused, unanswerable = report.count(answerable=False)
    passed = _reaches(right, answerable, least_answers) and _reaches(refused, unanswerable, least_refusals)
    failure = None if passed and not report.dangling else "the golden questions fail the gate"
    if lost := report.without_model:
        failure = f"{len(lost)} of {len(questions)} questions were answered without the model: {lost[0]}"
    told = {**measured, **_golden_row(report)}
    if folder is not None:
        folder.write(golden_document(report, [("questions", file.name)], failure), told)
        forget(folder.folder)
    if json_:
        write_json(told)
    else:
        click.echo(
            f"answered rightly {right} of {answerable}, refused {refused} of {unanswerable} unanswerable"
        )
        click.echo(f"expected document in the first 5 passages: {report.retrieved} of {answerable}")
        leading, led = report.leads
        if led:
            click.echo(f"words above the quotes hold the facts alone: {leading} of {led}")
        click.echo(f"citations that do not resolve: {report.dangling}")
        if lost:
            click.echo(f"answered without the model, which could not be used: {len(lost)}")
    if failure is not None:
        raise Failed(failure)


def _reaches(count: int, of: int, share: float) -> bool:
    # As a quotient: 0.28 * 25 is more than 7.
    return not of or count / of >= share


async def _asked(
    project: Project, questions: Sequence[GoldenQuestion], out: Path | None
) -> tuple[GoldenReport, dict[str, str]]:
    """Every question asked, and the LoRA that was measured. With `out` each answer is kept there as it comes, and a
    run of the same that was ended goes on where it was; raises `Failed` where one of something else was."""
    from bot.cli.ask import assistant_of
    from bot.evaluation.golden import run_golden
    from bot.evaluation.unfinished import UnfinishedGolden

    async with assistant_of(project) as assistant:
        with contextlib.ExitStack() as stack:
            kept = None
            if out is not None:
                digest = _digest(project, assistant, questions)
                kept = stack.enter_context(UnfinishedGolden.opened(out, digest))
            known = [] if kept is None else kept.known
            if known:
                click.echo(
                    f"going on: {len(known)} of {len(questions)} questions were asked before", err=True
                )
            keep = None if kept is None else kept.add
            report = await run_golden(
                questions, assistant, project.retriever, known=known, keep=keep, progress=_say
            )
            return report, lora_json(assistant.settings, assistant.settings.lora)


def _digest(project: Project, assistant: Assistant, questions: Sequence[GoldenQuestion]) -> str:
    """Changes with whatever decides the answers: documents, questions, models and settings."""
    from bot.lora_evaluation import contents_of
    from bot.registry import text_sha256

    decided = (
        configured(project),
        _model(project),
        asdict(assistant.settings),
        sorted(contents_of(project.catalogue).items()),
        questions,
    )
    return text_sha256(repr(decided))


def _model(project: Project) -> str:
    from bot.lora_evaluation import base_of
    from models.errors import ModelError

    try:
        return repr(base_of(project.config.model, project.weights))
    except ModelError as error:  # then quotes alone answer
        return str(error)


def _say(result: GoldenResult) -> None:
    from bot.evaluation.golden_report import wrong

    if why := wrong(result):
        said = " ".join(result.answer.text.split())[:200]
        click.echo(f"{result.question.id}: {why}: {said}", err=True)


def _golden_row(report: GoldenReport) -> dict[str, object]:
    right, answerable = report.count(answerable=True)
    refused, unanswerable = report.count(answerable=False)
    leading, led = report.leads
    return {
        "answerable": {"n": answerable, "right": right, "retrieved": report.retrieved},
        "unanswerable": {"n": unanswerable, "refused": refused},
        "leads": {"n": led, "right": leading},
        "unresolved_citations": report.dangling,
        "without_model": len(report.without_model),
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
