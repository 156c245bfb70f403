"""`groundling advise`: asks what a team has and wants, and says which path fits and why."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.advise import Advice, Changes, Machine, Need, Wanted
    from bot.wiring import Project

T = TypeVar("T")

_CHANGES = click.Choice(["daily", "weekly", "monthly", "never"])
_WANTED = click.Choice(["own", "none"])
_COUNT = click.IntRange(0)
_HEADS = {
    "retrieve": "retrieve: look things up, change no weights",
    "fine-tune": "fine-tune: train a LoRA; there is nothing to look up",
    "both": "both: retrieve for knowledge, fine-tune for behaviour",
    "neither": "neither: there are no documents to look into and no behaviour to train",
}
_EARLY = "neither yet: there are no documents to look into, and too few pairs to train with"


@click.command()
@click.option("--documents", type=_COUNT, help="How many there are.  [default: those of the index]")
@click.option("--changes", type=_CHANGES, help="How often documents change.")
@click.option("--tone", type=_WANTED, help="Whether answers need a tone of your own.")
@click.option("--format", "form", type=_WANTED, help="Whether answers need a form of your own.")
@click.option("--questions-a-day", type=_COUNT, help="How many are asked.")
@click.option("--pairs", type=_COUNT, help="Questions with their right answers that are at hand.")
@click.option(
    "--first-token-s", type=click.FloatRange(0.01), help="Seconds after which an answer should begin."
)
@click.option("--measure", is_flag=True, help="Measure training too, which takes minutes.")
@as_json
@with_any_project
def advise(
    project: Project,
    *,
    documents: int | None,
    changes: Changes | None,
    tone: Wanted | None,
    form: Wanted | None,
    questions_a_day: int | None,
    pairs: int | None,
    first_token_s: float | None,
    measure: bool,
    json_: bool,
) -> None:
    """Say whether to retrieve, fine-tune, do both, or take a larger model; asks what is not given."""
    from bot.advise import Need
    from bot.advise import advise as weigh

    need = Need(
        documents=_asked("How many documents are there", documents, _known(project), _COUNT),
        changes=_asked("How often do they change", changes, "weekly", _CHANGES),
        tone=_asked("Do answers need a tone of your own", tone, "none", _WANTED),
        form=_asked("Do answers need a form of your own", form, "none", _WANTED),
        questions_a_day=_asked("How many questions a day", questions_a_day, 100, _COUNT),
        pairs=_asked("How many questions with right answers are at hand", pairs, 0, _COUNT),
        first_token_s=_asked(
            "After how many seconds should an answer begin", first_token_s, 5.0, click.FloatRange(0.01)
        ),
    )
    machine = _machine(project)
    if measure:
        machine = replace(machine, trained_a_second=_training_speed(project))
    advice = weigh(need, machine)
    if json_:
        numbers = {
            "first_token_s": machine.first_token_s,
            "answer_s": machine.answer_s,
            "training_s": machine.training_s(need.pairs),
        }
        write_json({"need": need, "machine": machine, "numbers": numbers, "advice": advice})
    else:
        _show(need, machine, advice)


def _asked(what: str, given: T | None, usual: T | None, kind: click.ParamType[Any]) -> T:
    """What was given, else what the terminal answers, else what is usual."""
    from bot.errors import WrongUse

    if given is not None:
        return given
    if sys.stdin.isatty():
        found: T = click.prompt(what, default=usual, type=kind, err=True)
        return found
    if usual is None:
        raise WrongUse("nothing is synced yet, so say how many documents there are: --documents N")
    return usual


def _known(project: Project) -> int | None:
    return len(project.catalogue.documents()) if project.has_catalogue else None


def _machine(project: Project) -> Machine:
    """The hardware, and the model's speed where there is a model."""
    from bot.advise import Machine
    from bot.errors import Failed
    from bot.measured_speed import Speed, measured_speed
    from models.errors import ModelError
    from models.hardware import Hardware

    found = Hardware.from_machine()
    gpus = tuple(gpu.name for gpu in found.gpus)
    section = project.config.model
    machine = Machine(
        *(found.cpu, found.cores, found.memory_free, gpus, None, None),
        gpu_free=sum(gpu.free for gpu in found.gpus),
        keeps_passages=section.passage_cache or section.kind == "server",
    )

    async def run() -> tuple[Speed, int | None] | None:
        model = project.generator()
        if model is None:
            return None
        click.echo("measuring how fast the model reads and writes here", err=True)
        try:
            return await measured_speed(model), model.parameters
        finally:
            await model.close()

    try:
        measured = asyncio.run(run())
    except ModelError as error:
        raise Failed(f"the model's speed could not be measured: {error}") from error
    if measured is None:
        return machine
    speed, parameters = measured
    return replace(
        machine,
        model=project.weights().name if section.kind == "gguf" else section.kind,
        parameters=parameters,
        prompt_tokens=speed.prompt_tokens,
        read_a_second=speed.read_a_second,
        written_a_second=speed.written_a_second,
    )


