"""`groundling bench engine`: the engine under a load like real questions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.options import as_json, check_picture, table, with_any_project, write_json

if TYPE_CHECKING:
    from bot.bench_engine import EngineBench, EngineRow
    from bot.wiring import Project
    from models.engine.generator import ModelIdentity


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, with commas between them."""

    name = "numbers"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= 256 for word in words):
            self.fail(f"{value!r} is no list of numbers from 1 to 256, like 1,4,8,16", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))


@click.command()
@click.option(
    "--concurrency",
    type=Numbers(),
    default="1,4,8,16",
    show_default=True,
    help="How many ask at once, each in turn.",
)
@click.option(
    "--questions",
    type=click.IntRange(1),
    default=None,
    help="Asked at each concurrency.  [default: 16, or two full rounds]",
)
@click.option(
    "--pool", type=click.IntRange(1, 10_000), default=40, show_default=True, help="Passages to draw from."
)
@click.option(
    "--tokens", type=click.IntRange(1, 4096), default=64, show_default=True, help="Written for each question."
)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of what is made up.")
@click.option(
    "--threads", type=click.IntRange(1, 1024), default=None, help="For all.  [default: as configured]"
)
@click.option(
    "--context",
    type=click.IntRange(64),
    default=1536,
    show_default=True,
    help="Tokens that a question and its answer may have, for all.",
)
@click.option(
    "--warm/--no-warm", default=True, show_default=True, help="Also with the passage cache, warmed."
)
@click.option(
    "--against", metavar="URL", default=None, help="A server with the OpenAI protocol to compare with."
)
@click.option("--peer-library", is_flag=True, help="Compare with the bare llama_cpp.Llama.")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Draw into this file."
)
@click.option("--tune", is_flag=True, help="Find the best threads and batch size instead, and keep them.")
@as_json
@with_any_project
def engine(project: Project, *, tune: bool, plot: Path | None, json_: bool, **asked: Any) -> None:
    """Measure the engine with questions over passages, against a server or the bare library."""
    if tune:
        _tune(project, threads=asked["threads"], json_=json_)
        return
    from bot.bench_engine import EngineLoad, bench_engine

    if plot is not None:
        check_picture(plot)
    load = EngineLoad(
        concurrency=asked["concurrency"],
        questions=asked["questions"],
        pool=asked["pool"],
        tokens=asked["tokens"],
        seed=asked["seed"],
        context_tokens=asked["context"],
        warm=asked["warm"],
        against=asked["against"],
        library=asked["peer_library"],
    )
    settings = project.engine_settings()
    if asked["threads"] is not None:
        settings = dataclasses.replace(settings, threads=asked["threads"])
    report = bench_engine(*_weights(project), settings, load, progress=_say)
    if plot is not None:
        from bot.bench_plot import plot as draw

        draw(report, plot)
    if json_:
        write_json(report)
    else:
        _show(report)


def _weights(project: Project) -> tuple[Path, ModelIdentity]:
    """The file of the model that answers."""
    from bot.errors import WrongUse

    if project.config.model.kind == "none":
        raise WrongUse("the configuration wants no model, so there is no engine to measure")
    weights = project.weights()
    return weights.path, weights.identity


def _tune(project: Project, *, threads: int | None, json_: bool) -> None:
    from bot.bench_tune import tune
    from bot.errors import WrongUse
    from models.engine.tuned import FILE, keep

    if threads is not None:
        raise WrongUse("--tune finds the threads; leave --threads out")
    path, identity = _weights(project)
    found = tune(path, identity, project.engine_settings(), progress=_say)
    file = project.data / FILE
    kept = keep(file, identity.sha256, threads=found.threads, batch_tokens=found.batch_tokens)
    if json_:
        write_json({"tried": found.tried, "best": kept, "file": file})
        return
    rows = [
        (one.threads, one.batch_tokens, _ms(one.read_s), _ms(one.write_s), _ms(one.total_s))
        for one in found.tried
    ]
    for line in table(("threads", "batch", "read ms", "write ms", "total ms"), rows):
        click.echo(line)
    click.echo(f"Best: {found.threads} threads, batches of {found.batch_tokens}; kept in {file}.")


def _show(report: EngineBench) -> None:
    click.echo(
        f"{report.model}: {report.threads} threads, {report.tokens} tokens an answer, passages from a pool "
        f"of {report.pool}"
    )
    heads = (
        "arm",
        "total ms",
        "tokens",
        "tokens/s",
        "first p50 ms",
        "p95 ms",
        "prompt",
        "reused",
        "memory MB",
    )
    for concurrency in dict.fromkeys(row.concurrency for row in report.rows):
        here = [row for row in report.rows if row.concurrency == concurrency]
        click.echo(f"\n{concurrency} at once, {here[0].questions} questions")
        for line in table(heads, [_cells(row) for row in here]):
            click.echo(line)
        for ratio in report.ratios:
            if ratio.concurrency == concurrency:
                click.echo(
                    f"{ratio.ours} to {ratio.peer}: total {ratio.total:.2f}, first token p50 "
                    f"{ratio.first_p50:.2f}, p95 {ratio.first_p95:.2f}, tokens/s {ratio.tokens_per_s:.2f}"
                )
    for note in report.notes:
        click.echo(f"Note: {note}.", err=True)


def _cells(row: EngineRow) -> tuple[object, ...]:
    return (
        row.arm,
        _ms(row.total_s),
        row.tokens,
        round(row.tokens_per_s),
        _ms(row.first_p50_s),
        _ms(row.first_p95_s),
        "-" if row.prompt_tokens is None else row.prompt_tokens,
        "-" if row.reused_tokens is None else row.reused_tokens,
        "-" if row.memory_mb is None else round(row.memory_mb),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _say(what: str) -> None:
    click.echo(what, err=True)
