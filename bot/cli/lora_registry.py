"""`groundling finetune evaluate`, `activate`, `rollback` and `list`: which LoRA answers, and what that rests on."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_parts import configured
from bot.cli.lora_asking import base_of, both_ways, golden_file, meant, other_than, taken_in
from bot.cli.lora_showing import write_evaluation, write_list, write_move, write_votes
from bot.cli.options import Words, as_json, login, with_project

if TYPE_CHECKING:
    from bot.registry import Artefact
    from bot.wiring import Project

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

golden_option = click.option(
    "--golden", type=_FILE, help="The golden questions.  [default: those of [schedule] golden]"
)
why_option = click.option("--why", type=Words(), default="", help="Why, for the history.")
who_option = click.option(
    "--by", "who", type=Words(), metavar="NAME", help="Who does it.  [default: your login name]"
)


UNFINISHED = "evaluation.jsonl"
"""In the data folder: what an evaluation that was ended goes on from; no answer's words stand in it."""


@click.command()
@click.argument("lora")
@golden_option
@click.option("--squad", "squads", type=_FILE, multiple=True, help="Also a SQuAD file (repeatable).")
@click.option("--limit", type=click.IntRange(1), help="Ask only so many questions of each SQuAD file.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which of them.")
@as_json
@with_project
def evaluate(
    project: Project,
    lora: str,
    *,
    golden: Path | None,
    squads: tuple[Path, ...],
    limit: int | None,
    seed: int,
    json_: bool,
) -> None:
    """Ask the same questions with LORA (a GGUF file, or one that is known by name or sha256) and with what
    answers now, and keep the figures; with the bare model, where LORA is what answers."""
    from bot.errors import WrongUse
    from bot.evaluation.datasets import load_answers
    from bot.evaluation.golden import load_golden
    from bot.lora_evaluation import Way, contents_of, evaluation, keep, setting_of
    from bot.registry import text_sha256
    from bot.unfinished import Unfinished
    from models.weights import sha256_of

    file = golden_file(project, golden)
    if file is None:
        raise WrongUse("give --golden FILE, or set [schedule] golden")
    questions = load_golden(file)
    asked = []
    stems = Counter(squad.stem for squad in squads)
    for number, squad in enumerate(squads, 1):
        texts, every = load_answers(squad)
        random.Random(seed).shuffle(chosen := list(every))  # noqa: S311 (a sample, not a secret)
        name = squad.stem if stems[squad.stem] == 1 else f"{squad.stem} {number}"
        asked.append((name, texts, chosen[:limit]))
    base = base_of(project)
    candidate = taken_in(project, lora, base)
    now = project.lora_choices.unconfigured(base)
    active = other_than(candidate, now)
    persona = project.config.bot.persona
    setting = setting_of(project.registry, project.catalogue, base.identity, file, persona=persona)
    contents = contents_of(project.catalogue)
    files = [sha256_of(squad) for squad in squads]
    parts = (setting, configured(project), candidate.sha256, active.sha256, files, limit, seed)
    path = project.data / UNFINISHED
    with Unfinished.opened(path, text_sha256(repr(parts)), forget_others=True) as unfinished:
        if unfinished.known:
            click.echo(f"going on: {len(unfinished.known)} questions were asked before", err=True)
        ways = asyncio.run(both_ways(project, candidate, active.lora, questions, asked, unfinished))
    both = Way(candidate.sha256, ways[0]), Way(active.sha256, ways[1])
    found = evaluation(setting, *both, contents)
    sha256 = keep(project.registry, found)
    path.unlink()
    write_evaluation(found, sha256, candidate, active, json_=json_, new=active is now)


