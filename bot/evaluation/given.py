"""Searches that give what a question is to be answered from, so that an answer can be measured apart from the search.

Rule: the question decides what is given and where it stands; the same question gets the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.assistant import PassageSearch
from bot.evaluation.datasets import ReferenceQuestion, Text
from bot.evaluation.temporary_index import SOURCE
from knowledge.documents import Chunk, Passage
from knowledge.retrieval import EVERYTHING
from knowledge.store import Readable


class GivenPassages:
    """The question's own paragraph and `distractors` others that the search finds: what an answer is worth
    when the search is not to blame."""

    def __init__(
        self,
        search: PassageSearch,
        questions: Sequence[ReferenceQuestion],
        texts: Sequence[Text],
        distractors: int,
    ) -> None:
        self._search = search
        self._own = {written(question.ask): question for question in questions}
        self._texts = {text.name: text for text in texts}
        self._distractors = distractors

    def search(self, query: str, *, limit: int = 5, readable: Readable = EVERYTHING) -> list[Passage]:
        """The gold passage among the distractors, at a place that the question decides."""
        own = self._texts[self._own[query].text]
        found = self._search.search(query, limit=limit + self._distractors, readable=readable)
        gold = Passage(
            chunk=Chunk(f"{SOURCE}:{own.name}", 0, (), None, own.text),
            title=own.title,
            url=None,
            score=1.0,
            similarity=max((p.similarity or 0.0 for p in found), default=0.0),
            updated_at=None,
            source=SOURCE,
            collection=SOURCE,
        )
        others = [p for p in found if p.chunk.document_id != gold.chunk.document_id][: self._distractors]
        place = len(query) % (len(others) + 1)
        return [*others[:place], gold, *others[place:]]


class WithoutAnswer:
    """`passages` that the search finds and that do not answer: for telling whether the right thing, a refusal,
    comes of it."""

    def __init__(self, search: PassageSearch, questions: Sequence[ReferenceQuestion], passages: int) -> None:
        self._search = search
        self._own = {written(question.ask): question for question in questions}
        self._passages = passages

    def search(self, query: str, *, limit: int = 5, readable: Readable = EVERYTHING) -> list[Passage]:
        """What is found, less the question's own paragraph and whatever has a reference in it."""
        found = self._search.search(query, limit=limit + 2 * self._passages, readable=readable)
        return [p for p in found if not answers_to(self._own[query], p)][: self._passages]


def is_own(question: ReferenceQuestion, passage: Passage) -> bool:
    """Whether `passage` is of the question's own paragraph."""
    return passage.chunk.document_id == f"{SOURCE}:{question.text}"


def holds_reference(question: ReferenceQuestion, passage: Passage) -> bool:
    """Whether a reference stands in `passage`, sign for sign."""
    return any(reference in passage.chunk.text for reference in question.references if reference.strip())


def answers_to(question: ReferenceQuestion, passage: Passage) -> bool:
    """Whether `passage` is one of the two."""
    return is_own(question, passage) or holds_reference(question, passage)


def written(ask: str) -> str:
    """A question as the assistant searches for it: what has no UTF-8 is replaced."""
    return ask.encode("utf-8", "replace").decode()
