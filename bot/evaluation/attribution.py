"""Why a question came out wrong: the search, the reading, a refusal, or the form.

Rule: one cause for each question, the earliest on its way, so that the counts sum up to all questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from bot.evaluation.asked import AskedQuestion
from bot.evaluation.golden import dangling

Outcome = Literal[
    "right",
    "not known",
    "retrieval missed",
    "passage not read",
    "passage unused",
    "wrong refusal",
    "answered though unanswerable",
    "format",
    "failed",
]
"""What became of a question. "not known" is a wrong answer or a refusal of a model that got no passages.
"retrieval missed": no passage found is of the question's own paragraph or holds a reference. "passage not
read": one was found, and others were chosen for the prompt. "passage unused": the model read it and said
something else. "format": the words are right and have no citation, or one that does not resolve. "failed":
no answer came at all."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def outcome(asked: AskedQuestion) -> Outcome:
    """What became of `asked`."""
    if asked.answer.status == "failed":
        return "failed"
    if not asked.answerable:
        return "right" if asked.refused else "answered though unanswerable"
    if asked.answered and asked.in_words:
        # Without passages there is nothing to cite.
        cites = asked.alone or (bool(asked.answer.citations) and not dangling(asked.answer))
        return "right" if cites else "format"
    if asked.alone:
        return "not known"
    if not asked.answering:
        return "retrieval missed"
    if asked.refused:
        return "wrong refusal"
    return "passage unused" if set(asked.answering) & set(asked.read) else "passage not read"


def outcomes(asked: Sequence[AskedQuestion]) -> dict[Outcome, int]:
    """How many questions came to each outcome, with those that none came to."""
    found = [outcome(one) for one in asked]
    return {name: found.count(name) for name in OUTCOMES}
