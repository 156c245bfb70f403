"""Whether a sentence says only what a passage says.

Rule: a number, a date or a name that does not stand in the passage makes a sentence unsupported,
however well the rest fits; the same for a "not" that the passage does not have, or has and the sentence has not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot import opposites
from bot.evidence import Unit
from bot.measures import changed_measure
from bot.table_rows import is_row
from bot.words import content_words, plain_number, stem, words
from bot.written_numbers import plain_figures, written_numbers
from knowledge.documents import Passage

SHARE = 0.75
"""How much of a sentence's content words must stand in the passage, and in its best two units."""

NEAR = 4
"""A "not" so many words before some words of a passage speaks of them."""

_NUMBER = re.compile(r"(?<!\w)\d{1,3}(?:['’\u2009\u00a0\u202f ]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,:/]\d+)*")
"""Three figures behind a space belong to the number before them: "500" is not what "1 500" says. A list
("rooms 101 102 103") is one number too, which says less than it might."""

_MINUS = re.compile(r"(?:(?<![\w.,:/)%°])[-−–]|\bminus\s)$", re.IGNORECASE)
_CURRENCY_BEFORE = re.compile(r"(?:[€$£¥]|\b(?:eur|usd|gbp|chf))\s?$", re.IGNORECASE)
_UNIT_BEHIND = re.compile(
    r"\s?(?:[%‰€$£¥]|(?:eur|usd|gbp|chf|euros?|dollars?|pounds?|francs?|franken|percent|per cent|prozent|kg|km|cm"
    r"|mm)\b)",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[^\W\d_a-zß-öø-ÿ][\w’'-]+")
_ADDRESS = re.compile(r"https?://[^\s<>\"']+|www\.[^\s<>\"']+|[\w.+-]+@[\w-]+\.[\w.-]+")
_NEGATIONS = {
    "en": frozenset("not no never none neither nor cannot n't nothing nobody nowhere".split()),
    "de": frozenset(
        """nicht kein keine keinen keiner keinem keines keins keinerlei keinesfalls keineswegs nie niemals niemand
        niemanden niemandem niemands nirgends nirgendwo weder nichts""".split()
    ),
    "fr": frozenset("ne n' pas jamais aucun aucune ni rien nul nulle".split()),
    "es": frozenset("no nunca jamás ningún ninguno ninguna tampoco nadie ni nada".split()),
    "it": frozenset("non mai nessun nessuno nessuna né neanche nemmeno neppure niente nulla".split()),
    "nl": frozenset("niet geen nooit niemand nergens noch niets".split()),
    "pt": frozenset("não nunca jamais nenhum nenhuma ninguém tampouco nem nada".split()),
    "ru": frozenset(
        """не нет ни нельзя никогда никто никого никому ничего ничто нигде никакой никакая никакое никакие
        никаких""".split()
    ),
}
"""French "personne" is a person too; where it is nobody, "ne" stands beside it."""

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}
_CALENDAR = {
    language: frozenset(row.split())
    for language, row in {
        "fr": """janvier février mars avril mai juin juillet août septembre octobre novembre décembre lundi mardi
            mercredi jeudi vendredi samedi dimanche""",
        "es": """enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes
            miércoles jueves viernes sábado domingo""",
        "it": """gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre lunedì
            martedì mercoledì giovedì venerdì sabato domenica""",
        "nl": """januari februari maart april mei juni juli augustus september oktober november december maandag
            dinsdag woensdag donderdag vrijdag zaterdag zondag""",
        "pt": """janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro segunda-feira
            terça-feira quarta-feira quinta-feira sexta-feira sábado domingo""",
    }.items()
}
"""Months and days where they are written small; elsewhere they are names."""

_WITHOUT = frozenset("without ohne sans sin senza zonder sem без".split())
"""One of these is no "not" of the sentence: nobody may enter without a key, and that is not whoever has none."""

_PARTS = re.compile(r"[^']+'?")


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
        if _turned(sentence, unit.text if is_row(unit.text) else unit.reading, language):
            best = best if best.unit else Support(None, "turns the passage round")
            continue
        if share > best_share:
            best, best_share = Support(unit), share
    return best


def foreign_facts(sentence: str, text: str) -> list[str]:
    """The numbers, addresses and names of `sentence` that do not stand in `text`."""
    sentence, text = plain_figures(sentence), plain_figures(text)
    numbers = {form for found in _NUMBER.finditer(text) for form in _forms(found)}
    there = set(words(text))
    missing = [found[0] for found in _NUMBER.finditer(sentence) if not _forms(found) & numbers]
    addresses = (found[0].rstrip(".,;:!?)]") for found in _ADDRESS.finditer(sentence))
    missing += [address for address in addresses if address.casefold() not in text.casefold()]
    missing += [
        name for name in _NAME.findall(sentence) if name[0].isupper() and not set(words(name)) <= there
    ]
    return missing


def _forms(found: re.Match[str]) -> set[str]:
    """What a number may be called; one with a unit beside it is an amount, and 2.50 of it are 2.5."""
    plain = plain_number(found[0])
    if _MINUS.search(found.string[max(0, found.start() - 7) : found.start()]):
        plain = f"-{plain}"
    unit = _UNIT_BEHIND.match(found.string, found.end()) or _CURRENCY_BEFORE.search(
        found.string[max(0, found.start() - 5) : found.start()]
    )
    if unit is None or not re.fullmatch(r"-?\d+(?:\.\d+)?", plain):
        return {plain}
    return {plain, f"{plain.rstrip('0').rstrip('.') if '.' in plain else plain} of a unit"}


def _foreign(sentence: str, passage: Passage, language: str) -> str:
    text = f"{passage.title}\n{passage.chunk.location}\n{passage.chunk.text}"
    there = {stem(word, language) for word in words(text)}
    missing = [
        fact
        for fact in foreign_facts(sentence, text)
        if not {stem(word, language) for word in words(fact)} <= there or any(c.isdigit() for c in fact)
    ]
    asked, said = words(sentence), words(text)
    written = {figures for _, figures in written_numbers(said, language)}
    missing = [fact for fact in missing if fact not in written and _SIGNS.get(fact, "\0") not in text]
    missing += [
        form for form, figures in written_numbers(asked, language) if figures not in {*written, *said}
    ]
    missing += [measure] if (measure := changed_measure(sentence, text)) else []
    missing += [word for word in asked if word in _CALENDAR.get(language, ()) and word not in said]
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
    are not turned by a "not" that is further off. Where no "not" of `language` is known, only the same words are
    no other way round."""
    if opposites.turned(sentence, text, language):
        return True
    said, there = words(sentence), words(text)
    if language not in _NEGATIONS:
        return said != there
    if (_negated(said, language), _without(said)) == (_negated(there, language), _without(there)):
        return False
    places = [place for place in range(len(there)) if there[place : place + len(said)] == said]
    return all(
        _negated(near, language) or _without(near)
        for near in (there[max(0, place - NEAR) : place] for place in places)
    )


def _negated(said: Sequence[str], language: str) -> bool:
    known = _NEGATIONS[language]
    parts = (part for word in said for part in _PARTS.findall(word))
    return any(word.endswith("n't") for word in said) or any(
        part in known or part.removesuffix("'") in known for part in parts
    )


def _without(said: Sequence[str]) -> bool:
    return not _WITHOUT.isdisjoint(said)
