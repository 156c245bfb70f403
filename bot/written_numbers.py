"""Numbers that are written in words, as figures: "thirty", "two hundred and fifty", "zweihundertfünfzig", "2 million".

Rule: a word that also means something else ("one", Italian "sei") stays a word.
"""

from __future__ import annotations

import functools
import re

_UNITS = {
    "en": "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf",
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
    "fr": "vingt trente quarante cinquante soixante - quatre-vingt",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "ru": "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
}
_HUNDREDS = {
    "es": "doscient trescient cuatrocient quinient seiscient setecient ochocient novecient",
    "pt": "duzent trezent quatrocent quinhent seiscent setecent oitocent novecent",
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
_ONE = {"en": ("one", "a")}
"""Counted only before a large word: "a hundred"."""

_AFTER_TENS = {"en": ("one",), "fr": ("un", "une"), "es": ("uno", "una", "un"), "pt": ("um", "uma")}
_AFTER_TENS |= {"ru": ("один", "одна", "одно")}
"""Counted only behind a ten: "twenty-one"."""

_BETWEEN = {"en": "and", "fr": "et", "es": "y", "pt": "e", "de": "und"}


def in_figures(text: str, language: str) -> str:
    """`text` with its numbers in words as figures."""
    known = _known(language)
    return known[0].sub(lambda run: _figures(run[0], language), text) if known is not None else text


def _figures(run: str, language: str) -> str:
    """The numbers of a run of words: "two hundred and fifty" is one, "five twenty" are two."""
    _, small, large = _known(language) or (None, {}, {})
    done: list[str] = []
    number = _Number()
    parts = re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:-[^\W\d_]+)*", run)
    between = ""
    for part in (one for whole in parts for one in _pieces(whole.casefold(), small, large)):
        if part == _BETWEEN.get(language):
            between = part
            continue
        if not _taken(number, part, small, large, language):
            number = _begun(number, done)
            done += [between] if between else [","] if done else []
            if not _taken(number, part, small, large, language):
                done.append(part)
        between = ""
    _begun(number, done)
    return " ".join(done)


def _taken(number: _Number, part: str, small: dict[str, int], large: dict[str, int], language: str) -> bool:
    if part in large:
        return number.times(large[part])
    one = part in _ONE.get(language, ()) or part in _AFTER_TENS.get(language, ())
    value = 1 if one else small.get(part)
    return number.read(part) if value is None else number.add(value, twenties=language == "fr")


class _Number:
    """A number that is being read word by word."""

    def __init__(self) -> None:
        self._whole = 0
        self._part: float | None = None
        self._least = 10**12

    def add(self, value: int, *, twenties: bool) -> bool:
        """Takes a word below a hundred, or a hundred in one word; False where another number begins with it."""
        part = self._part
        if part is None:
            self._part = value
            return True
        room = part % 100 == 0 or (part % 10 == 0 and part % 100 >= 20 and value < 10)
        room = room or (twenties and part % 100 in (60, 80) and value < 20)
        if value >= 100 or not room:
            return False
        self._part = part + value
        return True

    def read(self, figures: str) -> bool:
        """Takes figures; False where they are no plain number, or one was begun."""
        if self.text or not re.fullmatch(r"\d{1,4}(?:[.,]\d{1,2})?", figures):
            return False
        self._part = float(figures.replace(",", "."))
        return True

    def times(self, large: int) -> bool:
        """Takes a word such as hundred or million; False where another number begins with it."""
        value = (1 if self._part is None else self._part) * large
        if large == 100:
            if self._part is not None and self._part >= 100:
                return False
            self._part = value
            return True
        if large >= self._least:
            return False
        self._whole, self._part, self._least = self._whole + round(value), None, large
        return True

    @property
    def text(self) -> str:
        """In figures; empty before the first word."""
        if self._part is None and not self._whole:
            return ""
        return f"{self._whole + (self._part or 0):.10g}"


def _begun(number: _Number, done: list[str]) -> _Number:
    if number.text:
        done.append(number.text)
    return _Number()


