"""What rows must be before they are trained on: whole, of one mind, apart from the test, and clean.

Rule: a row that fails a check is left out and counted; nothing is mended in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import WrongUse
from bot.finetuning.leaks import personal_in, secrets_in
from bot.finetuning.near_duplicates import near_duplicates
from bot.finetuning.row_parts import cited, is_refusal, passages_of, question_of, said
from bot.phrasing import normal
from models.finetune.rows import Row

FEWEST = 20
"""Fewer rows than this teach nothing but themselves."""

IDS_TOLD = 10


@dataclass(frozen=True, slots=True)
class Check:
    """How many rows a check left out, the first of their ids, and what was found, by kind."""

    name: str
    left_out: int
    ids: tuple[str, ...] = ()
    kinds: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows that are left, and every check in the order in which it was made."""

    rows: tuple[Row, ...]
    test: tuple[Row, ...]
    checks: tuple[Check, ...]

    @property
    def refusals(self) -> float:
        """The share of rows whose answer is that there is none."""
        return sum(map(is_refusal, self.rows)) / len(self.rows) if self.rows else 0.0


Reasons = Callable[[Row], Sequence[str]]


def checked(
    rows: Sequence[Row],
    test: Sequence[Row],
    *,
    length: Callable[[Row], int],
    most_tokens: int,
    keep_personal: bool = False,
) -> Checked:
    """`rows` and `test` through every check; `length` counts a row's tokens.

    Of two rows that contradict each other the first stays: the order of the rows is that of trust.
    """
    left, checks = list(rows), []

    def keep(name: str, bad: Mapping[str, Sequence[str]]) -> None:
        nonlocal left
        kinds = Counter(kind for reasons in bad.values() for kind in reasons)
        ids = [row.id for row in left if row.id in bad]
        checks.append(Check(name, len(ids), tuple(ids[:IDS_TOLD]), dict(kinds)))
        left = [row for row in left if row.id not in bad]

    keep("schema", _reasons(left, _broken))
    before = len(left)
    left = _once(left)
    checks.append(Check("duplicates", before - len(left)))
    left, clash = _of_one_mind(left)
    checks.append(clash)
    keep("secrets", _reasons(left, lambda row: secrets_in(_text(row))))
    test = [row for row in test if not _broken(row) and not secrets_in(_text(row))]
    if not keep_personal:
        keep("personal data", _reasons(left, lambda row: personal_in(_text(row))))
        test = [row for row in test if not personal_in(_text(row))]
    keep("too long", _reasons(left, lambda row: ["tokens"] if length(row) > most_tokens else []))
    near = near_duplicates([_compared(row) for row in left], [_compared(row) for row in test])
    keep("near the test", {left[place].id: ["near duplicate"] for place in near})
    return Checked(tuple(left), tuple(_once(test)), tuple(checks))


def enough(found: Checked) -> None:
    """Raises WrongUse where there are fewer rows than `FEWEST`."""
    if len(found.rows) >= FEWEST:
        return
    lost = ", ".join(f"{check.left_out} {check.name}" for check in found.checks if check.left_out)
    raise WrongUse(
        f"{len(found.rows)} rows came out, and {FEWEST} are wanted at least"
        + (f" (left out: {lost})" if lost else "")
        + "; give more questions, or another source such as --index"
    )


def _reasons(rows: Sequence[Row], of: Reasons) -> dict[str, Sequence[str]]:
    found = {row.id: of(row) for row in rows}
    return {name: reasons for name, reasons in found.items() if reasons}


def _broken(row: Row) -> list[str]:
    """Why nobody could learn from the row, whatever it says."""
    if not question_of(row).strip():
        return ["no question"]
    numbers = cited(row)
    if not is_refusal(row) and not numbers:
        return ["no number in the answer"]
    return [] if set(numbers) <= passages_of(row).keys() else ["a number without its passage"]


def _once(rows: Sequence[Row]) -> list[Row]:
    return list({(row.id, row.answer): row for row in reversed(rows)}.values())[::-1]


def _of_one_mind(rows: Sequence[Row]) -> tuple[list[Row], Check]:
    """Without rows that answer otherwise what an earlier one answers: the same prompt, or the same question
    about the same document."""
    prompts: dict[str, str] = {}
    answers: dict[tuple[object, ...], str] = {}
    kept, ids = [], []
    for row in rows:
        key = (normal(question_of(row)), row.document)
        known = prompts.setdefault(row.id, row.answer)
        other = said(row) if is_refusal(row) else answers.setdefault(key, said(row))
        if known == row.answer and other == said(row):
            kept.append(row)
        else:
            ids.append(row.id)
    return kept, Check("conflicting answers", len(ids), tuple(ids[:IDS_TOLD]))


def _text(row: Row) -> str:
    return "\n".join([*(turn.text for turn in row.turns), row.answer, row.document])


def _compared(row: Row) -> str:
    """What a row teaches: its question, its answer and the passages that it cites; refusals are all alike, so
    that their question counts alone."""
    if is_refusal(row):
        return question_of(row)
    passages = passages_of(row)
    return "\n".join([question_of(row), said(row), *(passages[n] for n in cited(row) if n in passages)])
