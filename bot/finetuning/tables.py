"""Questions with answers out of CSV and JSONL files: reviewed ones, and exports of a help desk.

Rule: a file is read whole or refused in one line that names its mend; columns that were guessed are told.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import WrongUse
from bot.finetuning.grounded import Pair

QUESTIONS = ("question", "ask", "query", "prompt", "frage", "request", "subject")
ANSWERS = ("answer", "reply", "response", "completion", "antwort", "resolution", "solution")
_NO_TEXT = re.compile(r"(?:[\W_](?i:id|by)|[a-z](?:I[dD]|By))$")
"""How the name of a column ends that tells a number or a person."""

_TEXT = ("text", "body")
_Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the two columns that are read; `guessed` where nobody named them."""

    question: str
    answer: str
    guessed: bool


def reviewed_pairs(file: Path, licence: str) -> list[Pair]:
    """The approved pairs of a file as `groundling curated export` writes it, one for each phrasing."""
    rows = list(_rows(file))
    for name in ("question", "answer"):
        if not all(name in row for row in rows):
            raise WrongUse(f"{file} has no column {name!r} in every row, as reviewed answers have")
    pairs = []
    for row in rows:
        if row.get("state", "").strip() == "proposed":
            continue
        collections = frozenset({row.get("collection", "").strip()} - {""})
        for phrasing in row["question"].splitlines():
            if phrasing.strip() and row["answer"].strip():
                pairs.append(
                    Pair(phrasing.strip(), row["answer"], file.stem, licence, collections=collections)
                )
    return _some(file, pairs)


def transcript_pairs(
    file: Path, licence: str, *, question: str | None = None, answer: str | None = None
) -> tuple[list[Pair], Columns]:
    """The rows of a file with both a question and an answer, and the columns they were read from."""
    rows = list(_rows(file))
    names = dict.fromkeys(name for row in rows for name in row)  # JSON leaves out what is not there
    columns = _columns(file, list(names), question, answer)
    pairs = [
        Pair(" ".join(ask.split()), said, file.stem, licence)
        for row in rows
        if (ask := row.get(columns.question, "")).strip() and (said := row.get(columns.answer, "")).strip()
    ]
    return _some(file, pairs), columns


def text_of(file: Path) -> str:
    """What `file` says; raises WrongUse where it cannot be read or is no UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WrongUse(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise WrongUse(f"{file} is not UTF-8 at byte {error.start:,}; save it as UTF-8") from None


def _rows(file: Path) -> Iterator[_Cells]:
    """Each row by its columns' names; raises WrongUse, also where there is none."""
    if file.suffix.lower() == ".zip":
        raise WrongUse(f"unpack {file.name}, and name the folder that is in it")
    text = text_of(file)
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        rows = _json_rows(file, text)
    elif file.suffix.lower() in (".csv", ".tsv"):
        rows = _csv_rows(file, text)
    else:
        raise WrongUse(f"{file.name} is neither .csv, .tsv nor .jsonl")
    first = next(rows, None)
    if first is None:
        raise WrongUse(f"{file} holds no rows")
    yield first
    yield from rows


def _json_rows(file: Path, text: str) -> Iterator[_Cells]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise WrongUse(f"{file} line {number} is no JSON: {error.msg}") from None
        if not isinstance(row, dict):
            raise WrongUse(f"{file} line {number} is no JSON object")
        yield {str(name): _cell(value) for name, value in row.items()}


def _cell(value: object) -> str:
    """A text as it is; a list of texts with a line each; everything else is no question and no answer."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return value if isinstance(value, str) else ""


def _csv_rows(file: Path, text: str) -> Iterator[_Cells]:
    head = text.partition("\n")[0]
    sign = max("\t;,", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    try:
        for row in reader:
            if None in row:
                raise WrongUse(
                    f"{file} line {reader.line_num} has more cells than the first line has columns"
                )
            yield {name: value or "" for name, value in row.items()}
    except csv.Error as error:
        raise WrongUse(f"{file} after line {reader.line_num}: {error}") from None


def _columns(file: Path, names: Sequence[str], question: str | None, answer: str | None) -> Columns:
    found = [
        _column(file, names, question, QUESTIONS, "question"),
        _column(file, names, answer, ANSWERS, "answer"),
    ]
    return Columns(found[0], found[1], guessed=question is None or answer is None)


def _column(file: Path, names: Sequence[str], wanted: str | None, known: Sequence[str], kind: str) -> str:
    if wanted is not None:
        if wanted in names:
            return wanted
        raise WrongUse(f"{file} has no column {wanted!r}; there are: {', '.join(names)}")
    plain = {name.strip().casefold(): name for name in names}
    for one in known:
        if one in plain:
            return plain[one]
    for one in known:
        near = {folded: name for folded, name in plain.items() if one in folded}
        told = [folded for folded, name in near.items() if not _NO_TEXT.search(name.strip())]
        if told:
            return near[next((folded for folded in told if folded.endswith(_TEXT)), told[0])]
    raise WrongUse(
        f"{file}: which column is the {kind}? name it with --{kind}-column; there are: {', '.join(names)}"
    )


def _some(file: Path, pairs: list[Pair]) -> list[Pair]:
    if not pairs:
        raise WrongUse(f"{file} holds no question with an answer")
    return pairs
