"""What answers were made and measured with, by sha256, and which LoRA was made the active one when, by whom, why.

Rule: an artefact never changes and a move of a tag is never taken back: a tag stands where its last move put
it, and going back is one more move.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter
from sqlalchemy import Column, Connection, Float, Integer, RowMapping, Table, Text, insert, select

from bot.errors import Failed
from bot.journal import add_deed
from knowledge.database import Database, metadata

Kind = Literal["rows", "questions", "recipe", "lora", "base", "index", "prompt", "golden", "evaluation"]
"""What an artefact is. `golden` is a file of questions, `prompt` what the model is told around a question, and
`questions` are the journal's names of those that stand in rows."""

Action = Literal["activate", "rollback", "hold", "accept", "release", "taint"]
"""What moves a tag: the first two are of LoRAs, the last is of rows, the others are of the index."""

ACTIVE = "active"
"""The tag of the LoRA that answers."""

INDEX = "index"
"""The tag of the index that answers while another one is held back."""

ROWS = "rows"
"""The tag that was put on rows whose LoRAs ought to be trained again."""

_artefacts = Table(
    "artefacts",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("kind", Text, nullable=False, index=True),
    Column("manifest", Text, nullable=False),
    Column("body", Text),
    Column("recorded_at", Float, nullable=False),
)
_moves = Table(
    "tag_moves",
    metadata,
    Column("tag", Text, primary_key=True),
    # Counted by the program, so that of two moves at once one is refused by any database.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("sha256", Text),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("evaluation", Text),
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artefact is called, what it was made from (a role such as "base" or "rows", and a sha256), and
    notes such as its licence."""

    name: str
    made_from: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something that is named by the sha256 of its bytes. `body` is those bytes where they are a short text;
    the others lie elsewhere, or nowhere any more. `recorded_at` is in seconds since 1970."""

    sha256: str
    kind: Kind
    manifest: Manifest
    body: str | None
    recorded_at: float


@dataclass(frozen=True, slots=True)
class Move:
    """The tag was put on `sha256` (None: on nothing), `at` seconds since 1970."""

    number: int
    action: Action
    sha256: str | None
    at: float
    who: str
    why: str
    evaluation: str | None


_MANIFEST = TypeAdapter(Manifest)
_QUESTIONS = TypeAdapter(list[str])


class Registry:
    """The artefacts and tags in `database`. Safe to use from several threads."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def record(self, kind: Kind, sha256: str, manifest: Manifest) -> None:
        """Notes that there is such an artefact; one that is known stays as it was noted first."""
        with self._database.transaction() as connection:
            self._add(connection, kind, sha256, manifest, None)

    def keep(self, kind: Kind, body: str, manifest: Manifest) -> str:
        """The same for a text, which is kept; gives its sha256."""
        sha256 = text_sha256(body)
        with self._database.transaction() as connection:
            self._add(connection, kind, sha256, manifest, body)
        return sha256

    def keep_questions(self, rows: str, questions: Collection[str]) -> None:
        """Notes which of the journal's questions stand in rows, for `taint`; nothing where there are none."""
        if questions:
            body = _QUESTIONS.dump_json(sorted(questions)).decode()
            # The same questions may stand in other rows too.
            name = text_sha256(f"{rows} {body}")
            with self._database.transaction() as connection:
                self._add(connection, "questions", name, Manifest("questions", {ROWS: rows}), body)

    def find(self, sha256: str) -> Artefact | None:
        """The artefact with that name, or None."""
        with self._database.reading() as connection:
            row = connection.execute(select(_artefacts).where(_artefacts.c.sha256 == sha256)).mappings()
            return next(map(_artefact, row), None)

    def artefacts(self, kind: Kind) -> list[Artefact]:
        """All of that kind, the latest first."""
        wanted = select(_artefacts).where(_artefacts.c.kind == kind)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(_artefacts.c.recorded_at.desc())).mappings()
            return [_artefact(row) for row in rows]

    def named(self, kind: Kind, text: str) -> list[Artefact]:
        """Those whose name is `text`, or whose sha256 begins with it (at least four signs)."""
        known = self.artefacts(kind)
        exact = [one for one in known if one.manifest.name == text]
        if exact or len(text) < 4:
            return exact
        return [one for one in known if one.sha256.startswith(text.lower())]

    def moves(self, tag: str = ACTIVE) -> list[Move]:
        """Every move of a tag, the first one first."""
        with self._database.reading() as connection:
            return _of_tag(connection, tag)

    def activate(self, sha256: str, *, after: int, who: str, why: str, evaluation: str) -> Move:
        """Puts the tag "active" on a LoRA, in one step with the audit.

        `after` is the number of the tag's last move when `evaluation` was looked at (0 without one). Raises
        `Failed` where somebody has moved it since.
        """
        with self._database.transaction() as connection:
            known = _of_tag(connection, ACTIVE)
            if (known[-1].number if known else 0) != after:
                raise Failed(
                    f"{known[-1].who} has moved the tag meanwhile; look at groundling finetune list, evaluate "
                    "again and activate then"
                )
            return self._move(connection, ACTIVE, "activate", sha256, after + 1, who, why, evaluation)

    def roll_back(self, *, who: str, why: str) -> Move:
        """Puts the tag "active" where it was before the last activation that was not rolled back.

        Raises `Failed` where there is none.
        """
        with self._database.transaction() as connection:
            known = _of_tag(connection, ACTIVE)
            held = before_each(known)
            if not held:
                raise Failed("there is nothing to roll back: no LoRA was activated, or all were rolled back")
            return self._move(connection, ACTIVE, "rollback", held[-1], known[-1].number + 1, who, why, None)

    def move(
        self, tag: str, action: Action, sha256: str | None, *, who: str, why: str, evaluation: str | None
    ) -> Move:
        """Puts a tag on `sha256`, wherever it stood before, in one step with the audit."""
        with self._database.transaction() as connection:
            known = _of_tag(connection, tag)
            number = known[-1].number + 1 if known else 1
            return self._move(connection, tag, action, sha256, number, who, why, evaluation)

    def _move(
        self,
        connection: Connection,
        tag: str,
        action: Action,
        sha256: str | None,
        number: int,
        who: str,
        why: str,
        evaluation: str | None,
    ) -> Move:
        move = Move(number, action, sha256, self._clock(), who, why, evaluation)
        _add_move(connection, tag, move)
        return move

    def _add(
        self, connection: Connection, kind: Kind, sha256: str, manifest: Manifest, body: str | None
    ) -> None:
        if connection.execute(select(_artefacts.c.kind).where(_artefacts.c.sha256 == sha256)).first():
            return
        text = _MANIFEST.dump_json(manifest).decode()
        connection.execute(
            insert(_artefacts).values(
                sha256=sha256, kind=kind, manifest=text, body=body, recorded_at=self._clock()
            )
        )


