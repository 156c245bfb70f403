"""What a model is trained on: conversations with the answer that they should have had, one JSON object a line.

Rule: a row says where it comes from and under which licence; a file with one broken line is refused whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.engine.generator import Role, Turn

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_TEXTS = ("id", "answer", "origin", "licence", "document")


class RowError(ValueError):
    """A line is no training row; the message names file, line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Row:
    """One example: after `turns` the model should write `answer`.

    `origin` names the data set, `licence` its licence, `document` the document that the question is about,
    by which training and test are kept apart. `audience` names the collections of its passages that not
    everyone may read, with commas between; it is empty where everyone may.
    """

    id: str
    turns: tuple[Turn, ...]
    answer: str
    origin: str
    licence: str
    document: str
    audience: str = ""


def audience_of(rows: Iterable[Row]) -> str:
    """The collections that stand in the audience of any of `rows`, with commas between; empty for everyone."""
    return joined_audiences(row.audience for row in rows)


def joined_audiences(audiences: Iterable[str]) -> str:
    """Every collection that stands in any of `audiences`, once."""
    return ", ".join(sorted({name.strip() for one in audiences for name in one.split(",")} - {""}))


def read_rows(path: Path) -> list[Row]:
    """All rows of a file; raises RowError."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RowError(f"{path} cannot be read: {error}") from error
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise RowError(f"{path} holds no rows")
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Replaces the file in one step; how many rows were written."""
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with part.open("w", encoding="utf-8") as file:
        for line in lines_of(rows):
            file.write(line)
            count += 1
    part.replace(path)
    return count


def lines_of(rows: Iterable[Row]) -> Iterator[str]:
    """The lines of the file that `write_rows` makes of `rows`."""
    for row in rows:
        turns = [{"role": turn.role, "text": turn.text, "blocks": turn.blocks} for turn in row.turns]
        texts = {name: getattr(row, name) for name in _TEXTS}
        marked = {"audience": row.audience} if row.audience else {}
        yield json.dumps({**texts, **marked, "turns": turns}, ensure_ascii=False) + "\n"


def _row(path: Path, number: int, line: str) -> Row:
    try:
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        texts = {name: found[name] for name in _TEXTS}
        wrong = [name for name, value in texts.items() if not isinstance(value, str) or not value.strip()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no text")
        audience = found.get("audience", "")
        if not isinstance(audience, str):
            raise ValueError("'audience' is no text")
        turns = tuple(map(_turn, found["turns"]))
        if not turns or turns[-1].role != "user":
            raise ValueError("the last of its turns is not the user's")
        return Row(turns=turns, audience=audience, **texts)
    except KeyError as error:
        raise RowError(f"{path} line {number}: {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise RowError(f"{path} line {number}: {error}") from error


def _turn(found: dict[str, Any]) -> Turn:
    if not isinstance(found, dict) or not isinstance(found["text"], str):
        raise ValueError("a turn's text is no text")
    if found["role"] not in _ROLES:
        raise ValueError(f"a turn's role is {str(found['role'])[:40]!r}, not one of {', '.join(_ROLES)}")
    blocks = tuple((int(start), int(end)) for start, end in found.get("blocks", ()))
    return Turn(_ROLES[found["role"]], found["text"], blocks)
