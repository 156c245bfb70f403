"""Slack's two dialects: mrkdwn for text fields, standard Markdown for Markdown blocks and streams.

Rule: a "<" that Slack could read is written only around a URL of a cited source; Slack looks for links and
mentions inside code too, so code is made as inert as prose. Backticks in prose become the letter "ˋ", for
mrkdwn has no escapes.
"""

from __future__ import annotations

import re
from collections.abc import Set

from adapters.inert_text import JOINER, inert, inert_code
from adapters.links import live
from adapters.markup import Dialect, write, write_line
from adapters.standard_markup import escaped, guarded, label_of

_APART = "\u200b"
"""Between a style and the letter beside it Slack wants the end of a word; it takes this for one."""

_MARKS = re.compile(r"(?<![^\W_])[*_~]+|[*_~]+(?![^\W_])")
_QUOTED = re.compile(r"^(?=&gt;)")


def mrkdwn(text: str, *, links: Set[str]) -> str:
    """Markdown `text` for a text field or a mrkdwn text object; only URLs in `links` are live."""
    return write(text, _MRKDWN, links)


def markdown(text: str, *, links: Set[str]) -> str:
    """Markdown `text` for `markdown_text`, a Markdown block or a stream; only URLs in `links` are live."""
    return write(text, _MARKDOWN, links)


def plain(text: str) -> str:
    """Any text, such as a title or a quote, on one line of mrkdwn: shown as it is, and inert."""
    return write_line(text, _MRKDWN)


def link(url: str, label: str, *, links: Set[str]) -> str:
    """`label` in mrkdwn, linked to `url` where `links` has that, else alone."""
    label = " ".join(label.split())
    return _mrkdwn_link(url, label or url) if live(url, links) else plain(label)


def markdown_plain(text: str) -> str:
    """As `plain`, for the Markdown dialect."""
    return write_line(text, _MARKDOWN)


def markdown_link(url: str, label: str, *, links: Set[str]) -> str:
    """As `link`, for the Markdown dialect."""
    label = " ".join(label.split())
    return _markdown_link(url, label or url) if live(url, links) else markdown_plain(label)


def _mrkdwn_text(text: str) -> str:
    text = _MARKS.sub(lambda found: f"{JOINER}{found[0]}{JOINER}", inert(text).replace("`", "ˋ"))
    return _entities(text)


def _mrkdwn_code(text: str) -> str:
    return _entities(inert_code(text.replace("`", "ˋ"), hosts=True))


def _mrkdwn_block(text: str) -> str:
    return _entities(inert_code(text, hosts=True))


def _mrkdwn_link(url: str, label: str) -> str:
    if label == url:
        return f"<{_entities(url)}>"
    # The first bar ends the URL; whether a second one ends the label Slack does not say.
    return f"<{_entities(url)}|{_mrkdwn_text(label).replace('|', '¦')}>"


def _mrkdwn_line(line: str) -> str:
    return _QUOTED.sub(JOINER, line)


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown_text(text: str) -> str:
    return escaped(inert(text))


def _markdown_code(text: str) -> str:
    return inert_code(text.replace("`", "ˋ"), hosts=True)


def _markdown_block(text: str) -> str:
    return inert_code(text, hosts=True)


def _markdown_link(url: str, label: str) -> str:
    target = f"<{url}>" if "(" in url or ")" in url else url
    return f"[{label_of(_markdown_text(label))}]({target})"


_MRKDWN = Dialect(
    marks={"strong": "*", "em": "_", "s": "~"},
    text=_mrkdwn_text,
    code=_mrkdwn_code,
    block=_mrkdwn_block,
    line=_mrkdwn_line,
    link=_mrkdwn_link,
    headings=0,
    nested=True,
    languages=False,
    tables=False,
    bullets="•◦▪",
    rule="──────────",
    between=_APART,
)

_MARKDOWN = Dialect(
    marks={"strong": "**", "em": "*", "s": "~~"},
    text=_markdown_text,
    code=_markdown_code,
    block=_markdown_block,
    line=guarded,
    link=_markdown_link,
    headings=6,
    nested=True,
    languages=True,
    tables=True,
    bullets="-",
    rule="---",
)
