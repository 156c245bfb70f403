"""The terminal as a place to ask: an answer as lines of text.

Rule: nothing out of a document can move the cursor or change a colour; control characters are shown.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from bot.answer import Answer, Citation

WIDTH = 96
_QUOTE_CHARACTERS = 240


class Terminal:
    """Writes one answer: its sentences as they come, then the rest and the sources."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown = ""

    def show(self, piece: str) -> None:
        """A sentence of the answer that has just come."""
        self._shown += piece
        self._write(_safe(piece))

    def finish(self, answer: Answer) -> None:
        """What was not shown yet, and the sources."""
        rest = replace(answer, text=answer.text.removeprefix(self._shown.rstrip()))
        self._write(("\n" if self._shown else "") + render(rest).strip("\n") + "\n")


def render(answer: Answer) -> str:
    """The answer with its sources below it, wrapped to `WIDTH` columns."""
    lines = [_wrapped(line) for line in _safe(answer.text).splitlines()]
    if answer.note:
        lines.append(_wrapped(f"({_safe(answer.note)})"))
    if answer.citations:
        lines.append("")
        lines.extend(line for citation in answer.citations for line in _source(citation))
    return "\n".join(lines)


def _source(citation: Citation) -> Iterator[str]:
    where = " › ".join(part for part in (citation.title, citation.location) if part)
    dated = f", {_day(citation.updated_at)}" if citation.updated_at else ""
    yield _wrapped(
        f"[{citation.number}] {_safe(where)} ({_safe(citation.url or citation.document_id)}{dated})"
    )
    quote = " ".join(_safe(citation.quote).split())
    if len(quote) > _QUOTE_CHARACTERS:
        quote = quote[: _QUOTE_CHARACTERS - 1].rstrip() + "…"
    yield textwrap.fill(f"“{quote}”", WIDTH, initial_indent="    ", subsequent_indent="    ")


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)


def _safe(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)
