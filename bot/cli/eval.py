"""`groundling eval`: measured quality."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_answers import answers
from bot.cli.eval_arms import arms
from bot.cli.eval_options import FILE, FOLDER, counter, out_option
from bot.cli.options import as_json, with_any_project, with_project, write_json

if TYPE_CHECKING:
    from bot.evaluation.golden import GoldenReport, GoldenResult
    from bot.evaluation.retrieval import RankingReport, SpanReport
    from bot.wiring import Project


@click.group(name="eval")
def evaluate() -> None:
    """Measure the quality of retrieval and answers."""


evaluate.add_command(answers)
evaluate.add_command(arms)


@evaluate.command()
@click.option("--beir", type=FOLDER, help="A folder in BEIR's layout.")
@click.option("--split", default="test", show_default=True, help="Which judgements of the BEIR folder.")
@click.option("--squad", type=FILE, help="A SQuAD file: each question wants its own paragraph.")
@click.option("--spans", type=FOLDER, help="A folder with corpora/*.md and questions_df.csv.")
@as_json
@with_any_project
def retrieval(
    project: Project, *, beir: Path | None, split: str, squad: Path | None, spans: Path | None, json_: bool
) -> None:
    """Measure how well passages are found; one of --beir, --squad or --spans."""
    from bot.errors import WrongUse
    from bot.evaluation.datasets import load_beir, load_spans, load_squad
    from bot.evaluation.retrieval import evaluate_ranking, evaluate_spans

    if sum(one is not None for one in (beir, squad, spans)) != 1:
        raise WrongUse("give exactly one of --beir DIR, --squad FILE and --spans DIR")
    if spans is not None:
        texts, queries = load_spans(spans)
        _write_spans(evaluate_spans(texts, queries, embedder=project.embedder, progress=counter), json_=json_)
        return
    judged = load_beir(beir, split) if beir is not None else load_squad(squad or Path())
    _write_ranking(evaluate_ranking(judged, embedder=project.embedder, progress=counter), json_=json_)


@evaluate.command()
@click.argument("file", type=FILE)
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
    from bot.cli.ask import assistant_of
    from bot.errors import Failed
    from bot.evaluation.golden import load_golden, run_golden
    from bot.evaluation.golden_report import golden_document
    from bot.evaluation.report_folder import ReportFolder

    questions = load_golden(file)
    folder = None if out is None else ReportFolder(out)

    async def run() -> GoldenReport:
        async with assistant_of(project) as assistant:
            return await run_golden(questions, assistant, project.retriever, progress=_say)

    report = asyncio.run(run())
    right, answerable = report.count(answerable=True)
    refused, unanswerable = report.count(answerable=False)
    passed = right >= least_answers * answerable and refused >= least_refusals * unanswerable
    failure = None if passed and not report.dangling else "the golden questions fail the gate"
    if folder is not None:
        folder.write(golden_document(report, [("questions", file.name)], failure), _golden_row(report))
    if json_:
        write_json(_golden_row(report))
    else:
        click.echo(
            f"answered rightly {right} of {answerable}, refused {refused} of {unanswerable} unanswerable"
        )
        click.echo(f"expected document in the first 5 passages: {report.retrieved} of {answerable}")
        leading, led = report.leads
        if led:
            click.echo(f"words above the quotes hold the facts alone: {leading} of {led}")
        click.echo(f"citations that do not resolve: {report.dangling}")
    if failure is not None:
        raise Failed(failure)


@evaluate.command()
@click.argument("file", type=FILE)
@as_json
@with_project
def refusals(project: Project, file: Path, *, json_: bool) -> None:
    """Show what each bound for refusing would do to the questions of FILE, without asking the model."""
    from bot.evaluation.golden import load_golden
    from bot.evaluation.refusals import judge, report

    rows = judge(
        load_golden(file),
        project.retriever,
        project.embedder,
        passages=project.config.retrieval.passages,
        reader=project.judge,
    )
    found = report(rows)
    if json_:
        write_json(found)
        return
    click.echo(f"{found.answerable} answerable, {found.unanswerable} not; AUC {found.auc:.3f}")
    click.echo(f"fitted curve: slope {found.slope:.2f}, offset {found.offset:.2f}")
    for bound in found.bounds:
        click.echo(
            f"refuse_below = {bound.likelihood}: {bound.false_refusals:.0%} of the answerable refused, "
            f"{bound.refused:.0%} of the others"
        )


def _write_ranking(report: RankingReport, *, json_: bool) -> None:
    modes = {
        mode: {
            "ndcg@10": round(row.ndcg_10, 4),
            "recall@5": round(row.recall_5, 4),
            "recall@10": round(row.recall_10, 4),
            "mrr@10": round(row.mrr_10, 4),
        }
        for mode, row in report.modes.items()
    }
    if json_:
        write_json({"modes": modes, "queries": report.queries, "documents": report.documents})
        return
    click.echo(f"{report.queries} queries, {report.documents} documents, {report.chunks} chunks")
    for mode, row in modes.items():
        click.echo(f"{mode:8}" + "".join(f"  {name} {value:.4f}" for name, value in row.items()))


def _write_spans(report: SpanReport, *, json_: bool) -> None:
    row = {
        "recall": round(report.recall, 4),
        "precision": round(report.precision, 4),
        "iou": round(report.iou, 4),
        "queries": report.queries,
    }
    if json_:
        write_json(row)
        return
    click.echo("  ".join(f"{name} {value}" for name, value in row.items()))


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
