"""What passages say to a question: their evidence, how likely they answer it, and what of them a model reads.

Rule: answers, measurements and training rows look at passages through this alone, so that they see the same.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.citations import unmarked
from bot.evidence import Evidence, Unit, find_evidence, units
from bot.likelihood import Judge, as_shown, judged, likelihood, reads
from bot.quoting import choose
from knowledge.documents import Passage
from models.embedding.embedder import Embedder
from models.embedding.remembering import RememberingEmbedder

_LIST_MARK = re.compile(r"^\s*[-*+•‣◦–]\s+")

Selection = Callable[[Sequence[Passage], Sequence[Evidence]], dict[int, Passage]]
"""Takes the passages found and their evidence, best first; gives what the model reads, by the passages' numbers."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """The words of `unit` that answer the likeliest, and how likely they are all of the answer and nothing else."""

    words: str
    unit: Unit
    likelihood: float


@dataclass(frozen=True, slots=True)
class Sight:
    """The evidence, best first; the likelihood, 0 to 1, that it answers; what a model reads, by number, and the
    units that stand there; where a judge points in the best evidence."""

    evidence: list[Evidence]
    likelihood: float
    shown: dict[int, Passage]
    units: list[Unit]
    pointed: Pointed | None


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at passages with `embedder` and, where there is one that reads the question, with `judge`."""

    embedder: Embedder
    judge: Judge | None
    selection: Selection

    def remembering(self) -> Looking:
        """The same, which embeds no sentence twice."""
        return replace(self, embedder=RememberingEmbedder(self.embedder))

    def at(self, query: str, passages: Sequence[Passage], language: str, *, latest: str = "") -> Sight:
        """What `passages` say to `query`. `latest` is its end where it was put together from a conversation."""
        judge = self.judge if reads(query) else None
        found = find_evidence(query, passages, self.embedder, language, latest=latest)
        likely = likelihood(query, passages, found, judge)
        evidence = in_order(query, passages, found, judge)
        pointed = None
        if judge is not None and evidence:
            pointed = point(query, passages, evidence[0].unit, judge)
        shown = self.selection(passages, evidence)
        return Sight(evidence, likely, shown, _units_of(shown, passages), pointed)


def in_order(
    query: str, passages: Sequence[Passage], evidence: Sequence[Evidence], judge: Judge | None
) -> list[Evidence]:
    """The evidence with what a calibrated `judge` says of it added to its score, best first."""
    if judge is None or judge.calibration is None:
        return list(evidence)
    logits = judged(query, passages, evidence, judge)
    least = min(logits, default=0.0)  # for what it did not read
    added = itertools.chain(logits, itertools.repeat(least))
    weight = judge.calibration.order
    rows = [
        replace(row, score=row.score + weight * logit) for row, logit in zip(evidence, added, strict=False)
    ]
    return sorted(rows, key=lambda row: (-row.score, row.unit.passage, row.unit.start))


def point(query: str, passages: Sequence[Passage], unit: Unit, judge: Judge) -> Pointed:
    """Where `judge` sees the answer in `unit`."""
    text = as_shown(passages[unit.passage - 1], unit.reading)
    (span,) = judge.points(query, [text])
    words = _LIST_MARK.sub("", text[span.start : span.end])
    if words.count("(") > words.count(")") and text.startswith(")", span.end):
        words += ")"
    return Pointed(unmarked(words).strip(" ,;:."), unit, math.exp(span.log_likelihood))


def _units_of(shown: Mapping[int, Passage], passages: Sequence[Passage]) -> list[Unit]:
    """The units of `passages` that stand in what is `shown` of them."""
    return [
        unit
        for unit in units(passages)
        if (kept := shown.get(unit.passage)) is not None
        and (
            kept is passages[unit.passage - 1]
            or unit.reading in kept.chunk.text
            or unit.text in kept.chunk.text
        )
    ]


def whole_passages(most: int) -> Selection:
    """The `most` passages with the best evidence, in the order of the search."""

    def select(passages: Sequence[Passage], evidence: Sequence[Evidence]) -> dict[int, Passage]:
        numbers = list(dict.fromkeys(row.unit.passage for row in evidence))[:most]
        return {number: passages[number - 1] for number in sorted(numbers)}

    return select


def evidence_alone(passages: Sequence[Passage], evidence: Sequence[Evidence]) -> dict[int, Passage]:
    """The passages with nothing but what would be quoted of them."""
    found = choose(evidence, passages)
    kept: dict[int, Passage] = {}
    for number in sorted({unit.passage for unit in found}):
        text = "\n".join(unit.reading for unit in found if unit.passage == number)
        passage = passages[number - 1]
        kept[number] = replace(passage, chunk=replace(passage.chunk, text=text))
    return kept
