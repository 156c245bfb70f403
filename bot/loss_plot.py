"""Draws how the loss of a training fell.

Rule: what is drawn is the run's own log; a run of one step is a picture too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.errors import Failed
from models.finetune.progress import Progress

_SMOOTH = 0.05  # share of the steps that the heavy line is a mean over


def plot_losses(steps: Sequence[Progress], file: Path, *, title: str) -> None:
    """Writes `file` in the format of its ending, in one step; raises Failed when it cannot, or for no steps."""
    from matplotlib.figure import Figure

    if not steps:
        raise Failed("the run has no step yet, so there is nothing to draw")
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    places = [one.step for one in steps]
    axes.plot(places, [one.loss for one in steps], color="#B8B0AC", linewidth=0.8, label="each step")
    axes.plot(places, _means([one.loss for one in steps]), color="#E45756", label="mean of the last steps")
    axes.set_xlabel(f"step of {steps[-1].of:,}")
    axes.set_ylabel("loss of the answers' tokens")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    rates = axes.twinx()
    rates.plot(places, [one.learning_rate for one in steps], color="#4C78A8", linewidth=0.8, linestyle=":")
    rates.set_ylabel("learning rate (dotted)")
    rates.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.set_title(f"{title}: {steps[-1].tokens:,} tokens in {steps[-1].seconds / 60:.0f} min", fontsize=10)
    part = file.with_name(f"{file.name}.part")
    try:
        figure.savefig(part, dpi=120, format=file.suffix.lstrip(".").lower())
        part.replace(file)
    except (OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise Failed(f"cannot write {file}: {error}") from None


def _means(losses: Sequence[float]) -> list[float]:
    last = max(1, round(len(losses) * _SMOOTH))
    return [
        sum(losses[max(0, place - last + 1) : place + 1]) / min(last, place + 1)
        for place in range(len(losses))
    ]
