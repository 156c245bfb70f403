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
"""What looks like a citation; a number in round brackets may be something else ("(415) 555", "section 4(3)")."""

OWN_MARKERS = re.compile(r"(?<!\S)\[([1-9]\d{0,2})\]")
"""As the program itself writes them: apart from what they stand behind, and from 1 on."""

_WORD_BEFORE = re.compile(r"\w+(?:\[\d{1,3}\])*$")
_LIKE_MARKERS = re.compile(r"(?<![\w\]])(?:\[(?!0\])\d{1,3}(?:\s*[,;]\s*\d{1,3})*\])+")
_ROUND = str.maketrans("[]", "()")


def unmarked(text: str) -> str:
    """The documents' own words with their numbers in square brackets in round ones: they are no sources of this
    answer. An index, right behind a word or of 0, stays as it is: it cannot be taken for one."""
    return _LIKE_MARKERS.sub(lambda mark: mark[0].translate(_ROUND), text)


def without_markers(text: str, passages: Sequence[Passage] = ()) -> str:
    """`text` with the citations of `passages` taken out; the program sets its own. A mere number in round
    brackets is one only where there is such a passage and none says the same in its own words."""
    plain = MARKERS.sub(lambda mark: "" if _cites(mark, passages) else mark[0], text)
    return re.sub(r"\s+([.,;:!?])(?!\w)", r"\1", plain).strip()


def numbers(text: str, passages: Sequence[Passage] = ()) -> list[int]:
    """The numbers of its citations of `passages`, in their order."""
    return [number for mark in MARKERS.finditer(text) if _cites(mark, passages) for number in _numbers(mark)]


def attached(mark: re.Match[str]) -> bool:
    """Whether a round bracket that `MARKERS` found belongs to what stands right before it, as in "4(3)"."""
    before = mark.string[mark.start() - 1 : mark.start()]
    return mark[0][0] == "(" and (before.isalnum() or before == ")")


def _cites(mark: re.Match[str], passages: Sequence[Passage]) -> bool:
    bracket = mark[0].strip()
    if _indexes(mark, passages):
        return False
    if "[" in bracket or "]" in bracket or not bracket[1].isdigit():
        return True
    if attached(mark) or not all(1 <= number <= len(passages) for number in _numbers(mark)):
        return False
    return not any(
        bracket in f"{passage.title}\n{passage.chunk.location}\n{passage.chunk.text}" for passage in passages
    )


def _indexes(mark: re.Match[str], passages: Sequence[Passage]) -> bool:
    """Whether a square bracket stands right behind a word as it does in a passage: "argv[1]"."""
    before = _WORD_BEFORE.search(mark.string[: mark.start()]) if mark[0][0] == "[" else None
    return before is not None and any(before[0] + mark[0] in passage.chunk.text for passage in passages)


def _numbers(mark: re.Match[str]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", mark[1])]


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
        location=passage.location,
        url=passage.url,
        quote=passage.chunk.text[start:end].strip(),
        updated_at=passage.updated_at,
        source=passage.source,
        collection=passage.collection,
    )
