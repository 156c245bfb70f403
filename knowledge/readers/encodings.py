"""Turns the bytes of a text file into text.

Rule: never fails; a byte order mark counts first, then UTF-8 if it fits, then what measures best.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES: Final = 65_536
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_MOJIBAKE_LEADS: Final = re.compile("[ÃÂÅÐÑØÙ][\x80-\xbf\u2018-\u203a€ƒ„…†‡ˆ‰Š‹ŒŽ™š›œžŸ]")


def decode(body: bytes, *, encoding: str | None = None, partial: bool = False) -> str:
    """`body` as text with "\\n" line ends; `encoding` is one that the file itself declares.

    `partial` says that the bytes may be cut in the middle of a character.
    """
    text = _decode(body, declared=encoding, partial=partial)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def looks_like_text(body: bytes) -> bool:
    """Whether the first kilobytes read as text in some encoding."""
    sample = body[:8192]
    text = decode(sample, partial=True)
    if not text:
        return True
    return len(_CONTROLS.findall(text)) / len(text) < 0.02


def _decode(body: bytes, *, declared: str | None, partial: bool) -> str:
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "ignore" if partial else "replace")
    wide = _wide(body[:4096])
    if wide is not None:
        return body.decode(wide, "ignore" if partial else "replace")
    if b"\x1b$" in body or b"\x1b(J" in body:
        try:
            return body.decode("iso2022_jp")
        except UnicodeDecodeError:
            pass
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        if (partial and error.start > len(body) - 4) or _is_nearly_utf8(body):
            return body.decode("utf-8", "replace" if not partial else "ignore")
    if declared is not None:
        try:
            return body.decode(declared, "replace")
        except (LookupError, UnicodeError):
            pass
    return body.decode(_guess(body), "replace")


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where the zero bytes of Latin text stand."""
    if sample.count(0) < max(1, len(sample) // 8):
        return None
    columns = [sample[offset::4].count(0) / max(1, len(sample[offset::4])) for offset in range(4)]
    full, bare = 0.7, 0.3
    if columns[1] > full and columns[2] > full and columns[3] > full and columns[0] < bare:
        return "utf-32-le"
    if columns[0] > full and columns[1] > full and columns[2] > full and columns[3] < bare:
        return "utf-32-be"
    if min(columns[1], columns[3]) > 0.4 and max(columns[0], columns[2]) < bare:
        return "utf-16-le"
    if min(columns[0], columns[2]) > 0.4 and max(columns[1], columns[3]) < bare:
        return "utf-16-be"
    return None


def _is_nearly_utf8(body: bytes) -> bool:
    """Whether nearly all non-ASCII characters of the start are valid UTF-8: one broken byte is a slip."""
    sample = body[:_SAMPLE_BYTES].decode("utf-8", "replace")
    broken = sample.count("\ufffd")
    valid = sum(1 for character in sample if character > "\x7f" and character != "\ufffd")
    return valid > 20 * broken


def _guess(body: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = _dense_sample(body)
    western = sample.decode("cp1252", "replace")
    if _reads_as_western(western):
        return "cp1252"
    for name in ("euc_jp", "cp932"):
        if _reads_as_japanese(sample, name):
            return name
    best = from_bytes(sample, threshold=0.35).best()
    return best.encoding if best is not None else "cp1252"


def _dense_sample(body: bytes) -> bytes:
    """The lines that hold non-ASCII bytes, up to the sample size: the others say nothing."""
    if len(body) <= _SAMPLE_BYTES:
        return body
    lines = [line for line in body[: 16 * _SAMPLE_BYTES].splitlines(keepends=True) if not line.isascii()]
    return b"".join(lines)[:_SAMPLE_BYTES] or body[:_SAMPLE_BYTES]


def _reads_as_japanese(sample: bytes, encoding: str) -> bool:
    """Whether a quarter of the non-ASCII characters are kana, which other code pages do not turn into."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    foreign = [character for character in text if character > "\x7f"]
    return sum(1 for character in foreign if "\u3041" <= character <= "\u30fe") > len(foreign) / 4


def _reads_as_western(text: str) -> bool:
    """Whether the non-ASCII characters are those of one Western European language, rare among ASCII letters.

    charset-normalizer takes short Italian and Swedish for other code pages; Czech or Hungarian read
    as Windows-1252 mixes characters that no one of these languages has together.
    """
    foreign = [character for character in text if character > "\x7f"]
    if not foreign or "\ufffd" in foreign or _MOJIBAKE_LEADS.search(text):
        return False
    letters = sum(1 for character in text if character.isascii() and character.isalpha())
    if letters <= 3 * len(foreign) and len(foreign) > 8:
        return False
    return any(
        sum(1 for character in foreign if character in usual) >= 0.95 * len(foreign) for usual in _WESTERN
    )


_SIGNS: Final = "€£§©®°±²³·«»“”‘’„‚–—…•™\xa0"
_WESTERN: Final = tuple(
    frozenset(letters + letters.upper() + _SIGNS)
    for letters in (
        "äöüßéèà",  # German
        "àâçéèêëîïôùûüÿœæ",  # French
        "áéíñóúü¿¡ªº",  # Spanish
        "àèéìòù",  # Italian
        "áâãàçéêíóôõú",  # Portuguese
        "åäöæøé",  # Danish, Norwegian, Swedish, Finnish
        "ëïéèöüóá",  # Dutch
        "áéíóúýþðæö",  # Icelandic
        # Several of them together, without the letters that Central European text turns into.
        "äöüßéèàâçêëîïôœáíóúñ¿¡åæã",
    )
)