@click.command()
@click.argument("lora")
@golden_option
@why_option
@who_option
@click.option(
    "--margin", type=click.FloatRange(0, 1), help="How much worse a measure may be.  [default: 0.05]"
)
@click.option(
    "--target",
    type=click.Choice(("right", "right_answers", "right_refusals", "squad_f1")),
    default="right",
    show_default=True,
    help="What must be better.",
)
@click.option("--equal-is-enough", is_flag=True, help="The target need not be better, only no worse.")
@click.option(
    "--for-everyone", is_flag=True, help="Also where not all who are answered may read what it learned from."
)
@as_json
@with_project
def activate(
    project: Project,
    lora: str,
    *,
    golden: Path | None,
    why: str,
    who: str | None,
    margin: float | None,
    target: str,
    equal_is_enough: bool,
    for_everyone: bool,
    json_: bool,
) -> None:
    """Let LORA answer from now on, if its evaluation is no worse on any measure and better on the target."""
    from bot.errors import Failed
    from bot.gate import MARGIN, blocked
    from bot.lora_evaluation import contents_of, evaluation_for, without_changed
    from bot.prompt import wording
    from bot.registry import text_sha256
    from models.weights import sha256_of

    found = meant(project, lora)
    base = base_of(project)
    moves = project.registry.moves()
    active = project.lora_choices.unconfigured(base)
    if active.sha256 == found.sha256 and active.origin == "activated":
        raise Failed(f"{found.manifest.name} ({found.sha256[:12]}) is active already")
    project.lora_choices.folder.whole(found.sha256, base)
    if not for_everyone:
        _check_audience(project, found)
    file = golden_file(project, golden)
    artefact, evaluation = evaluation_for(
        project.registry,
        found.sha256,
        base=base.sha256,
        prompt=text_sha256(wording(project.config.bot.persona)),
        active=active.sha256,
        golden=None if file is None else sha256_of(file),
    )
    # What was won must be won without the questions that are about something else by now.
    left, changed = without_changed(evaluation, contents_of(project.catalogue))
    for one, about in ((evaluation, ""), (left, _without(changed))):
        assert one.active is not None
        reason = blocked(
            one.candidate.items,
            one.active.items,
            target=target,  # type: ignore[arg-type]
            margin=MARGIN if margin is None else margin,
            equal_is_enough=equal_is_enough,
        )
        if reason is not None:
            raise Failed(f"{found.manifest.name} is not activated: {reason}{about}")
    after = moves[-1].number if moves else 0
    move = project.registry.activate(
        found.sha256, after=after, who=who or login(), why=why, evaluation=artefact.sha256
    )
    write_move(project, move, json_=json_)


@click.command()
@why_option
@who_option
@as_json
@with_project
def rollback(project: Project, *, why: str, who: str | None, json_: bool) -> None:
    """Let the LoRA answer again that was active before the last activation, or none."""
    write_move(project, project.registry.roll_back(who=who or login(), why=why), json_=json_)


@click.command("list")
@as_json
@with_project
def list_(project: Project, *, json_: bool) -> None:
    """List the LoRAs that were exported or evaluated, where they are from, which one answers and why."""
    write_list(project, json_=json_)


@click.command()
@click.option("--channel", metavar="ID", help='Only this channel, such as "slack:channel:C0123456789".')
@as_json
@with_project
def votes(project: Project, *, channel: str | None, json_: bool) -> None:
    """Compare what people thought of the answers of each LoRA."""
    from bot.inbox import Entry, Inbox
    from bot.journal import Journal, Vote
    from bot.lora_votes import count_votes

    async def voted() -> list[tuple[Entry, Vote]]:
        inbox = Inbox(project.database)
        try:
            found = await Journal(project.database).votes()
            entries = {id_: await inbox.entry(id_) for id_ in {vote.question for vote in found}}
        finally:
            await inbox.close()
        return [(entry, vote) for vote in found if (entry := entries[vote.question]) is not None]

    write_votes(count_votes(asyncio.run(voted()), channel=channel), json_=json_)


def _check_audience(project: Project, lora: Artefact) -> None:
    """Raises `Failed` where somebody would be answered by it who may not read what it learned from."""
    from bot.chat_rules import access_rules
    from bot.errors import Failed
    from bot.lora_audience import audience_of, not_for_all, why_not

    audience = audience_of(project.lora_choices.folder.path(lora.sha256))
    if names := not_for_all(audience, access_rules(project.config).readers):
        raise Failed(f"{lora.manifest.name} is not activated: {why_not(names)}, or add --for-everyone")


def _without(changed: int) -> str:
    asked = "1 question is" if changed == 1 else f"{changed} questions are"
    return (
        f", for {asked} left out whose documents have changed since the evaluation; "
        "run: groundling finetune evaluate again"
    )


COMMANDS: tuple[click.Command, ...] = (evaluate, activate, rollback, list_, votes)
"""What `finetune` has of these."""
