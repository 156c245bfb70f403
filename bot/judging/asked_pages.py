"""Rows out of questions that pages ask themselves: headings and lines that are questions, with what stands below.

Rule: the question is taken out of what is read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence

from bot.evidence import units
from bot.judging.pages import Page
from bot.judging.rows import Row, row
from bot.judging.sentence_rows import Sentences, passage_of
from knowledge.documents import Chunk

BRIEF = 2
"""An answer of at most so many sentences has its answer in the first."""

_SHORTEST = 20
_ASKED = re.compile(
    r"^(?:[-*•]\s+)?\**(?:Q\s*[:.]\s*)?([A-Z][^\n?]{8,160}\?)\**\s*\n+(?:A\s*[:.]\s*)?([^\n]{20,})$",
    re.MULTILINE,
)


def asked_rows(pages: Iterable[Page], sentences: Sentences, choice: random.Random) -> Iterator[Row]:
    """Each question of a page with its own answer, with another one of the page, and with sentences of others; a
    brief answer with its first sentence alone."""
    for page in pages:
        asked = dict(_asked(page.chunks))
        texts = list(dict.fromkeys([*asked.values(), *(chunk.text for chunk in page.chunks)]))
        for question, answer in asked.items():
            others = [text for text in texts if not _same(text, answer) and question not in text]
            yield from _rows(question, page.title, answer, others, sentences, choice)


def _asked(chunks: Sequence[Chunk]) -> Iterator[tuple[str, str]]:
    """Questions with what stands below them, of the page's chunks."""
    seen: tuple[str, ...] = ()
    for chunk in chunks:
        heading = chunk.headings[-1] if chunk.headings and chunk.headings != seen else ""
        seen = chunk.headings
        if heading.endswith("?") and heading.count(" ") > 1 and len(chunk.text) >= _SHORTEST:
            yield heading, chunk.text
        for match in _ASKED.finditer(chunk.text):
            yield match[1], match[2].strip()


def _rows(
    question: str, title: str, answer: str, others: list[str], sentences: Sentences, choice: random.Random
) -> Iterator[Row]:
    yield row(question, title, answer, "asked", answers=1)
    found = units([passage_of(title, answer)])
    if 0 < len(found) <= BRIEF:
        yield row(question, title, found[0].reading, "asked sentence", answers=1)
    if others:
        yield row(question, title, choice.choice(others), "other asked", answers=0)
        near = [passage_of(title, text) for text in choice.sample(others, min(8, len(others)))]
        yield from sentences.unanswered(question, near, "other asked sentence")


def _same(text: str, answer: str) -> bool:
    return text in answer or answer in text
