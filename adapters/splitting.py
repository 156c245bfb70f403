"""Cuts a rendered message into parts that a platform takes.

Rule: the parts hold the message's words in their order, and nothing that was whole is cut while it fits: a
block of code or a table goes on in the next part under its own head, a link, a style, a citation marker
with the word before it, an escape and what is one sign to a reader stay together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import regex  # type: ignore[import-untyped]

from adapters.inert_text import JOINER, inert

FENCE = "```"

LEAST = 64
"""Smallest limit: the lines that open and close a block of code must fit with room to spare."""

Size = Callable[[str], int]

_ATOM = re.compile(
    r"""(?:
        `[^`\n]+`                                             # code
      | <[^<>\n|]+(?:\|[^<>\n]*)?>                            # a live link of mrkdwn, or a bare one
      | \[(?:\\.|[^\[\]\\\n])*\]\((?:<[^<>\n]*>|[^()\s]*)\)   # a live link of Markdown
      | \*{3}(?=\S)(?:\\.|[^*\\\n])+\*{3}
      | \*\*(?=\S)(?:\\.|[^*\\\n]|\*(?!\*))+?\*\*(?!\*)
      | (?<![\w\\])([*_])(?=\S)(?:\\.|(?!\1)[^\\\n])+\1(?![\w*])
      | (~~?)(?=\S)(?:\\.|[^~\\\n])+\2(?!~)
      | \[\d+\]
      | \\.
      | \S
    )+(?:[ ]\[\d+\])*""",
    re.VERBOSE,
)
_LINK = re.compile(r"<([^<>\n|]+)(?:\|([^<>\n]*))?>|\[((?:\\.|[^\[\]\\\n])*)\]\((?:<[^<>\n]*>|[^()\s]*)\)")
_STYLED = re.compile(r"(\*\*|~~|[*_~])(?=\S)((?:(?!\1).)+)\1")
_PIECE = re.compile(
    r"\\\S|`[^`\n]+`|<[^<>\n|]+(?:\|[^<>\n]*)?>|\[(?:\\.|[^\[\]\\\n])*\]\((?:<[^<>\n]*>|[^()\s]*)\)| ?\[\d+\]"
)
_SIGN = regex.compile(r"\\\S|&(?:amp|lt|gt);|\X")
_LINE_START = re.compile(r"(?:#|>|[-+•◦▪☐☑|=:]|&gt;|\d+[.)])")
_SEEN = re.compile(rf"[^\s\u200b{JOINER}]")


