"""The golden runs that the registry keeps, and which of them were good.

Rule: a run is good if it was no drop, or if somebody has let its index pass all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.lora_evaluation import GOLDEN_RUN, Evaluation, Setting, kept
from bot.registry import INDEX, Artefact, Registry

DROPPED = "dropped"
"""The note of a run that says what it was worse in."""

Run = tuple[Artefact, Evaluation]


def golden_runs(registry: Registry, golden: str | None = None) -> list[Run]:
    """The runs of those golden questions (a sha256), or of any, the latest first."""
    runs = kept(registry, GOLDEN_RUN)
    return [(a, run) for a, run in runs if golden is None or run.setting.golden == golden]


def dropped(run: Artefact) -> str | None:
    """What a golden run was worse in than the last good one before it, in one line."""
    reason = run.manifest.notes.get(DROPPED)
    return None if reason is None else str(reason)


def accepted(registry: Registry) -> frozenset[str]:
    """The runs (sha256s) whose index was let pass by somebody."""
    return frozenset(
        move.evaluation for move in registry.moves(INDEX) if move.action == "accept" and move.evaluation
    )


def last_good(runs: Sequence[Run], passed: frozenset[str]) -> Evaluation | None:
    """The first of `runs` that was no drop, or is one of those that were let pass."""
    good = (run for artefact, run in runs if dropped(artefact) is None or artefact.sha256 in passed)
    return next(good, None)


def is_of(run: Evaluation, setting: Setting, lora: str | None) -> bool:
    """Whether `run` was made of exactly that."""
    return (run.setting, run.candidate.lora) == (setting, lora)
