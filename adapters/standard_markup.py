"""The escapes that Slack's and Discord's Markdown have in common.

Rule: only what would be read as markup is escaped, so that names with underscores stay as they are even
where a platform shows backslashes.
"""

from __future__ import annotations

import re

_MARKS = re.compile(r"\\(?![A-Za-z0-9])|\*|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])|~~+|\|\|+")
_LINE_START = re.compile(r"^(?:#{1,6}(?=\s|$)|>|[+-](?=[\s#|:-]|$)|[=|:])")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")


def escaped(text: str) -> str:
    """`text` with a backslash before each sign that would be markup; a backtick becomes the letter "ˋ"."""
    text = text.replace("`", "ˋ")
    return _MARKS.sub(lambda found: "".join("\\" + sign for sign in found[0]), text)


def guarded(line: str) -> str:
    """A line of prose that opens no heading, quote, list, rule or table."""
    if found := _NUMBERED.match(line):
        return f"{found[1]}\\{line[found.end(1) :]}"
    return "\\" + line if _LINE_START.match(line) else line


def label_of(text: str) -> str:
    """Escaped `text` as the label of a link."""
    depth = 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if depth < 0:
            break
    if depth != 0:
        return text.replace("[", "(").replace("]", ")")
    return text.replace("[", "\\[").replace("]", "\\]")
