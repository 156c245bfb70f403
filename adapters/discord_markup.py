"""Discord's Markdown.

Rule: Discord leaves blocks of code alone, so code keeps its URLs there and can be copied; everywhere else
nothing comes alive but URLs of cited sources, and those without a preview. Styles are never nested: where
one ends can then be read in one way only, and none reaches into a block of code.
"""

from __future__ import annotations

import re
from collections.abc import Set

from adapters.inert_text import inert, inert_code, quiet
from adapters.links import live
from adapters.markup import Dialect, write, write_line
from adapters.standard_markup import escaped, guarded, label_of

_UNDERSCORE = re.compile(r"(?<!\\)_")


def markdown(text: str, *, links: Set[str]) -> str:
    """Markdown `text` for a message; only URLs in `links` are live."""
    return write(text, _MARKDOWN, links)


def plain(text: str) -> str:
    """Any text, such as a title or a quote, on one line: shown as it is, and inert."""
    return write_line(text, _MARKDOWN)


def link(url: str, label: str, *, links: Set[str]) -> str:
    """`label`, linked to `url` without a preview where `links` has that, else alone."""
    label = " ".join(label.split())
    return _link(url, label or url) if live(url, links) else plain(label)


def _text(text: str) -> str:
    # An underscore within a word opens no style, but Discord may look for its end as far as into code. And
    # between angle brackets it takes anything with an "@" for an address.
    return _UNDERSCORE.sub(r"\\_", escaped(inert(text))).replace("<", "\\<")


def _code(text: str) -> str:
    return inert_code(text.replace("`", "ˋ"), hosts=False)


def _link(url: str, label: str) -> str:
    return f"<{url}>" if label == url else f"[{label_of(_text(label))}](<{url}>)"


_MARKDOWN = Dialect(
    marks={"strong": "**", "em": "*", "s": "~~"},
    text=_text,
    code=_code,
    block=quiet,
    line=guarded,
    link=_link,
    headings=3,
    nested=False,
    languages=True,
    tables=False,
    bullets="-",
    rule="──────────",
)
