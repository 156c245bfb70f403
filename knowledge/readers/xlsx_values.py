"""Writes the values of a workbook's cells as their number formats show them.

Rule: follows ECMA-376 part 1, 18.8.31, in what a format adds (signs, words, zeros, scale); it never rounds.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import Final, Literal

_Kind = Literal["words", "sign", "place", "mark"]
_Token = tuple[_Kind, str]

_LONGEST_FORM: Final = 255  # what Excel takes
_LARGEST: Final = 1e21  # numbers beyond are written with an exponent
_SMALLEST: Final = 1e-12
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[(?P<bracket>[^\]]*)\]|(?P<place>General|[0#?@])|(?P<mark>.)',
    re.I | re.S,
)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "<>": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
_BARE_SIGNS: Final = ("€", "£", "¥", "$")
_NO_MASK: Final = frozenset(".,/%eE")
_NO_WORD: Final = frozenset("+<>=|~^`")


@dataclass(frozen=True, slots=True)
class _Section:
    """One part of a format: its tokens, those from the first to the last digit, and when it holds."""

    tokens: tuple[_Token, ...]
    first: int
    last: int
    condition: tuple[str, float] | None

    @property
    def percent(self) -> bool:
        return ("mark", "%") in self.tokens

    @property
    def scale(self) -> int:
        """By how many thousands a number is divided: the commas right behind its last digit."""
        behind = self.tokens[self.last + 1 :]
        return next((count for count, token in enumerate(behind) if token != ("mark", ",")), len(behind))

    @property
    def is_mask(self) -> bool:
        """Whether digits are put into places, as of postcodes and telephone numbers."""
        inside = self.tokens[self.first : self.last + 1]
        if self.percent or self.scale or any(kind == "place" and text not in "0#?" for kind, text in inside):
            return False
        if any(kind == "mark" and text in _NO_MASK for kind, text in inside):
            return False
        return ("place", "0") in inside[:-1] or any(kind != "place" for kind, _ in inside)


def written(value: object, form: str) -> str:
    """A cell's value as a person would read it; dates are in ISO 8601."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, form)
    if isinstance(value, datetime):
        if value.time() == time():
            return value.date().isoformat()
        exact = value.second and "s" in form.lower()
        return value.isoformat(sep=" ", timespec="seconds" if exact else "minutes")
    if isinstance(value, timedelta):
        return _duration(value, form.lower())
    return value.isoformat() if isinstance(value, date) else str(value)


def _duration(value: timedelta, form: str) -> str:
    """A length of time in the largest unit of its format, which may go beyond a day."""
    seconds = round(value.total_seconds())
    minus, seconds = "-" if seconds < 0 else "", abs(seconds)
    if "[s" in form:
        return f"{minus}{seconds}"
    if "[m" in form:
        return f"{minus}{seconds // 60}:{seconds % 60:02}"
    text = f"{minus}{seconds // 3600}:{seconds // 60 % 60:02}"
    return f"{text}:{seconds % 60:02}" if seconds % 60 or "s" in form else text


def _number(value: float, form: str) -> str:
    if not abs(value) < _LARGEST:
        return _plain(value)
    section, has_sign = _section(value, _sections(form if len(form) <= _LONGEST_FORM else "General"))
    if section.last < 0:  # words alone, as in "Yes";"Yes";"No"
        return "".join(_texts(section.tokens)).strip() or _plain(value)
    if section.is_mask and value == int(value):
        return _masked(int(abs(value)), section, "-" if value < 0 and not has_sign else "")
    before = "".join(_texts(section.tokens[: section.first]))
    after = "".join(_texts(section.tokens[section.last + 1 :], behind=True))
    if before.strip() == "€":
        before, after = "", f" €{after}"
    elif unicodedata.category(before.rstrip()[-1:] or " ") == "Sc":
        before = before.rstrip()  # "$100", but "CHF 100"
    scaled = value / 1000**section.scale if section.scale else value
    number = f"{_plain(round(scaled * 100, 6))}%" if section.percent else _plain(scaled)
    if has_sign and any(
        character.isalpha() for kind, text in section.tokens if kind == "words" for character in text
    ):
        number = number.removeprefix("-")  # the words of a section for negative numbers say so
    if number.startswith("-"):
        before, number = f"-{before.lstrip()}", number[1:]
    return " ".join(f"{before}{number}{after}".split())


