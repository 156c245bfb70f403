"""`groundling eval`: measured quality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_answers import answers
from bot.cli.eval_arms import arms
from bot.cli.eval_golden import golden
from bot.cli.eval_options import FILE, FOLDER, counter
from bot.cli.options import as_json, with_any_project, with_project, write_json

if TYPE_CHECKING:
    from bot.evaluation.retrieval import RankingReport, SpanReport
    from bot.wiring import Project


@click.group(name="eval")
def evaluate() -> None:
    """Measure the quality of retrieval and answers."""


evaluate.add_command(answers)
evaluate.add_command(arms)
evaluate.add_command(golden)


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
    kinds = f"{found.answerable} answerable, {found.unanswerable} not"
    if found.auc is None:
        click.echo(f"{kinds}; no AUC and no curve without both kinds")
    else:
        click.echo(f"{kinds}; AUC {found.auc:.3f}")
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