def _training_speed(project: Project) -> float:
    """Tokens a second of three real training steps on made-up rows."""
    from bot.bench_load import made_load
    from bot.errors import Failed, WrongUse
    from models.finetune.rows import Row, write_rows
    from models.training_process import RunFailed, lines

    if project.config.model.kind != "gguf":
        raise WrongUse(f'--measure trains a GGUF, but [model] kind is "{project.config.model.kind}"')
    click.echo("measuring how fast it learns here", err=True)
    rows = [
        Row(
            str(place),
            turns,
            "The report is kept in the office for a week [1].",
            "made up",
            "CC0-1.0",
            "none",
        )
        for place, turns in enumerate(made_load(12, passages=1).questions)
    ]
    with tempfile.TemporaryDirectory(prefix="groundling-advise-") as folder:
        write_rows(Path(folder) / "rows.jsonl", rows)
        recipe = Path(folder) / "recipe.toml"
        base = json.dumps(str(project.weights().path), ensure_ascii=False)
        recipe.write_text(
            f'base = {base}\nrows = ["rows.jsonl"]\nout = "run"\nbatch_tokens = 2048\n', "utf-8"
        )
        try:
            told = [json.loads(line) for line in lines("models.finetune.forecast", recipe)]
        except RunFailed as error:
            raise Failed(f"training could not be measured: {error}") from error
    return float(told[-1]["tokens_a_second"])


def _show(need: Need, machine: Machine, advice: Advice) -> None:
    early = advice.path == "neither" and any(reason.says == "not yet" for reason in advice.reasons)
    head = _EARLY if early else _HEADS[advice.path]
    click.echo(head + ("; and a larger model fits" if advice.larger_model else ""))
    for reason in advice.reasons:
        source = f" ({reason.source})" if reason.source else ""
        click.echo(f"  {reason.says:12}  {reason.reason}{source}")
    click.echo("\nthis machine")
    gpus = ", ".join(machine.gpus) or "no GPU"
    click.echo(f"  {machine.cpu}, {machine.cores} cores, {machine.memory_free / 1e9:.1f} GB free, {gpus}")
    if machine.first_token_s is None or machine.answer_s is None:
        click.echo("  no model is configured, so its speed is not measured")
    else:
        click.echo(
            f"  {machine.model} reads {machine.read_a_second:.0f} and writes {machine.written_a_second:.0f} tokens "
            f"a second: an answer from {machine.prompt_tokens} tokens of passages begins after "
            f"{machine.first_token_s:.1f} s (wanted: {need.first_token_s:g} s) and takes {machine.answer_s:.1f} s"
        )
    training = machine.training_s(need.pairs)
    click.echo(
        "  training: not measured; add --measure"
        if training is None
        else f"  training: {machine.trained_a_second:.0f} tokens a second, at most {training / 60:.0f} min for a pass over {need.pairs} pairs"
    )
    click.echo("\nnext\n  " + "\n  ".join(advice.next))
