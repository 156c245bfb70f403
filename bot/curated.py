"""Reviewed questions with their answers, which go before whatever a search finds.

Rule: only an approved pair of a readable collection is ever looked at, and it is served only to a
question that asks the same; a wrong answer that carries somebody's name is worse than none.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Column, Connection, Float, RowMapping, Table, Text, delete, insert, select, update

from bot.answer import Answer, Citation, Timings
from bot.curated_draft import PHRASING_CHARACTERS, Draft, State, checked, without_numbers
from bot.errors import Failed, Gone, WrongUse
from bot.journal import Journal
from bot.languages import language_of
from bot.notices import Notices
from bot.phrasing import Gist, asked, gist, normal
from knowledge.database import Database, metadata
from knowledge.documents import Chunk, Passage
from models.embedding.embedder import Embedder

ALIKE = 0.95
"""The least cosine of two questions with the same gist; docs/curated-answers.md has the data."""

MOST_WAITING = 20
"""So many proposals of one person may wait for approval."""

FORGOTTEN = "–"
"""Stands for somebody who wanted to be forgotten."""

SOURCE = "curated"
PREFIX = f"{SOURCE}:"
"""What the source of a reviewed answer is called, and what its document's id begins with."""

_curated = Table(
    "curated",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("collection", Text, nullable=False, index=True),
    Column("url", Text),
    Column("proposed_by", Text, nullable=False),
    Column("approved_by", Text),
    Column("changed_at", Float, nullable=False),
)
_FENCE_OR_ROW = re.compile(r"(?:```|~~~|\|)\s*$")


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair as it is kept; `changed_at` is in seconds since 1970."""

    id: str
    state: State
    question: str
    answer: str
    collection: str
    url: str | None
    proposed_by: str
    approved_by: str | None
    changed_at: float

    @property
    def phrasings(self) -> list[str]:
        """The question in each of its wordings, the first one being its title."""
        return self.question.split("\n")


class CuratedAnswers:
    """The pairs in `database`. Without an `embedder`, only a question in the same words finds one.

    Whoever calls has checked that the named person may; each change is noted in the journal. Another
    process may change the pairs at any time: each question looks at them anew.
    """

    def __init__(
        self,
        database: Database,
        embedder: Embedder | None,
        *,
        alike: float = ALIKE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._alike = alike
        self._clock = clock
        self._journal = Journal(database, clock=clock)

    async def find(self, text: str, collections: Set[str]) -> Answer | None:
        """The reviewed answer to `text` out of `collections`, or None.

        A pair in the very words of the question comes first, the latest of several; then the pair with
        the nearest phrasing, if its gist is the same.
        """
        began = time.monotonic()
        found = await asyncio.to_thread(self._found, text, frozenset(collections))
        if found is None:
            return None
        answer = _answer(text, *found)
        return replace(answer, timings=Timings(total_ms=round((time.monotonic() - began) * 1000)))

    def gone(
        self,
        documents: Collection[str],
        others: Callable[[Collection[str]], Set[str]] = lambda _documents: frozenset(),
    ) -> frozenset[str]:
        """Those of `documents` (ids) that were reviewed answers and are not served any more, and what
        `others` says of the rest, which are documents."""
        ids = {name.removeprefix(PREFIX): name for name in documents if name.startswith(PREFIX)}
        rest = [name for name in documents if not name.startswith(PREFIX)]
        approved = (_curated.c.id.in_(ids), _curated.c.state == "approved")
        with self._database.reading() as connection:
            there = set(connection.execute(select(_curated.c.id).where(*approved)).scalars())
        gone = frozenset(name for id_, name in ids.items() if id_ not in there)
        return gone | others(rest) if rest else gone

    async def pairs(self, *, state: State | None = None) -> list[Pair]:
        """Every pair, or those in `state`, by collection and question."""
        return await asyncio.to_thread(self._pairs, state)

    async def propose(self, question: str, answer: str, person: str, collection: str) -> Pair:
        """Keeps a pair that is not served before it is approved. Proposing what is there already, approved
        or not, gives that pair. Raises `WrongUse` for a pair that could not be served, and where too many of
        the same person wait already."""
        draft = checked(Draft(question, answer, collection, state="proposed"))
        while (pair := await asyncio.to_thread(self._same, draft)) is None:
            waiting = await self.pairs(state="proposed")
            if sum(one.proposed_by == person for one in waiting) >= MOST_WAITING:
                raise WrongUse(
                    f"{MOST_WAITING} of your proposals wait already; please let them be settled first"
                )
            await self.save([draft], person)
        return pair

    async def forget(self, person: str) -> None:
        """Takes the name of `person` off the pairs; they stay."""
        await asyncio.to_thread(self._forget, person)

    async def save(self, drafts: Sequence[Draft], person: str) -> list[str]:
        """Keeps all of `drafts` or none; their ids. Raises `WrongUse` with a line for each that cannot be."""
        drafts = [checked(draft) for draft in drafts]
        ids = await asyncio.to_thread(self._save, drafts, person)
        for id_, draft in zip(ids, drafts, strict=True):
            await self._journal.note(person, f"curated {draft.state}", f"{id_} in {draft.collection}")
        return ids

    async def approve(self, id: str, person: str, *, only: State | None = None) -> Pair:
        """From now on the pair is served. Raises `Gone` where there is none in the state `only`, `Failed`
        where another has its question."""
        pair = await asyncio.to_thread(self._approve, id, person, only)
        await self._journal.note(person, "curated approved", f"{id} in {pair.collection}")
        return pair

    async def remove(self, id: str, person: str, *, only: State | None = None) -> Pair:
        """Takes the pair off the disk. Raises `Gone` where there is none in the state `only`."""
        pair = await asyncio.to_thread(self._remove, id, only)
        await self._journal.note(person, "curated removed", f"{id} in {pair.collection}")
        return pair

    def _found(self, text: str, collections: frozenset[str]) -> tuple[Pair, str, float] | None:
        words = normal(text)
        if not words or not collections or len(text) > PHRASING_CHARACTERS:
            return None
        readable = (_curated.c.state == "approved", _curated.c.collection.in_(collections))
        latest = (_curated.c.changed_at.desc(), _curated.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(
                select(_curated.c.id, _curated.c.question).where(*readable).order_by(*latest)
            )
            phrased = [(id_, phrasing) for id_, question in rows for phrasing in question.split("\n")]
            same = ((id_, phrasing, 1.0) for id_, phrasing in phrased if normal(phrasing) == words)
            best = next(same, None) or self._nearest(text, phrased)
            return (_known(connection, best[0]), *best[1:]) if best else None

    def _nearest(self, text: str, phrased: Sequence[tuple[str, str]]) -> tuple[str, str, float] | None:
        """The phrasing with the gist of `text` that is most like it, if it is enough, with its pair's id."""
        meant = gist(text)
        if self._embedder is None or not meant:
            return None
        near = [(id_, phrasing) for id_, phrasing in phrased if gist(phrasing) == meant]
        if not near:
            return None
        vector = self._embedder.embed_query(asked(text))
        cosines = [float(self._embedder.embed_query(asked(phrasing)) @ vector) for _, phrasing in near]
        best = max(range(len(near)), key=cosines.__getitem__)
        return (*near[best], cosines[best]) if cosines[best] >= self._alike else None

    def _pairs(self, state: State | None) -> list[Pair]:
        wanted = select(_curated).order_by(_curated.c.collection, _curated.c.question, _curated.c.id)
        if state is not None:
            wanted = wanted.where(_curated.c.state == state)
        with self._database.reading() as connection:
            return [_pair(row) for row in connection.execute(wanted).mappings()]

    def _same(self, draft: Draft) -> Pair | None:
        wanted = (
            _curated.c.question == draft.question,
            _curated.c.answer == draft.answer,
            _curated.c.collection == draft.collection,
        )
        with self._database.reading() as connection:
            row = connection.execute(select(_curated).where(*wanted)).mappings().first()
        return None if row is None else _pair(row)

    def _save(self, drafts: Sequence[Draft], person: str) -> list[str]:
        replaced = False
        with self._database.transaction() as connection:
            taken = _taken(connection)
            ids = [draft.id or _new_id() for draft in drafts]
            faults = [
                f"the id {id_!r} stands there twice" for id_, times in Counter(ids).items() if times > 1
            ]
            for id_, draft in zip(ids, drafts, strict=True):
                if draft.state == "approved":
                    faults += _clashes(taken, id_, draft.collection, draft.question)
                    taken |= {(draft.collection, normal(one)): id_ for one in draft.question.split("\n")}
            if faults:
                raise WrongUse("\n".join(faults))
            for id_, draft in zip(ids, drafts, strict=True):
                replaced |= self._put(connection, id_, draft, person)
        if replaced:
            self._database.purge()
        return ids

    def _put(self, connection: Connection, id_: str, draft: Draft, person: str) -> bool:
        """Whether another text was there."""
        values = {
            "state": draft.state,
            "question": draft.question,
            "answer": draft.answer,
            "collection": draft.collection,
            "url": draft.url,
            "approved_by": person if draft.state == "approved" else None,
            "changed_at": self._clock(),
        }
        if connection.execute(update(_curated).where(_curated.c.id == id_).values(**values)).rowcount:
            return True
        connection.execute(insert(_curated).values(id=id_, proposed_by=person, **values))
        return False

    def _forget(self, person: str) -> None:
        proposed, approved = _curated.c.proposed_by == person, _curated.c.approved_by == person
        with self._database.transaction() as connection:
            connection.execute(update(_curated).where(proposed).values(proposed_by=FORGOTTEN))
            connection.execute(update(_curated).where(approved).values(approved_by=None))
        self._database.purge()

    def _approve(self, id: str, person: str, only: State | None) -> Pair:
        with self._database.transaction() as connection:
            pair = _known(connection, id, only)
            faults = _clashes(_taken(connection), id, pair.collection, pair.question)
            if faults:
                raise Failed(faults[0])
            approved = replace(pair, state="approved", approved_by=person, changed_at=self._clock())
            connection.execute(
                update(_curated)
                .where(_curated.c.id == id)
                .values(state="approved", approved_by=person, changed_at=approved.changed_at)
            )
        return approved

    def _remove(self, id: str, only: State | None) -> Pair:
        with self._database.transaction() as connection:
            pair = _known(connection, id, only)
            connection.execute(delete(_curated).where(_curated.c.id == id))
        self._database.purge()
        return pair


