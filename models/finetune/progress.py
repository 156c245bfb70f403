"""What a run tells while it runs, and the log of it that stays in its folder.

Rule: nothing heavy is imported here; whoever draws or counts a run reads this.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

LOG = "progress.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a run's log. `loss` is the mean over the answer tokens of the step, `seconds` the time
    trained so far without interruptions, `left_s` what is to come at the pace of the last steps."""

    step: int
    of: int
    epoch: int
    loss: float
    learning_rate: float
    tokens: int
    tokens_a_second: float
    seconds: float
    left_s: float


def add_progress(folder: Path, progress: Progress) -> None:
    """Adds a line to the log of the run in `folder`."""
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(progress)) + "\n")


def forget_progress(folder: Path) -> None:
    """For a run that begins anew."""
    (folder / LOG).unlink(missing_ok=True)


def read_progress(folder: Path) -> list[Progress]:
    """The steps of the run in `folder`, in their order; a line that was cut short is left out, and of steps that
    were done again after an interruption the later one counts. Nothing where there is no log."""
    found: dict[int, Progress] = {}
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            progress = Progress(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[progress.step] = progress
    return [found[step] for step in sorted(found)]
