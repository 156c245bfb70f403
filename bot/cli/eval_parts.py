"""What answers the questions of a measurement, put together as the project is configured."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.eval_options import counter
from bot.cli.options import table

if TYPE_CHECKING:
    from bot.assistant import AnswerSettings, PassageSearch, Quote
    from bot.evaluation.arms import Arm, Given, Parts
    from bot.evaluation.asked import AskedQuestion
    from bot.evaluation.datasets import ReferenceQuestion, Text
    from bot.evaluation.folds import Folds
    from bot.evaluation.measures import Extras
    from bot.evaluation.model_support import SupportModel
    from bot.wiring import Project

DEADLINE_S = 600.0
"""A slow machine makes answers late, not wrong: here an answer may take this long."""


@asynccontextmanager
async def parts_of(
    project: Project,
    texts: Sequence[Text],
    questions: Sequence[ReferenceQuestion],
    *,
    distractors: int,
    quote: bool | None = None,
) -> AsyncIterator[Parts]:
    """What answers over `texts` are made with, as the project is configured, in a temporary index; the model
    is loaded, and ended afterwards. `quote` says whether quotes follow the model's words, None as configured.
    Raises `ModelError` where the model cannot be used: quotes in its place would measure something else."""
    from bot.evaluation.arms import Parts
    from bot.evaluation.given import GivenPassages, WithoutAnswer
    from bot.evaluation.temporary_index import temporary_index
    from models.embedding.remembering import RememberingEmbedder

    model = project.generator()
    try:
        if model is not None:
            await model.start()
        settings = project.answer_settings(model)
        embedder = RememberingEmbedder(project.embedder)
        with temporary_index(texts, project.embedder, counter) as (store, _):
            found = project.retriever_over(store)
            searches: dict[Given, PassageSearch] = {
                "found": found,
                "oracle": GivenPassages(found, questions, texts, distractors),
                "distractors": WithoutAnswer(found, questions, max(1, distractors)),
            }
            longest = max(len(question.ask) for question in questions)
            yield Parts(model, embedder, project.judge, patient(settings, quote, longest), searches)
    finally:
        if model is not None:
            await model.close()


async def answers_of(
    project: Project,
    parts: Parts,
    texts: Sequence[Text],
    questions: Sequence[ReferenceQuestion],
    arms: Sequence[Arm],
    *,
    distractors: int,
    out: Path | None,
) -> dict[str, list[AskedQuestion]]:
    """Every question asked in every arm, by the arms' names. With `out` each answer is kept there as it comes,
    and a measurement of the same that was ended goes on where it was; raises `Failed` where one of something
    else was."""
    from bot.evaluation.arms import ask_arms
    from bot.evaluation.unfinished import UnfinishedAnswers

    asked = list(zip(questions, titles_of(texts, questions), strict=True))
    with contextlib.ExitStack() as stack:
        kept = None
        if out is not None:
            digest = _digest(project, parts, texts, asked, arms, distractors)
            kept = stack.enter_context(UnfinishedAnswers.opened(out, digest))
        known = [] if kept is None else kept.known
        if known:
            click.echo(f"going on: {len(known)} of {len(asked)} questions were answered before", err=True)

        def done(number: int, answers: Mapping[str, AskedQuestion]) -> None:
            if kept is not None:
                kept.add(answers)
            counter("questions", number, len(asked))

        return await ask_arms(asked, arms, parts, known=known, done=done)


def titles_of(texts: Iterable[Text], questions: Iterable[ReferenceQuestion]) -> list[str]:
    """The title of the document that each of `questions` is about."""
    documents = {text.name: text.title for text in texts}
    return [documents[question.text] for question in questions]


def write_folds(found: Folds | None) -> None:
    """Writes the figures by folds for people; nothing where nobody asked for them."""
    from bot.evaluation.folds import folds_tables

    for one in folds_tables(found):
        for line in table(one.heads, one.rows):
            click.echo(line)
        click.echo(f"{one.note}\n")


def _digest(
    project: Project,
    parts: Parts,
    texts: Sequence[Text],
    asked: Sequence[tuple[ReferenceQuestion, str]],
    arms: Sequence[Arm],
    distractors: int,
) -> str:
    """Changes with whatever decides the answers: documents, questions, arms, models and settings."""
    settings = asdict(parts.settings)
    loras = settings.pop("lora_sha256")
    decided = (
        configured(project),
        [(arm, loras.get(arm.lora)) for arm in arms],
        distractors,
        settings,
        None if parts.generator is None else parts.generator.identity,
    )
    digest = hashlib.sha256(repr(decided).encode())
    for one in (*texts, *asked):
        digest.update(repr(one).encode())
    return digest.hexdigest()


def configured(project: Project) -> tuple[object, ...]:
    """What of the program, the configuration and the judge decides answers."""
    from importlib.metadata import version

    from models.judge.judge import shipped
    from models.weights import sha256_of

    config = project.config
    judge = config.retrieval.judge
    file = project.path(judge) if isinstance(judge, str) else shipped()
    return (
        version("groundling"),
        None if project.judge is None else sha256_of(file),
        project.embedder.name,
        config.model.model_dump(exclude={"path", "lora", "threads", "deadline_s"}),
        config.retrieval.model_dump(),
        config.embedding.model_dump(exclude={"threads"}),
    )


def lora_json(settings: AnswerSettings, lora: str | None) -> dict[str, str]:
    """The sha256 of the LoRA that was measured as a command's JSON names it, for the card of its file; nothing
    where none was, or a server does not tell."""
    sha256 = None if lora is None else settings.lora_sha256.get(lora)
    return {} if not sha256 else {"lora_sha256": sha256}


def patient(settings: AnswerSettings, quote: bool | None, longest: int) -> AnswerSettings:
    """With time enough for a slow machine, and room for the longest question."""
    below: Quote = "always" if quote else "never"
    return replace(
        settings,
        deadline_s=max(settings.deadline_s, DEADLINE_S),
        question_characters=max(settings.question_characters, longest),
        quote=settings.quote if quote is None else below,
    )


def extras_of(support_model: Path | None) -> Extras:
    """BLEU, ROUGE-L and chrF, or a line that says that their packages are missing; and the model in the folder
    `support_model`. Raises `WrongUse` where that holds none."""
    from bot.evaluation.measures import Extras
    from bot.evaluation.overlap import Overlap

    support: SupportModel | None = None
    if support_model is not None:
        from bot.errors import WrongUse
        from models.embedding.cross_encoder import LocalCrossEncoder

        if not (support_model / "config.json").is_file():
            raise WrongUse(f"--support-model {support_model} holds no cross-encoder: it has no config.json")
        support = LocalCrossEncoder(support_model)
    try:
        return Extras(Overlap(), support)
    except ImportError:
        click.echo(
            "BLEU, ROUGE-L and chrF are left out; to have them: pip install 'groundling[eval]'", err=True
        )
        return Extras(None, support)


def facts_of(
    parts: Parts,
    files: Iterable[Path],
    *,
    lora: str | None,
    command: str,
    test_fifth: bool,
    lora_file: str | None = None,
) -> list[tuple[str, str]]:
    """What was measured, with what: the first lines of a report."""
    facts = [("command", command), ("files", ", ".join(file.name for file in files))]
    if test_fifth:
        facts.append(("asked about", "documents that no training and no calibration may use"))
    if parts.generator is None:
        facts.append(("model", "none"))
    else:
        identity = parts.generator.identity
        facts.append(("model", f"{identity.name}, sha256 {identity.sha256}"))
    if lora is not None:
        facts.append(
            ("LoRA", f"{lora_file or lora}, sha256 {parts.settings.lora_sha256.get(lora, 'unknown')}")
        )
    facts += [
        ("embedding model", parts.embedder.name),
        ("judge", "yes" if parts.judge is not None else "no"),
        ("quotes below the model's words", parts.settings.quote),
        ("passages found, read", f"{parts.settings.passages}, {parts.settings.prompt_passages}"),
    ]
    return facts
