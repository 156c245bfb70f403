"""A report as Markdown, for a person or a merge request.

Rule: no text of a question or a passage can become markup, a link or a picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.evaluation.report import Report, Table

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&!$@]|(?<=[A-Za-z]):(?=\S)|(?<=www)\.", re.IGNORECASE)
"""What is markup anywhere in a line, and what makes a bare address a link."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def markdown(report: Report) -> str:
    """The whole report; plots are left to the HTML."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {escaped(report.title)}"
    yield ""
    for name, value in report.facts:
        yield f"- {escaped(name)}: {escaped(value)}"
    for table in report.tables:
        yield from _table(table)
    failed = [case for case in report.cases if case.failure is not None]
    if failed:
        yield from ("", "## What failed", "")
        for case in failed:
            yield f"- {escaped(case.name)}: {escaped(case.failure or '')}"
    for note in report.notes:
        yield from ("", escaped(note))


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"## {escaped(table.title)}", "")
    yield f"| {' | '.join(map(escaped, table.heads))} |"
    yield f"|{'---|' * len(table.heads)}"
    for row in table.rows:
        yield f"| {' | '.join(map(escaped, row))} |"
    if table.note:
        yield from ("", escaped(table.note))


def escaped(text: str) -> str:
    """`text` on one line, every sign that Markdown or HTML could read as more than itself behind a backslash."""
    flat = " ".join(_UNSEEN.sub("�", text).split())
    return _MARKUP.sub(r"\\\g<0>", flat)
