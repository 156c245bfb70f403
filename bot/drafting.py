"""What the model wrote, held against the passages sentence by sentence.

Rule: a sentence is kept only when a passage carries it and it tells more than the question did; a
draft is used only when it tells what the best evidence tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot import support
from bot.citations import without_markers
from bot.evidence import Unit, units
from bot.words import content_words
from knowledge.documents import Passage
from knowledge.sentences import sentence_spans

TOLD = 0.6
"""The share of the best evidence's words (those the question does not have) that a draft must tell."""

_GIVES_UP = re.compile(
    r"\b(?:not (?:mentioned|stated|specified|provided|in the sources)|no (?:information|answer|mention)"
    r"|do(?:es)? not (?:mention|say|state|specify|contain|provide)|cannot answer|can't answer|don't know)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence that a unit of a passage carries."""

    text: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Draft:
    """The sentences that hold. `gave_up` is whether the model said that the sources do not tell."""

    sentences: tuple[Sentence, ...]
    gave_up: bool


def checked(text: str, question: str, passages: Sequence[Passage], language: str, *, whole: bool) -> Draft:
    """The sentences of `text` that hold; the last one counts only when the model came to an end (`whole`)."""
    found = units(passages)
    asked = set(content_words(question, language))
    spans = list(sentence_spans(text))
    if spans and not whole:
        spans.pop()
    kept: list[Sentence] = []
    gave_up = False
    for start, end in spans:
        sentence = without_markers(text[start:end])
        gave_up = gave_up or _GIVES_UP.search(sentence) is not None
        if sentence.endswith("?") or sentence in [one.text for one in kept]:
            continue
        if not set(content_words(sentence, language)) - asked:
            continue
        carried = support.check(sentence, passages, found, language)
        if carried.unit is not None:
            kept.append(Sentence(sentence, carried.unit))
    return Draft(tuple(kept), gave_up)


def tells(draft: Draft, best: Unit, question: str, language: str) -> bool:
    """Whether `draft` says what `best` has to say beyond the question's own words."""
    asked = set(content_words(question, language))
    wanted = set(content_words(best.reading, language)) - asked
    told = {word for sentence in draft.sentences for word in content_words(sentence.text, language)}
    return bool(draft.sentences) and len(wanted & told) >= TOLD * len(wanted)
