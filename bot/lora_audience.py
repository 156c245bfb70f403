"""Whom a LoRA may answer: the readers of the collections that it learned from.

Rule: its own file says which those are; one that names none is for everyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from bot.access import EVERYONE
from models.lora_folder import lineage

NOTE = "audience"
"""What the collections are called among the notes of a LoRA."""


def audience_of(file: Path) -> frozenset[str]:
    """The collections whose readers the LoRA is for, none where that is everyone; raises `BrokenWeights`."""
    return audience_in(lineage(file)[1])


def audience_in(notes: Mapping[str, str | int | float]) -> frozenset[str]:
    """The same by what is noted of it."""
    names = (name.strip() for name in str(notes.get(NOTE, EVERYONE)).split(","))
    return frozenset(names) - {"", EVERYONE}


def not_for_all(audience: Set[str], readers: Mapping[str, Set[str]]) -> list[str]:
    """Those of `audience` that some reader of another collection may not read; `readers` are those of each."""
    return [
        name
        for name in sorted(audience)
        if EVERYONE not in readers.get(name, ())
        and any(not others <= readers.get(name, frozenset()) for others in readers.values())
    ]


def in_words(audience: Set[str]) -> str:
    """For whom, in a few words."""
    return f"for readers of {', '.join(sorted(audience))} only"


def why_not(names: list[str]) -> str:
    """Why a LoRA that learned from `names` does not answer where no other is named, with the mend."""
    return (
        f"it learned from {', '.join(names)}, which not everybody whom it would answer may read; "
        "name it in [[collection]] lora or [[channel]] lora"
    )
