"""Words that turn a sentence round when one takes the other's place: before and after, on and off, from and until.

Rule: they are held against each other only beside the same word, "after the holiday" against "before the holiday".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bot.words import FUNCTION_WORDS, stem, words

_OPPOSED = {
    "en": "on/off before/after over/under above/below until,till/from,since more/less,fewer more/most "
    "less,fewer/least least/most minimum/maximum inside/outside allowed,permitted/forbidden,prohibited open/closed opens/closes",
    "de": "an/aus vor/nach ab,von/bis über/unter mehr/weniger mehr/höchstens weniger/mindestens "
    "mindestens/höchstens,maximal minimal/maximal vormittags/nachmittags erlaubt,gestattet/verboten,untersagt offen,geöffnet/geschlossen",
    "fr": "avant/après plus/moins minimum/maximum autorisé/interdit ouvert/fermé dès,depuis/jusqu'à,jusqu'au",
    "es": "antes/después más/menos desde/hasta mínimo/máximo permitido/prohibido abierto/cerrado",
    "it": "prima/dopo più/meno dal,dalle/fino minimo/massimo consentito/vietato aperto/chiuso",
    "nl": "voor/na vanaf/tot meer/minder aan/uit minimaal/maximaal toegestaan/verboden open/gesloten",
    "pt": "antes/depois mais/menos desde/até mínimo/máximo permitido/proibido aberto/fechado",
    "ru": "до/после больше,более/меньше,менее разрешено/запрещено",
}
_SWITCHES = frozenset("on off an aus aan uit".split())
"""These stand behind what they speak of: "turn the printer off"."""

_HOUR = re.compile(r"(\d(?:[\d.:]*\d)?)\s?([ap])m\b", re.IGNORECASE)


def turned(sentence: str, text: str, language: str) -> bool:
    """Whether `sentence` has a word whose opposite stands in its place in `text`; both as `bot.measures.plain` gives them."""
    hours, others = set(_hours(sentence)), set(_hours(text))
    if any((hour, half) not in others and {(hour, "a"), (hour, "p")} & others for hour, half in hours):
        return True
    said, there = words(sentence), words(text)
    for pair in _OPPOSED.get(language, "").casefold().split():
        one, other = (frozenset(side.split(",")) for side in pair.split("/"))
        if _instead(said, there, one, other, language) or _instead(said, there, other, one, language):
            return True
    return False


def _hours(text: str) -> Iterator[tuple[str, str]]:
    return ((found[1], found[2].lower()) for found in _HOUR.finditer(text))


def _instead(
    said: Sequence[str], there: Sequence[str], mine: frozenset[str], opposed: frozenset[str], language: str
) -> bool:
    own = set(_beside(said, mine, language))
    return (
        bool(own)
        and own.isdisjoint(_beside(there, mine, language))
        and bool(own & set(_beside(there, opposed, language)))
    )


def _beside(said: Sequence[str], those: frozenset[str], language: str) -> Iterator[tuple[str, str]]:
    """The word of content behind each of `those` words, for a switch the one before it."""
    little = FUNCTION_WORDS.get(language, frozenset())
    for place, word in enumerate(said):
        if word not in those:
            continue
        behind = next((one for one in said[place + 1 :] if one not in little), None)
        before = next((one for one in said[place - 1 :: -1] if one not in little), None) if place else None
        if behind is not None and word not in _SWITCHES:
            yield "behind", stem(behind, language)
        if before is not None and word in _SWITCHES:
            yield "before", stem(before, language)