def utf16(text: str) -> int:
    """Length in UTF-16 code units, as JavaScript and Discord's clients count; never less than `len`."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parts(text: str, limit: int, *, size: Size = len) -> list[str]:
    """`text`, rendered in one dialect, in parts of at most `limit` by `size`; none is blank.

    The parts, one after the other, are the text but for white space where one ends, for what is said
    again (the lines that open and close code, a table's head, the marks of a style) and for joiners. A link
    that leaves no room for a joiner in a part of its own becomes its label. Raises ValueError for a limit below `LEAST`.
    """
    if limit < LEAST:
        raise ValueError(f"a part needs room for {LEAST} characters, not {limit}")
    found: list[str] = []
    part = ""
    for gap, block in _blocks(text):
        joined = f"{part}{gap}{block}" if part else block
        if size(joined) <= limit:
            part = joined
            continue
        if part:
            found.append(part)
        *whole, part = _cut(block, limit, size)
        found.extend(whole)
    found.append(part)
    return [kept for kept in (part.strip("\n") for part in found) if _SEEN.search(kept)]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each block with the newlines before it: code, a table, or lines with no blank line between."""
    gap, kind = "", ""
    rows: list[str] = []
    for row in _rows(text):
        if not row.strip():
            if rows:
                yield gap, "\n".join(rows)
                gap, rows = "\n", []
            gap += "\n"
            continue
        here = "code" if row.startswith(FENCE) else "table" if row.startswith("|") else "prose"
        if rows and (here != kind or here == "code"):
            yield gap, "\n".join(rows)
            gap, rows = "\n", []
        rows.append(row)
        kind = here
    if rows:
        yield gap, "\n".join(rows)


def _rows(text: str) -> Iterator[str]:
    """The lines, a block of code as one."""
    code: list[str] = []
    for line in text.split("\n"):
        if code:
            code.append(line)
            if line == FENCE:
                yield "\n".join(code)
                code = []
        elif line.startswith(FENCE):
            code = [line]
        else:
            yield line
    if code:
        yield "\n".join([*code, FENCE])


def _cut(block: str, limit: int, size: Size) -> list[str]:
    """A block in pieces that fit, at least one."""
    if size(block) <= limit:
        return [block]
    lines = block.split("\n")
    if block.startswith(FENCE):
        return _under(lines[0], lines[1:-1], FENCE, limit, size)
    head = "\n".join(lines[:2])
    if head.startswith("|") and "\n| ---" in head and size(head) <= limit // 2:
        return _under(head, lines[2:], "", limit, size)
    return _packed((piece for line in lines for piece in _line(line, limit, size)), limit, size)


def _under(head: str, lines: Sequence[str], foot: str, limit: int, size: Size) -> list[str]:
    """`lines` in pieces, each below `head` and above `foot`."""
    room = limit - size(head) - size(foot) - 2
    cut = _signs if foot else _line
    pieces = _packed((piece for line in lines for piece in cut(line, room, size)), room, size)
    return ["\n".join(filter(None, [head, piece, foot])) for piece in pieces if piece.strip()] or [""]


def _packed(lines: Iterator[str], limit: int, size: Size) -> list[str]:
    """Lines that fit, as few pieces of whole lines as it takes."""
    found: list[str] = []
    held: list[str] = []
    used = 0
    for line in lines:
        length = size(line)
        if held and used + 1 + length > limit:
            found.append("\n".join(held))
            held, used = [], 0
        used += length + bool(held)
        held.append(line)
    return [*found, "\n".join(held)]


def _line(line: str, limit: int, size: Size) -> list[str]:
    """One line of prose in pieces that fit, cut between words where there are any."""
    if size(line) <= limit:
        return [line]
    if line.startswith("> ") and not line.startswith("> >"):
        return [f"> {piece}" for piece in _line(line[2:], limit - 2, size)]
    room = limit - 1
    found: list[str] = []
    held = line[: len(line) - len(line.lstrip())][: room // 2]
    used, gap = size(held), ""
    for atom in _ATOM.finditer(line):
        for piece in _atom(atom[0], room, size):
            length = size(piece)
            if used + len(gap) + length > room:
                found.append(held)
                held, used, gap = "", 0, ""
            held += gap + piece
            used += len(gap) + length
            gap = ""
        gap = " "
    first, *more = [piece for piece in [*found, held] if piece.strip()] or [""]
    return [first, *(_continued(piece) for piece in more)]


def _continued(piece: str) -> str:
    """A piece from the middle of a line, which must not read as the start of one."""
    return JOINER + piece if _LINE_START.match(piece) else piece


def _atom(atom: str, limit: int, size: Size) -> list[str]:
    """What no white space divides; cut only where it is longer than a part."""
    if size(atom) <= limit:
        return [atom]
    if (link := _LINK.fullmatch(atom)) is not None:
        # A URL that is cut is another URL, so what is left of the link must not be live.
        return _signs(link[2] or link[3] or inert(link[1].replace("&amp;", "&")), limit, size)
    if (styled := _STYLED.fullmatch(atom)) is not None:
        mark = styled[1]
        inner = _line(styled[2], limit - 2 * len(mark), size)
        return [f"{mark}{piece.strip()}{mark}" for piece in inner if piece.strip()]
    if atom.startswith("`") and atom.endswith("`") and atom.count("`") == 2:
        return [f"`{piece}`" for piece in _signs(atom[1:-1], limit - 2, size) if piece.strip()]
    return _mixed(atom, limit, size)


def _mixed(atom: str, limit: int, size: Size) -> list[str]:
    """A long run in which links, code and markers may stand: cut around these, else between signs."""
    units: list[str] = []
    done = 0
    for match in _PIECE.finditer(atom):
        units.extend(_units(atom[done : match.start()], limit, size))
        units.extend([match[0]] if size(match[0]) <= limit else _atom(match[0].strip(), limit, size))
        done = match.end()
    units.extend(_units(atom[done:], limit, size))
    return [piece for piece in _filled(units, limit, size) if piece.strip()]


def _signs(text: str, limit: int, size: Size) -> list[str]:
    """`text` in pieces that fit, cut between what are single signs to a reader."""
    return _filled(_units(text, limit, size), limit, size)


def _units(text: str, limit: int, size: Size) -> Iterator[str]:
    """The signs of `text`; one that is longer than a part falls into its characters."""
    for sign in _SIGN.findall(text):
        if size(sign) <= limit:
            yield sign
        else:
            yield from sign


def _filled(units: Iterable[str], limit: int, size: Size) -> list[str]:
    """As few pieces as the units take, at least one."""
    found, held, used = [], "", 0
    for unit in units:
        length = size(unit)
        if held and used + length > limit:
            found.append(held)
            held, used = "", 0
        held += unit
        used += length
    return [*found, held]
