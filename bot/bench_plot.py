"""Draws what `bench engine` measured: bars for each arm at each concurrency.

Rule: matplotlib is an extra; besides this file only bot/loss_plot.py imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.bench_engine import EngineBench, EngineRow
from bot.errors import Failed

_NAMES = {
    "cold": "ours, cache off",
    "warm": "ours, cache warm",
    "server": "server",
    "library": "llama_cpp.Llama",
}
_COLOURS = {"cold": "#4C78A8", "warm": "#54A24B", "server": "#E45756", "library": "#B8B0AC"}
_SHARE = 0.8  # of the room between two concurrencies that bars take


def check_plotting() -> None:
    """Raises Failed where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise Failed("--plot needs matplotlib; install it with: pip install 'groundling[plot]'") from None


def plot(bench: EngineBench, file: Path) -> None:
    """Writes `file` in the format of its ending; raises Failed when it cannot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _bars(left, bench.rows, [row.tokens_per_s for row in bench.rows], "{:.3g}")
    left.set_title("Tokens written a second")
    _bars(right, bench.rows, [row.first_p50_s for row in bench.rows], "{:.2f}")
    spread = [row.first_p95_s - row.first_p50_s for row in bench.rows]
    _whiskers(right, bench.rows, spread)
    right.set_title("Seconds to the first token: median, line up to p95")
    for axes in (left, right):
        axes.set_xlabel("questions at once")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(f"{bench.model}, {bench.threads} threads, {bench.tokens} tokens an answer", fontsize=10)
    try:
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as error:
        raise Failed(f"cannot write {file}: {error}") from None


def _bars(axes: object, rows: Sequence[EngineRow], heights: Sequence[float], form: str) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    steps = sorted({row.concurrency for row in rows})
    for arm in _arms(rows):
        own = [(row, height) for row, height in zip(rows, heights, strict=True) if row.arm == arm]
        bars = axes.bar(
            [_place(rows, row) for row, _ in own],
            [height for _, height in own],
            _SHARE / len(_arms(rows)),
            label=_NAMES.get(arm, arm),
            color=_COLOURS.get(arm),
        )
        axes.bar_label(bars, [form.format(height) for _, height in own], fontsize=7, label_type="center")
    axes.set_xticks(range(len(steps)), [str(step) for step in steps])


def _whiskers(axes: object, rows: Sequence[EngineRow], spread: Sequence[float]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.errorbar(
        [_place(rows, row) for row in rows],
        [row.first_p50_s for row in rows],
        [[0.0] * len(rows), list(spread)],
        fmt="none",
        ecolor="#333333",
        capsize=2,
        linewidth=1,
    )


def _place(rows: Sequence[EngineRow], row: EngineRow) -> float:
    """Where the bar of `row` stands: the arms of one concurrency side by side around its number."""
    steps = sorted({one.concurrency for one in rows})
    arms = _arms(rows)
    width = _SHARE / len(arms)
    return steps.index(row.concurrency) + (arms.index(row.arm) - (len(arms) - 1) / 2) * width


def _arms(rows: Sequence[EngineRow]) -> list[str]:
    return list(dict.fromkeys(row.arm for row in rows))