def _pieces(word: str, small: dict[str, int], large: dict[str, int]) -> list[str]:
    """A compound as its words, as "zweihundertfünfzig" has three."""
    if word in small or word in large or word[0].isdigit():
        return [word]
    if "-" in word:
        cuts = [place for place, sign in enumerate(word) if sign == "-"]
        cut = next((one for one in reversed(cuts) if word[:one] in small), cuts[0])
        return [*_pieces(word[:cut], small, large), *_pieces(word[cut + 1 :], small, large)]
    for one in large:
        if len(one) > 3 and one in word:
            head, _, tail = word.partition(one)
            rest = tail.removeprefix("und").removeprefix("en")
            return [
                *(_pieces(head, small, large) if head else []),
                one,
                *(_pieces(rest, small, large) if rest else []),
            ]
    return [word]


@functools.cache
def _known(language: str) -> tuple[re.Pattern[str], dict[str, int], dict[str, int]] | None:
    """A pattern of runs of such words, what the small ones and what the large ones are worth."""
    if language not in _UNITS:
        return None
    small = {word.casefold(): number for word, number in _small(language).items() if word != "-"}
    large = {word.casefold(): number for word, number in _LARGE[language].items()}
    alone = {*small, *large, *(word for word in _small(language) if "ß" in word)} - {"ein", "een"}
    words = "|".join(re.escape(word) for word in sorted(alone, key=len, reverse=True))
    one = f"(?:{words})"
    if language in ("de", "nl", "it"):
        # Never tried in another way, so that no document can keep it busy.
        one = rf"(?!(?:ein|een|und|en|ën)(?![^\W\d_]))(?>{words}|ein|een|und|en|ën)++"
    between = rf"[\s-]|\s+{_BETWEEN[language]}\s+" if language in _BETWEEN else r"[\s-]"
    if language in _AFTER_TENS:
        tens = "|".join(word for word in _TENS[language].split() if word != "-")
        one = rf"(?:(?:{tens})(?:{between}|-et-)(?:{'|'.join(_AFTER_TENS[language])})(?![\w-])|{one})"
    many = "|".join(re.escape(word) for word in sorted(large, key=len, reverse=True))
    begins = "|".join([r"\d[\d.,]*(?<=\d)", *_ONE.get(language, ())])
    pattern = rf"(?<![\w-])(?:(?:{begins})[\s-](?=(?:{many})\b))?{one}(?:(?:{between}){one})*(?![\w-])"
    return re.compile(pattern, re.IGNORECASE), small, large


def _small(language: str) -> dict[str, int]:
    units = dict(zip(_UNITS[language].split(), range(2, 20), strict=False))
    tens = dict(zip(_TENS[language].split(), range(20, 100, 10), strict=False))
    ones = {word: number for word, number in units.items() if number < 10 and word != "-"}
    found = {word: number for word, number in (units | tens).items() if word != "-"}
    for stem, number in zip(_HUNDREDS.get(language, "").split(), range(200, 1000, 100), strict=False):
        found |= {f"{stem}os": number, f"{stem}as": number}
    if language in ("de", "nl"):
        found |= {"ein": 1} if language == "de" else {"een": 1}
        for unit, one in {**ones, "ein" if language == "de" else "een": 1}.items():
            joint = "und" if language == "de" else "ën" if unit.endswith("e") else "en"
            found |= {f"{unit}{joint}{ten}": one + number for ten, number in tens.items()}
    if language == "fr":
        found["quatre-vingts"] = 80
    if language == "es":
        found |= {f"veinti{unit}": 20 + one for unit, one in ones.items()}
        found |= {"veintiuno": 21, "veintiuna": 21, "veintiún": 21}
        found |= {"veintidós": 22, "veintitrés": 23, "veintiséis": 26}
    if language == "it":
        for ten, number in tens.items():
            found |= {f"{ten}{unit}": number + one for unit, one in ones.items()}
            found |= {f"{ten[:-1]}otto": number + 8, f"{ten}sei": number + 6}
            found |= {f"{ten[:-1]}uno": number + 1, f"{ten[:-1]}un": number + 1}
    return found
