"""Whether a merged model answers as well as its base with the LoRA beside it, by the same evaluation.

Rule: both get the same questions, passages and settings; only the weights differ. Where a model could not be used,
quotes in its place compare nothing.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.answer import Answer
    from bot.assistant import Assistant, PassageSearch
    from bot.evaluation.asked import AskedQuestion
    from bot.evaluation.datasets import ReferenceQuestion
    from bot.evaluation.golden import GoldenReport, GoldenResult
    from bot.evaluation.intervals import Difference
    from bot.wiring import Project

MOST_LOSS = 0.01  # of F1, 0 to 1
_LORA = "compared"
Say = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """What was asked of both: F1 over `questions` of a SQuAD file, with the merged model's less the LoRA's as
    `difference`, or `right` of as many golden questions."""

    questions: int
    lora_f1: float | None = None
    merged_f1: float | None = None
    difference: Difference | None = None
    lora_right: int | None = None
    merged_right: int | None = None

    @property
    def worse(self) -> str | None:
        """One line that says by how much the merged model is worse than may be; None where it is not."""
        if self.lora_f1 is not None and self.merged_f1 is not None:
            worse = self.lora_f1 - self.merged_f1 > MOST_LOSS
        else:
            worse = (self.merged_right or 0) < (self.lora_right or 0)
        return str(self) if worse else None

    def __str__(self) -> str:
        if self.lora_f1 is not None:
            sure = self.difference
            between = "" if sure is None else f" ({sure.low:+.3f} to {sure.high:+.3f} between them)"
            return (
                f"F1 {self.merged_f1:.3f} merged, {self.lora_f1:.3f} with the LoRA{between}, "
                f"over {self.questions} questions"
            )
        return (
            f"{self.merged_right} golden questions right merged, {self.lora_right} with the LoRA, "
            f"of {self.questions}"
        )


def compare_squad(
    project: Project, *, base: Path, lora: Path, merged: Path, file: Path, limit: int, seed: int, say: Say
) -> Compared:
    """Both over `limit` questions of a SQuAD file; its paragraphs are the knowledge base. Raises `Failed` where one of
    the models could not be used."""
    from bot.evaluation.datasets import load_answers
    from bot.evaluation.intervals import paired_difference
    from bot.evaluation.temporary_index import temporary_index

    texts, questions = load_answers(file)
    titles = {text.name: text.title for text in texts}
    chosen = list(questions)
    random.Random(seed).shuffle(chosen)  # noqa: S311 (a sample, not a secret)
    asked = [(question, titles[question.text]) for question in chosen[:limit]]

    async def run() -> list[list[AskedQuestion]]:
        found = []
        with temporary_index(texts, project.embedder, say) as (store, _):
            for name, arm in _arms(project, base=base, lora=lora, merged=merged):
                with arm:
                    search = arm.retriever_over(store)
                    found.append(await _answers(asked, arm, search, functools.partial(say, name)))
        return found

    with_lora, alone = ([one.value for one in rows] for rows in asyncio.run(run()))
    return Compared(
        len(asked),
        lora_f1=sum(with_lora) / len(asked),
        merged_f1=sum(alone) / len(asked),
        difference=paired_difference(alone, with_lora, [title for _, title in asked]),
    )


async def _answers(
    asked: Sequence[tuple[ReferenceQuestion, str]],
    project: Project,
    search: PassageSearch,
    done: Callable[[int, int], None],
) -> list[AskedQuestion]:
    from bot.cli.ask import assistant_of
    from bot.evaluation.asked import AskedQuestion
    from bot.question import Question

    rows = []
    async with assistant_of(project, search) as assistant:
        _give_time(assistant, max(len(question.ask) for question, _ in asked))
        for question, document in asked:
            answer = await assistant.answer(Question(question.ask))
            _check_model(question.ask, answer)
            rows.append(AskedQuestion(question, document, answer))
            done(len(rows), len(asked))
    return rows


def compare_golden(
    project: Project, *, base: Path, lora: Path, merged: Path, file: Path, say: Say
) -> Compared:
    """Both over the golden questions of `file`, asked of the project's own index; raises `Failed` as the other."""
    from bot.cli.ask import assistant_of
    from bot.evaluation.golden import load_golden, run_golden

    questions = load_golden(file)
    longest = max(len(question.ask) for question in questions)

    def check(result: GoldenResult) -> None:
        _check_model(result.question.id, result.answer)

    async def run() -> list[GoldenReport]:
        found: list[GoldenReport] = []
        for name, arm in _arms(project, base=base, lora=lora, merged=merged):
            with arm:
                say(name, len(found), 2)
                async with assistant_of(arm) as assistant:
                    _give_time(assistant, longest)
                    found.append(await run_golden(questions, assistant, arm.retriever, progress=check))
        return found

    with_lora, alone = ([result.right for result in report.results] for report in asyncio.run(run()))
    return Compared(len(questions), lora_right=sum(with_lora), merged_right=sum(alone))


def _give_time(assistant: Assistant, longest: int) -> None:
    from bot.cli.eval_parts import patient

    assistant.settings = patient(assistant.settings, None, longest)


def _check_model(asked: str, answer: Answer) -> None:
    from bot.errors import Failed
    from bot.evaluation.golden import model_failure

    why = model_failure(answer)
    if why is not None:
        raise Failed(f"the merged model and the LoRA were not compared, the model failed at {asked!r}: {why}")


def _arms(project: Project, *, base: Path, lora: Path, merged: Path) -> list[tuple[str, Project]]:
    """The project as it is, but once with `lora` on `base` and once with `merged`."""
    from bot.config_sections import LoraSection
    from bot.wiring import Project

    plain = tuple(one.model_copy(update={"lora": None}) for one in project.config.collection)
    found: list[tuple[str, Project]] = []
    for name, path, loras in (
        ("with the LoRA", base, (LoraSection(name=_LORA, path=str(lora)),)),
        ("merged", merged, ()),
    ):
        chosen = {"kind": "gguf", "path": str(path), "lora": _LORA if loras else None}
        section = project.config.model.model_copy(update=chosen)
        config = project.config.model_copy(update={"model": section, "lora": loras, "collection": plain})
        found.append((name, Project(config, root=project.root, data=project.data, file=project.file)))
    return found
