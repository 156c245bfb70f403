"""What a question means in its conversation: "and for contractors?" is searched with what came before.

Rule: a question that stands on its own is left alone, so that a change of topic is one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from bot.words import content_words, words
from models.engine.generator import Turn

_OPENERS = (
    r"and|but|also|what about|how about|what if|then|und|aber|oder|was ist mit|wie ist es mit|mais|qu'en est-il"
    r"|pero|qué hay de|maar|mas"
)
_SHORT_OPENERS = {"en": "or", "fr": "et|ou", "es": "y|o", "it": "e|o|ma", "nl": "en", "pt": "e|ou"}
"""Those that are something else in other languages ("e-mail", "O ring")."""

_POINTERS = {
    "en": frozenset(
        """it its they them their theirs this that these those he she him her his hers then same one ones
        such""".split()
    ),
    "de": frozenset("sie ihn ihm deren dessen dies dieser diese dieses dort davon dafür damit".split()),
    "fr": frozenset("il elle ils elles cela ça celui celle ceux lui leur".split()),
    "es": frozenset("eso esto ese esa ello ellos ellas".split()),
    "it": frozenset("quello questo ciò".split()),
    "nl": frozenset("dat deze die daar".split()),
    "pt": frozenset("isso isto ele ela".split()),
}
_ENOUGH_WORDS = 3
_MOST_CHARACTERS = 600


def standalone(question: str, earlier: Sequence[Turn], language: str) -> str:
    """`question` with as much of the asker's `earlier` questions as it needs to be searched for."""
    if not leans(question, language):
        return question
    asked = [turn.text for turn in earlier if turn.role == "user"]
    for before in reversed(asked):
        if not leans(before, language):
            return f"{before[-_MOST_CHARACTERS:]} {question}"
    return f"{asked[0][-_MOST_CHARACTERS:]} {question}" if asked else question


def leans(question: str, language: str) -> bool:
    """Whether `question` cannot be understood without what was said before it."""
    content = content_words(question, language)
    if len(content) <= 1 or (_opener(language).match(question) and len(content) <= _ENOUGH_WORDS * 2):
        return True
    return len(content) <= _ENOUGH_WORDS and bool(_POINTERS.get(language, frozenset()) & set(words(question)))


@functools.cache
def _opener(language: str) -> re.Pattern[str]:
    """How a question in `language` begins that goes on from another; no first half of "e-mail" or "and/or"."""
    short = _SHORT_OPENERS.get(language)
    return re.compile(rf"\s*(?:{_OPENERS}{f'|{short}' if short else ''})\b(?!\s*/|[-‐‑'’])", re.IGNORECASE)
