"""How much can be shown of an answer that is still being written.

Rule: what later text could turn into something else is held back; that is never more than the last block.
`prefix` is for messages that are edited, `settled` for streams that only grow.
"""

from __future__ import annotations

import re

from markdown_it.token import Token

from adapters.delimiters import first_open
from adapters.inert_text import clean
from adapters.markdown import block_tokens

_CONTAINERS = re.compile(r"(?:[ ]*(?:>|[-*+][ ]|\d{1,9}[.)][ ]))*[ ]*")
_PROSE = re.compile(r"(?:\*\*?|__?|~~|`)?[^\W\d_]|[(\"'“‘«„¿¡][^\W\d_]|\d+[^\d.)\s]|\[[^\s\]xX]")
"""Starts of a line that are certain to open a paragraph, or to go on with one."""

_CLOSING = re.compile(r"[>\s]*(`{3,}|~{3,})\s*")
_HALF = re.compile(r".*\[[ xX]\]|[>\s]*(?:```|~~~).*")
"""Ends of lines, cut between words, that read as a task's box or as the opening of code."""

_LEAVES = ("paragraph_open", "heading_open", "table_open", "fence", "hr")


def prefix(text: str) -> str:
    """The longest beginning of Markdown `text` that ends in no half construct: half a link, style, marker,
    code, table head or line opening is held back, an open block of code is not, for rendering closes it.

    A longer text may render its beginning differently, so the message has to be edited. The last rendering
    is to be that of the whole text: what is held back to the end was no construct.
    """
    text = clean(text)
    leaf = _last_leaf(text)
    if leaf is not None and leaf.type == "fence" and not _closed(text, leaf):
        last = text.rfind("\n") + 1
        half = last > _offset(text, leaf, 0) and _CLOSING.fullmatch(text[last:] + "```")
        return text[:last] if half else text
    text = _certain(text)
    leaf = _last_leaf(text)
    if leaf is None or leaf.type != "paragraph_open" or _closed(text, leaf):
        return text
    return text[: _words(text, leaf, whole=False)]


def settled(text: str) -> str:
    """The beginning of Markdown `text` whose rendering no later text can change.

    For all a and b the rendering of `settled(a)`, in any dialect, is the beginning of that of
    `settled(a + b)` and of that of `a + b`, so the difference can be appended to a stream. Paragraphs, also
    those of lists and quotes, grow by words; a heading comes with its line, a block of code or a table with
    its end. What is returned is without the signs that `clean` removes.
    """
    text = _certain(clean(text))
    leaf = _last_leaf(text)
    if leaf is None:
        return ""
    if leaf.type in ("heading_open", "hr") or _closed(text, leaf):
        return text[: _offset(text, leaf, 1)]
    if leaf.type == "paragraph_open":
        return text[: _words(text, leaf, whole=True)]
    return text[: _offset(text, leaf, 0)]


def _certain(text: str) -> str:
    """`text` without a last line that has not ended and whose kind is not yet certain."""
    last = text.rfind("\n") + 1
    line = text[last:]
    opening = _CONTAINERS.match(line)
    assert opening is not None
    return text if _PROSE.match(line, opening.end()) else text[:last]


def _last_leaf(text: str) -> Token | None:
    found = [token for token in block_tokens(text) if token.type in _LEAVES and token.map]
    return found[-1] if found else None


def _offset(text: str, leaf: Token, side: int) -> int:
    """Where the first line of `leaf` begins (side 0), or where its last one has ended (side 1)."""
    assert leaf.map is not None
    at = 0
    for _ in range(leaf.map[side]):
        at = text.find("\n", at) + 1
        if at == 0:
            return len(text)
    return at


def _closed(text: str, leaf: Token) -> bool:
    """Whether a block has come to its end."""
    end = _offset(text, leaf, 1)
    if leaf.type != "fence":
        return "\n" in text[end:]
    assert leaf.map is not None
    code = leaf.content.count("\n") + (not leaf.content.endswith("\n") and bool(leaf.content))
    return leaf.map[1] - leaf.map[0] - code == 2


def _words(text: str, leaf: Token, *, whole: bool) -> int:
    """Where the certain words of an open paragraph end; with `whole`, only words that cannot grow count."""
    start = _offset(text, leaf, 0)
    first, spaces = first_open(text[start:])
    cut = start + first
    last = max(start, text.rstrip("\n").rfind("\n") + 1)
    opening = _CONTAINERS.match(text, last)
    if opening is not None and text.startswith("|", opening.end()):
        cut = min(cut, last)
    if not whole:
        ends = [cut] if cut == len(text) else [start, *(start + at for at in spaces), cut]
    else:
        ends = [start, *(start + at for at in spaces)]
    return next((end for end in reversed(ends) if end <= cut and _ends(text, start, end)), start)


def _ends(text: str, start: int, end: int) -> bool:
    """Whether the paragraph from `start` could end at `end` and have the same words before it."""
    if end == len(text) or end == start:
        return True
    line = text[max(start, text.rfind("\n", start, end) + 1) : end].rstrip()
    if _backslashed(line) or _HALF.fullmatch(line) or text[end - 1].isspace():
        return False
    return any(sign.isalpha() for sign in line)


def _backslashed(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1
