"""What people thought of the answers, and what administrators did.

Rule: a person has one vote an answer, the last one; what administrators did is only ever added to.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Column, Connection, Float, Integer, Select, Table, Text, delete, insert, select

from knowledge.database import Database, metadata
from knowledge.store import valid_text

Verdict = Literal["up", "down"]

REASON_CHARACTERS = 2000

_votes = Table(
    "votes",
    metadata,
    Column("question", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("voted_at", Float, nullable=False),
)
_audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("person", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Vote:
    """What `person` thought of the answer to `question`."""

    question: str
    person: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What `person` did `at` (seconds since 1970)."""

    at: float
    person: str
    action: str
    detail: str


class Journal:
    """Votes and deeds in `database`."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def vote(self, question: str, person: str, verdict: Verdict, reason: str | None = None) -> None:
        """Notes the vote in place of the person's earlier one; without a `reason` the same verdict keeps its own."""
        await asyncio.to_thread(self._vote, question, person, verdict, reason)

    async def votes(self, question: str | None = None) -> list[Vote]:
        """Every vote, or those about one question, oldest first."""
        return await asyncio.to_thread(self._all_votes, question)

    async def note(self, person: str, action: str, detail: str = "") -> None:
        """Adds a deed."""
        await asyncio.to_thread(self._note, person, action, detail)

    async def deeds(self, limit: int = 100) -> list[Deed]:
        """The last `limit` deeds, newest first."""
        return await asyncio.to_thread(self._deeds, limit)

    async def forget(self, person: str) -> None:
        """Takes the person's name and words off every vote; the verdicts stay, of nobody."""
        await asyncio.to_thread(self._forget, person)

    def _vote(self, question: str, person: str, verdict: Verdict, reason: str | None) -> None:
        with self._database.transaction() as connection:
            mine = (_votes.c.question == question, _votes.c.person == person)
            known = connection.execute(select(_votes).where(*mine)).mappings().first()
            if reason is None:
                reason = known["reason"] if known and known["verdict"] == verdict else ""
            connection.execute(delete(_votes).where(*mine))
            connection.execute(
                insert(_votes).values(
                    question=question,
                    person=person,
                    verdict=verdict,
                    reason=valid_text(reason)[:REASON_CHARACTERS],
                    voted_at=self._clock(),
                )
            )

    def _all_votes(self, question: str | None) -> list[Vote]:
        wanted = select(_votes).order_by(_votes.c.voted_at)
        if question is not None:
            wanted = wanted.where(_votes.c.question == question)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).mappings()
            return [Vote(row["question"], row["person"], row["verdict"], row["reason"]) for row in rows]

    def _note(self, person: str, action: str, detail: str) -> None:
        with self._database.transaction() as connection:
            add_deed(connection, self._clock(), person, action, detail)

    def _deeds(self, limit: int) -> list[Deed]:
        with self._database.reading() as connection:
            rows = connection.execute(select(_audit).order_by(_audit.c.number.desc()).limit(limit)).mappings()
            return [Deed(row["at"], row["person"], row["action"], row["detail"]) for row in rows]

    def _forget(self, person: str) -> None:
        with self._database.transaction() as connection:
            rows = connection.execute(select(_votes).where(_votes.c.person == person)).mappings().all()
            connection.execute(delete(_votes).where(_votes.c.person == person))
            for row in rows:
                # Each needs a name of its own: two people may have voted on the same answer.
                nobody = f"nobody:{secrets.token_hex(8)}"
                connection.execute(insert(_votes).values({**row, "person": nobody, "reason": ""}))
        if rows:
            self._database.purge()


def drop_votes(connection: Connection, *, but: Select[tuple[str]]) -> int:
    """Drops the votes on all questions but those, in the same step as what else is done on `connection`; how many."""
    return connection.execute(delete(_votes).where(_votes.c.question.not_in(but))).rowcount


def add_deed(connection: Connection, at: float, person: str, action: str, detail: str) -> None:
    """Adds a deed in the same step as what else is done on `connection`."""
    connection.execute(insert(_audit).values(at=at, person=person, action=action, detail=valid_text(detail)))
