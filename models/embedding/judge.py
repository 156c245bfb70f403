"""The seam for models that tell whether a sentence answers a question, with the fake for tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence with what it needs to be understood: the heading it stands under, and what comes before it."""

    heading: str
    before: str
    text: str


class Judge(Protocol):
    """Reads a question together with each claim."""

    def judge(self, question: str, claims: Sequence[Claim]) -> list[float]:
        """For each claim how likely it answers `question`, 0 to 1, comparable between questions."""
        ...


class WordJudge:
    """The fake: the share of the question's words that stand in the claim or its heading."""

    def judge(self, question: str, claims: Sequence[Claim]) -> list[float]:
        wanted = set(_words(question))
        if not wanted:
            return [0.0] * len(claims)
        return [len(wanted & set(_words(f"{one.heading} {one.text}"))) / len(wanted) for one in claims]


def _words(text: str) -> list[str]:
    """Words of four letters and more, cut to five, so that "closes" meets "close"."""
    return [word[:5] for word in re.findall(r"\w{4,}|\d+", text.lower())]
