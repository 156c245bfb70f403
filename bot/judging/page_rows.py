"""Rows out of Markdown pages: tables, lists and short sections, as handbooks have them.

Rule: the pages name their own questions (a cell by its row and column, a term by its item, a section by its
heading).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence

from bot.judging.pages import Page
from bot.judging.rows import Row, row
from bot.table_rows import cells, read_row
from knowledge.documents import Chunk

_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*([A-Z][^:\n]{3,60}?)\s*[:–—]\s+(\S[^\n]{20,})$", re.MULTILINE)
_CELL = re.compile(r"[\w$€£%].{0,59}")
_CELL_QUESTIONS = (
    "What is the {column} for {key}?",
    "{key}: what {column}?",
    "{column} of {key}",
    "Which {column} does {key} have?",
    "What {column} is given for {key}?",
    "I need the {column} for {key}.",
)
_TERM_QUESTIONS = (
    "What is {term}?",
    "What does {term} mean?",
    "{term}",
    "Tell me about {term}",
    "What about {term}?",
)
_HEADING_QUESTIONS = ("{heading}", "{heading}?", "What about {heading}?", "How about {heading} at {title}?")
_PLAIN = re.compile(
    r"overview|introduction|background|summary|notes?|links?|resources?|faqs?|table of contents", re.I
)


def page_rows(pages: Iterable[Page], choice: random.Random) -> Iterator[Row]:
    """The rows of tables, lists and headings."""
    for page in pages:
        for place, chunk in enumerate(page.chunks):
            if chunk.kind == "table":
                yield from _of_table(page.title, chunk, choice)
            else:
                yield from _of_list(page.title, chunk, choice)
            if choice.random() < 0.35:
                yield from _of_heading(page.title, page.chunks, place, choice)


def _of_table(title: str, chunk: Chunk, choice: random.Random) -> Iterator[Row]:
    lines = [line for line in chunk.text.split("\n") if line.strip()]
    if len(lines) < 4:
        return
    header, body = cells(lines[0]), [cells(line) for line in lines[2:]]
    body = [line for line in body if len(line) == len(header) and _CELL.fullmatch(line[0])]
    columns = [place for place in range(1, len(header)) if 2 < len(header[place]) < 40]
    if len(body) < 2 or not columns:
        return
    for line in choice.sample(body, min(3, len(body))):
        column = choice.choice(columns)
        ask = choice.choice(_CELL_QUESTIONS).format(column=header[column].lower(), key=line[0])
        if line[column].strip(" -–") and len(line[column]) < 120:
            yield row(ask, title, chunk, "cell", answers=1, answer=line[column])
        rest = "\n".join(one for one in lines if cells(one)[:1] != line[:1])
        yield row(ask, title, _with(chunk, rest), "row away", answers=0)
        yield from _of_rows(ask, title, chunk, (header, body, line, column), choice)
        if len(header) > 2:
            without = "\n".join(_without_cell(one, column) for one in lines)
            yield row(ask, title, _with(chunk, without), "column away", answers=0)


def _of_rows(
    ask: str,
    title: str,
    chunk: Chunk,
    table: tuple[list[str], list[list[str]], list[str], int],
    choice: random.Random,
) -> Iterator[Row]:
    """Rows of the table alone, as evidence is read: the one that is asked for, it without its cell, another."""
    header, body, line, column = table
    if line[column].strip(" -–") and len(line[column]) < 120:
        yield row(ask, title, _with(chunk, read_row(header, line)), "row", answers=1, answer=line[column])
    without = [*line[:column], "", *line[column + 1 :]]
    yield row(ask, title, _with(chunk, read_row(header, without)), "cell away", answers=0)
    others = [one for one in body if one[0] != line[0]]
    if others:
        yield row(ask, title, _with(chunk, read_row(header, choice.choice(others))), "other row", answers=0)


def _without_cell(line: str, column: int) -> str:
    kept = cells(line)
    return "| " + " | ".join(kept[:column] + kept[column + 1 :]) + " |"


def _of_list(title: str, chunk: Chunk, choice: random.Random) -> Iterator[Row]:
    found = list(_ITEM.finditer(chunk.text))
    if not found:
        return
    for match in choice.sample(found, min(2, len(found))):
        ask = choice.choice(_TERM_QUESTIONS).format(term=match[1].strip("*_ "))
        yield row(ask, title, chunk, "item", answers=1, answer=match[2].strip())
        alone = _with(chunk, match[0].strip())
        yield row(ask, title, alone, "item alone", answers=1, answer=match[2].strip())
        others = [one for one in found if one[1] != match[1]]
        if others:
            other = choice.choice(others)[0].strip()
            yield row(ask, title, _with(chunk, other), "other item", answers=0)
        rest = chunk.text[: match.start()] + chunk.text[match.end() :]
        if len(rest.strip()) > 80 and match[1] not in rest:
            yield row(ask, title, _with(chunk, rest.strip()), "item away", answers=0)


def _of_heading(title: str, chunks: Sequence[Chunk], place: int, choice: random.Random) -> Iterator[Row]:
    """The section's heading is asked for and not shown, neither above its own text nor above another's."""
    chunk = chunks[place]
    if not chunk.headings or _PLAIN.fullmatch(chunk.headings[-1]) or len(chunk.text) < 100:
        return
    heading = chunk.headings[-1]
    form = "{heading}" if heading.endswith("?") else choice.choice(_HEADING_QUESTIONS)
    ask = form.format(heading=heading, title=title)
    near = [one for one in chunks[max(0, place - 4) : place + 5] if one.headings != chunk.headings]
    near = [one for one in near if len(one.text) >= 60 and heading not in one.headings]
    if not near:
        return
    yield row(ask, title, chunk.text, "heading", answers=1)
    yield row(ask, title, choice.choice(near).text, "other heading", answers=0)


def _with(chunk: Chunk, text: str) -> Chunk:
    return Chunk(chunk.document_id, chunk.ordinal, chunk.headings, chunk.page, text, chunk.kind)
