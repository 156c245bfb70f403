"""Numbers in words become figures, and no text takes long or breaks anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.measures import plain
from bot.written_numbers import in_figures


@pytest.mark.parametrize(
    ("language", "text", "figures"),
    [
        ("en", "Two hundred and fifty people, a hundred chairs", "250 people, 100 chairs"),
        ("en", "two or three, five and six, twenty-five", "2 or 3, 5 and 6, 25"),
        ("en", "2.5 million, two million five hundred thousand", "2500000, 2500000"),
        ("en", "one of them, a million, someone", "one of them, 1000000, someone"),
        ("en", "twenty-one, two hundred and thirty one, ninety-one thousand", "21, 231, 91000"),
        ("en", "fifty, one by one; twenty one-time payments", "50, one by one; 20 one-time payments"),
        ("fr", "vingt et un jours, trente-et-une, quatre-vingt-un, un jour", "21 jours, 31, 81, un jour"),
        ("es", "treinta y un días, veintiuna, un día", "31 días, 21, un día"),
        ("it", "ventuno, trentun giorni, un giorno", "21, 31 giorni, un giorno"),
        ("pt", "vinte e uma, um dia", "21, um dia"),
        ("ru", "двадцать один день, один", "21 день, один"),
        ("de", "zweihundertfünfzig, dreißig, fünfundzwanzig, eintausendzweihundert", "250, 30, 25, 1200"),
        ("de", "ein Antrag und zwei Katzen im Jahrhundert", "ein Antrag und 2 Katzen im Jahrhundert"),
        ("fr", "soixante-dix, quatre-vingts, quatre-vingt-dix-neuf, deux cents", "70, 80, 99, 200"),
        ("es", "doscientas treinta y cinco, veintidós, ciento veinte", "235, 22, 120"),
        ("it", "ventotto, duecento", "28, 200"),
        ("nl", "vijfentwintig, tweehonderd", "25, 200"),
        ("pt", "duzentos e cinquenta, trinta e cinco", "250, 35"),
        ("ru", "двадцать пять тысяч", "25000"),
        ("ja", "二十日", "二十日"),
    ],
)
def test_numbers_in_words_are_figures(language: str, text: str, figures: str) -> None:
    assert in_figures(text, language) == figures


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "nl", "pt", "ru"])
@pytest.mark.parametrize(
    "word",
    [
        "einundzwanzig",
        "zwei",
        "twenty-",
        "een",
        "ventuno",
        "deux cents ",
        "twenty one ",
        "vingt et ",
        "1,",
        "$1 ",
        "½",
    ],
)
def test_no_text_is_tried_in_more_ways_than_it_has_words(language: str, word: str) -> None:
    assert plain(word * 2000 + "x", language).endswith("x")


@given(st.text(), st.sampled_from(["en", "de", "fr", "es", "it", "nl", "pt", "ru", "ja"]))
def test_any_text_has_a_plain_form(text: str, language: str) -> None:
    assert isinstance(plain(text, language), str)
