"""Numbers and what they measure in one form, however they are written: "thirty days", "9am", "€25", "50 Prozent".

Rule: only measures that both texts name are held against each other: "30 hours" are not "30 days".
"""

from __future__ import annotations

import functools
import re
import unicodedata

from bot.words import plain_number
from bot.written_numbers import in_figures

_MEASURES = {
    "second": "seconds? sekunden? secondes? segundos? secondi",
    "minute": "minutes? mins? minuten? minutos? minuti",
    "hour": "hours? hrs? h stunden? std heures? horas? ore uur uren",
    "day": "days? tage?n? jours? días? giorni dagen dias?",
    "week": "weeks? wochen? semaines? semanas? settimane weken",
    "month": "months? monate?n? mois meses mesi maanden",
    "year": "years? yrs? jahre?n? ans? années? años? anni jaar jaren anos?",
    "percent": "percent",
    "euro": "euro",
    "dollar": "dollar",
    "pound": "pound",
    "franc": "franc",
    "yen": "yen",
    "kilometre": "km kilometers? kilometres? kilometer",
    "metre": "m meters? metres? meter",
    "kilogram": "kg kilos? kilograms? kilogramm",
}
_OF = {re.compile(form, re.IGNORECASE): name for name, forms in _MEASURES.items() for form in forms.split()}
_NUMBER = r"\d+(?:[.,'’]\d+)*"
_MEASURED = re.compile(rf"(?<![\w.,])({_NUMBER})(?:[\s-]([^\W\d_]+))?(?:[\s-]([^\W\d_]+))?")

_FRACTION = re.compile("[¼-¾⅐-⅞]")
_HALF_DAY = re.compile(r"(?<=\d)\s?([ap])\.\s?m\b", re.IGNORECASE)
_GLUED = re.compile(rf"(?<![\w.,:/-])({_NUMBER}(?::\d\d)?)(am|pm|h|uhr|kg|km|cm|mm|m|g|eur)\b", re.IGNORECASE)
_PERCENT = re.compile(
    r"\s?%|\b(?:per\s?cent|prozent|pour\s?cent|por\s?ciento|per\s?cento|procent|por\s?cento)\b", re.IGNORECASE
)
_CURRENCIES = {
    "euro": r"€|\beur\b|\beuros?\b",
    "dollar": r"\$|\busd\b|\bdollars?\b",
    "pound": r"£|\bgbp\b|\bpounds?\b",
    "yen": r"¥|\bjpy\b|\byen\b",
    "franc": r"\bchf\b|\bfranken\b|\bfrancs?\b",
}
_CURRENCY = {
    name: (
        re.compile(rf"(?:{forms})\s?({_NUMBER}(?:\s\d{{3}}(?!\d))*)(?!\s?(?:{forms}))", re.IGNORECASE),
        re.compile(rf"\s?(?:{forms})", re.IGNORECASE),
    )
    for name, forms in _CURRENCIES.items()
}


@functools.lru_cache(maxsize=2048)
def plain(text: str, language: str) -> str:
    """`text` with numbers in figures, and hours, percent and currencies as one word behind them."""
    if not text.isascii():
        split = _FRACTION.sub(lambda found: f" {unicodedata.normalize('NFKC', found[0])}", text)
        text = unicodedata.normalize("NFKC", split).replace("⁄", "/")
    text = _PERCENT.sub(" percent", text)
    text = in_figures(text, language)
    text = _GLUED.sub(r"\1 \2", _HALF_DAY.sub(r" \1m", text))
    for name, (before, behind) in _CURRENCY.items():
        text = behind.sub(f" {name}", before.sub(rf"\1 {name}", text))
    return re.sub(" {2,}", " ", text)


def changed_measure(sentence: str, text: str) -> str:
    """The first number of `sentence` that `text` has with other measures alone, with its measure; empty without one.
    Both are `plain`."""
    there = _measured(text)
    for number, measures in _measured(sentence).items():
        named = measures - {""}
        others = there.get(number, {""})
        if named and "" not in others and named.isdisjoint(others):
            return f"{number} {min(named)}"
    return ""


def _measured(text: str) -> dict[str, set[str]]:
    """What each number measures, by the word behind it or the next; "" where it says nothing known."""
    measures: dict[str, set[str]] = {}
    for found in _MEASURED.finditer(text):
        words = [word for word in (found[2], found[3]) if word]
        names = (name for word in words for form, name in _OF.items() if form.fullmatch(word))
        measures.setdefault(plain_number(found[1]), set()).add(next(names, ""))
    return measures
