"""What is asked, by whom and where, free of any chat platform."""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.store import Readable
from models.engine.generator import Turn

NO_LORA = "none"
"""Where a LoRA is named: the model without any."""

SHIPPED_LORA = "shipped"
"""In [model] lora: the LoRA that ships with the program."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `earlier` are the turns before it in the same conversation, oldest first.

    `readable` limits what an answer may draw on; it is applied inside the search.

    `asker` is who waits for the answer, in words that mean the same person every time: whoever asks much
    at once waits for the turns of the others; all questions without one are one asker's. `audience`
    names those who may see the answer: nothing that the model read or wrote for one audience is used for
    another. Left empty, it is everyone with the same `readable`. `persona`, `language`, `lora` and
    `max_answer_tokens` take the place of what holds for all questions, where they are not None; a `lora` of
    `NO_LORA` is the model without one.
    """

    text: str
    earlier: tuple[Turn, ...] = ()
    readable: Readable = Readable()
    asker: str = ""
    audience: str = ""
    persona: str | None = None
    language: str | None = None
    lora: str | None = None
    max_answer_tokens: int | None = None
