"""Numbers that are written in words: "thirty", "twenty-five", "fünfundzwanzig", "two hundred", "½".

Rule: a word that also means something else ("one", Italian "sei") is no number.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

_UNITS = {
    "en": "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve",
    "it": "due tre quattro cinque - sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove",
    "nl": "twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien "
    "achttien negentien",
    "pt": "dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete "
    "dezoito dezenove",
    "ru": "два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
    "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
}
"""From two on."""

_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "ru": "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
}
_LARGE = {
    "en": {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9},
    "de": {"hundert": 100, "tausend": 1000, "million": 10**6, "millionen": 10**6, "milliarden": 10**9},
    "fr": {"cent": 100, "cents": 100, "mille": 1000, "million": 10**6, "millions": 10**6, "milliards": 10**9},
    "es": {"cien": 100, "ciento": 100, "mil": 1000, "millón": 10**6, "millones": 10**6},
    "it": {"cento": 100, "mille": 1000, "mila": 1000, "milione": 10**6, "milioni": 10**6, "miliardi": 10**9},
    "nl": {"honderd": 100, "duizend": 1000, "miljoen": 10**6, "miljard": 10**9},
    "pt": {"cem": 100, "cento": 100, "mil": 1000, "milhão": 10**6, "milhões": 10**6},
    "ru": {"сто": 100, "тысяча": 1000, "тысячи": 1000, "тысяч": 1000, "миллион": 10**6, "миллионов": 10**6},
}
_BETWEEN = {"en": "and", "fr": "et", "es": "y", "pt": "e", "it": "e"}
_FRACTION = re.compile("[¼-¾⅐-⅞]")


def written_numbers(said: Sequence[str], language: str) -> list[tuple[str, str]]:
    """The numbers among the words `said`, as `bot.words.words` gives them: each as it is written and in figures. "Million" behind
    figures stands for itself."""
    return list(_numbers(said, language))


def plain_figures(text: str) -> str:
    """`text` with figures of full width as usual ones, and "1½" as "1 1/2"."""
    if text.isascii():
        return text
    split = _FRACTION.sub(lambda found: f" {unicodedata.normalize('NFKC', found[0])}", text)
    return unicodedata.normalize("NFKC", split).replace("⁄", "/")


def _numbers(said: Sequence[str], language: str) -> Iterator[tuple[str, str]]:
    small = _small(language)
    large = {word.casefold(): number for word, number in _LARGE.get(language, {}).items()}
    place = 0
    while place < len(said):
        start, value = place, small.get(said[place])
        if value is None and said[place] not in large:
            place += 1
            continue
        if value is not None:
            place += 1
            behind = place + (place < len(said) and said[place] == _BETWEEN.get(language))
            unit = small.get(said[behind]) if behind < len(said) else None
            if value >= 20 and value % 10 == 0 and unit is not None and unit < 10:
                value, place = value + unit, behind + 1
        while place < len(said) and said[place] in large:
            value, place = (1 if value is None else value) * large[said[place]], place + 1
        yield " ".join(said[start:place]), str(value)


@functools.cache
def _small(language: str) -> dict[str, int]:
    units = dict(zip(_UNITS.get(language, "").split(), range(2, 20), strict=False))
    tens = dict(zip(_TENS.get(language, "").split(), range(20, 100, 10), strict=False))
    found = {word: number for word, number in (units | tens).items() if word != "-"}
    ones = {word: number for word, number in units.items() if number < 10}
    if language in ("de", "nl"):
        ones |= {"ein": 1} if language == "de" else {"een": 1}
        for unit, one in ones.items():
            joint = "und" if language == "de" else "ën" if unit.endswith("e") else "en"
            found |= {f"{unit}{joint}{ten}": one + number for ten, number in tens.items()}
            found |= {f"{unit}{'hundert' if language == 'de' else 'honderd'}": one * 100}
    if language == "es":
        found |= {f"veinti{unit}": 20 + one for unit, one in ones.items()} | {
            "veintidós": 22,
            "veintitrés": 23,
        }
    if language == "it":
        for ten, number in tens.items():
            found |= {f"{ten}{unit}": number + one for unit, one in ones.items() if unit != "-"}
            found |= {f"{ten[:-1]}otto": number + 8, f"{ten}sei": number + 6}
    return {word.casefold(): number for word, number in found.items()}
