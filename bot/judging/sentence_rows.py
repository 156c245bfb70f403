"""Rows of one sentence each: what the judge reads of the best evidence, sentence by sentence.

Rule: sentences are cut and ordered as for an answer, so that what is learned from is what comes close there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.evidence import Evidence, find_evidence
from bot.judging.rows import Row, row
from bot.likelihood import Judge, as_shown, judged
from knowledge.documents import Chunk, Passage
from models.embedding.embedder import Embedder

OTHERS = 3
"""So many sentences that do not answer stand beside one that does."""

_NEAR = 0.35
"""The rate at which a sentence farther down in the order of the evidence is taken less often."""


class Sentences:
    """Sentences of passages, in the order in which they speak to a question."""

    def __init__(self, embedder: Embedder, choice: random.Random) -> None:
        self._embedder = embedder
        self._choice = choice

    def answered(
        self,
        question: str,
        own: Sequence[Passage],
        others: Sequence[Passage],
        answer: str,
        *,
        kind: str = "sentence",
    ) -> Iterator[Row]:
        """The sentence of `own` that holds `answer`, and some that do not of it and of `others`."""
        passages = [*own, *others]
        found = find_evidence(question, passages, self._embedder, "en")
        holding = [one for one in found if one.unit.passage <= len(own) and answer in one.unit.reading]
        if not holding:
            return
        yield _row(question, passages, holding[0], kind, answer=answer)
        without = [one for one in found if answer.lower() not in one.unit.reading.lower()]
        for one in self._near(without):
            yield _row(question, passages, one, f"other {kind}")

    def unanswered(
        self, question: str, passages: Sequence[Passage], kind: str, judge: Judge | None = None
    ) -> Iterator[Row]:
        """Some sentences of `passages`, none of which answers `question`: mostly those that speak to it most, or
        that `judge` takes for an answer."""
        found = find_evidence(question, passages, self._embedder, "en")
        if judge is not None and found:
            logits = judged(question, passages, found, judge)
            found = [found[place] for place in sorted(range(len(logits)), key=lambda one: -logits[one])]
        for one in self._near(found):
            yield _row(question, passages, one, kind)

    def _near(self, found: Sequence[Evidence]) -> Iterator[Evidence]:
        left = list(found)
        for _ in range(min(OTHERS, len(left))):
            yield left.pop(min(int(self._choice.expovariate(_NEAR)), len(left) - 1))


def taken_for_answers(question: str, passages: Sequence[Passage], judge: Judge) -> list[int]:
    """The places of `passages` in the order in which `judge` takes them for an answer, the likeliest first."""
    logits = judge.answers([question] * len(passages), [as_shown(one, one.chunk.text) for one in passages])
    return sorted(range(len(passages)), key=lambda one: -logits[one])


def passage_of(title: str, text: str) -> Passage:
    """`text` of the document `title` as a search finds it."""
    return Passage(Chunk(title, 0, (), None, text), title, None, 0.0, None, None, "", "")


def _row(question: str, passages: Sequence[Passage], one: Evidence, kind: str, *, answer: str = "") -> Row:
    passage = passages[one.unit.passage - 1]
    alone = replace(passage.chunk, text=one.unit.reading)
    return row(question, passage.title, alone, kind, answers=int(bool(answer)), answer=answer)
