"""What happens to the hits of a search between the index and the reader, one step a function.

Rule: plain values in, plain values out, order is best first; no step knows of a store or a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from knowledge.documents import Chunk
from knowledge.store import Hit, IndexedChunk

ALMOST_THE_SAME = 0.9  # Jaccard of the words
_WORD = re.compile(r"\w+")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk on its way to become a passage."""

    item: IndexedChunk
    score: float
    similarity: float | None = None


def by_reciprocal_rank(lists: Sequence[tuple[Sequence[Hit], float]], *, constant: int) -> list[Found]:
    """Each list of hits with its weight; a hit scores weight / (constant + rank) in each list it is in.

    Cormack, Clarke, Büttcher: Reciprocal Rank Fusion (SIGIR 2009). Ties go to the first list's order.
    """
    scores: dict[str, float] = {}
    items: dict[str, IndexedChunk] = {}
    for hits, weight in lists:
        for rank, hit in enumerate(hits, start=1):
            key = hit.item.chunk.id
            items.setdefault(key, hit.item)
            scores[key] = scores.get(key, 0.0) + weight / (constant + rank)
    order = sorted(items, key=lambda key: -scores[key])
    return [Found(items[key], scores[key]) for key in order]


def newer_first(found: Sequence[Found], preference: float) -> list[Found]:
    """Documents that are newer than others found get up to `preference` of their score on top."""
    dates = sorted({one.item.updated_at for one in found if one.item.updated_at is not None})
    if preference <= 0 or len(dates) < 2:
        return list(found)
    places = {date: place / (len(dates) - 1) for place, date in enumerate(dates)}
    lifted = [
        replace(one, score=one.score * (1 + preference * places.get(one.item.updated_at or _LONG_AGO, 0.0)))
        for one in found
    ]
    return sorted(lifted, key=lambda one: -one.score)


def without_duplicates(found: Sequence[Found]) -> list[Found]:
    """Of texts that are almost the same only one stays: the newest one, in the best one's place."""
    kept: list[Found] = []
    words: list[frozenset[str]] = []
    for one in found:
        own = frozenset(_WORD.findall(one.item.chunk.text.casefold()))
        twin = next((place for place, other in enumerate(words) if _alike(own, other)), None)
        if twin is None:
            kept.append(one)
            words.append(own)
        elif (one.item.updated_at or _LONG_AGO) > (kept[twin].item.updated_at or _LONG_AGO):
            kept[twin] = replace(one, score=kept[twin].score)
    return kept


def capped(found: Sequence[Found], per_document: int) -> list[Found]:
    """At most `per_document` of one document first; the rest follows behind, in order."""
    seen: Counter[str] = Counter()
    first: list[Found] = []
    rest: list[Found] = []
    for one in found:
        seen[one.item.chunk.document_id] += 1
        (first if seen[one.item.chunk.document_id] <= per_document else rest).append(one)
    return first + rest


def joined(found: Sequence[Found], limit: int) -> list[Found]:
    """Neighbouring chunks among the first `limit` become one passage, which stands in the best one's place.

    Places that become free are filled from behind, until `limit` passages stand or nothing is left.
    """
    groups: list[list[Found]] = []
    for one in found:
        near = [group for group in groups if any(_adjoin(one, other) for other in group)]
        if not near and len(groups) == limit:
            break
        if not near:
            groups.append([one])
            continue
        near[0].append(one)
        for other in near[1:]:
            near[0].extend(other)
            groups.remove(other)
    return [_one(group) for group in groups]


def _alike(some: frozenset[str], others: frozenset[str]) -> bool:
    if not some or not others:
        return some == others
    shared = len(some & others)
    return shared >= ALMOST_THE_SAME * (len(some) + len(others) - shared)


def _adjoin(one: Found, other: Found) -> bool:
    some, others = one.item.chunk, other.item.chunk
    return (
        some.document_id == others.document_id
        and abs(some.ordinal - others.ordinal) == 1
        and some.headings == others.headings
        and some.page == others.page
    )


def _one(group: list[Found]) -> Found:
    best = max(group, key=lambda one: one.score)
    chunks = [one.item.chunk for one in sorted(group, key=lambda one: one.item.chunk.ordinal)]
    if len(chunks) == 1:
        return best
    whole = Chunk(
        document_id=chunks[0].document_id,
        ordinal=chunks[0].ordinal,
        headings=chunks[0].headings,
        page=chunks[0].page,
        text="\n".join(chunk.text for chunk in chunks),
        kind=chunks[0].kind if len({chunk.kind for chunk in chunks}) == 1 else "text",
    )
    return replace(best, item=replace(best.item, chunk=whole))
