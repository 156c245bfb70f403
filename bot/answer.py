"""What is answered: the text with its numbered citations, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from knowledge.documents import Passage
from models.engine.generator import ModelIdentity

Status = Literal["answered", "refused", "failed"]

Voice = Literal["model", "quotes", "curated", "none"]
"""Whose words the text is made of: the model's, the documents' own, a reviewed answer's, or (a refusal) nobody's."""


LEAD_END = "\n\n"
"""What parts the words that lead an answer from the quotes below them; it stands nowhere else in either."""


@dataclass(frozen=True, slots=True)
class Citation:
    """What `[number]` in an answer's text stands for; `quote` is verbatim text of the passage."""

    number: int
    document_id: str
    title: str
    location: str
    url: str | None
    quote: str
    updated_at: datetime | None
    source: str
    collection: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in milliseconds, and how many tokens were read, reused and written.

    `first_words_ms` is when the first sentence that holds was handed on to be shown, None where none was.
    """

    queue_ms: int = 0
    retrieve_ms: int = 0
    first_token_ms: int | None = None
    first_words_ms: int | None = None
    total_ms: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, a refusal or a failure.

    Every `[n]` in `text` has its citation and every citation its marker. `passages` are all that
    were found, numbered from 1 as the citations are. `note` is one line about how the answer was
    made that the reader should know ("The language model could not be used: ..."), or None.
    """

    question: str
    text: str
    status: Status
    language: str
    voice: Voice
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    model: ModelIdentity | None = None
    index_version: int = 0
    timings: Timings = field(default_factory=Timings)
    note: str | None = None

    @property
    def lead(self) -> str:
        """The words above the quotes; empty where nothing is quoted below them, or all of it is quotes."""
        above, between, _ = self.text.partition(LEAD_END)
        return above if between and self.voice in ("model", "quotes") else ""
