"""A reviewed question and answer as somebody wrote it, and what it must be to be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from bot.citations import MARKERS, attached
from bot.errors import WrongUse
from bot.phrasing import normal
from knowledge.store import valid_text

PHRASING_CHARACTERS = 500
MOST_PHRASINGS = 20
ANSWER_CHARACTERS = 8000
State = Literal["proposed", "approved"]

_ID = re.compile(r"[a-z2-7]{8}")
_URL = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class Draft:
    """A pair as somebody wrote it. `question` has one phrasing a line; a pair with the same `id` is replaced,
    without one the draft is a new pair."""

    question: str
    answer: str
    collection: str
    url: str | None = None
    state: State = "approved"
    id: str = ""


def checked(draft: Draft) -> Draft:
    """`draft` as it is kept, tidied. Raises `WrongUse` with the first thing that is wrong with it."""
    lines = [" ".join(_kept(line).split()) for line in draft.question.splitlines()]
    phrasings = list(dict.fromkeys(line for line in lines if line))
    answer = _kept(draft.answer).strip()
    fault = _fault_of_question(phrasings) or _fault_of_answer(answer) or _fault_beside(draft)
    if fault:
        raise WrongUse(fault)
    return replace(draft, question="\n".join(phrasings), answer=answer, url=draft.url or None)


def _fault_of_question(phrasings: Sequence[str]) -> str:
    if not phrasings:
        return "there is no question"
    if not all(normal(one) for one in phrasings):
        return "a question needs a word or a number"
    if len(phrasings) > MOST_PHRASINGS:
        return f"the question has {len(phrasings)} phrasings; at most {MOST_PHRASINGS} are kept"
    if max(map(len, phrasings)) > PHRASING_CHARACTERS:
        return f"a phrasing of the question is longer than {PHRASING_CHARACTERS} characters"
    return ""


def _fault_of_answer(answer: str) -> str:
    if not without_numbers(answer):
        return "there is no answer"
    if len(answer) > ANSWER_CHARACTERS:
        return f"the answer has {len(answer)} characters; at most {ANSWER_CHARACTERS} are kept"
    return ""


def _fault_beside(draft: Draft) -> str:
    if not draft.collection:
        return "there is no collection"
    if draft.url and not _URL.fullmatch(draft.url):
        return "the url is no http or https address"
    if draft.state not in get_args(State):
        return f"the state is proposed or approved, not {draft.state!r}"
    if draft.id and not _ID.fullmatch(draft.id):
        return f"{draft.id!r} is no id of a pair; leave it out for a new one"
    return ""


def _kept(text: str) -> str:
    return valid_text(text).replace("\0", "")


def without_numbers(answer: str) -> str:
    """`answer` without what a reader would take for the number of a source: "[2]" goes, "(2)" loses its brackets,
    "4(3)" stays."""
    return MARKERS.sub(_without_number, answer).strip()


def _without_number(mark: re.Match[str]) -> str:
    if "[" in mark[0]:
        return ""
    return mark[0] if attached(mark) else f" {mark[1]}"
