"""What kind of thing a question asks for, as far as its first words tell.

Rule: only kinds that can be seen in a sentence without understanding it: here, a number or a date.
"""

from __future__ import annotations

import re

_MONTHS = (
    "january february march april june july august september october november december "
    "januar februar märz mai juni juli oktober dezember janvier février mars avril juin juillet août septembre "
    "octobre novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre noviembre diciembre "
    "monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag "
    "sonntag lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo"
)
_NUMERALS = (
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty hundred half "
    "zwei drei vier fünf sechs sieben acht neun zehn zwölf zwanzig dreißig hundert "
    "deux trois quatre cinq sept huit neuf dix douze vingt trente cent dos tres cuatro cinco seis siete ocho nueve diez "
    "second third fourth fifth sixth daily weekly monthly quarterly yearly annually twice"
)
_COUNTABLE = re.compile(
    rf"\d|\b(?:{'|'.join((_MONTHS + ' ' + _NUMERALS).split())})\b",
    re.IGNORECASE,
)
_ASKS_AMOUNT = re.compile(
    r"""\b(?:how\ (?:many|much|long|often|soon|far|old|late|early|big|large|high|fast)
          |(?:by|until|since|from)\ when|when\ (?:is|are|do|does|did|will|was|were|can|must|should|has|have)
          |what\ (?:time|date|day|year|month|percentage|share|number|amount|price|rate|age|is\ the\ (?:limit|maximum|minimum|price|rate|deadline|cost))
          |which\ (?:day|date|year|month|week)|wie\ ?(?:viel\w*|lange|oft|hoch|weit|alt|früh|spät)|(?:bis|ab|seit)?\ ?wann
          |combien|quand|à\ quelle\ (?:heure|date)|cu[aá]nt[oa]s?|cu[aá]ndo|quant[oaie]|quando|hoe\ ?(?:veel|lang|vaak)|wanneer)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def asks_for_a_number(question: str) -> bool:
    """Whether an answer to `question` must hold a number, a date or a time."""
    return _ASKS_AMOUNT.search(question) is not None


def has_a_number(text: str) -> bool:
    """Whether `text` holds a number, a date or a time, in figures or in words."""
    return _COUNTABLE.search(text) is not None
