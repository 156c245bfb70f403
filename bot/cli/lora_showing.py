"""What `groundling finetune` says about LoRAs, their evaluations and who activated them.

Rule: figures come with their intervals, and what keeps a LoRA from answering is said in one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from bot.cli.options import shown, table, write_json

if TYPE_CHECKING:
    from bot.gate import Compared
    from bot.lora_choice import LoraChoice
    from bot.lora_evaluation import Evaluation
    from bot.lora_votes import Votes
    from bot.registry import Artefact, Move, Registry
    from bot.wiring import Project
    from models.engine.settings import Lora

_AGAIN = "A running `serve` takes it over within half a minute."


def write_list(project: Project, *, json_: bool) -> None:
    """Every LoRA that was exported or evaluated, where it is from, what answers, and the history."""
    from bot.lora_evaluation import COMPARISON, kept

    registry = project.registry
    choice, problem = _choice(project)
    known, moves = registry.artefacts("lora"), registry.moves()
    evaluations = kept(registry, COMPARISON)
    if json_:
        write_json(
            {
                "answers": None if choice is None else _choice_row(choice),
                "problem": problem,
                "loras": [_lora_row(project, one, moves, evaluations) for one in known],
                "history": moves,
            }
        )
        return
    names = {one.sha256: one.manifest.name for one in known}
    tagged = moves[-1].sha256 if moves else None
    rows = [
        (
            one.manifest.name,
            one.sha256[:12],
            "active" if one.sha256 == tagged else "",
            str(one.manifest.notes.get("licence", "")),
            _day(one.recorded_at),
            sum(e.candidate.lora == one.sha256 for _, e in evaluations),
        )
        for one in known
    ]
    for line in table(("name", "sha256", "tag", "licence", "since", "evaluations"), rows):
        click.echo(line)
    for one in known:
        for line in _known_of(registry, one):
            click.echo(f"{one.manifest.name} {one.sha256[:12]}{line}")
    for artefact, evaluation in evaluations[:10]:
        click.echo(_evaluation_line(artefact, evaluation, names))
    for move in moves:
        name = "none" if move.sha256 is None else names.get(move.sha256, move.sha256[:12])
        said = f": {move.why}" if move.why else ""
        click.echo(f"{_day(move.at)}  {move.action} {name} by {move.who}{said}")
    if choice is not None:
        click.echo(f"Answers: {choice.name or 'no LoRA'}; {choice.why}")
    if problem:
        click.echo(f"Note: {problem}", err=True)


def write_evaluation(
    found: Evaluation, sha256: str, candidate: Lora, active: LoraChoice, *, json_: bool, new: bool
) -> None:
    """`new` says that the candidate does not answer yet: then it is told whether it may."""
    from bot.gate import WORDS, blocked, compare

    assert found.active is not None
    measures = compare(found.candidate.items, found.active.items)
    reason = blocked(found.candidate.items, found.active.items)
    times = {
        which: {"p50": way.milliseconds(0.5), "p95": way.milliseconds(0.95)}
        for which, way in (("candidate", found.candidate), ("active", found.active))
    }
    if json_:
        write_json(
            {
                "evaluation": sha256,
                "lora": candidate.sha256,
                "active": active.sha256,
                **{name: getattr(found.setting, name) for name in ("base", "golden", "index", "prompt")},
                "questions": len(found.candidate.items),
                "measures": {one.measure: _measure_row(one) for one in measures},
                "latency_ms": times,
                "blocked": reason,
            }
        )
        return
    click.echo(f"LoRA {candidate.sha256[:12]} against {active.name or 'no LoRA'} ({active.why})")
    rows = [
        (WORDS[one.measure], one.n, f"{one.candidate:.3f}", f"{one.active:.3f}", _interval(one))
        for one in measures
    ]
    for line in table(("measure", "n", "candidate", "active", "difference (95 %)"), rows):
        click.echo(line)
    click.echo(
        f"half of the answers within {times['candidate']['p50']} ms, against {times['active']['p50']} ms"
    )
    if not new:
        return
    if reason is None:
        click.echo(f"It may be activated: groundling finetune activate {candidate.sha256[:12]}")
    else:
        click.echo(f"It may not be activated: {reason}")


def write_move(project: Project, move: Move, *, json_: bool) -> None:
    choice, problem = _choice(project)
    if json_:
        write_json(
            {"move": move, "answers": None if choice is None else _choice_row(choice), "problem": problem}
        )
        return
    known = None if move.sha256 is None else project.registry.find(move.sha256)
    name = "no LoRA" if known is None else f"{known.manifest.name} ({known.sha256[:12]})"
    click.echo(f"{name} is active. {_AGAIN}")
    if choice is not None and choice.sha256 != move.sha256:
        click.echo(f"Note: {choice.name or 'no LoRA'} answers: {problem or choice.why}", err=True)


def write_votes(votes: Sequence[Votes], *, json_: bool) -> None:
    """The votes by LoRA, and how they differ from those of the one with most votes."""
    from bot.lora_votes import FEW, differences

    others = differences(votes)
    if json_:
        write_json(
            {
                "loras": [{"up_share": one.interval, **asdict(one)} for one in votes],
                "differences": others,
            }
        )
        return
    rows = [
        (one.name, (one.lora or "")[:12], one.up, one.down, f"{one.interval[0]:.0%} to {one.interval[1]:.0%}")
        for one in votes
    ]
    for line in table(("LoRA", "sha256", "up", "down", "share of upvotes (95 %)"), rows):
        click.echo(line)
    for one in others:
        said = f"{one.one.name} against {one.other.name}: {one.mean:+.0%} upvotes"
        sure = "" if one.low > 0 or one.high < 0 else ": it may be chance"
        said += f" (95 % {one.low:+.0%} to {one.high:+.0%}){sure}"
        few = f"{one.one.name} against {one.other.name}: too few votes to tell, {FEW} each are wanted"
        click.echo(few if one.few else said)
    if not rows:
        click.echo("No answer of the model has a vote yet.", err=True)


def _choice(project: Project) -> tuple[LoraChoice | None, str | None]:
    """What answers, and what keeps another from doing so."""
    from models.errors import ModelError

    if project.config.model.kind != "gguf":
        return None, '[model] kind is not "gguf", so nothing of this is used'
    try:
        choice = project.lora_choices.choice(project.weights())
    except ModelError as error:
        return None, str(error)
    return choice, choice.problem


def _choice_row(choice: LoraChoice) -> dict[str, object]:
    return {"lora": choice.name, "lora_sha256": choice.sha256, "origin": choice.origin, "why": choice.why}


def _known_of(registry: Registry, one: Artefact) -> Iterator[str]:
    """Where a LoRA is from, whom it is for, and what is wrong with that, as its name goes on."""
    from bot.lora_audience import audience_in, in_words
    from bot.lora_origins import origin, taint_of

    if made := origin(registry, one):
        yield f" comes from {shown(made)}"
    if audience := audience_in(one.manifest.notes):
        yield f" is {shown(in_words(audience))}"
    if taint := taint_of(registry, one.sha256):
        yield f": {taint}"


def _lora_row(
    project: Project, one: Artefact, moves: Sequence[Move], evaluations: Sequence[tuple[Artefact, Evaluation]]
) -> dict[str, object]:
    from bot.lora_origins import tainted_since

    since = tainted_since(project.registry, one)
    return {
        "name": one.manifest.name,
        "sha256": one.sha256,
        "active": bool(moves) and moves[-1].sha256 == one.sha256,
        "there": project.lora_choices.folder.path(one.sha256).is_file(),
        "recorded_at": datetime.fromtimestamp(one.recorded_at).astimezone(),
        "made_from": one.manifest.made_from,
        "notes": one.manifest.notes,
        "tainted_since": None if since is None else datetime.fromtimestamp(since).astimezone(),
        "evaluations": [
            _evaluation_row(artefact, found)
            for artefact, found in evaluations
            if found.candidate.lora == one.sha256
        ],
    }


def _evaluation_row(artefact: Artefact, found: Evaluation) -> dict[str, object]:
    from bot.gate import blocked, compare

    assert found.active is not None
    both = found.candidate.items, found.active.items
    return {
        "sha256": artefact.sha256,
        "at": datetime.fromtimestamp(artefact.recorded_at).astimezone(),
        "active": found.active.lora,
        "golden": found.setting.golden,
        "measures": {one.measure: _measure_row(one) for one in compare(*both)},
        "blocked": blocked(*both),
    }


def _measure_row(one: Compared) -> dict[str, object]:
    return {
        "n": one.n,
        **{
            name: round(getattr(one, name), 4)
            for name in ("candidate", "active", "difference", "low", "high")
        },
        "won": one.won,
        "lost": one.lost,
    }


def _evaluation_line(artefact: Artefact, found: Evaluation, names: Mapping[str, str]) -> str:
    from bot.gate import blocked

    assert found.active is not None
    one, other = (
        "no LoRA" if way.lora is None else names.get(way.lora, way.lora[:12])
        for way in (found.candidate, found.active)
    )
    reason = blocked(found.candidate.items, found.active.items)
    verdict = "may be activated" if reason is None else reason
    return f"{_day(artefact.recorded_at)}  {one} against {other}: {verdict}"


def _interval(one: Compared) -> str:
    return f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d")
