"""Words, languages, and what kind of thing a question asks for."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.asked_kind import Kind, asked_kind, holds_kind
from bot.languages import language_of
from bot.words import content_words, plain_number, stem, words


def test_inflected_words_share_a_stem_and_function_words_are_left_out() -> None:
    assert content_words("How are the expenses approved?", "en") == ["expens", "approv"]
    assert content_words("expense approvals", "en") == ["expens", "approv"]
    assert content_words("Wie viele Urlaubstage habe ich?", "de") == ["viel", "urlaubstag"]


def test_scripts_without_spaces_are_read_sign_by_sign() -> None:
    assert words("有給休暇") == ["有", "給", "休", "暇"]


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("1,500", "1500"),
        ("1.500", "1500"),
        ("1'500", "1500"),
        ("1\u202f500", "1500"),
        ("1,234,567.80", "1234567.8"),
        ("1.500,00", "1500"),
        ("2,50", "2.50"),
        ("2.5", "2.5"),
        ("0.500", "0.500"),
        ("14:30", "14:30"),
        ("3.10", "3.10"),
        ("1.1.2020", "1.1.2020"),
        ("10.0.0.100", "10.0.0.100"),
    ],
)
def test_thousands_are_read_as_one_number_and_no_zero_of_a_date_or_version_is_lost(
    number: str, plain: str
) -> None:
    assert plain_number(number) == plain


def test_thousands_with_apostrophes_are_one_word() -> None:
    assert words("CHF 1'500.50 or 1’500, not 5'10") == ["chf", "1500.5", "or", "1500", "not", "5'10"]


def test_stems_are_the_same_whoever_else_stems_at_the_time() -> None:
    beginnings = ["act", "relat", "nation", "general", "connect", "depend", "organ", "operat", "form", "hope"]
    ends = ["ion", "ions", "ing", "ed", "ness", "fully", "ization", "ational", "ively", "ment", "ments", "s"]
    known = {
        f"{extra}{begun}{end}": "" for extra, begun, end in itertools.product("abdegmoprst", beginnings, ends)
    }
    known = {word: stem.__wrapped__(word, "en") for word in known}

    def stems(seed: int) -> dict[str, str]:
        mine = list(known)
        random.Random(seed).shuffle(mine)
        return {word: stem.__wrapped__(word, "en") for word in mine}

    with ThreadPoolExecutor(6) as threads:
        assert all(found == known for found in threads.map(stems, range(6)))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many days of leave do I have?", "en"),
        ("parking cost visitors?", "en"),
        ("fuel limit per month", "en"),
        ("van door code", "en"),
        ("die Probezeit", "de"),
        ("per quanto tempo dura la garanzia", "it"),
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
    ("question", "kind"),
    [
        ("How many days of leave do I get?", "span"),
        ("How much notice do I have to give?", "span"),
        ("Until when can I hand in receipts?", "moment"),
        ("Wann muss ich kündigen?", "moment"),
        ("What is the limit for gifts?", "number"),
        ("What does a parking place cost?", "money"),
        ("What percentage of the meal is paid?", "share"),
        ("Who approves a purchase?", None),
        ("Which form do I need?", None),
        ("What should I do when the smoke alarm goes off?", None),
        ("Who is called when the pump stops?", None),
        ("When does the gate open?", "moment"),
        ("My badge is lost. By when must I tell?", "moment"),
        ("Can you tell me when the gate opens?", "moment"),
    ],
)
def test_the_words_of_a_question_tell_what_kind_of_thing_it_asks_for(question: str, kind: str | None) -> None:
    assert asked_kind(question) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("by 30 June", "moment"),
        ("at 15:00", "moment"),
        ("three working weeks", "span"),
        ("within 7 working days", "span"),
        ("0.45 EUR per kilometre", "money"),
        ("3.5 % of the salary", "share"),
        ("call +49 30 1234567", "contact"),
        ("two of them", "number"),
    ],
)
def test_kinds_of_things_are_seen_in_figures_and_in_words(text: str, kind: Kind) -> None:
    assert holds_kind(text, kind)
    assert not holds_kind("ask the desk", kind)
    assert holds_kind("ask the desk", None)
