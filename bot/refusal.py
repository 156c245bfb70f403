"""Whether the documents answer a question at all, told from what was found for it.

Rule: a number between 0 and 1 that was calibrated on questions and documents other than those it is
judged by (docs/decisions/007-when-to-refuse.md has the data and the command).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.evidence import Evidence, covered, rarity
from bot.words import content_words
from knowledge.documents import Passage
from models.embedding.embedder import Embedder

REFUSE_BELOW = 0.5

_WEIGHTS = {"similarity": 6.0, "unit": 6.0, "coverage": 2.0, "unit_coverage": 1.0, "weakest": 1.0}
_BIAS = -6.0


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for an answer, each between 0 and 1 (cosines may be below 0).

    `similarity` is the best cosine of question and passage, `unit` that of question and sentence;
    `coverage` and `unit_coverage` are the shares of the question's words, weighted by rarity, in the
    best passage and in the best sentence. `weakest` is how near the passages come to the question's
    least covered word: 1 when every word stands there, else a cosine of words.
    """

    similarity: float
    unit: float
    coverage: float
    unit_coverage: float
    weakest: float


def signals(
    question: str,
    passages: Sequence[Passage],
    evidence: Sequence[Evidence],
    embedder: Embedder,
    language: str,
) -> Signals:
    """The signals for `question` and what was found for it; all 0 when nothing was found."""
    if not passages or not evidence:
        return Signals(0.0, 0.0, 0.0, 0.0, 0.0)
    wanted = rarity(question, passages, language)
    texts = [f"{p.title}\n{p.chunk.location}\n{p.chunk.text}" for p in passages]
    return Signals(
        similarity=max((p.similarity or 0.0) for p in passages),
        unit=max(row.cosine for row in evidence),
        coverage=max(covered(wanted, text, language) for text in texts),
        unit_coverage=evidence[0].coverage,
        weakest=_weakest(wanted, texts, embedder, language),
    )


def answerability(found: Signals) -> float:
    """How likely the documents hold the answer, 0 to 1."""
    total = _BIAS + sum(weight * getattr(found, name) for name, weight in _WEIGHTS.items())
    return 1 / (1 + math.exp(-total))


def _weakest(wanted: dict[str, float], texts: Sequence[str], embedder: Embedder, language: str) -> float:
    there = sorted({stem for text in texts for stem in content_words(text, language)})
    missing = [stem for stem in wanted if stem not in there]
    if not missing:
        return 1.0
    if not there:
        return 0.0
    near = embedder.embed_documents(missing) @ embedder.embed_documents(there).T
    return float(near.max(axis=1).min())
