"""What must not be learned by heart: secrets, and what belongs to a person.

Rule: only kinds are told, never what was found; a number counts only where its check digits are right.
"""

from __future__ import annotations

import re

_PLAIN = str.maketrans(
    dict.fromkeys("\u00a0\u2007\u2009\u202f", " ") | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
)
"""Blanks and hyphens that keep a number on one line, as plain ones."""

_KEY = r"(?:password|passwd|passwort|kennwort|pwd|secret|(?:api|access|account)[_ -]?key|token)[\"'`*]{0,3}"
_OF = r"\s+(?:for|of|to|in|on|für|von|vom|zu|zum|zur|des|der|im)(?:\s+[^\s:;!?]*[^\s.,:;!?]){1,6}?"
"""A few words on what the key is for."""

_VALUE = r"[\s\"'`*:]{0,8}(?!&)(?=[^\s\"'`]*\d)(?=[^\s\"'`]*[A-Za-z])[^\s\"'`]{8,}"

_SECRETS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@", re.IGNORECASE),
    "access token": re.compile(
        r"\b(?:xox[a-eoprs]-[\w%-]{10,}|xapp-[\w-]{10,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}"
        r"|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{20,}|sk-[\w-]{20,}|[sr]k_(?:live|test)_\w{16,}"
        r"|ya29\.[\w-]{20,}|hooks\.slack\.com/services/\w+/\w+/\w{16,}|discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"
        # Discord's begins with the bot's number, whose digits base64 writes with few letters.
        r"|(?:[MNO][DTjz][AEIMQUYcgk][0-5w-z]){5,6}[\w-]{0,3}\.[\w-]{6,7}\.[\w-]{27,}"
        r"|(?i:bearer)\s+(?=[\w.~+/-]*\d)(?=[\w.~+/-]*[A-Za-z])[\w.~+/-]{20,})"
    ),
    "API key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}"),
    "password": re.compile(
        rf"{_KEY}(?:\s*[:=]+>?|\s+(?:is|ist|lautet)\b|{_OF}(?:\s*:\s|\s+(?:is|ist|lautet)\b)(?!\s*https?:)){_VALUE}",
        re.IGNORECASE,
    ),
}
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_PHONE = re.compile(
    r"(?<![\w.,/])(?<!\d )(?:(?:\+|00(?!0))\d{1,3}|\(0\d{1,5}\)|\(\d{3}\)|0(?!00)\d{2,5})"
    r"(?:[ ./()-]{0,3}\d){6,12}(?!\w| \d)"
)
_GROUPED = re.compile(
    r"(?<![\w.,/-])(?<!\d )(?:(?!01.02.03)0[1-9]([ .-])\d{2}(?:\1\d{2}){3}|06[ -]\d{8}|(?:1[ .-])?[2-9]\d{2}([ .-])\d{3}\2\d{4})"
    r"(?!\w|[.-]\w| \d)"
)
"""French, Dutch mobile and North American numbers: by their groups, one sign between them all, so that no date is
one."""

_SHORTEST_ABROAD = 12
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\d.,])\d(?:[ -]?\d){12,18}(?![\d.,]\d|\d)")
_IBAN_LENGTHS = range(15, 35)


def secrets_in(text: str) -> list[str]:
    """The kinds of secrets that `text` holds."""
    plain = text.translate(_PLAIN)
    return [kind for kind, pattern in _SECRETS.items() if pattern.search(plain)]


def personal_in(text: str) -> list[str]:
    """The kinds of personal data that `text` holds."""
    plain = text.translate(_PLAIN)
    kinds = {
        "e-mail address": bool(_EMAIL.search(plain)),
        "IBAN": any(map(_is_iban, _IBAN.findall(plain))),
        "card number": any(map(_is_card, _CARD.findall(plain))),
        "phone number": any(map(_is_phone, _PHONE.findall(plain))) or bool(_GROUPED.search(plain)),
    }
    return [kind for kind, found in kinds.items() if found]


def _is_iban(text: str) -> bool:
    """By ISO 13616: the first four signs behind the others, letters as numbers, leave 1 of 97. Words that
    follow in capitals may have been taken along, so that every shorter beginning counts too."""
    bare = text.replace(" ", "")
    return any(_leaves_one(bare[:end]) for end in range(_IBAN_LENGTHS.start, len(bare) + 1))


def _leaves_one(iban: str) -> bool:
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """By Luhn's rule (ISO/IEC 7812): every second digit from the right doubled, the sum a multiple of 10."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    if len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    """A number in one piece that begins with 00 is long, as it names a country; a shorter one is of an order."""
    return not (text.startswith("00") and text.isdigit() and len(text) < _SHORTEST_ABROAD)
