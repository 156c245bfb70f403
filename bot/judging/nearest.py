"""The chunks that the project's own search would mistake for the answer: near in meaning and in words.

Rule: all of a set at once, by one product of matrices; an index would ask for each question apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bot.words import content_words
from models.embedding.embedder import Embedder, Vectors

QUESTIONS_AT_ONCE = 256


def nearest(
    questions: Sequence[str], texts: Sequence[str], embedder: Embedder, *, most: int = 8
) -> list[list[int]]:
    """For each question the places of the `most` likeliest of `texts`, best first: cosine, and half the
    share of the question's rare words that a text holds, as `bot.evidence` weighs a sentence."""
    vectors = embedder.embed_documents(texts)
    words = [frozenset(content_words(text, "en")) for text in texts]
    counts = Counter(stem for stems in words for stem in stems)
    holders: dict[str, list[int]] = {}
    for place, stems in enumerate(words):
        for stem in stems:
            holders.setdefault(stem, []).append(place)
    found: list[list[int]] = []
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        part = questions[start : start + QUESTIONS_AT_ONCE]
        scores = embedder.embed_documents(part) @ vectors.T
        for question, line in zip(part, scores, strict=True):
            _add_words(line, set(content_words(question, "en")), holders, counts, len(texts))
            found.append([int(place) for place in np.argsort(-line)[:most]])
    return found


def _add_words(
    line: Vectors, stems: set[str], holders: dict[str, list[int]], counts: Counter[str], texts: int
) -> None:
    weights = {stem: math.log(1 + texts / (counts[stem] + 0.5)) for stem in stems}
    total = sum(weights.values()) or 1.0
    for stem, weight in weights.items():
        line[holders.get(stem, [])] += 0.5 * weight / total
