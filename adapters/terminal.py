"""The terminal as a place to ask: an answer as lines of text.

Rule: nothing out of a document can move the cursor or change a colour; control characters are shown.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from bot.answer import Answer, Citation

WIDTH = 96  # at most; a narrower terminal would break words where its lines end
_NARROWEST = 20
_QUOTE_CHARACTERS = 240
_JOINERS = "\u200c\u200d"  # letters of some scripts and parts of an emoji need them


class Terminal:
    """Writes one answer: its sentences as they come, then the rest and the sources."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown = ""

    def show(self, piece: str) -> None:
        """A sentence of the answer that has just come."""
        self._shown += piece
        self._write(safe(piece))

    def finish(self, answer: Answer) -> None:
        """What was not shown yet, and the sources."""
        rest = replace(answer, text=answer.text.removeprefix(self._shown.rstrip()))
        self._write(("\n" if self._shown else "") + render(rest).strip("\n") + "\n")


def render(answer: Answer) -> str:
    """The answer with its sources below it, wrapped to the terminal's columns, at most `WIDTH`."""
    lines = [_wrapped(line) for line in safe(answer.text).splitlines()]
    if answer.note:
        lines.append(_wrapped(f"({safe(answer.note)})"))
    if answer.citations:
        lines.append("")
        lines.extend(line for citation in answer.citations for line in _source(citation))
    return "\n".join(lines)


def _source(citation: Citation) -> Iterator[str]:
    where = " › ".join(part for part in (citation.title, citation.location) if part)
    dated = f", {_day(citation.updated_at)}" if citation.updated_at else ""
    yield _wrapped(f"[{citation.number}] {safe(where)} ({safe(citation.url or citation.document_id)}{dated})")
    quote = " ".join(safe(citation.quote).split())
    if len(quote) > _QUOTE_CHARACTERS:
        quote = quote[: _QUOTE_CHARACTERS - 1].rstrip() + "…"
    yield textwrap.fill(f"“{quote}”", _width(), initial_indent="    ", subsequent_indent="    ")


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _wrapped(line: str) -> str:
    return textwrap.fill(line, _width(), break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    return max(_NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def safe(text: str) -> str:
    """`text` without signs that could move a terminal's cursor or change its colours; its lines stay."""
    return "".join(map(_safe_sign, text))


def _safe_sign(sign: str) -> str:
    if sign.isprintable() or sign == "\n" or sign in _JOINERS:
        return sign
    return " " if sign.isspace() else "�"
