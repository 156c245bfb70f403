"""Where sentences end, for any language, without a model.

Rule: spans cover the text without gaps or overlaps, so that nothing can be lost; time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A line break ends a sentence (a list has a line an item); so do the full stops of Chinese, Japanese
# and Thai-style scripts without a space after them, and those of the others with one.
_END = re.compile(
    r"""(?: [.!?…‽]+ ["'”’»)\]]* (?=\s)
          | [。！？｡．]+ [”’」』）】"']*
          | [؟۔।॥።၊။។]+ (?=\s|$)
          | \n )\s*""",
    re.VERBOSE,
)
_ABBREVIATION = re.compile(
    r"""(?: \b(?: Mr|Mrs|Ms|Dr|Dr\.\ med|Prof|Dipl|Ing|St|vs|etc|e\.g|i\.e|cf|No|Nr|Fig|Eq|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr
                |Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|approx|ca|al|bzw|usw|vgl|sog|ggf|ggfs|evtl|incl|inkl|exkl|zzgl|Mio|Mrd|Tsd
                |Abs|Art|Hr|Fr|Sr|Sra|Mme|Mlle|M|janv|févr|avr|juil|déc|env|aprox|pág|núm|p|pp|vol )
          | \b[A-Z]
          | \b(?![ap]\.m)[^\W\d_]\.\s?[^\W\d_] )\.$""",
    re.VERBOSE,
)
"""What ends in a full stop and hardly ever ends a sentence; also two letters with one each: "z. B.", "u.a."."""

_BEFORE_A_NUMBER = re.compile(
    r"\b(?:ext|abb|max|min|mind|tel|nos?|art|figs?|eq|secs?|ch|chap|kap|ziff|par|para|cl|cap|rn|bd|str)\.$",
    re.IGNORECASE,
)
_HOUR = re.compile(r"\b[ap]\.?m\.$", re.IGNORECASE)
_BEHIND_AN_HOUR = re.compile(
    r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:days?)?\b|[A-Z]{2,4}\b|\d"
)
_ORDINAL = re.compile(r"(?<![\w.,])\d{1,2}\.$")
_BEHIND_AN_ORDINAL = re.compile(
    r"""(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Stock|Etage|Quartal
          |Halbjahr|Monat|Jahr|Woche|Tag|Lebensjahr|Person|Klasse|Platz|Schritt|Stufe|Auflage|Änderung|Mahnung)""",
    re.VERBOSE,
)
_LETTER = re.compile(r"(?<!\w)[^\W\d_]\.$")
_BEHIND_A_LETTER = re.compile(r"[^\W\d_]\.")
_TOGETHER = (
    (_BEFORE_A_NUMBER, re.compile(r"\d")),
    (_HOUR, _BEHIND_AN_HOUR),
    (_ORDINAL, _BEHIND_AN_ORDINAL),
    (_LETTER, _BEHIND_A_LETTER),
)
"""What ends no sentence where the other stands behind it."""

_LIST_NUMBER = re.compile(r"\s*(?:[-*•]\s+)?(?:\d{1,2}|[a-z])\.$")
_LONGEST = 10


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """The sentences of `text` as (start, end), in order; white space belongs to the one before it."""
    start = 0
    for match in _END.finditer(text):
        if _goes_on(text, start, match):
            continue
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether this full stop is only that of an abbreviation, or the sentence goes on in lower case."""
    if "\n" in match.group() or match.end() == len(text):
        return False
    stop = match.group().rstrip()
    behind = match.end()
    if text[behind].islower() and stop[0] in ".…":
        return True
    if stop != ".":
        return False
    begin, end = max(start, match.start() - _LONGEST), match.start() + 1
    if _ABBREVIATION.search(text, begin, end) or _LIST_NUMBER.fullmatch(text, start, end):
        return True
    return any(before.search(text, begin, end) and after.match(text, behind) for before, after in _TOGETHER)
