"""Where a LoRA comes from, as far as the registry was told: its base, its rows, its recipe, and what it began with.

Rule: what a command has made stands whether it can be noted or not; and only hashes, names, counts and licences
are noted, nothing that stands in a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.registry import ROWS as TAG
from bot.registry import Artefact, Manifest, Registry

ROWS = "rows"
"""How the role of a file of rows begins in what a LoRA was made from; the file's name follows."""

START = "start"
"""The role of the LoRA that a LoRA began with."""


def rows_manifest(
    name: str, *, base: str, counts: Mapping[str, int], licences: Sequence[str], audience: str
) -> Manifest:
    """What is noted of a file of rows for the model `base`: how many each source gave, under which licences,
    for whose readers (empty for everyone)."""
    notes: dict[str, str | int | float] = {
        "rows": sum(counts.values()),
        "sources": ", ".join(name for name, count in counts.items() if count),
        "licences": ", ".join(dict.fromkeys(licences)),
        "audience": audience or "everyone",
    }
    return Manifest(name, {"base": base}, notes)


def rows_of(registry: Registry, lora: Artefact) -> frozenset[str]:
    """The files of rows (sha256s) that a LoRA learned from, those of the LoRAs that it began with included."""
    found: set[str] = set()
    seen: set[str] = set()
    one: Artefact | None = lora
    while one is not None and one.sha256 not in seen:
        seen.add(one.sha256)
        made_from = one.manifest.made_from
        found.update(sha256 for role, sha256 in made_from.items() if role.split()[0] == ROWS)
        one = registry.find(made_from[START]) if START in made_from else None
    return frozenset(found)


def tainted_since(registry: Registry, lora: Artefact) -> float | None:
    """When somebody was forgotten (seconds since 1970) whose questions the LoRA learned from; None if nobody."""
    rows = rows_of(registry, lora)
    return min((move.at for move in registry.moves(TAG) if move.sha256 in rows), default=None)


def taint_of(registry: Registry, sha256: str) -> str | None:
    """What is wrong with learning from the rows of the LoRA `sha256`, in one line with the mend; None if nothing
    is known."""
    lora = registry.find(sha256)
    since = None if lora is None else tainted_since(registry, lora)
    if since is None:
        return None
    day = datetime.fromtimestamp(since).astimezone().date()
    return (
        f"somebody whose questions it learned from was forgotten on {day}; "
        "prepare its rows and train it again"
    )


def origin(registry: Registry, lora: Artefact) -> str | None:
    """What a LoRA was made from, in one line; None where nothing but its base is known."""
    made_from = lora.manifest.made_from
    return ", ".join(_parts(registry, made_from)) if made_from.keys() - {"base"} else None


def _parts(registry: Registry, made_from: Mapping[str, str]) -> Iterator[str]:
    for role, sha256 in made_from.items():
        known = registry.find(sha256)
        named = known is not None and role in ("base", START)
        line = f"{role} {known.manifest.name} {sha256[:12]}" if known and named else f"{role} {sha256[:12]}"
        notes = {} if known is None or known.kind != "rows" else known.manifest.notes
        yield f"{line} ({notes['rows']} rows of {notes['sources']})" if notes else line
