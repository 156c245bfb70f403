"""`groundling eval arms`: the model alone, with retrieval, with its LoRA, and with both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bot.cli.eval_options import out_option, squad_options, support_option
from bot.cli.eval_parts import answers_of, extras_of, facts_of, lora_json, parts_of, titles_of, write_folds
from bot.cli.options import as_json, table, with_any_project, write_json

if TYPE_CHECKING:
    from bot.evaluation.arms_report import ArmsFound
    from bot.wiring import Project


@click.command()
@squad_options
@click.option(
    "--lora",
    metavar="NAME|FILE",
    help='The LoRA: a name in the configuration, a GGUF file, or "shipped".  [default: the one that answers]',
)
@click.option(
    "--oracle", is_flag=True, help="Also answer from given passages, with and without the right one."
)
@click.option(
    "--distractors",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Other paragraphs beside the right one, with --oracle.",
)
@click.option(
    "--quote",
    type=click.Choice(["always", "never"]),
    help="Whether the documents' own words follow the model's.  [default: as configured]",
)
@support_option
@out_option
@as_json
@with_any_project
def arms(
    project: Project,
    *,
    squad: tuple[Path, ...],
    limit: int | None,
    folds: int | None,
    seed: int,
    test_fifth: bool,
    lora: str | None,
    oracle: bool,
    distractors: int,
    quote: Literal["always", "never"] | None,
    support_model: Path | None,
    out: Path | None,
    json_: bool,
) -> None:
    """Compare the model alone, with retrieval, with its LoRA, and with both, over the same questions."""
    from bot.errors import WrongUse
    from bot.evaluation.arms import arms_of
    from bot.evaluation.arms_report import arms_document, arms_found, arms_json, question_rows
    from bot.evaluation.folds import check_folds
    from bot.evaluation.questions import questions_of
    from bot.evaluation.report_folder import ReportFolder
    from bot.evaluation.unfinished import forget

    with _with_lora(project, lora) as (own, name):
        texts, chosen = questions_of(squad, limit=limit, seed=seed, test_fifth=test_fifth)
        check_folds(titles_of(texts, chosen), folds)
        folder = None if out is None else ReportFolder(out)
        extras = extras_of(support_model)
        grid = arms_of(name, oracle=oracle)

        async def run() -> tuple[ArmsFound, list[tuple[str, str]], dict[str, str]]:
            quotes = None if quote is None else quote == "always"
            async with parts_of(own, texts, chosen, distractors=distractors, quote=quotes) as parts:
                if parts.generator is None:
                    raise WrongUse('[model] kind is "none": there is no model to compare with itself')
                rows = await answers_of(own, parts, texts, chosen, grid, distractors=distractors, out=out)
                facts = facts_of(
                    parts,
                    squad,
                    lora=name,
                    command="eval arms",
                    test_fifth=test_fifth,
                    lora_file=None if lora is None else Path(lora).name,
                )
                made = arms_found(rows, grid, extras, seed=seed, folds=folds)
                return made, facts, lora_json(parts.settings, name)

        found, facts, measured = asyncio.run(run())
    told = {**measured, **arms_json(found)}
    if folder is not None:
        folder.write(arms_document(found, facts), told, question_rows(found.rows))
        forget(folder.folder)
    if json_:
        write_json(told)
    else:
        _write(found)


@contextlib.contextmanager
def _with_lora(project: Project, lora: str | None) -> Iterator[tuple[Project, str]]:
    """The project that has the LoRA, and the name by which the model knows it."""
    from bot.config_sections import LoraSection
    from bot.errors import WrongUse
    from bot.question import SHIPPED_LORA
    from bot.wiring import Project
    from models.lora_folder import shipped_lora

    config = project.config
    if lora is None:
        configured = _configured(project)
        if configured is None:
            raise WrongUse("there is no LoRA to compare with; name one: --lora FILE.gguf, or [model] lora")
        yield project, configured
        return
    names = [one.name for one in config.lora]
    file = shipped_lora() if lora == SHIPPED_LORA else Path(lora)
    if lora in names or (config.model.kind == "server" and not file.is_file()):
        yield project, lora
        return
    if not file.is_file():
        raise WrongUse(
            f"--lora {lora} is neither a file nor a [[lora]]; there is: {', '.join(names) or 'none'}"
        )
    if config.model.kind != "gguf":
        raise WrongUse(f'--lora takes a file only where [model] kind is "gguf", not {config.model.kind!r}')
    name = "evaluated" + "-again" * ("evaluated" in names)
    section = LoraSection(name=name, path=str(file.resolve()))
    changed = config.model_copy(update={"lora": (*config.lora, section)})
    with Project(changed, root=project.root, data=project.data, file=project.file) as own:
        yield own, name


def _configured(project: Project) -> str | None:
    """The LoRA that answers when nobody names one."""
    model = project.generator()
    return None if model is None else project.answer_settings(model).lora


def _write(found: ArmsFound) -> None:
    from bot.evaluation.arms_report import outcomes_table, scores_table, told_comparison

    for one in (scores_table(found.measures), outcomes_table(found.measures)):
        for line in table(one.heads, one.rows):
            click.echo(line)
        click.echo()
    write_folds(found.folds)
    for comparison in found.comparisons:
        click.echo(told_comparison(comparison))
