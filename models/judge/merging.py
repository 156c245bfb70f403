"""One judge out of several: the mean of their weights.

Rule: only judges of one embedding model go together. The mean reads what none of them has learned better than each
does (docs/decisions/024 has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from models.errors import EmbedderUnavailable
from models.judge.file import BASE_KEY, note_of, save_weights, trained_weights


def merge(files: Sequence[Path], out: Path) -> None:
    """Writes the mean of the judges in `files`, without a calibration, to `out`.

    Raises `EmbedderUnavailable` when a file holds no judge, or they were trained from different models.
    """
    made_from = {note_of(file).get(BASE_KEY, "") for file in files}
    if len(made_from) != 1:
        raise EmbedderUnavailable(
            f"{', '.join(map(str, files))} were trained from different embedding models"
        )
    trained = [trained_weights(file) for file in files]
    mean = {name: torch.stack([one[name].float() for one in trained]).mean(dim=0) for name in trained[0]}
    save_weights(out, mean, note={BASE_KEY: made_from.pop()})
