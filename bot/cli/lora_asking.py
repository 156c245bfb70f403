"""Asks the same questions with a new LoRA and with what answers now.

Rule: one model, one search and one order of questions for both, so that nothing differs but the LoRA.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_parts import patient

if TYPE_CHECKING:
    from bot.answer import Answer
    from bot.assistant import Assistant, PassageSearch
    from bot.evaluation.datasets import ReferenceQuestion, Text
    from bot.evaluation.golden import GoldenQuestion, GoldenResult
    from bot.gate import Item
    from bot.lora_choice import LoraChoice
    from bot.registry import Artefact
    from bot.unfinished import Unfinished
    from bot.wiring import Project
    from models.engine.process import LocalModel
    from models.engine.settings import Lora
    from models.weights import Weights

    Squad = tuple[str, Sequence[Text], Sequence[ReferenceQuestion]]


async def both_ways(
    project: Project,
    candidate: Lora,
    active: Lora | None,
    golden: Sequence[GoldenQuestion],
    squads: Sequence[Squad],
    unfinished: Unfinished,
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """What became of every question with `candidate`, and with what is `active`. What is in `unfinished` is not
    asked again, and what is asked is put there at once."""
    model = _local(project)
    others = () if active is None else (replace(active, name=active.sha256),)
    for lora in (candidate, *others):
        model.offer(lora)
    try:
        await model.start()
        project.load_readers()
        found: list[tuple[Item, ...]] = []
        for which, lora in (("candidate", candidate), ("active", others[0] if others else None)):
            one = _OneWay(project, model, lora, which, unfinished)
            await one.ask_golden(golden)
            for squad in squads:
                await one.ask_squad(*squad)
            found.append(tuple(one.items.values()))
        return found[0], found[1]
    finally:
        await model.close()


class _OneWay:
    """Asks with one LoRA, or none; `items` is what became of the questions, in the order in which they were asked."""

    def __init__(
        self, project: Project, model: LocalModel, lora: Lora | None, which: str, unfinished: Unfinished
    ) -> None:
        from bot.lora_evaluation import known_items

        self._project = project
        self._model = model
        self._lora = lora
        self._which = which
        self._unfinished = unfinished
        self.items = known_items(unfinished, which)

    async def ask_golden(self, questions: Sequence[GoldenQuestion]) -> None:
        """Asks those that were not asked before."""
        from bot.evaluation.golden import run_golden
        from bot.lora_evaluation import golden_item

        left = [question for question in questions if question.id not in self.items]
        said = _Progress(self._which, len(left))

        def done(result: GoldenResult) -> None:
            _check_model(result.question.id, result.answer)
            self._keep(golden_item(result))
            said(result)

        longest = max((len(question.ask) for question in left), default=0)
        assistant = _assistant(self._project, self._model, self._lora, longest)
        await run_golden(left, assistant, self._project.retriever, progress=done)

    async def ask_squad(
        self, name: str, texts: Sequence[Text], questions: Sequence[ReferenceQuestion]
    ) -> None:
        """Asks those that were not asked before, over `texts`."""
        from bot.evaluation.temporary_index import temporary_index
        from bot.lora_evaluation import squad_item
        from bot.question import Question

        every = {f"{name}:{number}": question for number, question in enumerate(questions, 1)}
        left = {key: question for key, question in every.items() if key not in self.items}
        if not left:
            return
        said = _Progress(self._which, len(left))
        titles = {text.name: text.title for text in texts}
        longest = max(len(question.ask) for question in left.values())
        with temporary_index(texts, self._project.embedder, _quiet) as (store, _):
            search = self._project.retriever_over(store)
            assistant = _assistant(self._project, self._model, self._lora, longest, search)
            for key, question in left.items():
                answer = await assistant.answer(Question(question.ask))
                _check_model(key, answer)
                self._keep(squad_item(key, question, answer, document=titles[question.text]))
                said(question)

    def _keep(self, item: Item) -> None:
        self._unfinished.add({"which": self._which, "item": asdict(item)})
        self.items[item.id] = item


def _assistant(
    project: Project, model: LocalModel, lora: Lora | None, longest: int, search: PassageSearch | None = None
) -> Assistant:
    made = project.assistant(model, search)
    name = None if lora is None else lora.name
    made.settings = replace(patient(made.settings, None, longest), lora=name, lora_sha256=model.loras)
    return made


def _check_model(name: str, answer: Answer) -> None:
    """Raises `Failed` where the model could not be used: quotes in its place would measure something else."""
    from bot.errors import Failed
    from bot.evaluation.golden import model_failure

    why = model_failure(answer)
    if why is not None:
        raise Failed(f"the evaluation ended at {name}: {why} Evaluate again, and it goes on there.")


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


def other_than(candidate: Lora, active: LoraChoice) -> LoraChoice:
    """What `candidate` is held against: what is `active`, or the bare model where that is the same."""
    from bot.lora_choice import LoraChoice

    if active.sha256 != candidate.sha256:
        return active
    return LoraChoice(None, "none", f"{active.name} answers now and is held against the bare model")


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
