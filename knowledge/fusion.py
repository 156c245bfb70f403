"""What happens to the hits of a search between the index and the reader, one step a function.

Rule: plain values in, plain values out, order is best first; no step knows of a store or a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from knowledge.documents import Chunk
from knowledge.store import Hit, IndexedChunk

ALMOST_THE_SAME = 0.9  # Jaccard of the words
ANOTHER_VERSION = 0.6
_CUT_ABOVE = 200  # characters: chunks part shorter lines at their end
_WORD = re.compile(r"\w+")
_LIST_MARK = re.compile(r"(?:[-*+•‣◦–]|\d{1,3}[.)]|[a-zA-Z][.)])\s")
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


def lifted_by_neighbours(found: Sequence[Found], share: float) -> list[Found]:
    """Each chunk gets `share` of the scores of the chunks before and after it in its section.

    What is said in the middle of a found place is more likely meant than a chance hit elsewhere.
    """
    scores = {_place(one.item.chunk): one.score for one in found}
    lifted = []
    for one in found:
        near = (_place(one.item.chunk, step=-1), _place(one.item.chunk, step=1))
        lifted.append(replace(one, score=one.score + share * sum(scores.get(place, 0.0) for place in near)))
    return sorted(lifted, key=lambda one: -one.score)


def without_duplicates(found: Sequence[Found], *, enough: int, query: str = "") -> list[Found]:
    """Of texts that are almost the same only one stays; of versions of a text the newest comes first.

    The text of the newer document takes the place of the better one. Goes on until `enough` are kept.
    Such texts under two titles are neither copies nor versions where they differ in a word of `query`, and no
    copies where they differ in a number: each says of its own subject what was asked.
    """
    kept: list[Found] = []
    words: list[frozenset[str]] = []
    asked = _words(query)
    for one in found:
        if len(kept) == enough:
            break
        own = _words(one.item.chunk.text)
        alike = []
        for place, other in enumerate(words):
            overlap = _overlap(own, other)
            if overlap >= ALMOST_THE_SAME and one.item.title != kept[place].item.title:
                overlap = _lowered(overlap, own ^ other, asked)
            alike.append((overlap, place))
        overlap, place = max(alike, key=lambda pair: pair[0], default=(0.0, 0))
        if overlap >= ALMOST_THE_SAME:
            if _newer(one, kept[place]):
                kept[place], words[place] = replace(one, score=kept[place].score), own
            continue
        kept.append(one)
        words.append(own)
        if overlap >= ANOTHER_VERSION and _newer(one, kept[place]):
            older, newer = kept[place], kept[-1]
            kept[place], kept[-1] = replace(newer, score=older.score), replace(older, score=newer.score)
            words[place], words[-1] = words[-1], words[place]
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


@dataclass(frozen=True, slots=True)
class Joining:
    """When neighbouring chunks become one passage.

    The first `leading` passages take in neighbours that score at least `ratio` of them, up to
    `chunks` in all. After that passages that touch are joined while they have at most `longest`.
    """

    leading: int = 3
    ratio: float = 0.7
    chunks: int = 2
    longest: int = 3


def joined(found: Sequence[Found], limit: int, rule: Joining) -> list[Found]:
    """At most `limit` passages, best first, of chunks that are neighbours in one section.

    A passage has the text of its chunks in the order of the document and the score of the best.
    """
    by_place = {_place(one.item.chunk): one for one in found}
    runs: list[list[Found]] = []
    used: set[_Place] = set()
    for one in found:
        if len(runs) == limit:
            break
        if _place(one.item.chunk) in used:
            continue
        run = [one]
        while len(runs) < rule.leading and len(run) < rule.chunks:
            beside = [by_place.get(place) for place in _ends(run)]
            near = [other for other in beside if other and _place(other.item.chunk) not in used]
            best = max(near, key=lambda other: other.score, default=None)
            if best is None or best.score < rule.ratio * one.score:
                break
            run.append(best)
            run.sort(key=lambda part: part.item.chunk.ordinal)
        used.update(_place(part.item.chunk) for part in run)
        runs.append(run)
    return [_one(run) for run in _touching(runs, rule.longest)]


_Place = tuple[str, int, tuple[str, ...], str | None]


def _place(chunk: Chunk, *, step: int = 0) -> _Place:
    """Where a chunk stands; only chunks of one section on one page are each other's neighbours."""
    return chunk.document_id, chunk.ordinal + step, chunk.headings, chunk.page


def _ends(run: Sequence[Found]) -> tuple[_Place, _Place]:
    return _place(run[0].item.chunk, step=-1), _place(run[-1].item.chunk, step=1)


def _touching(runs: Sequence[list[Found]], longest: int) -> list[list[Found]]:
    """`runs` with those joined that touch, each in the place of the better one."""
    result: list[list[Found]] = []
    for run in runs:
        before, after = _ends(run)
        for other in result:
            if len(other) + len(run) > longest:
                continue
            if before == _place(other[-1].item.chunk):
                other.extend(run)
                break
            if after == _place(other[0].item.chunk):
                other[:0] = run
                break
        else:
            result.append(list(run))
    return result


def _newer(one: Found, other: Found) -> bool:
    if one.item.chunk.document_id == other.item.chunk.document_id:
        return False
    return (one.item.updated_at or _LONG_AGO) > (other.item.updated_at or _LONG_AGO)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _lowered(overlap: float, differing: frozenset[str], asked: frozenset[str]) -> float:
    """The overlap of texts under two titles, by what their differing words make of them."""
    if differing & asked:
        return 0.0
    numbers = any(sign.isdigit() for word in differing for sign in word)
    return ANOTHER_VERSION if numbers else overlap


def _overlap(some: frozenset[str], others: frozenset[str]) -> float:
    """Jaccard; 1.0 for two texts without words."""
    if not some or not others:
        return 1.0 if some == others else 0.0
    shared = len(some & others)
    return shared / (len(some) + len(others) - shared)


def _one(run: Sequence[Found]) -> Found:
    best = max(run, key=lambda one: one.score)
    if len(run) == 1:
        return best
    chunks = [one.item.chunk for one in run]
    similarities = [one.similarity for one in run if one.similarity is not None]
    text, kind = chunks[0].text, chunks[0].kind
    for before, after in pairwise(chunks):
        text += _continued(before, after)
        kind = kind if after.kind == kind else "text"
    return replace(
        best,
        item=replace(best.item, chunk=replace(chunks[0], text=text, kind=kind)),
        similarity=max(similarities, default=None),
    )


def _continued(before: Chunk, after: Chunk) -> str:
    """What follows `before` when `after` is joined to it: a table does not repeat its header row, another table
    stands apart, and a sentence that was too long for one chunk goes on in its line."""
    if before.kind == after.kind == "table":
        lines, others = before.text.split("\n"), after.text.split("\n")
        if lines[0] == others[0]:
            ruled = lines[:2] == others[:2]
            return "\n" + "\n".join(others[2 if ruled else 1 :])
        if len(others) > 1 and set(others[1]) <= set("|-: "):
            return "\n\n" + after.text
    cut = before.text[-1:].isalnum() and len(before.text) - before.text.rfind("\n") > _CUT_ABOVE
    if before.kind == after.kind == "text" and cut and not _LIST_MARK.match(after.text):
        return " " + after.text
    return "\n" + after.text
