"""What a judge's log-odds are worth, kept in the judge's own file.

Rule: a calibration belongs to the weights that it was measured with, and goes where they go.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """The likelihood is the logistic curve over `slope` times (the evidence's score, and `weight` times the
    judge's log-odds), and `offset`; a question is refused below `refuse_below` unless the configuration says
    otherwise. In the order of the evidence the log-odds count `order` times."""

    weight: float
    slope: float
    offset: float
    refuse_below: float
    order: float = 0.02

    def written(self) -> str:
        """As it stands in a file."""
        return json.dumps(asdict(self))


def read_calibration(text: str | None) -> Calibration | None:
    """What `written` wrote; None for anything else."""
    try:
        return Calibration(**{key: float(value) for key, value in json.loads(text or "").items()})
    except (ValueError, TypeError, AttributeError):
        return None
