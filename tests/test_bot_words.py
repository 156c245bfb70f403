"""Words, languages, and what kind of thing a question asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.asked_kind import asks_for_a_number, has_a_number
from bot.languages import language_of
from bot.words import content_words, words


def test_inflected_words_share_a_stem_and_function_words_are_left_out() -> None:
    assert content_words("How are the expenses approved?", "en") == ["expens", "approv"]
    assert content_words("expense approvals", "en") == ["expens", "approv"]
    assert content_words("Wie viele Urlaubstage habe ich?", "de") == ["viel", "urlaubstag"]


def test_scripts_without_spaces_are_read_sign_by_sign() -> None:
    assert words("有給休暇") == ["有", "給", "休", "暇"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many days of leave do I have?", "en"),
        ("parking cost visitors?", "en"),
        ("Wie viele Tage Urlaub habe ich?", "de"),
        ("Combien de jours de congé ai-je ?", "fr"),
        ("¿Cuántos días de vacaciones tengo?", "es"),
        ("Hoeveel vakantiedagen heb ik?", "nl"),
        ("Quanti giorni di ferie ho?", "it"),
        ("有給休暇は何日ですか", "ja"),
        ("Сколько дней отпуска?", "ru"),
        ("", "en"),
    ],
)
def test_a_question_is_known_by_its_function_words_or_script(text: str, language: str) -> None:
    assert language_of(text) == language


@given(st.text())
def test_any_text_has_words_and_a_language(text: str) -> None:
    assert len(language_of(text)) == 2
    assert all(word == word.casefold() for word in words(text))


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("How many days of leave?", True),
        ("Until when can I hand in receipts?", True),
        ("What is the limit for gifts?", True),
        ("Wann muss ich kündigen?", True),
        ("Who approves a purchase?", False),
        ("Which form do I need?", False),
    ],
)
def test_a_question_tells_by_its_first_words_whether_it_asks_for_a_number(
    question: str, *, asks: bool
) -> None:
    assert asks_for_a_number(question) is asks


def test_numbers_are_seen_in_figures_and_in_words() -> None:
    assert has_a_number("by 30 June")
    assert has_a_number("on the fourth of May")
    assert has_a_number("three weeks")
    assert not has_a_number("ask the desk")
