"""Questions in a conversation."""

import pytest

from bot.followup import may_stand_alone, standalone, understood
from models.engine.generator import Turn

EARLIER = (Turn("user", "How many days of annual leave do employees have?"), Turn("assistant", "26 days [1]"))


@pytest.mark.parametrize(
    "question", ["and for contractors?", "What about apprentices?", "How is it calculated?", "Why?"]
)
def test_a_question_that_leans_on_the_last_one_is_searched_with_it(question: str) -> None:
    assert standalone(question, EARLIER, "en") == f"{EARLIER[0].text} {question}"


def test_a_question_that_stands_on_its_own_changes_the_topic() -> None:
    question = "Where do visitors park their cars at the main office?"

    assert standalone(question, EARLIER, "en") == question


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Wie hoch ist die Reisekostenpauschale?", "de"),
        ("Welche Farbe hat die Dienstkleidung?", "de"),
        ("¿Qué es la VPN corporativa?", "es"),
        ("Qual è il prezzo del parcheggio?", "it"),
        ("Quelle est la durée du congé en été ?", "fr"),
        ("Is there a canteen for visitors?", "en"),
    ],
)
def test_a_word_that_points_back_in_another_language_begins_a_topic(question: str, language: str) -> None:
    assert standalone(question, EARLIER, language) == question


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("E-mail retention period for contractors?", "en"),
        ("O-ring replacement interval?", "en"),
        ("Y-axis calibration procedure", "en"),
        ("O ring replacement interval?", "en"),
        ("E-Mail-Signatur für Externe?", "de"),
        ("E-mail per i fornitori esterni?", "it"),
        ("Or-dépôt: procédure complète visiteurs?", "fr"),
    ],
)
def test_a_word_that_only_begins_like_an_opener_begins_a_topic(question: str, language: str) -> None:
    assert standalone(question, EARLIER, language) == question


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("or for seasonal contract workers?", "en"),
        ("y para los becarios del verano?", "es"),
        ("e per gli stagisti del magazzino?", "it"),
        ("en voor stagiairs zonder contract?", "nl"),
        ("et pour les stagiaires en alternance ?", "fr"),
        ("e para os estagiários novos?", "pt"),
    ],
)
def test_short_openers_count_in_their_own_language(question: str, language: str) -> None:
    assert standalone(question, EARLIER, language) == f"{EARLIER[0].text} {question}"


def test_a_chain_of_follow_ups_leans_on_the_question_it_began_with() -> None:
    earlier = (*EARLIER, Turn("user", "and for contractors?"), Turn("assistant", "none [1]"))

    assert standalone("and for apprentices?", earlier, "en") == f"{EARLIER[0].text} and for apprentices?"


def test_a_first_question_is_left_as_it_is() -> None:
    assert standalone("and for contractors?", (), "en") == "and for contractors?"


def test_thanks_are_nothing_that_a_question_leans_on() -> None:
    earlier = (*EARLIER, Turn("user", "Great, thanks a lot for your help!"), Turn("assistant", "Ask me."))

    assert standalone("and for contractors?", earlier, "en") == f"{EARLIER[0].text} and for contractors?"


def test_a_question_without_a_telling_word_is_in_the_language_of_the_one_it_leans_on() -> None:
    german = (Turn("user", "Wie viele Urlaubstage habe ich?"), Turn("assistant", "26 [1]"))

    assert understood("Teilzeit?", german) == ("Wie viele Urlaubstage habe ich? Teilzeit?", "de")
    assert understood("Und in Berlin?", EARLIER) == (f"{EARLIER[0].text} Und in Berlin?", "de")
    assert understood("Teilzeit?", ()) == ("Teilzeit?", "en")
    assert understood("Teilzeit?", german, "fr")[1] == "fr"


def test_each_question_of_a_conversation_is_read_in_its_own_language() -> None:
    earlier = (*EARLIER, Turn("user", "Why is that?"), Turn("assistant", "So it is. [1]"))

    assert standalone("Und in Berlin?", earlier, "de") == f"{EARLIER[0].text} Und in Berlin?"


@pytest.mark.parametrize(
    ("question", "language", "may"),
    [
        ("And how do I reset my password?", "en", True),
        ("Und wo finde ich den Parkplatz?", "de", True),
        ("and for seasonal contract workers?", "en", False),
        ("and why?", "en", False),
        ("What about apprentices?", "en", False),
        ("How is it calculated?", "en", False),
    ],
)
def test_only_a_question_with_all_its_words_may_begin_a_topic_with_and(
    question: str, language: str, may: bool
) -> None:
    assert may_stand_alone(question, language) == may
