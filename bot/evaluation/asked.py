"""One question as one way of answering it came out: what was asked, shown, read and said.

Rule: everything that is measured is worked out of these values; nobody asks a question twice for a figure.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.answer import Answer
from bot.citations import without_markers
from bot.evaluation.answers import best, exact, f1, holds_one
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.given import holds_reference, is_own
from bot.evaluation.golden import holds
from bot.evaluation.key_facts import key_facts

ALIKE = 0.5
"""F1 from which other words may say the same as a reference; "12 days" has it with "26 days"."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """`question` without references is one that has to be refused. `document` is what its paragraph belongs
    to. `alone` is whether the model got the question without passages; the answer's passages are then those
    that the search found. `read` are the numbers of the passages that the model read. `confidence` is how
    likely the program took the passages to answer, 0 to 1; None where it did not look."""

    question: ReferenceQuestion
    document: str
    answer: Answer
    alone: bool = False
    read: tuple[int, ...] = ()
    confidence: float | None = None

    @property
    def answerable(self) -> bool:
        """Whether there is an answer."""
        return bool(self.question.references)

    @property
    def answered(self) -> bool:
        """Whether an answer came."""
        return self.answer.status == "answered"

    @property
    def refused(self) -> bool:
        """Whether a refusal came."""
        return self.answer.status == "refused"

    @property
    def f1(self) -> float:
        """SQuAD's token F1 against the best reference; 0 without an answer."""
        return best(f1, self.question, self.answer)

    @property
    def exact(self) -> float:
        """1 where the answer is one of the references."""
        return best(exact, self.question, self.answer)

    @property
    def in_words(self) -> bool:
        """Whether the words are right: a reference stands in the answer, or has an F1 of at least `ALIKE` with
        it and all its numbers and names in it."""
        if not self.answered:
            return False
        said = without_markers(self.answer.text, self.answer.passages)
        return bool(holds_one(self.question, self.answer)) or any(
            f1(said, reference) >= ALIKE and all(holds(said, fact) for fact in key_facts(reference))
            for reference in self.question.references
        )

    @property
    def value(self) -> float:
        """What overall F1 is the mean of: F1, or 1 for a refusal where there is no answer."""
        return self.f1 if self.answerable else float(self.refused)

    @property
    def own_found(self) -> tuple[int, ...]:
        """The numbers of the passages found that are of the question's own paragraph, counting from 1."""
        return tuple(n for n, p in enumerate(self.answer.passages, 1) if is_own(self.question, p))

    @property
    def reference_found(self) -> tuple[int, ...]:
        """The numbers of those that have a reference in them."""
        return tuple(n for n, p in enumerate(self.answer.passages, 1) if holds_reference(self.question, p))

    @property
    def answering(self) -> tuple[int, ...]:
        """The numbers of those that answer: either of the two."""
        return tuple(sorted({*self.own_found, *self.reference_found}))
