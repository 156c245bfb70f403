"""`groundling eval answers`: answers over a SQuAD file, held against its references."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_options import out_option, squad_options, support_option
from bot.cli.eval_parts import answers_of, extras_of, facts_of, lora_json, parts_of, titles_of, write_folds
from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.evaluation.answers_report import AnswersFound, Bound
    from bot.evaluation.arms import Given
    from bot.wiring import Project


@click.command()
@squad_options
@click.option("--oracle", is_flag=True, help="Give the question's own paragraph instead of searching.")
@click.option(
    "--distractors", type=click.IntRange(0), default=0, show_default=True, help="Other paragraphs beside it."
)
@click.option(
    "--taken-out", is_flag=True, help="Keep what answers a question from it: each is then one to refuse."
)
@click.option("--least", multiple=True, metavar="FIGURE=VALUE", help="Fail below this (repeatable).")
@click.option("--most", multiple=True, metavar="FIGURE=VALUE", help="Fail above this (repeatable).")
@support_option
@out_option
@as_json
@with_any_project
def answers(
    project: Project,
    *,
    squad: tuple[Path, ...],
    limit: int | None,
    folds: int | None,
    seed: int,
    test_fifth: bool,
    oracle: bool,
    distractors: int,
    taken_out: bool,
    least: tuple[str, ...],
    most: tuple[str, ...],
    support_model: Path | None,
    out: Path | None,
    json_: bool,
) -> None:
    """Measure answers, citations and refusals over the questions of a SQuAD file."""
    from bot.errors import Failed, WrongUse
    from bot.evaluation.answers_report import answers_document, answers_found, answers_json
    from bot.evaluation.arms import Arm
    from bot.evaluation.arms_report import question_rows
    from bot.evaluation.folds import check_folds
    from bot.evaluation.questions import questions_of
    from bot.evaluation.report_folder import ReportFolder
    from bot.evaluation.unfinished import forget

    if taken_out and (oracle or distractors):
        raise WrongUse("--taken-out takes away what --oracle and --distractors give; leave one of them out")
    bounds = _bounds(least, least=True) + _bounds(most, least=False)
    texts, chosen = questions_of(squad, limit=limit, seed=seed, test_fifth=test_fifth)
    check_folds(titles_of(texts, chosen), folds)
    folder = None if out is None else ReportFolder(out)
    extras = extras_of(support_model)

    async def run() -> tuple[AnswersFound, list[tuple[str, str]], dict[str, str]]:
        beside = project.config.retrieval.passages if taken_out else distractors
        async with parts_of(project, texts, chosen, distractors=beside) as parts:
            given: Given = "distractors" if taken_out else "oracle" if oracle or distractors else "found"
            arm = Arm(parts.settings.lora, given)
            rows = await answers_of(project, parts, texts, chosen, [arm], distractors=beside, out=out)
            facts = facts_of(parts, squad, lora=arm.lora, command="eval answers", test_fifth=test_fifth)
            made = answers_found(rows[arm.name], extras, seed=seed, folds=folds)
            return made, facts, lora_json(parts.settings, arm.lora)

    found, facts, measured = asyncio.run(run())
    told = {**measured, **answers_json(found)}
    if folder is not None:
        rows = question_rows({"answers": found.asked})
        folder.write(answers_document(found, facts, bounds), told, rows)
        forget(folder.folder)
    if json_:
        write_json(told)
    else:
        _write(found)
    broken = [bound.told(found.measures) for bound in bounds if not bound.kept(found.measures)]
    if broken:
        raise Failed("; ".join(broken))


def _bounds(written: tuple[str, ...], *, least: bool) -> list[Bound]:
    import difflib
    import math

    from bot.errors import WrongUse
    from bot.evaluation.answers_report import Bound
    from bot.evaluation.figures import NAMES

    option = "--least" if least else "--most"
    found = []
    for one in written:
        name, _, value = one.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise WrongUse(f"{option} {one} is not a figure and its bound, such as f1=0.65")
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(NAMES)}"
            raise WrongUse(f"{option} {name}: there is no such figure; {hint}")
        found.append(Bound(name, number, least))
    return found


def _write(found: AnswersFound) -> None:
    from bot.evaluation.answers_report import answers_json

    for name, value in answers_json(found).items():
        if name != "folds":
            shown = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            click.echo(f"{name}: {shown}")
    write_folds(found.folds)
