"""Numbers and names: those an answer should have, and those it has from nowhere.

Rule: a fact is a number, or a word with a capital letter; what is neither is not counted either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.citations import without_markers
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.golden import holds
from bot.evaluation.grounding import facts_from_nowhere, sentences
from bot.evaluation.key_facts import key_facts


@dataclass(frozen=True, slots=True)
class FactScores:
    """`recall` is the mean share of a reference's facts that stand in the answer, the best reference counting,
    over the `questions` whose references all have one (0 where refused). Of `sentences` in answers,
    `numbers` is the share with a number, `names` with a name, and `either` with one of both, that stands in
    no passage; all 0 to 1."""

    questions: int
    recall: float
    sentences: int
    numbers: float
    names: float
    either: float


def fact_scores(asked: Sequence[AskedQuestion]) -> FactScores:
    """The figures over all of `asked`."""
    recalls = [value for one in asked if (value := fact_recall(one)) is not None]
    found = [
        facts_from_nowhere(one.answer, sentence)
        for one in asked
        if one.answered
        for sentence in sentences(one.answer)
    ]
    numbers = [any(fact[0].isdigit() for fact in facts) for facts in found]
    names = [any(not fact[0].isdigit() for fact in facts) for facts in found]
    return FactScores(
        questions=len(recalls),
        recall=_mean(recalls),
        sentences=len(found),
        numbers=_mean(numbers),
        names=_mean(names),
        either=_mean([bool(facts) for facts in found]),
    )


def fact_recall(asked: AskedQuestion) -> float | None:
    """How much of the references' facts the answer has; None where a reference has none, or there is none."""
    wanted = [key_facts(reference) for reference in asked.question.references]
    if not wanted or not all(wanted):
        return None
    if not asked.answered:
        return 0.0
    said = without_markers(asked.answer.text, asked.answer.passages)
    return max(sum(holds(said, fact) for fact in facts) / len(facts) for facts in wanted)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
