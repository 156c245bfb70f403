"""What a model that somebody brings along says of citations, beside the lexical figures.

Rule: one column more and never a bound: another model gives another figure for the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.evaluation.asked import AskedQuestion
from bot.evaluation.citing import joined, statements


class SupportModel(Protocol):
    """Reads two texts together; `models.embedding.cross_encoder.LocalCrossEncoder` is one."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """For each text from 0 to 1 how much it has to do with `query`."""
        ...


@dataclass(frozen=True, slots=True)
class ModelSupport:
    """Over the `statements` that cite something: the mean of the model's scores, and the share above one half."""

    statements: int
    mean: float
    above_half: float


def model_support(asked: Sequence[AskedQuestion], model: SupportModel) -> ModelSupport:
    """`model` reads every statement with the passages that it cites, one after the other as one text."""
    found: list[float] = []
    for one in asked:
        if not one.answered:
            continue
        known = {citation.number for citation in one.answer.citations}
        for statement in statements(one.answer):
            cited = [number for number in dict.fromkeys(statement.cited) if number in known]
            if cited:
                passage = joined([one.answer.passages[number - 1] for number in cited])
                found += model.scores(statement.text, [passage.chunk.text])
    count = len(found)
    return ModelSupport(
        statements=count,
        mean=sum(found) / count if count else 0.0,
        above_half=sum(score > 0.5 for score in found) / count if count else 0.0,
    )
