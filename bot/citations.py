"""Numbers in an answer and what they stand for.

Rule: every marker resolves, every citation has its marker, and every quote is verbatim passage text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bot.answer import Citation
from bot.evidence import Unit
from knowledge.documents import Passage

MARKERS = re.compile(
    r"\s*[\[(](?:source\s*|sources\s*|quelle\s*)?(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)[\])]", re.IGNORECASE
)


OWN_MARKERS = re.compile(r"\s*\[(\d{1,3})\]")
"""As the program itself writes them."""

_LIKE_MARKERS = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")


def unmarked(text: str) -> str:
    """The documents' own words with their numbers in square brackets in round ones: they are no sources of this
    answer."""
    return _LIKE_MARKERS.sub(r"(\1)", text)


def without_markers(text: str) -> str:
    """`text` with everything that looks like a citation taken out; the program sets its own."""
    return re.sub(r"\s+([.,;:!?])", r"\1", MARKERS.sub("", text)).strip()


def numbers(text: str) -> list[int]:
    """The numbers of its markers, in their order."""
    return [int(number) for marker in MARKERS.findall(text) for number in re.findall(r"\d+", marker)]


def cite(passages: Sequence[Passage], used: Iterable[Unit]) -> tuple[Citation, ...]:
    """One citation for each passage that `used` draws on, by number; its quote spans the used units."""
    spans: dict[int, tuple[int, int]] = {}
    for unit in used:
        low, high = spans.get(unit.passage, (unit.start, unit.end))
        spans[unit.passage] = (min(low, unit.start), max(high, unit.end))
    return tuple(_citation(number, passages[number - 1], *spans[number]) for number in sorted(spans))


def _citation(number: int, passage: Passage, start: int, end: int) -> Citation:
    return Citation(
        number=number,
        document_id=passage.chunk.document_id,
        title=passage.title,
        location=passage.chunk.location,
        url=passage.url,
        quote=passage.chunk.text[start:end].strip(),
        updated_at=passage.updated_at,
        source=passage.source,
        collection=passage.collection,
    )
