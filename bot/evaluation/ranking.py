"""Figures of ranked lists and of spans of text.

Rule: plain numbers out of plain values, defined as the field defines them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Span = tuple[str, int, int]
"""A text's name, and start and end of a part of it in characters."""


def ndcg(ranked: Sequence[str], relevant: Mapping[str, int], *, at: int = 10) -> float:
    """Normalised discounted cumulative gain with linear gains, as trec_eval and BEIR take it. 0 to 1."""
    gain = sum(relevant.get(name, 0) / math.log2(place + 2) for place, name in enumerate(ranked[:at]))
    best = sorted(relevant.values(), reverse=True)[:at]
    ideal = sum(value / math.log2(place + 2) for place, value in enumerate(best))
    return gain / ideal if ideal else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, int], *, at: int = 10) -> float:
    """The share of what is relevant that stands among the first `at`. 0 to 1."""
    wanted = {name for name, value in relevant.items() if value > 0}
    return len(wanted & set(ranked[:at])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Mapping[str, int], *, at: int = 10) -> float:
    """1 / place of the first relevant one, 0 where none is among the first `at`."""
    for place, name in enumerate(ranked[:at], start=1):
        if relevant.get(name, 0) > 0:
            return 1 / place
    return 0.0


def span_overlap(found: Sequence[Span], wanted: Sequence[Span]) -> tuple[float, float, float]:
    """Recall, precision and intersection over union by character; spans that overlap count once."""
    some, others = _union(found), _union(wanted)
    shared = sum(
        max(0, min(end, stop) - max(start, begin))
        for name, start, end in some
        for other, begin, stop in others
        if name == other
    )
    found_length = sum(end - start for _, start, end in some)
    wanted_length = sum(end - start for _, start, end in others)
    whole = found_length + wanted_length - shared
    return (
        shared / wanted_length if wanted_length else 0.0,
        shared / found_length if found_length else 0.0,
        shared / whole if whole else 0.0,
    )


def _union(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for name, start, end in sorted(spans):
        if merged and merged[-1][0] == name and start <= merged[-1][2]:
            merged[-1] = (name, merged[-1][1], max(end, merged[-1][2]))
        elif end > start:
            merged.append((name, start, end))
    return merged
