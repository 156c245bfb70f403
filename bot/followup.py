"""What a question means in its conversation: "and for contractors?" is searched with what came before.

Rule: a question that stands on its own is left alone, so that a change of topic is one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from bot.greetings import asks
from bot.languages import language_of, told_language
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
_ASKING = frozenset(
    """what when where which who whom whose why how is are do does did can could may must will would should
    was wann wo welche welcher welches wer wem wen warum wie kann können darf muss gibt ist sind
    comment combien quand où quel quelle quels quelles qui pourquoi puis peut est
    qué cuál cuándo cuánto cuántos cuántas dónde quién cómo puedo hay es chi come quando dove quale quanto posso è
    hoe hoeveel waar waarom wanneer wat welke wie kan mag onde qual""".split()
)
"""How a question begins that has all its words."""

_ENOUGH_WORDS = 3
_MOST_CHARACTERS = 600


def understood(question: str, earlier: Sequence[Turn], language: str | None = None) -> tuple[str, str]:
    """What `question` is searched with, and the `language` it is in: where neither that nor a word of it tells, that
    of the questions it leans on."""
    told = language or told_language(question)
    query = standalone(question, earlier, told or "en")
    return query, told or language_of(query)


def standalone(question: str, earlier: Sequence[Turn], language: str) -> str:
    """`question` with as much of the asker's `earlier` questions as it needs to be searched for."""
    if not leans(question, language):
        return question
    asked = [turn.text for turn in earlier if turn.role == "user" and asks(turn.text)]
    for before in reversed(asked):
        if not leans(before, language_of(before)):
            return f"{before[-_MOST_CHARACTERS:]} {question}"
    return f"{asked[0][-_MOST_CHARACTERS:]} {question}" if asked else question


def may_stand_alone(question: str, language: str) -> bool:
    """Whether `question` may begin a topic though it begins as one that goes on: "And how do I reset my password?"."""
    opener = _opener(language).match(question)
    behind = words(question[opener.end() :])[:1] if opener else []
    return behind != [] and behind[0] in _ASKING and len(content_words(question, language)) > 1


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
