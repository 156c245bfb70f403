"""The rows that a judge learns from: a question, a passage as the index cuts it, and what a reader would say.

Rule: a document belongs to one side by its title alone, whoever asks: tested, calibrated on, or learned from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bot.errors import WrongUse
from bot.evaluation.split import is_calibration, is_test
from knowledge.chunking import Chunker
from knowledge.documents import Chunk, Document, Section
from models.judge.pairs import shown

Side = Literal["learn", "calibrate", "test"]


@dataclass(frozen=True, slots=True)
class Row:
    """One pair. `answers` is whether `passage` answers `question`, `supports` whether it carries it as a
    sentence; None where nobody asked. `begin` and `end` are the answer's characters in `passage`, -1
    where it has none. `kind` says how the pair was made, `document` the title it belongs to.
    """

    question: str
    passage: str
    kind: str
    document: str
    answers: int | None = None
    supports: int | None = None
    begin: int = -1
    end: int = -1


def side_of(title: str) -> Side:
    """ "test" for a fifth of all titles, "calibrate" for a twelfth of the others, else "learn"."""
    if is_test(title):
        return "test"
    return "calibrate" if is_calibration(title) else "learn"


def chunks_of(name: str, title: str, sections: Sequence[Section], chunker: Chunker) -> list[Chunk]:
    """The chunks of one document, cut as a sync cuts them."""
    return chunker.chunk(
        Document(
            id=name,
            title=title,
            url=None,
            sections=tuple(sections),
            content_hash="",
            updated_at=None,
            collection="",
            source="",
        )
    )


def row(
    question: str,
    title: str,
    chunk: Chunk | str,
    kind: str,
    *,
    answers: int | None = None,
    supports: int | None = None,
    answer: str = "",
) -> Row:
    """A row with its passage as the judge is shown it. `answer` is looked for in the text, not the headings."""
    text, where = (chunk, "") if isinstance(chunk, str) else (chunk.text, chunk.location)
    passage = shown(title, where, text)
    begin = passage.rfind(text)
    begin = passage.find(answer, begin) if answer else -1
    end = begin + len(answer) if begin >= 0 else -1
    return Row(" ".join(question.split()), passage, kind, title, answers, supports, begin, end)


def write(file: Path, rows: Iterable[Row]) -> int:
    """Writes a JSON line a row; gives how many."""
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for one in rows:
            out.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")
            count += 1
    return count


def read(file: Path) -> Iterator[Row]:
    """The rows of `file`; raises `WrongUse` naming the first line that is none."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = Row(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise WrongUse(f"{file} line {number} is no row: {error}") from None
            texts = (found.question, found.passage, found.kind, found.document)
            if not all(isinstance(text, str) for text in texts):
                raise WrongUse(f"{file} line {number} is no row: a text in it is of another kind")
            yield found
