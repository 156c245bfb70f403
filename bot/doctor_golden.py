"""What became of the golden questions of the schedule, and of an index that was held back because of them.

Rule: nothing is asked here; it only tells what `serve` has found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from bot.errors import BotError
from bot.evaluation.golden import load_golden
from bot.finding import Finding
from bot.golden_runs import accepted, dropped, golden_runs
from bot.index_hold import held, in_words
from bot.registry import Registry
from knowledge.errors import KnowledgeError
from models.errors import ModelError
from models.weights import sha256_of

_NAME = "golden run"


def golden_findings(file: Path, registry: Callable[[], Registry | None], *, hold: bool) -> Iterator[Finding]:
    """Whether the questions of `file` can be read, what became of them last, and with `hold` whether an index
    is held back. `registry` gives None where nothing was ever synced."""
    try:
        count, golden = len(load_golden(file)), sha256_of(file)
        known = registry()
        runs = golden_runs(known, golden) if known is not None else []
        passed = accepted(known) if known is not None else frozenset()
        back = held(known) if known is not None and hold else None
    except (BotError, KnowledgeError, ModelError, OSError) as error:
        yield Finding(_NAME, "broken", f"{error}; mend [schedule] golden")
        return
    if not runs:
        yield Finding(_NAME, "ok", f"{count} of {file.name}; `serve` has not asked them yet")
    else:
        artefact, run = runs[0]
        right = sum(item.values["right"] for item in run.candidate.items)
        at = datetime.fromtimestamp(artefact.recorded_at).astimezone().strftime("%Y-%m-%d %H:%M")
        line = f"{at}: {right:.0f} of {len(run.candidate.items)} right"
        reason = dropped(artefact)
        if reason is None:
            yield Finding(_NAME, "ok", line)
        elif artefact.sha256 in passed:
            yield Finding(_NAME, "ok", f"{line}, a drop that was let pass: {reason}")
        else:
            mend = "see what was synced or changed before it"
            yield Finding(_NAME, "warning", f"{line}, a drop: {reason}; {mend}")
    if back is not None:
        yield Finding("held index", "warning", in_words(back))
