"""The durable inbox: every question that a platform was told is accepted, until its outcome is visible.

Rule: a question is on disk before its platform is answered, is known by each of its keys once, and
goes through recorded steps, so that a process that dies anywhere leaves what the next one needs to
end it exactly once.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    RowMapping,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from bot.asked import Asked
from bot.journal import drop_votes
from bot.platform import Handle, Reply
from bot.registry import taint
from knowledge.database import Database, metadata
from knowledge.store import valid_text

Outcome = Literal["answered", "refused", "notice", "failed", "stopped", "withdrawn", "undeliverable"]
"""How a question ended. All but the last two are seen by the asker."""

KEYS_KEPT_S = 7 * 86400.0
"""How long a question is known by its keys; platforms send again within minutes, people's tools within days."""

FORGOTTEN = ""  # stands for somebody who wanted to be forgotten

T = TypeVar("T")

_questions = Table(
    "questions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("platform", Text, nullable=False),
    Column("conversation", Text, nullable=False, index=True),
    Column("person", Text, nullable=False, index=True),
    Column("state", Text, nullable=False, index=True),
    Column("asked", Text, nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("handle", Text),
    Column("reply", Text),
    Column("outcome", Text),
    Column("finished_at", Float),
)
_keys = Table(
    "question_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("question", Text, nullable=False, index=True),
    Column("known_at", Float, nullable=False, index=True),
)
_seen = Table(
    "seen",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
)

_ASKED = TypeAdapter(Asked)
_REPLY = TypeAdapter(Reply)
_HANDLE: TypeAdapter[Mapping[str, str]] = TypeAdapter(Mapping[str, str])


@dataclass(frozen=True, slots=True)
class Entry:
    """A question in the inbox. `tries` counts how often an answer was begun; `reply` is set when it is made."""

    id: str
    number: int
    asked: Asked
    tries: int
    handle: Handle | None
    reply: Reply | None
    outcome: Outcome | None


class Inbox:
    """The questions in `database`. One process at a time works on them; `clock` gives seconds since 1970.

    Its methods wait for a thread of its own, so that neither a model nor a search ever stands between a
    question and the disk. They raise what `Database` raises; then nothing was changed.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")

    async def add(self, asked: Asked, keys: Sequence[str]) -> str | None:
        """The id of the new question, on disk; None where one of `keys` is known already.

        Keys name the event and the message, so that what is delivered twice is asked once.
        """
        # What came out of a message may hold half a sign, which cannot be written down.
        valid = replace(asked, text=valid_text(asked.text))
        return await self._do(lambda: self._add(valid, keys))

    async def open(self) -> list[Entry]:
        """Every question without an outcome, in the order in which they came."""
        return await self._do(lambda: self._entries(_questions.c.state != "done"))

    async def answered(self) -> list[Entry]:
        """Every question that is kept and was answered, in the order in which they came."""
        return await self._do(lambda: self._entries(_questions.c.outcome == "answered"))

    async def entry(self, id: str) -> Entry | None:
        """The question `id`, or None."""
        found = await self._do(lambda: self._entries(_questions.c.id == id))
        return found[0] if found else None

    async def known(self, key: str) -> Entry | None:
        """The question that is known by `key`, or None."""
        wanted = select(_keys.c.question).where(_keys.c.key == key)
        found = await self._do(lambda: self._entries(_questions.c.id.in_(wanted)))
        return found[0] if found else None

    async def begin(self, id: str) -> int:
        """Notes that an answer is begun; gives the number of the try, from 1."""
        return await self._do(lambda: self._begin(id))

    async def pause(self, id: str) -> None:
        """Takes back what `begin` noted: the answer was broken off in an orderly way."""
        await self._do(lambda: self._update(id, {"tries": _questions.c.tries - 1, "state": "waiting"}))

    async def note_handle(self, id: str, handle: Handle) -> None:
        """Notes where the question's answer stands."""
        await self._set(id, handle=_json(_HANDLE, handle))

    async def note_reply(self, id: str, reply: Reply, *, to: str | None = None) -> bool:
        """Notes what is to be delivered; from here on nothing is generated again. False, and nothing is noted, where the
        question says something else by now than the text `to` that was answered."""
        return await self._do(lambda: self._note_reply(id, reply, to))

    async def finish(self, id: str, outcome: Outcome) -> None:
        """Notes that the outcome is visible; the question is done."""
        await self._do(lambda: self._finish(id, outcome))

    async def revise(self, id: str, text: str) -> bool:
        """Gives an unfinished question another text, to be answered anew; False where it is done or as it was."""
        return await self._do(lambda: self._revise(id, valid_text(text)))

    async def conversation(self, conversation: str, *, before: int, limit: int) -> list[Entry]:
        """The last `limit` questions with a reply of the same conversation before number `before`, oldest first."""
        return await self._do(lambda: self._conversation(conversation, before, limit))

    async def engaged(self, conversation: str) -> bool:
        """Whether the bot was asked, and did not only answer privately, in that conversation."""
        found = await self._do(lambda: self._entries(_questions.c.conversation == conversation))
        return any(not entry.asked.private and entry.outcome != "withdrawn" for entry in found)

    async def mark_seen(self, channel: str, mark: str) -> None:
        """Notes the latest message that was heard in `channel` (a name over all platforms)."""
        await self._do(lambda: self._mark_seen(channel, mark))

    async def seen(self, prefix: str) -> dict[str, str]:
        """The latest heard message of each channel whose name begins with `prefix`."""
        return await self._do(lambda: self._marks(prefix))

    async def forget(self, person: str) -> int:
        """Takes the name and the texts of all questions of `person`, and their answers, off the disk, and marks the
        training rows that they stand in; how many questions. Of one that has no outcome yet they go with that."""
        return await self._do(lambda: self._forget(person))

    async def tidy(self, *, keep_s: float, but: Collection[str] = ()) -> None:
        """Takes off the disk what is older than is needed: keys after `KEYS_KEPT_S`, questions with their answers and
        votes `keep_s` after their end. One that never ended counts from when it was asked; those in `but`
        are being answered now and stay."""
        await self._do(lambda: self._tidy(keep_s, but))

    async def close(self) -> None:
        """Waits for what is being written."""
        await asyncio.to_thread(self._thread.shutdown)

    async def _do(self, work: Callable[[], T]) -> T:
        # Shielded: a write that has begun ends, whoever no longer waits for it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    async def _set(self, id: str, **values: object) -> None:
        await self._do(lambda: self._update(id, values))

    def _update(self, id: str, values: Mapping[str, object]) -> None:
        with self._database.transaction() as connection:
            connection.execute(update(_questions).where(_questions.c.id == id).values(**values))

    def _add(self, asked: Asked, keys: Sequence[str]) -> str | None:
        new = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        with self._database.transaction() as connection:
            now = self._clock()
            fresh = _keys.c.known_at > now - KEYS_KEPT_S
            if connection.execute(select(_keys.c.key).where(_keys.c.key.in_(keys), fresh)).first():
                # What is known by one key is from now on known by all of them.
                _remember(connection, keys, _owner(connection, keys), now)
                return None
            connection.execute(delete(_keys).where(_keys.c.key.in_(keys)))
            number = connection.execute(select(func.coalesce(func.max(_questions.c.number), 0))).scalar_one()
            connection.execute(
                insert(_questions).values(
                    id=new,
                    number=number + 1,
                    platform=asked.platform,
                    conversation=asked.conversation,
                    person=f"{asked.platform}:user:{asked.user}",
                    state="waiting",
                    asked=_json(_ASKED, asked),
                    asked_at=asked.at,
                    tries=0,
                )
            )
            _remember(connection, keys, new, now)
        return new

    def _entries(self, *where: object) -> list[Entry]:
        with self._database.reading() as connection:
            rows = connection.execute(
                select(_questions).where(*where).order_by(_questions.c.number)  # type: ignore[arg-type]
            )
            return [_entry(row) for row in rows.mappings()]

    def _begin(self, id: str) -> int:
        with self._database.transaction() as connection:
            connection.execute(
                update(_questions)
                .where(_questions.c.id == id)
                .values(state="answering", tries=_questions.c.tries + 1)
            )
            return int(
                connection.execute(select(_questions.c.tries).where(_questions.c.id == id)).scalar_one()
            )

    def _note_reply(self, id: str, reply: Reply, to: str | None) -> bool:
        with self._database.transaction() as connection:
            asked = connection.execute(select(_questions.c.asked).where(_questions.c.id == id)).scalar()
            if asked is not None and to is not None and _ASKED.validate_json(asked).text != to:
                return False
            connection.execute(
                update(_questions)
                .where(_questions.c.id == id)
                .values(state="delivering", reply=_json(_REPLY, reply))
            )
            return True

    def _revise(self, id: str, text: str) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute(select(_questions).where(_questions.c.id == id)).mappings().first()
            if row is None or row["state"] in ("delivering", "done"):
                return False
            asked = _ASKED.validate_json(row["asked"])
            if asked.text == text:
                return False
            text_row = _json(_ASKED, replace(asked, text=text))
            # What was begun of the text before counts for nothing against this one.
            changed = {"asked": text_row, "state": "waiting", "tries": 0}
            connection.execute(update(_questions).where(_questions.c.id == id).values(changed))
            return True

    def _conversation(self, conversation: str, before: int, limit: int) -> list[Entry]:
        if not conversation:
            return []
        with self._database.reading() as connection:
            rows = connection.execute(
                select(_questions)
                .where(
                    _questions.c.conversation == conversation,
                    _questions.c.number < before,
                    _questions.c.reply.is_not(None),
                )
                .order_by(_questions.c.number.desc())
                .limit(limit)
            )
            return [_entry(row) for row in rows.mappings()][::-1]

    def _mark_seen(self, channel: str, mark: str) -> None:
        with self._database.transaction() as connection:
            known = connection.execute(select(_seen.c.mark).where(_seen.c.channel == channel)).scalar()
            # Marks of one platform are of one length or decimal: the longer is the later one.
            if known is not None and (len(known), known) >= (len(mark), mark):
                return
            connection.execute(delete(_seen).where(_seen.c.channel == channel))
            connection.execute(insert(_seen).values(channel=channel, mark=mark, seen_at=self._clock()))

    def _marks(self, prefix: str) -> dict[str, str]:
        with self._database.reading() as connection:
            rows = connection.execute(
                select(_seen.c.channel, _seen.c.mark).where(
                    _seen.c.channel.startswith(prefix, autoescape=True)
                )
            )
            return {str(channel): str(mark) for channel, mark in rows}

    def _finish(self, id: str, outcome: Outcome) -> None:
        done = {"state": "done", "outcome": outcome, "finished_at": self._clock()}
        with self._database.transaction() as connection:
            connection.execute(update(_questions).where(_questions.c.id == id).values(done))
            forgotten = _blank(connection, _questions.c.id == id, _questions.c.person == FORGOTTEN)
        if forgotten:
            self._database.purge()

    def _forget(self, person: str) -> int:
        mine = _questions.c.person == person
        with self._database.transaction() as connection:
            forgotten = _blank(connection, mine, _questions.c.state == "done")
            taint(connection, forgotten, at=self._clock())
            later = connection.execute(update(_questions).where(mine).values(person=FORGOTTEN)).rowcount
        if forgotten:
            self._database.purge()
        return len(forgotten) + later

    def _tidy(self, keep_s: float, but: Collection[str]) -> None:
        now = self._clock()
        oldest = now - max(keep_s, KEYS_KEPT_S)
        ended = func.coalesce(_questions.c.finished_at, _questions.c.asked_at)
        with self._database.transaction() as connection:
            connection.execute(delete(_keys).where(_keys.c.known_at < now - KEYS_KEPT_S))
            connection.execute(delete(_seen).where(_seen.c.seen_at < oldest))
            old = delete(_questions).where(ended < oldest, _questions.c.id.not_in(but))
            dropped = connection.execute(old).rowcount
            dropped += drop_votes(connection, but=select(_questions.c.id))
        if dropped:
            self._database.purge()


def outcome_of(reply: Reply) -> Outcome:
    """What the inbox calls the outcome that `reply` is."""
    match reply.kind:
        case "answer" if reply.answer is not None and reply.answer.status == "refused":
            return "refused"
        case "answer" if reply.answer is not None and reply.answer.status == "failed":
            return "notice"
        case "answer":
            return "answered"
        case "failure":
            return "failed"
        case "notice":
            return "notice"
        case "stopped":
            return "stopped"


def _json(shape: TypeAdapter[T], value: T) -> str:
    return shape.dump_json(value).decode()


def _blank(connection: Connection, *where: ColumnElement[bool]) -> list[str]:
    """Takes name and texts off those questions; their ids."""
    rows = connection.execute(select(_questions.c.id, _questions.c.asked).where(*where)).all()
    for id_, text in rows:
        blank = _json(_ASKED, replace(_ASKED.validate_json(text), user="", text="", reply={}))
        row = update(_questions).where(_questions.c.id == id_)
        connection.execute(row.values(asked=blank, reply=None, person=FORGOTTEN))
    return [id_ for id_, _ in rows]


def _owner(connection: Connection, keys: Sequence[str]) -> str:
    found = connection.execute(select(_keys.c.question).where(_keys.c.key.in_(keys))).scalars().first()
    return str(found)


def _remember(connection: Connection, keys: Sequence[str], question: str, now: float) -> None:
    known = set(connection.execute(select(_keys.c.key).where(_keys.c.key.in_(keys))).scalars())
    for key in dict.fromkeys(keys):
        if key not in known:
            connection.execute(insert(_keys).values(key=key, question=question, known_at=now))


def _entry(row: RowMapping) -> Entry:
    return Entry(
        id=row["id"],
        number=row["number"],
        asked=_ASKED.validate_json(row["asked"]),
        tries=row["tries"],
        handle=None if row["handle"] is None else _HANDLE.validate_json(row["handle"]),
        reply=None if row["reply"] is None else _REPLY.validate_json(row["reply"]),
        outcome=row["outcome"],
    )
