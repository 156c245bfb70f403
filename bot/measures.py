"""What numbers measure: "30 hours" are not "30 days", and 25 percent no 25 EUR.

Rule: only measures that both texts name are held against each other.
"""

from __future__ import annotations

import re

from bot.words import plain_number
from bot.written_numbers import plain_figures

_MEASURES = {
    "second": "seconds? sekunden? secondes? segundos? secondi",
    "minute": "minutes? mins? minuten? minutos? minuti",
    "hour": "hours? hrs? h stunden? std heures? horas? ore uur uren",
    "day": "days? tage?n? jours? días? giorni dagen dias?",
    "week": "weeks? wochen? semaines? semanas? settimane weken",
    "month": "months? monate?n? mois meses mesi maanden",
    "year": "years? yrs? jahre?n? ans? années? años? anni jaar jaren anos?",
    "percent": "% percent prozent per\\scent pour\\scent",
    "euro": "€ eur euros?",
    "dollar": "\\$ usd dollars?",
    "pound": "£ gbp",
    "franc": "chf francs? franken",
    "kilometre": "km kilometers? kilometres? kilometer",
    "metre": "m meters? metres? meter",
    "kilogram": "kg kilos? kilograms? kilogramm",
}
_OF = {re.compile(form, re.IGNORECASE): name for name, forms in _MEASURES.items() for form in forms.split()}
_MEASURED = re.compile(r"(?<![\w.,])(\d[\d.,'’]*(?<=\d))[\s-]?([^\W\d_]+(?:\scent)?|[%€$£])")
_CURRENCY_FIRST = re.compile(r"([€$£]|\b(?:EUR|USD|GBP|CHF))\s?(\d[\d.,'’]*(?<=\d))")


def changed_measure(sentence: str, text: str) -> str:
    """The first number of `sentence` that `text` has with other measures alone, with its measure; empty without one."""
    there = _measured(text)
    for number, measures in _measured(sentence).items():
        if there.get(number) and measures.isdisjoint(there[number]):
            return f"{number} {min(measures)}"
    return ""


def _measured(text: str) -> dict[str, set[str]]:
    text = plain_figures(text)
    pairs = [(found[1], found[2]) for found in _MEASURED.finditer(text)]
    pairs += [(found[2], found[1]) for found in _CURRENCY_FIRST.finditer(text)]
    measures: dict[str, set[str]] = {}
    for number, word in pairs:
        name = next((name for form, name in _OF.items() if form.fullmatch(word)), None)
        if name is not None:
            measures.setdefault(plain_number(number), set()).add(name)
    return measures
