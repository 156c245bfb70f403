"""Asks the same questions with a new LoRA and with what answers now.

Rule: one model, one search and one order of questions for both, so that nothing differs but the LoRA.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bot.answer import Answer
    from bot.assistant import Assistant, PassageSearch
    from bot.evaluation.datasets import ReferenceQuestion, Text
    from bot.evaluation.golden import GoldenQuestion
    from bot.gate import Item
    from bot.registry import Artefact
    from bot.wiring import Project
    from models.engine.process import LocalModel
    from models.engine.settings import Lora
    from models.weights import Weights


async def both_ways(
    project: Project,
    candidate: Lora,
    active: Lora | None,
    golden: Sequence[GoldenQuestion],
    squads: Sequence[tuple[str, Sequence[Text], Sequence[ReferenceQuestion]]],
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """What became of every question with `candidate`, and with what is `active`."""
    from bot.evaluation.golden import run_golden
    from bot.lora_evaluation import golden_items, squad_items

    model = _local(project)
    others = () if active is None else (replace(active, name=active.sha256),)
    for lora in (candidate, *others):
        model.offer(lora)
    try:
        await model.start()
        project.load_readers()
        found: list[tuple[Item, ...]] = []
        for which, lora in (("candidate", candidate), ("active", others[0] if others else None)):
            said = _Progress(which, len(golden))
            report = await run_golden(
                golden, _assistant(project, model, lora), project.retriever, progress=said
            )
            items = golden_items(report.results)
            for name, texts, questions in squads:
                pairs = await _squad(project, model, lora, texts, questions, which)
                items += squad_items(name, pairs)
            found.append(items)
        return found[0], found[1]
    finally:
        await model.close()


async def _squad(
    project: Project,
    model: LocalModel,
    lora: Lora | None,
    texts: Sequence[Text],
    questions: Sequence[ReferenceQuestion],
    which: str,
) -> list[tuple[ReferenceQuestion, Answer]]:
    from bot.evaluation.temporary_index import temporary_index
    from bot.question import Question

    said = _Progress(which, len(questions))
    pairs = []
    with temporary_index(texts, project.embedder, _quiet) as (store, _):
        assistant = _assistant(project, model, lora, project.retriever_over(store))
        for question in questions:
            pairs.append((question, await assistant.answer(Question(question.ask))))
            said(question)
    return pairs


def _assistant(
    project: Project, model: LocalModel, lora: Lora | None, search: PassageSearch | None = None
) -> Assistant:
    made = project.assistant(model, search)
    name = None if lora is None else lora.name
    made.settings = replace(made.settings, lora=name, lora_sha256=model.loras)
    return made


def _local(project: Project) -> LocalModel:
    from bot.errors import WrongUse
    from models.engine.process import LocalModel

    model = project.generator()
    if not isinstance(model, LocalModel):
        raise WrongUse('LoRAs are evaluated only with [model] kind = "gguf"; a server has its own')
    return model


def taken_in(project: Project, text: str, base: Weights) -> Lora:
    """The LoRA that `text` means, in the registry from now on, under a name that no other has."""
    from bot.lora_evaluation import known_lora, record_lora

    folder, file = project.lora_choices.folder, _file(text)
    if file.is_file():
        sha256, header = folder.take_in(file, base)
        record_lora(project.registry, sha256, header, file, base)
    else:
        sha256 = known_lora(project.registry, folder, text).sha256
        folder.whole(sha256, base)
    return _lora(sha256, folder.path(sha256))


def meant(project: Project, text: str) -> Artefact:
    """The LoRA of the registry that a file, a name or a sha256 means; raises `WrongUse`."""
    from bot.lora_evaluation import known_lora
    from models.weights import sha256_of

    file = _file(text)
    folder = project.lora_choices.folder
    return known_lora(project.registry, folder, sha256_of(file) if file.is_file() else text)


def _file(text: str) -> Path:
    from bot.question import SHIPPED_LORA
    from models.lora_folder import shipped_lora

    return shipped_lora() if text == SHIPPED_LORA else Path(text)


def _lora(sha256: str, path: Path) -> Lora:
    from models.engine.settings import Lora

    return Lora(sha256, str(path), sha256)


def base_of(project: Project) -> Weights:
    """The model that LoRAs are evaluated on; raises `WrongUse` where it is a server's, or none."""
    from bot.errors import WrongUse

    if project.config.model.kind != "gguf":
        raise WrongUse('LoRAs are evaluated only with [model] kind = "gguf"; a server has its own')
    return project.weights()


def golden_file(project: Project, given: Path | None) -> Path | None:
    """The golden questions that are `given`, else those of [schedule]."""
    named = project.config.schedule.golden
    return given if given is not None or named is None else project.path(named)


def _quiet(_what: str, _done: int, _of: int) -> None:
    pass


class _Progress:
    """Counts questions on a terminal."""

    def __init__(self, which: str, of: int) -> None:
        self._which = which
        self._of = of
        self._done = 0

    def __call__(self, _result: object) -> None:
        self._done += 1
        if sys.stderr.isatty():
            end = "\n" if self._done == self._of else ""
            click.echo(f"\r{self._which}: {self._done} of {self._of} ", nl=False, err=True)
            click.echo(end, nl=False, err=True)
