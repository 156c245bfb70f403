"""Where in an unfinished paragraph the first construct begins that later text could still complete.

Rule: in doubt a construct counts as open; what comes before it is then certain.
"""

from __future__ import annotations

import re

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace

_BACKTICKS = re.compile("`+")
_RUN = re.compile(r"\*+|_+|~+")
_TARGET = re.compile(r"\((?:[^\s()<>\"'\\]*|<[^<>\n\\]*>)\)")
_NO_TARGET = re.compile(r"\([^\s()<>\"'\\]+[ ]+[^\s()<>\"'\\]")
_AUTOLINK = re.compile(
    r"<(?:[A-Za-z][A-Za-z0-9+.\-]{1,31}:[^<>\x00-\x20]*|[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+)>", re.ASCII
)
_INNER = re.compile(r"[^\W_\u0e00-\U0010ffff]\*[^\W_\u0e00-\U0010ffff]")
_HALF_AUTOLINK = re.compile(r"<[^<>\s]*\Z")


def first_open(text: str) -> tuple[int, list[int]]:
    """The offset of the first open construct in a paragraph's source, or its length, and the offsets of the
    white space before it that stands in no construct."""
    spaces: list[int] = []
    return _scan(text, 0, len(text), spaces), spaces


def _scan(text: str, at: int, end: int, spaces: list[int] | None = None) -> int:
    """The first open construct from `at` on, or `end`; one that goes beyond `end` is open."""
    while at < end:
        sign = text[at]
        if sign == "\\":
            after = at + 2 if at + 1 < end else None
        elif sign == "`":
            after = _after_code(text, at)
        elif sign == "[":
            after = _after_bracket(text, at, end)
        elif sign == "<":
            after = _after_angle(text, at)
        elif sign in "*_~":
            after = _after_style(text, at, end)
        else:
            after = at + 1
            if spaces is not None and sign.isspace():
                spaces.append(at)
        if after is None or after > end:
            return at
        at = after
    return end


def _after_code(text: str, at: int) -> int | None:
    opening = _BACKTICKS.match(text, at)
    assert opening is not None
    for closing in _BACKTICKS.finditer(text, opening.end()):
        if closing.end() < len(text) and len(closing[0]) == len(opening[0]):
            return closing.end()
    return None


def _after_angle(text: str, at: int) -> int | None:
    if whole := _AUTOLINK.match(text, at):
        return whole.end()
    return None if _HALF_AUTOLINK.match(text, at) else at + 1


def _after_bracket(text: str, at: int, end: int) -> int | None:
    """Behind a link, or behind a bracket that can open none."""
    close = _matching(text, at, end)
    if close is None or close + 1 >= len(text):
        return None
    if text[close + 1] != "(":
        return at + 1
    if "](" in text[at + 1 : close] or _scan(text, at + 1, close) != close:
        return None
    if target := _TARGET.match(text, close + 1):
        return target.end()
    return close + 1 if _NO_TARGET.match(text, close + 1) else None


def _matching(text: str, at: int, end: int) -> int | None:
    depth = 0
    while at < end:
        sign = text[at]
        if sign == "\\":
            at += 1
        elif sign == "`":
            after = _after_code(text, at)
            if after is None:
                return None
            at = after - 1
        elif sign in "[]":
            depth += 1 if sign == "[" else -1
            if depth == 0:
                return at
        at += 1
    return None


def _after_style(text: str, at: int, end: int) -> int | None:
    """Behind a style that is closed by a run as long as the one that opens it, with nothing open inside."""
    sign, stop = text[at], _run_end(text, at)
    if stop >= len(text):
        return None
    opens, closes = _flanks(text, at, stop)
    if (sign == "~" and stop - at == 1) or not (opens or closes):
        return stop
    if sign == "~" and stop - at != 2:
        return None
    if not opens:
        return stop
    close = stop
    while (close := text.find(sign, close, end)) >= 0:
        close_end = _run_end(text, close)
        if close_end < len(text) and _flanks(text, close, close_end) == (False, False):
            close = close_end
            continue
        fits = close_end - close == stop - at and close_end < len(text)
        if fits and _flanks(text, close, close_end)[1] and _scan(text, stop, close) == close:
            return close_end
        return None
    return None


def within_word(text: str, at: int) -> bool:
    """Whether at `at` one star stands between letters or figures, as in a product; those of scripts that put no
    spaces between words do not count."""
    return at > 0 and _INNER.match(text, at - 1) is not None


def _run_end(text: str, at: int) -> int:
    run = _RUN.match(text, at)
    assert run is not None
    return run.end()


def _flanks(text: str, at: int, stop: int) -> tuple[bool, bool]:
    """Whether a run of marks can open and can close a style, by CommonMark's rules (0.31, section 6.2), but for
    stars within words."""
    if within_word(text, at):
        return False, False
    before, after = text[at - 1] if at else " ", text[stop]
    space_before, space_after = isWhiteSpace(ord(before)), isWhiteSpace(ord(after))
    sign_before = isMdAsciiPunct(ord(before)) or isPunctChar(before)
    sign_after = isMdAsciiPunct(ord(after)) or isPunctChar(after)
    left = not space_after and (not sign_after or space_before or sign_before)
    right = not space_before and (not sign_before or space_after or sign_after)
    if text[at] == "_":
        return left and (not right or sign_before), right and (not left or sign_after)
    return left, right
