"""A team's own questions: whether answers hold the expected facts, cite the expected documents, and refuse.

Rule: the questions file says what counts; nothing here knows a particular question.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.answer import Answer
from bot.assistant import PassageSearch
from bot.citations import OWN_MARKERS, without_markers
from bot.errors import WrongUse
from bot.question import Question
from knowledge.retrieval import EVERYTHING

FIRST = 5
"""Among so many passages an expected document counts as found."""


class Answers(Protocol):
    """Answers one question; `bot.assistant.Assistant` does."""

    async def answer(self, question: Question) -> Answer:
        """The answer."""
        ...


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """One question. Every group of `facts` must be met by one of its alternatives; one of `documents` cited.
    With `must`, no LoRA is activated that loses it."""

    id: str
    ask: str
    answerable: bool
    facts: tuple[tuple[str, ...], ...]
    documents: tuple[str, ...]
    must: bool = False

    def met_by(self, text: str) -> bool:
        """Whether every group of `facts` has an alternative that stands in `text`."""
        return all(any(holds(text, fact) for fact in group) for group in self.facts)


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """What became of one question. `retrieved` is whether an expected document was among the first passages."""

    question: GoldenQuestion
    answer: Answer
    facts: bool
    cited: bool
    retrieved: bool
    dangling: int

    @property
    def right(self) -> bool:
        """Facts and citation for an answerable question, a refusal for the others."""
        if not self.question.answerable:
            return self.answer.status == "refused"
        return self.answer.status == "answered" and self.facts and self.cited and not self.dangling


@dataclass(frozen=True, slots=True)
class GoldenReport:
    """The counts over all questions, and every result."""

    results: tuple[GoldenResult, ...]

    def count(self, *, answerable: bool) -> tuple[int, int]:
        """How many of that kind are right, of how many."""
        some = [result for result in self.results if result.question.answerable == answerable]
        return sum(result.right for result in some), len(some)

    @property
    def retrieved(self) -> int:
        """Answerable questions whose expected document was among the first passages."""
        return sum(result.retrieved for result in self.results if result.question.answerable)

    @property
    def leads(self) -> tuple[int, int]:
        """Of the answers to answerable questions that a few words lead, with quotes below: in how many these words
        alone hold the expected facts, and how many there are."""
        led = [one for one in self.results if one.question.answerable and one.answer.lead]
        said = [without_markers(one.answer.lead, one.answer.passages) for one in led]
        return sum(one.question.met_by(words) for one, words in zip(led, said, strict=True)), len(led)

    @property
    def dangling(self) -> int:
        """Markers without a citation and citations without a marker, over all answers."""
        return sum(result.dangling for result in self.results)

    @property
    def without_model(self) -> list[str]:
        """Why a model that was wanted could not be used, for each question where that was so."""
        return [why for result in self.results if (why := model_failure(result.answer)) is not None]


def model_failure(answer: Answer) -> str | None:
    """Why the model that was wanted had no part in `answer`, in one line: it measures something else then. None
    where it had, and where none was wanted."""
    if answer.status == "failed":
        return answer.note or answer.text
    return answer.note if answer.voice == "quotes" else None


def load_golden(file: Path) -> list[GoldenQuestion]:
    """The questions of `file`; raises `WrongUse` with one line when it is not as it must be."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongUse(f"{file} cannot be read as golden questions: {str(error).splitlines()[0]}") from None
    rows = table.get("question")
    if not isinstance(rows, list) or not rows:
        raise WrongUse(f"{file} holds no [[question]]")
    found = [_question(row, number, file) for number, row in enumerate(rows, 1)]
    names = Counter(question.id for question in found)
    if twice := next((name for name in names if names[name] > 1), None):
        raise WrongUse(f"{file}: the id {twice!r} stands for {names[twice]} questions; give each its own")
    return found


async def run_golden(
    questions: Sequence[GoldenQuestion],
    assistant: Answers,
    retriever: PassageSearch,
    *,
    known: Sequence[Answer] = (),
    keep: Callable[[Answer], None] | None = None,
    progress: Callable[[GoldenResult], None] = lambda _result: None,
) -> GoldenReport:
    """Asks every question; each is a conversation of its own. The first have `known` answers and are not asked
    again; every other answer is given to `keep`."""
    results = []
    for number, question in enumerate(questions):
        if number < len(known):
            answer = known[number]
        else:
            answer = await assistant.answer(Question(question.ask))
            if keep is not None:
                keep(answer)
        passages = await asyncio.to_thread(retriever.search, question.ask, limit=FIRST, readable=EVERYTHING)
        found = {passage.chunk.document_id for passage in passages}
        result = GoldenResult(
            question=question,
            answer=answer,
            facts=question.met_by(without_markers(answer.text, answer.passages)),
            cited=any(citation.document_id in question.documents for citation in answer.citations),
            retrieved=bool(found & set(question.documents)),
            dangling=dangling(answer),
        )
        progress(result)
        results.append(result)
    return GoldenReport(tuple(results))


def holds(text: str, fact: str) -> bool:
    """Whether `fact` stands in `text`, whole words only, whatever its case and white space."""
    pattern = r"\s+".join(re.escape(word) for word in fact.split())
    before = r"(?<![\w.,])" if fact[:1].isdigit() else r"(?<!\w)"
    after = r"(?!\w|[.,]\d)" if fact[-1:].isdigit() else r"(?!\w)"
    return re.search(before + pattern + after, text, re.IGNORECASE) is not None


def dangling(answer: Answer) -> int:
    """Markers without a citation, citations without a marker, and quotes that no passage holds."""
    marked = {int(number) for number in OWN_MARKERS.findall(answer.text)}
    cited = {citation.number for citation in answer.citations}
    unquoted = sum(
        citation.quote not in answer.passages[citation.number - 1].chunk.text for citation in answer.citations
    )
    return len(marked ^ cited) + unquoted


def _question(row: object, number: int, file: Path) -> GoldenQuestion:
    if not isinstance(row, dict) or not isinstance(row.get("ask"), str) or not row["ask"].strip():
        raise WrongUse(f"{file}: question {number} has no `ask`")
    answerable, must = row.get("answerable", True), row.get("must", False)
    if not (isinstance(answerable, bool) and isinstance(must, bool)):
        raise WrongUse(
            f"{file}: question {number}: `answerable` and `must` are true or false, without quotes"
        )
    try:
        facts = tuple(_texts(group) for group in _list(row.get("facts", [])))
        documents = _texts(row.get("documents", []))
    except TypeError:
        raise WrongUse(
            f'{file}: question {number}: `facts` is a list such as [["5 days", "five days"]], `documents` such as ["a.md"]'
        ) from None
    if () in facts or not all(one.strip() for group in (*facts, documents) for one in group):
        raise WrongUse(f"{file}: question {number}: an empty text in `facts` or `documents` says nothing")
    if answerable and not (facts and documents):
        raise WrongUse(f"{file}: question {number} needs `facts` and `documents`, or answerable = false")
    return GoldenQuestion(str(row.get("id", number)), row["ask"], answerable, facts, documents, must)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    """A text alone, or those of a list; numbers are taken as they are written."""
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | float) for one in found):
        raise TypeError
    return tuple(str(one) for one in found)
