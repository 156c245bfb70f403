"""What is asked, by whom and where, free of any chat platform."""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.store import Readable
from models.engine.generator import Turn


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `earlier` are the turns before it in the same conversation, oldest first.

    `readable` limits what an answer may draw on; it is applied inside the search.
    """

    text: str
    earlier: tuple[Turn, ...] = ()
    readable: Readable = Readable()
