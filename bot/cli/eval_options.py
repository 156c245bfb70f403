"""What the commands that measure answers share: their options, their questions, and the parts that answer."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from bot.assistant import AnswerSettings, PassageSearch, Quote
    from bot.evaluation.arms import Given, Parts
    from bot.evaluation.datasets import ReferenceQuestion, Text
    from bot.evaluation.measures import Extras
    from bot.evaluation.model_support import SupportModel
    from bot.wiring import Project

P = ParamSpec("P")
R = TypeVar("R")

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
DEADLINE_S = 600.0
"""A slow machine makes answers late, not wrong: here an answer may take this long."""

_MANY = 20

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for report.md, report.json, report.xml (JUnit) and report.html.",
)


support_option = click.option(
    "--support-model",
    type=FOLDER,
    help="A cross-encoder's folder that also says whether citations support: one figure more, never a bound.",
)


def squad_options(command: Callable[P, R]) -> Callable[P, R]:
    """Adds what says which questions of which files are asked."""
    for option in (
        click.option(
            "--test-fifth",
            is_flag=True,
            help="Ask only about documents that no training and no calibration has seen.",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Which questions, when not all are asked."
        ),
        click.option("--limit", type=click.IntRange(1), help="Ask only so many of the questions."),
        click.option(
            "--squad",
            type=FILE,
            required=True,
            multiple=True,
            help="A SQuAD file (repeatable); the paragraphs of all are the knowledge base.",
        ),
    ):
        command = option(command)
    return command


def questions_of(
    files: Sequence[Path], *, limit: int | None, seed: int, test_fifth: bool
) -> tuple[tuple[Text, ...], list[ReferenceQuestion]]:
    """All paragraphs of `files`, and the questions to be asked, in an order of chance; a question that is there
    twice is asked once. Raises `WrongUse` where none is left."""
    from bot.errors import WrongUse
    from bot.evaluation.datasets import load_answers

    texts: list[Text] = []
    questions: list[ReferenceQuestion] = []
    for number, file in enumerate(files):
        some, asked = load_answers(file)
        # Two files may have articles of one name; alone, a file keeps its own.
        mark = f"{number + 1}/" if len(files) > 1 else ""
        texts += [replace(text, name=mark + text.name) for text in some]
        questions += [replace(question, text=mark + question.text) for question in asked]
    random.Random(seed).shuffle(questions)  # noqa: S311 (a sample, not a secret)
    titles = {text.name: text.title for text in texts}
    if test_fifth:
        questions = [question for question in questions if unseen(titles[question.text])]
    chosen = list({question.ask: question for question in reversed(questions)}.values())[::-1][:limit]
    if not chosen:
        left = " about a document that no training may use" if test_fifth else ""
        raise WrongUse(f"there is no question{left} in {', '.join(map(str, files))}")
    return tuple(texts), chosen


def unseen(title: str) -> bool:
    """Whether neither a LoRA nor the judge may have learned from, or been calibrated on, the document `title`."""
    from bot.evaluation.split import FIFTHS, is_test

    # The judge that is shipped was trained when titles counted as files write them, with underscores.
    written = hashlib.sha256(title.replace(" ", "_").encode("utf-8", "replace")).hexdigest()
    return is_test(title) and int(written, 16) % FIFTHS == 0


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
    from bot.finetuning.memory import RememberingEmbedder

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
            yield Parts(model, embedder, project.judge, _patient(settings, quote, longest), searches)
    finally:
        if model is not None:
            await model.close()


def _patient(settings: AnswerSettings, quote: bool | None, longest: int) -> AnswerSettings:
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


def counter(what: str, done: int, of: int) -> None:
    """A counter on a terminal; elsewhere a line for each tenth of many questions, which may take hours."""
    if sys.stderr.isatty():
        if done % 10 == 0 or done >= of - 1:
            click.echo(f"\r{what}: {done} of {of}    ", nl=False, err=True)
    elif what == "questions" and of >= _MANY and done % (of // 10) == 0:
        click.echo(f"{what}: {done} of {of}", err=True)
