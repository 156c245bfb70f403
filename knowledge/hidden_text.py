"""Takes out of a reading what a person who looks at the document does not see.

Rule: no visible character is lost; joiners that scripts and emoji need stay. What is left is in Unicode's
composed form (NFC), Latin ligatures as letters, so that a word is found however its accents were typed or it was set.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from knowledge.documents import Block, Reading, Section

_NOTE: Final = "hidden text removed: "

_CONTROLS: Final = "\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f"
_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ZERO_WIDTH: Final = "\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
_TAGS: Final = "\U000e0000-\U000e007f"
_SELECTORS: Final = "\U000e0100-\U000e01ef"
_SURROGATES: Final = "\ud800-\udfff"
_NONCHARACTERS: Final = "\ufff9-\ufffb\ufffe\uffff"

# One match a run; each alternative is named after what a note calls it.
_HIDDEN: Final = re.compile(
    f"(?P<line>\r\n|[\r\x0b\x0c\x85\u2028\u2029])"
    f"|(?P<flag>\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073))\U000e007f)"
    f"|(?P<tag>[{_TAGS}]+)"
    f"|(?P<joiner>[\u200c\u200d]+)"
    f"|(?P<selector>[\ufe00-\ufe0f{_SELECTORS}\u180b-\u180d\u180f]+)"
    f"|(?P<width>[{_ZERO_WIDTH}]+)"
    f"|(?P<bidi>[{_BIDI}]+)"
    f"|(?P<hyphen>\xad+)"
    f"|(?P<control>[{_CONTROLS}{_NONCHARACTERS}]+)"
    f"|(?P<broken>[{_SURROGATES}]+)"
)
# The same characters as one class, which is many times quicker to look for than the alternatives.
_SUSPECT: Final = re.compile(
    f"[\u2028\u2029\x85\u200c\u200d\ufe00-\ufe0f\u180b-\u180d\u180f\xad"
    f"{_TAGS}{_SELECTORS}{_ZERO_WIDTH}{_BIDI}{_CONTROLS}{_NONCHARACTERS}{_SURROGATES}]"
)
_SUSPECT_ASCII: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_NAMES: Final = {
    "tag": "Unicode tag character",
    "joiner": "zero-width character",
    "selector": "variation selector",
    "width": "zero-width character",
    "bidi": "direction control",
    "hyphen": "soft hyphen",
    "control": "control character",
    "broken": "broken character",
}
# Scripts that U+200C and U+200D shape: Arabic to N'Ko and their extensions, the Indic scripts,
# Sinhala to Khmer, Mongolian, and the newer Brahmic blocks (Unicode 15, chapters 9, 12, 13, 16).
_JOINING: Final = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0e80-\u0fff\u1000-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010aff\U00010d00-\U00011fff\U0001e900-\U0001e95f]"
)
_LIGATURE: Final = re.compile("[\ufb00-\ufb06]")
_CJK: Final = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def strip(reading: Reading) -> Reading:
    """The reading without hidden characters in texts, headings and title, and a note on what went.

    Removed: zero-width characters, Unicode tags, direction controls, other control characters, soft
    hyphens, surplus variation selectors, lone surrogates and NUL. Kept: U+200C and U+200D where the
    script or an emoji needs them, the flags of England, Scotland and Wales. Other line separators
    become "\\n", letters are composed. What a format hides in its own way (HTML comments) its reader
    takes out and notes; such notes and this one become one.
    """
    counts: Counter[str] = Counter()
    sections = tuple(
        section for section in (_section(section, counts) for section in reading.sections) if section.blocks
    )
    title = _line(reading.title, counts) if reading.title else None
    notes = tuple(
        " ".join(visible(note, counts=Counter()).split()) for note in _merged(reading.notes, removed(counts))
    )
    return replace(reading, title=title or None, sections=sections, notes=notes)


def visible(text: str, *, counts: Counter[str]) -> str:
    """`text` without its hidden characters; `counts` grows by what was removed."""
    if (_SUSPECT_ASCII if text.isascii() else _SUSPECT).search(text) is None:
        return text

    def shown(match: re.Match[str]) -> str:
        kind = match.lastgroup or ""
        run = match[0]
        if kind == "line":
            return "\n"
        if kind == "flag":
            return run
        kept = ""
        if (kind == "joiner" and _joins(match)) or (kind == "selector" and _selects(match)):
            kept = run[0]
        if len(run) > len(kept):
            counts[_NAMES[kind]] += len(run) - len(kept)
        return kept

    return _HIDDEN.sub(shown, text)


def removed(counts: Mapping[str, int]) -> tuple[str, ...]:
    """One note on what was hidden ("1 HTML comment"), none when nothing was; names are in the singular."""
    parts = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in sorted(counts.items()) if count]
    return (_NOTE + ", ".join(parts),) if parts else ()


def _section(section: Section, counts: Counter[str]) -> Section:
    headings = tuple(text for heading in section.headings if (text := _line(heading, counts)))
    blocks = []
    for block in section.blocks:
        text = _composed(block.text, counts)
        if text is block.text:
            blocks.append(block)
        elif text.strip():
            blocks.append(Block(text=text.strip("\n"), kind=block.kind))
    page = _line(section.page, counts) if section.page else None
    return Section(headings=headings, blocks=tuple(blocks), page=page or None)


def _line(text: str, counts: Counter[str]) -> str:
    return " ".join(_composed(text, counts).split())


def _composed(text: str, counts: Counter[str]) -> str:
    composed = unicodedata.normalize("NFC", visible(text, counts=counts))
    return _LIGATURE.sub(lambda sign: unicodedata.normalize("NFKC", sign[0]), composed)


def _merged(notes: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """All notes on hidden text as one, with the counts of the same kind added up."""
    total: Counter[str] = Counter()
    others = []
    for note in (*notes, *more):
        if not note.startswith(_NOTE):
            others.append(note)
            continue
        for part in note.removeprefix(_NOTE).split(", "):
            count, _, name = part.partition(" ")
            total[name if count == "1" else name.removesuffix("s")] += int(count)
    return (*dict.fromkeys(others), *removed(total))


def _joins(match: re.Match[str]) -> bool:
    """Whether a joiner stands where its script or an emoji sequence needs it."""
    text, start, end = match.string, match.start(), match.end()
    if start == 0 or end == len(text):
        before, after = text[start - 1 : start], text[end : end + 1]
    else:
        before, after = text[start - 1], text[end]
    if before and _JOINING.match(before):
        return bool(after and _JOINING.match(after)) or unicodedata.category(before) in ("Mn", "Mc")
    if match[0][0] != "\u200d" or not before or not after:
        return False
    emoji_before = before == "\ufe0f" or unicodedata.category(before) in ("So", "Sk")
    return emoji_before and unicodedata.category(after) in ("So", "Sm")


def _selects(match: re.Match[str]) -> bool:
    """Whether a variation selector follows a character that has variants."""
    before = match.string[match.start() - 1 : match.start()]
    if not before or before.isspace():
        return False
    selector = match[0][0]
    if "\u180b" <= selector <= "\u180f":
        return "\u1800" <= before <= "\u18af"
    if selector > "\uffff":
        return _CJK.match(before) is not None
    return not before.isascii() or before in "0123456789#*"
