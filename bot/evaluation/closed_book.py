"""A model asked without any passage: what it knows, or makes up, by itself.

Rule: a plain instruction and the question; a sentence that says it does not know is a refusal, as it is
where passages were read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from bot.answer import Answer, Timings
from bot.assistant import AnswerSettings
from bot.drafting import gives_up
from bot.languages import NAMES, language_of
from knowledge.documents import Passage
from knowledge.sentences import sentence_spans
from models.engine.generator import Asking, Generator, Turn
from models.errors import ModelError

SYSTEM = "Answer the question in one or two short sentences, in {language}."


async def answer_alone(
    ask: str,
    generator: Generator,
    *,
    settings: AnswerSettings,
    lora: str | None,
    beside: Sequence[Passage] = (),
) -> Answer:
    """The model's answer to the bare question; `beside` are passages that it does not see, kept to hold its
    words against. A model that fails gives an answer with the status "failed" and says why in its note."""
    language, began = language_of(ask), time.monotonic()
    blank = Answer(ask, "", "refused", language, "none", passages=tuple(beside), model=generator.identity)
    turns = [Turn("system", SYSTEM.format(language=NAMES.get(language, "English"))), Turn("user", ask)]
    try:
        said = await _said(generator, turns, settings, lora)
    except ModelError as error:
        return replace(blank, status="failed", note=str(error))
    blank = replace(blank, timings=Timings(total_ms=round((time.monotonic() - began) * 1000)))
    if not said or gives_up(said):
        return replace(blank, text=said)
    return replace(blank, text=said, status="answered", voice="model")


async def _said(
    generator: Generator, turns: Sequence[Turn], settings: AnswerSettings, lora: str | None
) -> str:
    """As many sentences as an answer may have; the model is stopped after them."""
    text = ""
    stream = generator.stream(
        turns,
        max_tokens=settings.max_answer_tokens,
        deadline_s=settings.deadline_s,
        sampling=settings.sampling,
        asking=Asking(lora=lora),
    )
    async with aclosing(stream):
        async for delta in stream:
            text += delta.text
            if len(list(sentence_spans(text))) > settings.most_sentences:
                break
    spans = list(sentence_spans(text))[: settings.most_sentences]
    return text[: spans[-1][1]].strip() if spans else ""
