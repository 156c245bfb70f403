"""What a judge's log-odds are worth, kept in the judge's own file.

Rule: a calibration belongs to the weights that it was measured with, and goes where they go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """The likelihood is the logistic curve over `slope` times (the evidence's score, and `weight` times the
    judge's log-odds), and `offset`; a question is refused below `refuse_below` unless the configuration says
    otherwise. Evidence that scores below `least` does not count: so far away the judge was never measured. In the
    order of the evidence the log-odds count `order` times."""

    weight: float
    slope: float
    offset: float
    refuse_below: float
    order: float = 0.02
    least: float = -1.0

    def likelihood(self, evidence: Iterable[tuple[float, float]]) -> float:
        """Of pieces of evidence, each with its score and the judge's log-odds, the most that one comes to; 0 where
        none counts."""
        most = max(
            (score + self.weight * logit for score, logit in evidence if score >= self.least), default=None
        )
        return 0.0 if most is None else 1 / (1 + math.exp(-(self.slope * most + self.offset)))

    def written(self) -> str:
        """As it stands in a file."""
        return json.dumps(asdict(self))


def read_calibration(text: str | None) -> Calibration | None:
    """What `written` wrote; None for anything else."""
    try:
        return Calibration(**{key: float(value) for key, value in json.loads(text or "").items()})
    except (ValueError, TypeError, AttributeError):
        return None
