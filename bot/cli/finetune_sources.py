"""The sources that `groundling finetune prepare` is given, read, and their rows made with the project's parts.

Rule: every file is read before any model is loaded, so that what is wrong is said at once.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import shown

if TYPE_CHECKING:
    from bot.evaluation.golden import GoldenQuestion
    from bot.finetuning.grounded import Ground, Pair
    from bot.finetuning.prepare import Asked, Made, Shares
    from bot.finetuning.prepared import Source
    from bot.looking import Looking
    from bot.wiring import Model, Project
    from models.finetune.rows import Row

LEAST_TEST = 50
"""So many rows to measure on are made at least, where the test fifth has them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sources that the command line names."""

    squad: tuple[Path, ...]
    golden: tuple[Path, ...]
    reviewed: tuple[Path, ...]
    transcripts: tuple[Path, ...]
    curated: bool
    journal: bool
    index: bool
    question_column: str | None
    answer_column: str | None

    @property
    def names(self) -> list[str]:
        """Every source's name, in the order in which licences without a name count."""
        files = (*self.squad, *self.golden, *self.reviewed, *self.transcripts)
        own = {"curated": self.curated, "journal": self.journal, "index": self.index}
        named = [file.resolve().name if file.is_dir() else file.stem for file in files]
        return named + [name for name, yes in own.items() if yes]


@dataclass(slots=True)
class Sources:
    """What the sources hold before anything is searched; `pairs` by source. `questions` are the journal's names
    of what stands in a row, by the row's id, once the rows are made."""

    sets: list[Asked] = field(default_factory=list)
    golden: dict[str, list[GoldenQuestion]] = field(default_factory=dict)
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    told: list[Source] = field(default_factory=list)
    questions: dict[str, frozenset[str]] = field(default_factory=dict)


async def read_sources(project: Project, wanted: Wanted, licences: Sequence[str]) -> Sources:
    """Reads everything that is `wanted`; `licences` are in the order of `wanted.names`."""
    from bot.evaluation.golden import load_golden
    from bot.finetuning.prepared import Source
    from bot.finetuning.sets import squad_set
    from bot.finetuning.tables import reviewed_pairs

    found = Sources()
    licence = dict(zip(wanted.names, licences, strict=True))
    for file in wanted.squad:
        one = squad_set(file, licence[file.stem])
        found.sets.append(one)
        found.told.append(Source(file.stem, licence[file.stem], len(one.questions)))
    for file in wanted.golden:
        found.golden[file.stem] = load_golden(file)
        found.told.append(Source(file.stem, licence[file.stem], len(found.golden[file.stem])))
    for file in wanted.reviewed:
        _add(found, file.stem, licence, reviewed_pairs(file, licence[file.stem]))
    for path in wanted.transcripts:
        _add_transcript(found, path, wanted, licence)
    if wanted.curated or wanted.journal:
        await _add_own(project, found, wanted, licence)
    if wanted.index:
        _add_index(project, found, licence)
    return found


def _add(
    found: Sources,
    name: str,
    licence: dict[str, str],
    pairs: list[Pair],
    left_out: dict[str, int] | None = None,
) -> None:
    from bot.finetuning.prepared import Source

    found.pairs[name] = pairs
    lost = left_out or {}
    found.told.append(Source(name, licence[name], len(pairs) + sum(lost.values()), lost))


def _add_transcript(found: Sources, path: Path, wanted: Wanted, licence: dict[str, str]) -> None:
    from bot.finetuning.slack_export import slack_pairs
    from bot.finetuning.tables import transcript_pairs

    if path.is_dir():
        name = path.resolve().name
        threads = slack_pairs(path, licence[name])
        lost = {"nobody answered": threads.unanswered, "asks nothing": threads.asking_nothing}
        _add(
            found,
            name,
            licence,
            list(threads.pairs),
            {reason: count for reason, count in lost.items() if count},
        )
        return
    pairs, columns = transcript_pairs(
        path, licence[path.stem], question=wanted.question_column, answer=wanted.answer_column
    )
    if columns.guessed:
        said = f"{path.name}: questions are read from {columns.question!r}, answers from {columns.answer!r}"
        click.echo(shown(said), err=True)
    _add(found, path.stem, licence, pairs)


async def _add_own(project: Project, found: Sources, wanted: Wanted, licence: dict[str, str]) -> None:
    from bot.curated import CuratedAnswers
    from bot.errors import Failed
    from bot.finetuning.own_answers import CURATED, JOURNAL, curated_pairs, journal_pairs
    from bot.inbox import Inbox
    from bot.journal import Journal

    if not project.has_catalogue:
        raise Failed(
            f"nothing was asked or approved in {project.data} yet; leave out --curated and --journal"
        )
    kept = await CuratedAnswers(project.database, None).pairs()
    if wanted.curated:
        _add(found, CURATED, licence, curated_pairs(kept, licence[CURATED]))
    if wanted.journal:
        inbox = Inbox(project.database)
        entries = await inbox.answered()
        await inbox.close()
        votes = await Journal(project.database).votes()
        learned = journal_pairs(entries, votes, kept, licence[JOURNAL])
        _add(found, JOURNAL, licence, list(learned.pairs), dict(learned.left_out))


