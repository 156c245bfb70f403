"""Reads Markdown as GitHub shows it.

Rule: front matter gives title and date and is not text; cmark-gfm parses, the HTML reader walks.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime
from typing import Final

import yaml
from cmarkgfm import markdown_to_html_with_extensions  # type: ignore[import-untyped]
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]
from lxml import etree

from knowledge.documents import Reading
from knowledge.readers.dates import from_words, in_utc
from knowledge.readers.encodings import decode
from knowledge.readers.html import parse, walk
from knowledge.readers.html_text import HEADINGS, text_of
from knowledge.readers.outline import Outline

_FRONT_MATTER: Final = re.compile(r"\A\s*---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TOML: Final = re.compile(r"\A\s*\+\+\+[ \t]*\n(.*?\n)?\+\+\+[ \t]*(?:\n|\Z)", re.S)
_DATE_KEYS: Final = ("updated", "last_updated", "lastUpdated", "last_modified", "lastmod", "modified", "date")
_MAX_FRONT_MATTER: Final = 20_000
_NOTED: Final = frozenset({*HEADINGS, "p", "li", "td", "th"})
_FIELD: Final = re.compile(r"([A-Za-z_][\w-]{0,40})[ \t]*:(?:[ \t]+(.*)|()$)")


def read(body: bytes) -> Reading:
    """A Markdown file. Its title is that of the front matter, else the first heading."""
    return read_text(decode(body))


def read_text(text: str) -> Reading:
    """Markdown that is text already."""
    title, updated_at, rest = front_matter(text)
    outline = Outline()
    notes = add(rest, outline)
    sections = outline.sections()
    return Reading(
        title=title or outline.first_heading, sections=sections, updated_at=updated_at, notes=notes
    )


def add(text: str, outline: Outline) -> tuple[str, ...]:
    """Adds Markdown without front matter to an outline; gives notes on what was hidden."""
    if not text.strip():
        return ()
    html = markdown_to_html_with_extensions(
        text.replace("\0", ""),
        options=Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES,
        extensions=["table", "strikethrough", "autolink", "tasklist", "tagfilter"],
    )
    root = parse(f"<html><body>{html}</body></html>")
    _place_footnotes(root)
    return walk(root, outline)


def _place_footnotes(root: etree._Element) -> None:
    """Puts footnotes behind what refers to them: at the end of the page they would stand under its last heading.

    In a table they come in brackets. A note that is more than paragraphs stays where it is.
    """
    section = next((part for part in root.iter("section") if part.get("class") == "footnotes"), None)
    if section is None:
        return
    for link in [link for link in section.iter("a") if link.get("class") == "footnote-backref"]:
        _remove(link)
    notes = {
        f"#{item.get('id')}": item for item in section.iter("li") if all(part.tag == "p" for part in item)
    }
    behind: dict[etree._Element, dict[str, None]] = {}
    for mark in [mark for mark in root.iter("sup") if mark.get("class") == "footnote-ref"]:
        around = [outer for outer in mark.iterancestors() if outer is section or outer.tag in _NOTED]
        note = notes.get(next((link.get("href", "") for link in mark.iter("a")), ""))
        if note is None or not around or section in around:
            continue
        if around[0].tag in ("td", "th"):
            mark.tail = f" ({text_of(note)}){mark.tail or ''}"
        else:
            behind.setdefault(around[0], {})[f"Note {text_of(mark)}: {text_of(note)}"] = None
        _remove(note)
    for block, texts in behind.items():
        _add_behind(block, list(texts))


def _add_behind(block: etree._Element, texts: list[str]) -> None:
    """Adds paragraphs behind a block, within it where it is the item of a list."""
    for text in texts if block.tag == "li" else reversed(texts):
        paragraph = etree.Element("p")
        paragraph.text = text
        if block.tag == "li":
            block.append(paragraph)
        else:
            block.addnext(paragraph)


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def front_matter(text: str) -> tuple[str | None, datetime | None, str]:
    """Title, date and the text after the front matter.

    It is YAML between rules of hyphens, or TOML between rules of plus signs. People write front matter that is
    nearly YAML; a block of lines "name: value" is read as such. Anything else between two rules stays text.
    """
    yaml_block, toml_block = _FRONT_MATTER.match(text), _TOML.match(text)
    match = yaml_block or toml_block
    if match is None or match.end() > _MAX_FRONT_MATTER:
        return None, None, text
    block = match[1] or ""
    if not block.strip():
        return None, None, text[match.end() :]
    fields = _yaml_fields(block) if yaml_block else _toml_fields(block)
    if not isinstance(fields, dict):
        return None, None, text
    title = fields.get("title")
    return (
        str(title).strip() or None if isinstance(title, str | int | float) else None,
        next((moment for key in _DATE_KEYS if (moment := _moment(fields.get(key)))), None),
        text[match.end() :],
    )


def _yaml_fields(block: str) -> object:
    try:
        return yaml.load(block, Loader=_NoAliases)  # noqa: S506 - it is a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return _plain_fields(block)


def _toml_fields(block: str) -> object:
    try:
        return tomllib.loads(block)
    except (ValueError, RecursionError):
        return None


def _plain_fields(block: str) -> dict[str, str] | None:
    """The fields of `block` where each line is "name: value", indented, a list item or a comment."""
    lines = [line for line in block.splitlines() if line.strip()]
    if not all(_FIELD.match(line) or line[0] in " \t-#" for line in lines):
        return None
    pairs = [_FIELD.match(line) for line in lines]
    return {pair[1].lower(): (pair[2] or "").strip().strip("\"'") for pair in pairs if pair}


def _moment(value: object) -> datetime | None:
    if isinstance(value, date):
        return in_utc(value)
    return from_words(value) if isinstance(value, str) else None


class _NoAliases(yaml.SafeLoader):
    """YAML without aliases: a few of them expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)