def _answer(text: str, pair: Pair, phrasing: str, similarity: float) -> Answer:
    changed = datetime.fromtimestamp(pair.changed_at, UTC)
    notices = Notices(text)
    shown = without_numbers(pair.answer)
    passage = Passage(
        chunk=Chunk(PREFIX + pair.id, 0, (notices.reviewed(),), None, f"{phrasing}\n\n{shown}"),
        title=pair.phrasings[0],
        url=pair.url,
        score=similarity,
        similarity=similarity,
        updated_at=changed,
        source=SOURCE,
        collection=pair.collection,
    )
    citation = Citation(
        number=1,
        document_id=passage.chunk.document_id,
        title=passage.title,
        location=passage.location,
        url=pair.url,
        quote=shown,
        updated_at=changed,
        source=SOURCE,
        collection=pair.collection,
    )
    return Answer(
        question=text,
        text=f"{shown}{chr(10) if _FENCE_OR_ROW.search(shown) else ' '}[1]",
        status="answered",
        language=language_of(text),
        voice="curated",
        citations=(citation,),
        passages=(passage,),
        note=notices.reviewed_by(pair.approved_by or "", changed),
    )


def _taken(connection: Connection) -> dict[tuple[str, Gist], str]:
    """The pair that is served for each phrasing of each collection."""
    rows = connection.execute(select(_curated).where(_curated.c.state == "approved")).mappings()
    pairs = [_pair(row) for row in rows]
    return {(pair.collection, normal(one)): pair.id for pair in pairs for one in pair.phrasings}


def _clashes(taken: dict[tuple[str, Gist], str], id: str, collection: str, question: str) -> list[str]:
    return [
        f"{one!r} is a question of the pair {other} in {collection} already"
        for one in question.split("\n")
        if (other := taken.get((collection, normal(one)), id)) != id
    ]


def _known(connection: Connection, id: str, only: State | None = None) -> Pair:
    row = connection.execute(select(_curated).where(_curated.c.id == id)).mappings().first()
    if row is None or only not in (None, row["state"]):
        raise Gone(f"there is no pair {id!r}; see: groundling curated list")
    return _pair(row)


def _pair(row: RowMapping) -> Pair:
    return Pair(**row)


def _new_id() -> str:
    return base64.b32encode(secrets.token_bytes(5)).decode().lower()