def _add_index(project: Project, found: Sources, licence: dict[str, str]) -> None:
    from bot.finetuning.index_questions import ORIGIN, index_pairs

    documents = [document.id for document in project.catalogue.documents()]
    _add(found, ORIGIN, licence, index_pairs(project.store.chunks(documents), licence[ORIGIN]))


async def make_rows(
    project: Project, found: Sources, *, refused: float, most: int | None, seed: int
) -> tuple[list[Row], list[Row]]:
    """The rows to train on and those of the test fifth; notes in `found` what gave none, and why."""
    from bot.errors import WrongUse
    from bot.finetuning.prepare import Shares, rows_of

    shares = Shares(refused=refused, taken_out=min(Shares().taken_out, refused))
    model = project.generator()
    if model is None:
        raise WrongUse('[model] kind is "none": there is no model to make prompts for')
    try:
        rows, test = await _own_rows(project, found, model, shares, most=most, seed=seed)
        rest = None if most is None else max(0, most - len(rows))
        if found.sets and rest != 0:
            few = None if rest is None else max(LEAST_TEST, rest // 4)
            for made, held_back, wanted in ((rows, False, rest), (test, True, few)):
                made += await rows_of(
                    found.sets,
                    _looking(project, model),
                    model,
                    shares=shares,
                    most=wanted,
                    seed=seed,
                    held_back=held_back,
                    progress=progress,
                    search_over=project.retriever_over,
                )
        return rows[:most], test
    finally:
        await model.close()


async def _own_rows(
    project: Project, found: Sources, model: Model, shares: Shares, *, most: int | None, seed: int
) -> tuple[list[Row], list[Row]]:
    """The rows over this project's own index, the most trusted first."""
    from bot.finetuning.grounded import grounded_rows

    if not (found.golden or any(found.pairs.values())):
        return [], []
    ground = _ground(project, model)
    golden, left_out = await _golden(project, found, ground)
    pairs = [pair for name in _by_trust(found.pairs) for pair in found.pairs[name]]
    grounded = await grounded_rows(
        pairs, ground, shares=shares, seed=seed, most=most, golden=golden, progress=progress
    )
    found.questions.update(grounded.questions)
    left_out.update(grounded.left_out)
    for place, source in enumerate(found.told):
        lost = Counter(source.left_out)
        lost.update({reason: n for (name, reason), n in left_out.items() if name == source.name})
        found.told[place] = replace(source, left_out=dict(lost))
    return list(grounded.rows), list(grounded.test)


async def _golden(
    project: Project, found: Sources, ground: Ground
) -> tuple[tuple[list[Made], list[Made]], Counter[tuple[str, str]]]:
    """The rows of the golden questions to train and to measure on, and how many of a source gave none, why."""
    from bot.finetuning.golden import golden_rows
    from bot.finetuning.grounded import NOTHING_FOUND, UNSUPPORTED

    train: list[Made] = []
    test: list[Made] = []
    left_out: Counter[tuple[str, str]] = Counter()
    licence = {source.name: source.licence for source in found.told}
    for name, questions in found.golden.items():
        given: set[str] = set()
        for held_back, some in ((False, train), (True, test)):
            made = await golden_rows(
                questions,
                project.retriever,
                ground.looking,
                ground.generator,
                origin=name,
                licence=licence[name],
                held_back=held_back,
                audience=ground.audience,
            )
            some += made.values()
            given |= made.keys()
        lost = (question for question in questions if question.id not in given)
        left_out.update((name, UNSUPPORTED if one.answerable else NOTHING_FOUND) for one in lost)
    return (train, test), left_out


def _by_trust(names: Sequence[str] | dict[str, list[Pair]]) -> list[str]:
    """What people approved, before what they voted for, before what somebody wrote, before what was made."""
    order = {"curated": 0, "journal": 2, "index": 4}
    return sorted(names, key=lambda name: order.get(name, 1))


def _ground(project: Project, model: Model) -> Ground:
    from bot.access import EVERYONE
    from bot.chat_rules import access_rules
    from bot.finetuning.grounded import Ground

    readers = access_rules(project.config).readers
    everyone = frozenset(name for name, some in readers.items() if EVERYONE in some)
    return Ground(project.retriever, _looking(project, model), model, everyone)


def _looking(project: Project, model: Model) -> Looking:
    """As the project's own answers look at passages: what a model learns to read is what it will read."""
    from bot.looking import Looking

    return Looking(project.embedder, project.judge, project.answer_settings(model).selection)


def progress(what: str, done: int, of: int) -> None:
    """On a terminal one line that changes, elsewhere a line for each tenth."""
    if sys.stderr.isatty():
        click.echo(f"\r{what}: {done} of {of} \x1b[K", nl=False, err=True)
    elif of and done and done % max(1, of // 10) == 0:
        click.echo(f"{what}: {done} of {of}", err=True)
