"""How likely the documents answer a question: what the best evidence scores, and what the judge says.

Rule: one number between 0 and 1, calibrated on documents that the judge never learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.evidence import Evidence
from bot.languages import language_of
from knowledge.documents import Passage
from knowledge.retrieval import Reranker
from models.judge.calibration import Calibration
from models.judge.pairs import shown

READ = 24
"""So many of the best pieces of evidence the judge reads each on its own."""


class Span(Protocol):
    """Characters of a passage, and the log-likelihood that these are the answer; `models.judge.judge.Span`."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def log_likelihood(self) -> float: ...


class Judge(Protocol):
    """Reads a question and a passage together; `models.judge.judge.Judge` is one."""

    @property
    def calibration(self) -> Calibration | None:
        """What its log-odds are worth beside the evidence; None where nobody has measured it."""
        ...

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        """The log-odds that each passage answers the question at its place."""
        ...

    def points(self, question: str, passages: Sequence[str]) -> Sequence[Span]:
        """Where each passage, below its first line, has the words that answer the question the likeliest."""
        ...


def reads(question: str) -> bool:
    """Whether the judge can tell anything about `question`: it learned from English alone."""
    return language_of(question) == "en"


class ReadingReranker:
    """Puts passages in the judge's order where it `reads` the question, and else leaves them as they are."""

    def __init__(self, judge: Reranker) -> None:
        self._judge = judge

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """As the judge's."""
        return self._judge.scores(query, texts) if reads(query) else [0.0] * len(texts)


def likelihood(
    question: str, passages: Sequence[Passage], evidence: Sequence[Evidence], judge: Judge | None
) -> float:
    """How likely `passages`, whose best `evidence` comes first, answer `question`; 0 without evidence.

    With a calibrated `judge` that piece of evidence counts in which score and judge together find most, of those
    that are near enough to count; without one the best evidence alone.
    """
    if not evidence:
        return 0.0
    calibration = judge.calibration if judge is not None else None
    if judge is None or calibration is None:
        return evidence[0].likelihood
    logits = judged(question, passages, evidence, judge)
    return calibration.likelihood(zip((row.score for row in evidence), logits, strict=False))


def judged(
    question: str, passages: Sequence[Passage], evidence: Sequence[Evidence], judge: Judge
) -> list[float]:
    """For each of the best `READ` pieces of evidence, that it alone and that its passage answers: the sum of the
    judge's log-odds. Alone it tells a near miss better, in its passage what it is about."""
    read = [row.unit for row in evidence[:READ]]
    numbers = list(dict.fromkeys(unit.passage for unit in read))
    texts = [(number, passages[number - 1].chunk.text) for number in numbers]
    texts += [(unit.passage, unit.reading) for unit in read]
    pairs = [as_shown(passages[number - 1], text) for number, text in texts]
    logits = judge.answers([question] * len(pairs), pairs)
    whole = dict(zip(numbers, logits, strict=False))
    return [whole[unit.passage] + alone for unit, alone in zip(read, logits[len(numbers) :], strict=True)]


def as_shown(passage: Passage, text: str) -> str:
    """`text` of `passage` as the judge is shown it."""
    return shown(passage.title, passage.chunk.location, text)
