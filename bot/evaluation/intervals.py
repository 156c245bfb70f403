"""How sure a difference between two ways of answering is.

Rule: the same questions both ways, drawn again by document, because questions about one document are not
independent of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 10_000

FEWEST = 5
"""Documents below which nothing is told apart, whatever the interval: four go the same way by chance one time in
eight, and a bootstrap over so few never draws anything else."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of one way less that of the other, with its 95 % interval from `low` to `high`."""

    mean: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_difference(
    ones: Sequence[float],
    others: Sequence[float],
    documents: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The mean of `ones - others`, a value for each question, by a bootstrap over `documents`.

    `documents` names the document of each question. The interval is the percentile one (Efron 1979, clustered
    as in Cameron, Gelbach and Miller 2008); the same for the same `seed`. Raises ValueError where the three
    differ in length or are empty.
    """
    import numpy as np

    if not len(ones) == len(others) == len(documents) or not ones:
        raise ValueError("every question needs a value both ways and a document")
    places = {name: place for place, name in enumerate(dict.fromkeys(documents))}
    of = np.array([places[name] for name in documents])
    change = np.asarray(ones, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    sums = np.bincount(of, weights=change, minlength=len(places))
    counts = np.bincount(of, minlength=len(places))
    chance = np.random.default_rng(seed)
    drawn = chance.multinomial(len(places), np.full(len(places), 1 / len(places)), size=resamples)
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.quantile(means, (0.025, 0.975))
    return Difference(float(change.mean()), float(low), float(high))
