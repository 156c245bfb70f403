"""Whether two questions ask the same thing in other words, so surely that one answer serves both.

Rule: what tells two questions apart stays: every content word in its order, each number, name, "not",
"before" and "%", and who does what to whom; only endings of the plural and the few words that change nothing
may differ.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence

from bot.languages import language_of
from bot.words import words

_ORDINARY = frozenset(".,;:!?'\"()[]{}-–—_*`~/\\|’‘‚“”„«»…¿¡·•")
_HARMLESS = {
    "en": frozenset(
        """a an the this these is are am be do does my our of in on at there please hi hello hey
        thanks""".split()
    ),
    "de": frozenset(
        """der die das den dem des ein eine einen einem einer eines dieser diese dieses ist sind bin mein
        meine meinen unser unsere in im am es bitte hallo hi danke""".split()
    ),
}
"""Words that two questions may differ in, by language; in other languages they may differ in none. "It" is a
department too, and "an", "für" and "von" tell who gives from who gets."""

_SAME = {
    "en": {"i": "we", "my": "our"},
    "de": {"ich": "wir", "mein": "unser", "meine": "unsere"},
}
"""Which of those who ask does so is seldom what is asked; models of meaning make much of it."""

_ANYONE = {"en": {"you": "we", "your": "our"}, "de": {"man": "wir"}}
"""What may stand for whoever asks: in German always, in English after "How do", where the asker is not named as well."""

_ASKER = {
    "en": frozenset("i we me us my our mine ours myself ourselves".split()),
    "de": frozenset(
        """ich wir mich mir uns mein meine meinem meinen meiner meines unser unsere unserem unseren unserer
        unseres""".split()
    ),
}
_PERSONS = frozenset("we you your wir man".split())

_GREETINGS = frozenset("hi hello hey hallo please bitte thanks danke".split())
_PLURALS = {"en": ("s",), "de": ("en", "n", "e", "s")}
_SHORTEST_STEM = 3
_IN_CAPITALS = re.compile(r"\b[A-ZÄÖÜ]{2,}\b")
"""Names, such as "AT" and "BE", whatever the same letters are when they are small."""

Gist = tuple[str, ...]


@functools.lru_cache(maxsize=20_000)
def normal(text: str) -> Gist:
    """The words and telling signs of `text` whatever its case, spaces and punctuation; empty without a word."""
    found = words(text)
    return (*found, *_signs(text)) if found else ()


@functools.lru_cache(maxsize=20_000)
def gist(text: str) -> Gist:
    """What of `text` must be the same in a question that asks the same; empty where that cannot be told."""
    language = language_of(text)
    harmless = _HARMLESS.get(language)
    if harmless is None:
        return ()
    found = words(text)
    same = _same(found, language)
    names = {word.casefold() for word in _IN_CAPITALS.findall(text)}
    kept = [same.get(word, word) for word in found]
    kept = [word for word in kept if word not in harmless or word in names]
    if _PERSONS.issuperset(kept):
        return ()
    return (language, *(_singular(word, language) for word in kept), *_signs(text))


def asked(text: str) -> str:
    """`text` as a model of meaning is to read it: without case, greetings, and who asks, with one question mark."""
    same = _same(words(text), language_of(text))
    kept = [word for word in text.casefold().split() if word.strip(",.!?") not in _GREETINGS]
    return " ".join(same.get(word, word) for word in kept).rstrip("?!. ") + "?"


def _same(found: Sequence[str], language: str) -> Mapping[str, str]:
    """The words for persons that are one to a question of the words `found`."""
    asking = [word for word in found if word not in _GREETINGS]
    named = _ASKER.get(language, frozenset()).intersection(word.partition("'")[0] for word in found)
    anyone = not named and (language != "en" or asking[:3] == ["how", "do", "you"])
    return _SAME.get(language, {}) | (_ANYONE.get(language, {}) if anyone else {})


def _singular(word: str, language: str) -> str:
    for ending in _PLURALS[language]:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST_STEM and not word.endswith("ss"):
            return stem
    return word


def _signs(text: str) -> list[str]:
    """The signs that change a meaning ("C++", "5 %", "-5", "€"), in order."""
    folded = unicodedata.normalize("NFKC", text)
    found: list[str] = []
    for place, sign in enumerate(folded):
        before, after = folded[place - 1 : place], folded[place + 1 : place + 2]
        minus = sign in "-–−" and after.isdigit() and not before.isalnum()
        if minus or not (sign.isalnum() or sign.isspace() or sign in _ORDINARY):
            found.append("-" if minus else sign)
    return found