def _section(value: float, sections: tuple[_Section, ...]) -> tuple[_Section, bool]:
    """The part of a format that holds for a value, and whether it is one for negative numbers alone."""
    if any(section.condition for section in sections):
        for section in sections:
            if section.condition is None or _COMPARE[section.condition[0]](value, section.condition[1]):
                return section, False
        return sections[0], False
    if value < 0 and len(sections) > 1:
        return sections[1], True
    return sections[2 if value == 0 and len(sections) > 2 else 0], False


@lru_cache(maxsize=1024)
def _sections(form: str) -> tuple[_Section, ...]:
    found: list[_Section] = []
    tokens: list[_Token] = []
    condition: tuple[str, float] | None = None
    for match in (*_TOKEN.finditer(form), None):
        if match is None or match["mark"] == ";":
            places = [number for number, (kind, _) in enumerate(tokens) if kind == "place"]
            first, last = (places[0], places[-1]) if places else (len(tokens), -1)
            found.append(_Section(tuple(tokens), first, last, condition))
            tokens, condition = [], None
        elif match["bracket"] is None:
            tokens.extend(_token(match))
        elif match["bracket"].startswith("$"):
            sign = match["bracket"][1:].partition("-")[0].strip()
            tokens.extend([("sign", sign)] if sign else [])
        elif limit := _CONDITION.fullmatch(match["bracket"].strip()):
            condition = (limit[1], float(limit[2]))
    return tuple(found)


def _token(match: re.Match[str]) -> Iterator[_Token]:
    words = match["quoted"] if match["quoted"] is not None else match["escaped"]
    if words is not None:
        yield ("sign", words.strip()) if words.strip() in _BARE_SIGNS else ("words", words)
    elif match["place"]:
        yield "place", match["place"]
    elif match["mark"]:
        yield ("sign" if match["mark"] in _BARE_SIGNS else "mark"), match["mark"]


def _texts(tokens: tuple[_Token, ...], *, behind: bool = False) -> Iterator[str]:
    """What stands before or behind a number: words and signs, without brackets, dashes and the like alone."""
    for kind, run in groupby(tokens, key=lambda token: token[0]):
        text = "".join(text for _, text in run)
        if kind == "sign" and not behind:
            yield f"{text} " if text[-1].isalpha() or text[-1] == "." else text
        elif kind == "sign":
            yield f" {text}"
        elif kind == "words" and any(map(_says_something, text)):
            yield text
        else:
            yield " " if " " in text or "\xa0" in text else ""


def _says_something(character: str) -> bool:
    if character.isalnum() or character in "%‰#":
        return True
    return unicodedata.category(character)[0] == "S" and character not in _NO_WORD


def _masked(value: int, section: _Section, minus: str) -> str:
    """The digits in their places from the right; what is left over stands in the first place."""
    digits = str(value) if value else ""
    pieces: list[str] = []
    for number in range(len(section.tokens) - 1, -1, -1):
        kind, text = section.tokens[number]
        if kind != "place":
            pieces.append(text)
        elif number == section.first:
            pieces.append(digits or ("0" if text == "0" else ""))
        else:
            pieces.append(digits[-1:] or ("0" if text == "0" else ""))
            digits = digits[:-1]
    return minus + "".join(reversed(pieces)).strip()


def _plain(value: float) -> str:
    """A number without an exponent, and without the last digits, in which computers err."""
    if isinstance(value, int):
        return str(value)
    if not abs(value) < _LARGEST or 0 < abs(value) < _SMALLEST:
        return f"{value:.12g}"
    digits = min(15, max(12, len(str(int(abs(value)))) + 2))
    return f"{Decimal(f'{value:.{digits}g}'):f}"
