"""The parts of a row as the assistant put it together: the question, the passages, the numbers cited.

Rule: reads what `bot.prompt` writes, and nothing else.
"""

from __future__ import annotations

import re

from bot.languages import REFUSALS
from models.finetune.rows import Row

_ASKED = "\n\nQuestion: "
_NUMBER = re.compile(r"\s*\[(\d+)\]")
_REFUSALS = frozenset(REFUSALS.values())


def question_of(row: Row) -> str:
    """What was asked; empty where the row was put together in another way."""
    _, mark, asked = row.turns[-1].text.rpartition(_ASKED)
    return asked if mark else ""


def passages_of(row: Row) -> dict[int, str]:
    """The passages by their numbers, each with the line that says where it is from."""
    found: dict[int, str] = {}
    number = None
    for start, end in row.turns[-1].blocks:
        block = row.turns[-1].text[start:end]
        mark = _NUMBER.fullmatch(block)
        if mark:
            number = int(mark[1])
        elif number is not None:
            found[number] = block.strip()
    return found


def cited(row: Row) -> list[int]:
    """The numbers in the answer, in order."""
    return [int(number) for number in _NUMBER.findall(row.answer)]


def is_refusal(row: Row) -> bool:
    """Whether the answer is the fixed sentence that there is none."""
    return row.answer in _REFUSALS


def said(row: Row) -> str:
    """The answer without its numbers."""
    return " ".join(_NUMBER.sub("", row.answer).split())
