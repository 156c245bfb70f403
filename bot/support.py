"""Whether a sentence says only what a passage says.

Rule: a number, a date or a name that does not stand in the passage makes a sentence unsupported,
however well the rest fits; the same for a "not" that the passage does not have, or has and the sentence has not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.evidence import Unit
from bot.words import content_words, plain_number, stem, words
from knowledge.documents import Passage

SHARE = 0.75
"""How much of a sentence's content words must stand in the passage, and in its best two units."""

NEAR = 4
"""A "not" so many words before some words of a passage speaks of them."""

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w’'-]+")
_NEGATIONS = {
    "en": frozenset("not no never none neither nor without cannot n't nothing nobody".split()),
    "de": frozenset("nicht kein keine keinen keiner keinem nie niemals ohne nichts".split()),
    "fr": frozenset("pas jamais aucun aucune sans ni rien".split()),
    "es": frozenset("no nunca ningún ninguna sin ni nada".split()),
    "it": frozenset("non mai nessun nessuna senza né niente".split()),
    "nl": frozenset("niet geen nooit zonder niets".split()),
    "pt": frozenset("não nunca nenhum nenhuma sem nem nada".split()),
}


@dataclass(frozen=True, slots=True)
class Support:
    """The unit that carries a sentence, or (None) why nothing does, in one line."""

    unit: Unit | None
    reason: str = ""


def check(
    sentence: str,
    passages: Sequence[Passage],
    found: Sequence[Unit],
    language: str,
    *,
    named: Sequence[int] = (),
) -> Support:
    """Looks for the passage that says `sentence`; `found` are the units of `passages`. Of passages that say it
    equally well a `named` one is taken, else the first.

    A sentence without a content word supports nothing and needs nothing: it is unsupported too.
    """
    stems = set(content_words(sentence, language))
    if not stems:
        return Support(None, "says nothing")
    best = Support(None, "no passage speaks of this")
    best_share = 0.0
    for number, passage in sorted(enumerate(passages, 1), key=lambda one: one[0] not in named):
        reason = _foreign(sentence, passage, language)
        share, unit = _carried(stems, [unit for unit in found if unit.passage == number], passage, language)
        if reason or unit is None or share < SHARE:
            if best.unit is None and reason and share >= SHARE:
                best = Support(None, reason)
            continue
        if _turned(sentence, unit.text, language):
            best = best if best.unit else Support(None, "turns the passage round")
            continue
        if share > best_share:
            best, best_share = Support(unit), share
    return best


def foreign_facts(sentence: str, text: str) -> list[str]:
    """The numbers and names of `sentence` that do not stand in `text`."""
    numbers = {plain_number(number) for number in _NUMBER.findall(text)}
    there = set(words(text))
    missing = [number for number in _NUMBER.findall(sentence) if plain_number(number) not in numbers]
    missing += [name for name in _NAME.findall(sentence) if not set(words(name)) <= there]
    return missing


def _foreign(sentence: str, passage: Passage, language: str) -> str:
    text = f"{passage.title}\n{passage.chunk.location}\n{passage.chunk.text}"
    there = {stem(word, language) for word in words(text)}
    missing = [
        fact
        for fact in foreign_facts(sentence, text)
        if not {stem(word, language) for word in words(fact)} <= there or any(c.isdigit() for c in fact)
    ]
    return f"{missing[0]} does not stand in the passage" if missing else ""


def _carried(
    stems: set[str], found: Sequence[Unit], passage: Passage, language: str
) -> tuple[float, Unit | None]:
    """The share of `stems` in the best unit with the one after it and the headings; and that unit."""
    around = set(content_words(f"{passage.title} {passage.chunk.location}", language))
    sets = [set(content_words(unit.reading, language)) for unit in found]
    best, carrier = 0.0, None
    for place, own in enumerate(sets):
        after = sets[place + 1] if place + 1 < len(sets) else set()
        share = len(stems & (own | after | around)) / len(stems)
        share += len(stems & own) / len(stems) / 1000
        if stems & own and share > best:
            best, carrier = share, found[place]
    return best, carrier


def _turned(sentence: str, text: str, language: str) -> bool:
    """Whether one of the two says "not" and the other does not. Some words out of `text`, as they stand there,
    are not turned by a "not" that is further off."""
    said, there = words(sentence), words(text)
    if _negated(said, language) == _negated(there, language):
        return False
    places = [place for place in range(len(there)) if there[place : place + len(said)] == said]
    return all(_negated(there[max(0, place - NEAR) : place], language) for place in places)


def _negated(said: Sequence[str], language: str) -> bool:
    known = _NEGATIONS.get(language, _NEGATIONS["en"])
    return any(word in known or word.endswith("n't") for word in said)
