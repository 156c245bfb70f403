"""`groundling eval`: measured quality."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_arms import arms
from bot.cli.options import as_json, with_any_project, with_project, write_json

if TYPE_CHECKING:
    from bot.evaluation.answers import AnswerScores
    from bot.evaluation.golden import GoldenReport, GoldenResult
    from bot.evaluation.retrieval import RankingReport, SpanReport
    from bot.wiring import Project

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group(name="eval")
def evaluate() -> None:
    """Measure the quality of retrieval and answers."""


evaluate.add_command(arms)


@evaluate.command()
@click.option("--beir", type=_FOLDER, help="A folder in BEIR's layout.")
@click.option("--split", default="test", show_default=True, help="Which judgements of the BEIR folder.")
@click.option("--squad", type=_FILE, help="A SQuAD file: each question wants its own paragraph.")
@click.option("--spans", type=_FOLDER, help="A folder with corpora/*.md and questions_df.csv.")
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
        _write_spans(
            evaluate_spans(texts, queries, embedder=project.embedder, progress=_progress), json_=json_
        )
        return
    judged = load_beir(beir, split) if beir is not None else load_squad(squad or Path())
    _write_ranking(evaluate_ranking(judged, embedder=project.embedder, progress=_progress), json_=json_)


@evaluate.command()
@click.option(
    "--squad", type=_FILE, required=True, help="A SQuAD file; its paragraphs are the knowledge base."
)
@click.option("--limit", type=click.IntRange(1), help="Ask only so many of the questions.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Which questions, when not all are asked."
)
@click.option("--oracle", is_flag=True, help="Give the question's own paragraph instead of searching.")
@click.option(
    "--distractors", type=click.IntRange(0), default=0, show_default=True, help="Other paragraphs beside it."
)
@as_json
@with_any_project
def answers(
    project: Project,
    *,
    squad: Path,
    limit: int | None,
    seed: int,
    oracle: bool,
    distractors: int,
    json_: bool,
) -> None:
    """Measure answers, citations and refusals over the questions of a SQuAD file."""
    from bot.cli.ask import assistant_of
    from bot.evaluation.answers import score_answers
    from bot.evaluation.datasets import load_answers
    from bot.evaluation.given import GivenPassages
    from bot.evaluation.temporary_index import temporary_index
    from knowledge.retrieval import Retriever

    texts, questions = load_answers(squad)
    chosen = list(questions)
    random.Random(seed).shuffle(chosen)  # noqa: S311 (a sample, not a secret)
    chosen = chosen[:limit]

    async def run() -> AnswerScores:
        with temporary_index(texts, project.embedder, _progress) as (store, _):
            retriever = Retriever(store, project.embedder)
            given = GivenPassages(retriever, questions, texts, distractors)
            async with assistant_of(project, given if oracle or distractors else retriever) as assistant:
                return await score_answers(
                    chosen, assistant, progress=lambda i, n: _progress("questions", i, n)
                )

    _write_answers(asyncio.run(run()), json_=json_)


@evaluate.command()
@click.argument("file", type=_FILE)
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
    from bot.cli.ask import assistant_of
    from bot.errors import Failed
    from bot.evaluation.golden import load_golden, run_golden

    questions = load_golden(file)

    async def run() -> GoldenReport:
        async with assistant_of(project) as assistant:
            return await run_golden(questions, assistant, project.retriever, progress=_say)

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


@evaluate.command()
@click.argument("file", type=_FILE)
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


def _write_answers(scores: AnswerScores, *, json_: bool) -> None:
    row = {
        "answerable": {
            "n": scores.answerable,
            "em": round(scores.em, 4),
            "f1": round(scores.f1, 4),
            "citation_precision": round(scores.citation_precision, 4),
            "citation_recall": round(scores.citation_recall, 4),
            "false_refusals": round(scores.false_refusals, 4),
            "holds_reference": round(scores.holds_reference, 4),
        },
        "unanswerable": {"n": scores.unanswerable, "refused": round(scores.refused, 4)},
        "ungrounded_sentences": round(scores.ungrounded_sentences, 4),
        "hallucinated_entities": round(scores.hallucinated_entities, 4),
        "overall_f1": round(scores.overall_f1, 4),
        "in_model_words": round(scores.in_model_words, 4),
    }
    if json_:
        write_json(row)
        return
    for name, value in row.items():
        shown = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name}: {shown}")


def _progress(what: str, done: int, of: int) -> None:
    """A counter on a terminal, nothing elsewhere."""
    if sys.stderr.isatty() and (done % 10 == 0 or done >= of - 1):
        click.echo(f"\r{what}: {done} of {of}    ", nl=False, err=True)


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
