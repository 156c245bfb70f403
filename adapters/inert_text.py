"""Text out of which no chat platform makes a link, a mention or an embed, and that still reads as it did.

Rule: only signs are added, and only the word joiner (U+2060), which is invisible; nothing is looked up,
and what is not known to be harmless is broken.
"""

from __future__ import annotations

import re
import unicodedata

from adapters.top_level_domains import FILE_ENDINGS, TOP_LEVEL_DOMAINS

JOINER = "\u2060"
"""Stands inside what would come alive. It is no white space, so it never ends or starts a line or a word."""

_MOST_MARKS = 30
"""Combining marks that one sign may carry; the bound of Unicode's stream-safe text format (UAX 15)."""

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0080-\U000e0fff]"
)
_TAGS = re.compile(
    "(\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f)|[\U000e0000-\U000e007f]"
)
_JOINING = re.compile("[\u200c\u200d]")
_STACKED = re.compile(
    f"([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{{{_MOST_MARKS}}})[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)

_KNOWN_SCHEMES = (
    "https?|ftp|file|javascript|vbscript|data|blob|mailto|tel|sms|callto|facetime|sip|skype|slack|discord|steam"
    "|magnet|xmpp|geo|intent|about|view-source|ms-[a-z]+|chrome|vscode|zoommtg|webcal|feed|git|ssh|irc"
)
_SCHEME = re.compile(r"(?<=:)(?=//)|(?<=[A-Za-z+.\-]:)(?=[^\s:])")
_SCHEME_IN_CODE = re.compile(rf"((?<![A-Za-z])(?:{_KNOWN_SCHEMES}):)(?=[^\s:{JOINER}])", re.IGNORECASE)
_SLASHES = re.compile(r"(?<=:)(?=//)")
_LABEL = re.compile(r"(?<=[^\s.。．｡][.。．｡])(?=([^\W_][\w\-]*)([.。．｡]\w)?)")
_NUMBERS = re.compile(r"(?<=\d\.)(?=\d{1,3}[:/])")
_AT = re.compile(r"(?<=@)(?=\w)")
_AT_IN_CODE = re.compile(r"(?<=@)(?=everyone|here|channel|group)|(?<=[\w+.\-]@)(?=\w)", re.IGNORECASE)
_ANGLE = re.compile(r"(?<=<)(?=[^\s<=])")
_ANGLE_IN_CODE = re.compile(
    r"(?<=<)(?=[@#!:]|[at]:|\+\d|mailto:|tel:|sms:|id:|sound:|/[^<>\n]{1,100}:\d|[^<>\s]{1,40}\^)"
)
_WWW = re.compile(r"(?<=www)(?=\.)", re.IGNORECASE)
_ENTITY = re.compile(r"(?<=&)(?=#?\w{1,32};)")
_BRACKET = re.compile(r"(?<=\])(?=[(:])")
_HASH = re.compile(r"(?<=#)(?=[^\W\d_])")
_INVITE = re.compile(r"(?<=discord\.)(?=\w)|(?<=discordapp\.)(?=\w)|(?<=dsc\.)(?=gg)", re.IGNORECASE)
_TARGET = re.compile(r"(?<=\])(?=\((?:\s*<?[^\s()]+[:./@]|[^\n()]*\Z))")
_FENCE = re.compile("`{3,}")


def clean(text: str) -> str:
    """`text` with its line ends as newlines and without what cannot be seen: control, bidirectional and
    zero-width characters, tags, lone surrogates, noncharacters. Joiners between letters and emoji stay, as
    do the flags that are spelled with tags."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    text = _STACKED.sub(r"\1", _TAGS.sub(lambda found: found[1] or "", text))
    return _JOINING.sub(_joining, text)


def inert(text: str) -> str:
    """Prose, clean, in which no scheme, host, address, mention, entity or Markdown link is left whole."""
    text = _SCHEME.sub(JOINER, clean(text))
    text = _LABEL.sub(_label, text)
    for pattern in (_WWW, _NUMBERS, _AT, _ANGLE, _ENTITY, _BRACKET, _HASH):
        text = pattern.sub(JOINER, text)
    return text


def inert_code(text: str, *, hosts: bool) -> str:
    """Code, clean, with the same promise as `inert` and as few joiners as it can be kept with, for code is
    copied. `hosts` breaks bare host names under known top-level domains, for platforms that link these."""
    text = _SLASHES.sub(JOINER, clean(text))
    text = _SCHEME_IN_CODE.sub(rf"\1{JOINER}", text)
    if hosts:
        text = _LABEL.sub(_label_in_code, text)
        text = _NUMBERS.sub(JOINER, text)
    text = _ENTITY.sub(JOINER, text)
    return _quiet(text)


def quiet(text: str) -> str:
    """Text of a block of code that a platform leaves alone, clean, still without mentions, invitations,
    the end of the block, and that of a link begun before it."""
    return _quiet(clean(text))


def _quiet(text: str) -> str:
    for pattern in (_WWW, _AT_IN_CODE, _ANGLE_IN_CODE, _INVITE, _TARGET):
        text = pattern.sub(JOINER, text)
    return _FENCE.sub(lambda found: JOINER.join(found[0]), text)


def _label(found: re.Match[str]) -> str:
    """A joiner where the label after a dot could be, or be followed by, a top-level domain."""
    label, more = found[1], found[2]
    if not more and label.lower() in FILE_ENDINGS:
        return ""
    if found.string[found.start() - 1] == "。" and not label[0].isascii():
        return ""
    letters = label[0].isalpha() and (len(label) > 1 or ord(label) > 127)
    return JOINER if letters or more else ""


def _label_in_code(found: re.Match[str]) -> str:
    label = found[1].lower()
    foreign = label.startswith("xn--") or not label.isascii()
    return JOINER if foreign or label in TOP_LEVEL_DOMAINS else ""


def _joining(found: re.Match[str]) -> str:
    """The joiner where both its neighbours can be joined, else nothing."""
    at = found.start()
    before, after = found.string[at - 1 : at], found.string[at + 1 : at + 2]
    return found[0] if _joins(before) and _joins(after) else ""


def _joins(sign: str) -> bool:
    if not sign or sign.isascii():
        return False
    return unicodedata.category(sign)[0] in "LM" or unicodedata.category(sign) in ("So", "Sk")
