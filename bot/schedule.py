"""When things are due that nobody asks for.

Rule: values only; `bot/scheduler.py` keeps to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FIRST_RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """When the source `name` is synced: every `every_s` seconds, or as `cron` says (five fields of a crontab,
    in the machine's time zone), and when something below the folder `watch` changes. None is never."""

    name: str
    every_s: float | None = None
    cron: str | None = None
    watch: Path | None = None


def retry_after_s(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds."""
    return float(min(FIRST_RETRY_S * 2 ** min(failures - 1, 10), LONGEST_RETRY_S))
