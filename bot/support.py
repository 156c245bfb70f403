"""Whether a sentence says only what a passage says.

Rule: a number, a date or a name that does not stand in the passage makes a sentence unsupported,
however well the rest fits; the same for a "not" that the passage does not have, or has and the sentence has not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from bot import opposites
from bot.evidence import Unit
from bot.measures import changed_measure, plain
from bot.table_rows import is_row
from bot.words import content_words, plain_number, stem, words
from knowledge.documents import Passage

SHARE = 0.75
"""How much of a sentence's content words must stand in the passage, and in its best two units."""

NEAR = 4
"""A "not" so many words before some words of a passage speaks of them."""

_NUMBER = re.compile(r"(?<!\w)\d{1,3}(?:['’\u2009\u00a0\u202f ]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,:/]\d+)*")
"""Three figures behind a space belong to the number before them: "500" is not what "1 500" says. A list
("rooms 101 102 103") is one number too, which says less than it might."""

_MINUS = re.compile(r"(?:(?<![\w.,:/)%°])[-−–]|\bminus\s)$", re.IGNORECASE)
_UNIT_BEHIND = re.compile(r"\s?(?:‰|(?:euro|dollar|pound|franc|yen|percent|kg|km|cm|mm)\b)", re.IGNORECASE)
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[^\W\d_a-zß-öø-ÿ][\w’'-]+(?:[.,:]\d+)*")
_ADDRESS = re.compile(r"https?://[^\s<>\"']+|www\.[^\s<>\"']+|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+")
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

_ONE = frozenset("one ein eine einen einem einer eines un une una uno een um uma".split())

_NO_NOT = [
    (re.compile(form, re.IGNORECASE), other)
    for form, other in (
        (r"\bno\.?\s*(?=\d)", ""),
        (r"\b(?:no|not) more than\b", "at most"),
        (r"\b(?:no|not) (?:less|fewer) than\b", "at least"),
        (r"\b(?:no|not) later than\b", "by"),
        (r"\b(?:no|not) (?:earlier|sooner) than\b", "from"),
        (r"\bnot only\b", "also"),
        (r"\bnot (?:counting|including)\b", "besides"),
        (r"\bnicht mehr als\b", "höchstens"),
        (r"\bnicht weniger als\b", "mindestens"),
        (r"\bnicht später als\b", "bis"),
        (r"\bnicht nur\b", "auch"),
    )
]

_LEAD = re.compile(r"^\s*(?:(?:[-*•]|\d{1,2}[.)])\s+)?[*_¡¿\"'«“„(]*")
"""The mark of a list's item, and signs before the first word."""

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
    sentence = plain(_LEAD.sub("", sentence), language)
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
        if _turned(sentence, _said_by(unit, sentence, stems, language), language, row=is_row(unit.text)):
            best = best if best.unit else Support(None, "turns the passage round")
            continue
        if share > best_share:
            best, best_share = Support(unit), share
    return best


def foreign_facts(sentence: str, text: str) -> list[str]:
    """The numbers, addresses and names of `sentence` that do not stand in `text`; both as `plain` gives them."""
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
    figures = plain_number(found[0])
    if _MINUS.search(found.string[max(0, found.start() - 7) : found.start()]):
        figures = f"-{figures}"
    unit = _UNIT_BEHIND.match(found.string, found.end())
    if unit is None or not re.fullmatch(r"-?\d+(?:\.\d+)?", figures):
        return {figures}
    return {figures, f"{figures.rstrip('0').rstrip('.') if '.' in figures else figures} of a unit"}


def _foreign(sentence: str, passage: Passage, language: str) -> str:
    text = plain(f"{passage.title}\n{passage.chunk.location}\n{passage.chunk.text}", language)
    there = {stem(word, language) for word in words(text)}
    missing = [
        fact
        for fact in foreign_facts(sentence, text)
        if not {stem(word, language) for word in words(fact)} <= there or any(c.isdigit() for c in fact)
    ]
    asked, said = words(sentence), words(text)
    missing = [fact for fact in missing if fact != "1" or not _one(asked, said, language)]
    missing += [measure] if (measure := changed_measure(sentence, text)) else []
    missing += [word for word in asked if word in _CALENDAR.get(language, ()) and word not in said]
    return f"{missing[0]} does not stand in the passage" if missing else ""


def _one(asked: Sequence[str], said: Sequence[str], language: str) -> bool:
    """Whether each "1" that is `asked` is `said` as an article or a word, before the same word."""
    pairs = {(one, stem(behind, language)) for one, behind in itertools.pairwise(said) if one in _ONE}
    return all(
        any((one, stem(behind, language)) in pairs for one in _ONE)
        for number, behind in zip(asked, [*asked[1:], ""], strict=True)
        if number == "1"
    )


def _carried(
    stems: set[str], found: Sequence[Unit], passage: Passage, language: str
) -> tuple[float, Unit | None]:
    """The share of `stems` in the best unit with the one after it and the headings; and that unit."""
    around = set(content_words(plain(f"{passage.title} {passage.chunk.location}", language), language))
    sets = [set(content_words(plain(unit.reading, language), language)) for unit in found]
    best, carrier = 0.0, None
    for place, own in enumerate(sets):
        after = sets[place + 1] if place + 1 < len(sets) else set()
        share = len(stems & (own | after | around)) / len(stems)
        share += len(stems & own) / len(stems) / 1000
        if stems & own and share > best:
            best, carrier = share, found[place]
    return best, carrier


def _said_by(unit: Unit, sentence: str, stems: Set[str], language: str) -> str:
    """The words of a unit; of a row those cells that the sentence speaks of, with the names of their columns."""
    reading = plain(unit.reading, language)
    if not is_row(unit.text) or sentence in reading:
        return reading
    return "; ".join(cell for cell in reading.split("; ") if not stems.isdisjoint(_own_words(cell, language)))


def _own_words(cell: str, language: str) -> list[str]:
    """What a cell says, or the name of its column where that is but yes or no."""
    name, _, said = cell.rpartition(": ")
    return content_words(said, language) or content_words(name, language)


def _turned(sentence: str, text: str, language: str, *, row: bool) -> bool:
    """Whether one of the two says "not" and the other does not. Some words out of `text`, as they stand there,
    are not turned by a "not" that is further off. Where no "not" of `language` is known, only the same words are
    no other way round. What a table's `row` is without need not be said again."""
    sentence, text = _at_most(sentence), _at_most(text)
    if opposites.turned(sentence, text, language):
        return True
    said, there = words(sentence), words(text)
    if language not in _NEGATIONS:
        return said != there
    same = _negated(said, language) == _negated(there, language)
    if same and (_without(said) == _without(there) or (row and _without(there))):
        return False
    places = [place for place in range(len(there)) if there[place : place + len(said)] == said]
    return all(
        _negated(near, language) or _without(near)
        for near in (there[max(0, place - NEAR) : place] for place in places)
    )


def _at_most(text: str) -> str:
    """`text` with those "not" that deny nothing said otherwise: "no more than" is "at most"."""
    for form, other in _NO_NOT:
        text = form.sub(other, text)
    return text


def _negated(said: Sequence[str], language: str) -> bool:
    known = _NEGATIONS[language]
    parts = (part for word in said for part in _PARTS.findall(word))
    return any(word.endswith("n't") for word in said) or any(
        part in known or part.removesuffix("'") in known for part in parts
    )


def _without(said: Sequence[str]) -> bool:
    return not _WITHOUT.isdisjoint(said)