def text_sha256(text: str) -> str:
    """The name that a text has as an artefact."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def taint(connection: Connection, questions: Collection[str], *, at: float) -> None:
    """Marks all rows that some of these `questions` (names of the journal) stand in, in the same step as what
    else is done on `connection`: what was learned from them ought to be trained again without them."""
    known = _of_tag(connection, ROWS)
    tainted = {move.sha256 for move in known}
    wanted = select(_artefacts).where(_artefacts.c.kind == "questions")
    for artefact in map(_artefact, connection.execute(wanted).mappings().all()):
        rows = artefact.manifest.made_from[ROWS]
        if rows in tainted or set(questions).isdisjoint(_QUESTIONS.validate_json(artefact.body or "[]")):
            continue
        tainted.add(rows)
        number = len(tainted)
        why = "somebody was forgotten whose questions stand in these rows"
        _add_move(connection, ROWS, Move(number, "taint", rows, at, "groundling", why, None))


def before_each(moves: list[Move]) -> list[str | None]:
    """What was active before each activation that was not rolled back, the first one first."""
    held: list[str | None] = []
    now: str | None = None
    for move in moves:
        if move.action == "activate":
            held.append(now)
        elif held:
            held.pop()
        now = move.sha256
    return held


def _add_move(connection: Connection, tag: str, move: Move) -> None:
    row = {name: getattr(move, name) for name in Move.__slots__}
    connection.execute(insert(_moves).values(tag=tag, **row))
    what = f"{'finetune' if tag == ACTIVE else tag} {move.action}"
    rests_on = f", evaluation {move.evaluation}" if move.evaluation else ""
    why = f": {move.why}" if move.why else ""
    add_deed(connection, move.at, move.who, what, f"{move.sha256 or 'none'}{rests_on}{why}")


def _of_tag(connection: Connection, tag: str) -> list[Move]:
    rows = connection.execute(select(_moves).where(_moves.c.tag == tag).order_by(_moves.c.number)).mappings()
    return [Move(**{name: row[name] for name in Move.__slots__}) for row in rows]


def _artefact(row: RowMapping) -> Artefact:
    return Artefact(
        sha256=row["sha256"],
        kind=row["kind"],
        manifest=_MANIFEST.validate_json(row["manifest"]),
        body=row["body"],
        recorded_at=row["recorded_at"],
    )
