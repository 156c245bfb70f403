"""What the model wrote, held against the passages sentence by sentence.

Rule: a sentence is kept only when a passage carries it and it tells more than the question did; a
draft is used only when it tells what the best evidence tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot import support
from bot.citations import numbers, without_markers
from bot.evidence import Unit
from bot.languages import REFUSALS
from bot.words import content_words, words
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


class Drafting:
    """Checks a text as it grows, each sentence when it is complete; `seen` counts all that were. What
    holds stands in one of the units `found` in the passages, and shares a word with the answer that somebody else is
    `sure` of."""

    def __init__(
        self,
        question: str,
        passages: Sequence[Passage],
        found: Sequence[Unit],
        language: str,
        *,
        sure: str = "",
    ) -> None:
        self._passages = passages
        self._language = language
        self._units = found
        self._asked = set(content_words(question, language))
        self._sure = set(content_words(sure, language))
        self._pending = ""
        self._kept: list[Sentence] = []
        self._gave_up = False
        self.seen = 0

    @property
    def draft(self) -> Draft:
        """What holds so far."""
        return Draft(tuple(self._kept), self._gave_up)

    def add(self, text: str) -> list[Sentence]:
        """Takes the next piece of the model's text; gives the sentences that are now complete and hold."""
        self._pending += text
        spans = list(sentence_spans(self._pending))
        begun = self._pending[spans[-1][0] :] if spans else ""
        # Where a sentence ends can depend on the whole word behind it: "31. Dezember".
        return self._taken(spans[:-1] if any(map(str.isspace, begun.strip())) else spans[:-2])

    def finish(self, *, whole: bool) -> list[Sentence]:
        """The rest counts as a sentence only when the model came to an end (`whole`)."""
        return self._taken(list(sentence_spans(self._pending))) if whole else []

    def _taken(self, spans: Sequence[tuple[int, int]]) -> list[Sentence]:
        self.seen += len(spans)
        new = [one for start, end in spans if (one := self._checked(self._pending[start:end])) is not None]
        self._pending = self._pending[spans[-1][1] :] if spans else self._pending
        self._kept += new
        return new

    def _checked(self, text: str) -> Sentence | None:
        sentence = without_markers(text, self._passages)
        self._gave_up = self._gave_up or gives_up(sentence)
        if sentence in REFUSALS.values():
            return None
        if sentence.endswith("?") or sentence in [one.text for one in self._kept]:
            return None
        told = set(content_words(sentence, self._language))
        if not told - self._asked or (self._sure and not told & self._sure):
            return None
        named = numbers(text, self._passages)
        carried = support.check(sentence, self._passages, self._units, self._language, named=named)
        return Sentence(sentence, carried.unit) if carried.unit is not None else None


def gives_up(sentence: str) -> bool:
    """Whether `sentence` is a refusal, or says that there is no answer."""
    return sentence.strip() in REFUSALS.values() or _GIVES_UP.search(sentence) is not None


def stands_in(draft: Draft, best: Unit) -> bool:
    """Whether every word of `draft` stands in `best`: a small model that draws on something else than the best
    evidence is wrong far more often than right."""
    there = set(words(best.reading))
    return all(there.issuperset(words(sentence.text)) for sentence in draft.sentences)


def tells(draft: Draft, best: Unit, question: str, language: str) -> bool:
    """Whether `draft` says what `best` has to say beyond the question's own words."""
    asked = set(content_words(question, language))
    wanted = set(content_words(best.reading, language)) - asked
    told = {word for sentence in draft.sentences for word in content_words(sentence.text, language)}
    return bool(draft.sentences) and len(wanted & told) >= TOLD * len(wanted)
