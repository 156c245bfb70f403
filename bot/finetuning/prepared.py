"""What a preparation made: the rows with their checks, the sources with what they gave, and their files.

Rule: everything is written beside its place first and moved there in one step, the rows last of all, so
that where rows stand everything that belongs to them stands too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.finetuning.checks import Checked
from bot.finetuning.row_parts import cited, is_refusal
from models.finetune.rows import Row, audience_of, lines_of


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows came from: how many questions it held, and why some of them became none."""

    name: str
    licence: str
    questions: int
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome of a preparation. `most_tokens` bounds a row, `tokens` are those of all rows together."""

    checked: Checked
    sources: tuple[Source, ...]
    seed: int
    most_tokens: int
    tokens: int
    keep_personal: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.checked.rows

    @property
    def test(self) -> tuple[Row, ...]:
        return self.checked.test

    @property
    def shapes(self) -> dict[str, int]:
        """How many rows answer from one passage, from several, and not at all."""
        kinds = Counter(
            "refused"
            if is_refusal(row)
            else "several passages"
            if len(set(cited(row))) > 1
            else "one passage"
            for row in self.rows
        )
        return {kind: kinds[kind] for kind in ("one passage", "several passages", "refused")}

    @property
    def audience(self) -> str:
        """The collections whose readers alone may use what is trained on the rows; empty for everyone."""
        return audience_of(self.rows)

    def of(self, source: Source) -> tuple[int, int]:
        """How many rows and test rows `source` gave in the end."""
        first, second = (sum(row.origin == source.name for row in rows) for rows in (self.rows, self.test))
        return first, second


def sha256_of_rows(rows: Sequence[Row]) -> str:
    """The sha256 of the file of `rows`."""
    digest = hashlib.sha256()
    for line in lines_of(rows):
        digest.update(line.encode())
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replaces the file in one step."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
