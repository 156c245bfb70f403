"""Questions in a conversation."""

import pytest

from bot.followup import standalone
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
