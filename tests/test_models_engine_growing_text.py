"""Whole characters only, and nothing of a stop text."""

from __future__ import annotations

import pytest

from models.engine.growing_text import GrowingText


def shown(text: GrowingText, tokens: list[bytes]) -> str:
    pieces = []
    for token in tokens:
        pieces.append(text.add(token))
        if text.stopped:
            break
    return "".join(pieces) + text.rest()


def test_character_that_comes_in_four_tokens_is_shown_once_and_whole() -> None:
    text = GrowingText()
    pieces = [text.add(bytes([byte])) for byte in "a😀b".encode()]
    assert pieces == ["a", "", "", "", "😀", "b"]


def test_half_a_character_at_the_end_is_dropped() -> None:
    assert shown(GrowingText(), [b"ok", "é".encode()[:1]]) == "ok"


def test_bytes_that_are_no_text_leave_no_mark() -> None:
    assert shown(GrowingText(), [b"a\xff\xfe", b"\xed\xa0\x80", b"b"]) == "ab"


@pytest.mark.parametrize("cut", range(1, 9))
def test_stop_text_is_found_however_the_tokens_cut_it(cut: int) -> None:
    whole = b"one\nQuestion: two"
    text = GrowingText(["\nQuestion:"])
    assert shown(text, [whole[:cut], whole[cut : cut + 4], whole[cut + 4 :]]) == "one"
    assert text.stopped


def test_beginning_of_a_stop_text_is_shown_when_the_rest_does_not_come() -> None:
    text = GrowingText(["</answer>"])
    assert text.add(b"less </") == "less "
    assert text.add(b"b>") == "</b>"
    assert text.add(b"</ans") == ""
    assert text.rest() == "</ans"


def test_first_of_several_stop_texts_ends_the_answer() -> None:
    assert shown(GrowingText(["END", "STOP", ""]), [b"a STOP b END"]) == "a "
