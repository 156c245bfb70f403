"""Whether sentences are carried by passages, and what a draft is worth."""

import pytest

from bot.citations import without_markers
from bot.drafting import Draft, Drafting, tells
from bot.evidence import units
from bot.support import check
from knowledge.documents import Chunk, Passage

TEXT = "Full-time staff have 26 days of annual leave. Requests go to Maren Holt by 30 June. Dogs are not allowed."


def passages(text: str = TEXT) -> list[Passage]:
    chunk = Chunk("s:leave.md", 0, ("Leave",), None, text)
    return [Passage(chunk, "Leave policy", None, 1.0, 0.6, None, "s", "main")]


def supported(sentence: str, text: str, language: str) -> bool:
    """Whether a passage that says `text` carries `sentence`."""
    found = passages(text)
    return check(sentence, found, units(found), language).unit is not None


def checked(text: str, question: str, found: list[Passage], language: str, *, whole: bool) -> Draft:
    drafting = Drafting(question, found, units(found), language)
    for start in range(0, len(text), 7):
        drafting.add(text[start : start + 7])
    drafting.finish(whole=whole)
    return drafting.draft


@pytest.mark.parametrize(
    "sentence",
    [
        "Full-time staff have 26 days of annual leave.",
        "You have 26 days of leave.",
        "Requests go to Maren Holt.",
        "Dogs are not allowed.",
    ],
)
def test_what_the_passage_says_is_supported(sentence: str) -> None:
    assert check(sentence, passages(), units(passages()), "en").unit is not None


@pytest.mark.parametrize(
    "sentence",
    [
        "Full-time staff have 28 days of annual leave.",
        "Requests go to Peter Holt.",
        "Requests go to Maren Holt by 30 July.",
        "Dogs are allowed.",
        "Full-time staff do not have 26 days of annual leave.",
        "The moon is made of green cheese.",
        "Yes.",
        "",
    ],
)
def test_a_changed_number_name_or_sense_is_not_supported(sentence: str) -> None:
    carried = check(sentence, passages(), units(passages()), "en")

    assert carried.unit is None
    assert carried.reason


@pytest.mark.parametrize(
    ("sentence", "text", "language", "holds"),
    [
        ("The notice period is three months.", "The notice period is two months.", "en", False),
        ("The notice period is 2 months.", "The notice period is two months.", "en", True),
        ("Die Frist beträgt drei Monate.", "Die Frist beträgt zwei Monate.", "de", False),
        ("O prazo é de três meses.", "O prazo é de dois meses.", "pt", False),
        ("The freezer is kept at 18 °C.", "The freezer is kept at -18 °C.", "en", False),
        ("The freezer is kept at -18 °C.", "The freezer is kept at 18 °C.", "en", False),
        ("The freezer is kept at minus 18 °C.", "The freezer is kept at −18 °C.", "en", True),
        ("The fridge is kept at 2-8 °C.", "The fridge is kept between 2 and 8 °C.", "en", True),
        ("Kontakt für Reisen ist Frau Şahin.", "Kontakt für Reisen ist Frau Yıldız.", "de", False),
        ("Kontakt für Reisen ist Frau Şahin.", "Kontakt für Reisen ist Frau Şahin.", "de", True),
        (
            "Отпуск всех сотрудников утверждает Петрова.",
            "Отпуск всех сотрудников утверждает Иванова.",
            "ru",
            False,
        ),
        ("The notice period is thirty days.", "The notice period is twenty days.", "en", False),
        (
            "The notice period of all full-time staff is twenty-five days.",
            "The notice period of all full-time staff is 25 days.",
            "en",
            True,
        ),
        ("The notice period is 200 days.", "The notice period is two hundred days.", "en", True),
        ("Die Frist beträgt dreißig Tage.", "Die Frist beträgt zwanzig Tage.", "de", False),
        ("Die Frist beträgt 25 Tage.", "Die Frist beträgt fünfundzwanzig Tage.", "de", True),
        ("The budget is 2 billion euros.", "The budget is 2 million euros.", "en", False),
        ("La réunion a lieu le 3 mars à Paris.", "La réunion a lieu le 3 mai à Paris.", "fr", False),
        ("La réunion a lieu le 3 mai à Paris.", "La réunion a lieu le 3 mai à Paris.", "fr", True),
        ("The fee is 20 EUR.", "The fee is ２０ EUR.", "en", True),
        ("The limit is 1½ days.", "The limit is 1¼ days.", "en", False),
        ("The limit is 1½ days.", "The limit is 1 ½ days.", "en", True),
        ("Claims must be filed within 30 hours.", "Claims must be filed within 30 days.", "en", False),
        ("Claims must be filed in 30 days.", "Claims must be filed within 30 working days.", "en", True),
        ("The fee for lost keys is 25 percent.", "The fee for lost keys is €25.", "en", False),
        ("The fee for lost keys is 25 EUR.", "The fee for lost keys is €25.", "en", True),
        ("Write to anna@example.org for a badge.", "Write to bert@example.org for a badge.", "en", False),
        ("Log in at https://a.example/x.", "Log in at https://a.example/x, always.", "en", True),
    ],
)
def test_a_number_in_words_below_zero_or_a_name_of_any_letters_is_compared(
    sentence: str, text: str, language: str, holds: bool
) -> None:
    assert supported(sentence, text, language) is holds


@pytest.mark.parametrize(
    ("language", "sentence", "text"),
    [
        ("en", "Turn the printer on.", "Turn the printer off."),
        ("en", "The heating is off at night.", "The heating is on at night."),
        ("en", "Requests must be made after the holiday.", "Requests must be made before the holiday."),
        ("en", "The fee is under 20 EUR.", "The fee is over 20 EUR."),
        ("en", "Claims are paid until 5 March.", "Claims are paid from 5 March."),
        ("en", "The office opens at 9 am.", "The office opens at 9 p.m."),
        ("de", "Das Büro ist ab 18 Uhr geöffnet.", "Das Büro ist bis 18 Uhr geöffnet."),
        ("de", "Der Antrag ist nach dem Urlaub zu stellen.", "Der Antrag ist vor dem Urlaub zu stellen."),
        ("fr", "La demande se fait après le congé.", "La demande se fait avant le congé."),
    ],
)
def test_a_word_in_the_place_of_its_opposite_turns_a_sentence_round(
    language: str, sentence: str, text: str
) -> None:
    found = passages(text)
    assert check(sentence, found, units(found), language).reason == "turns the passage round"
    said = passages(sentence)
    assert check(sentence, said, units(said), language).unit is not None


@pytest.mark.parametrize(
    ("language", "sentence", "text"),
    [
        (
            "en",
            "The yearly budget for training is 2,000 euros.",
            "The yearly budget for training is two thousand euros.",
        ),
        (
            "en",
            "The yearly budget for training is two million euros.",
            "The yearly budget for training is €2 million.",
        ),
        ("en", "Two people must sign.", "2 people must sign."),
        ("en", "The trial lasts 1 month for everybody.", "The trial lasts one month for everybody."),
        (
            "de",
            "Die Frist beträgt in der Probezeit 1 Monat.",
            "Die Frist beträgt in der Probezeit einen Monat.",
        ),
        ("de", "Die Pauschale für Reisen beträgt 28 Euro.", "Die Pauschale für Reisen beträgt 28 €."),
        ("de", "Reisekosten werden zu 50 Prozent erstattet.", "Reisekosten werden zu 50 % erstattet."),
        ("fr", "Le remboursement est de 20 pour cent.", "Le remboursement est de 20 %."),
        (
            "en",
            "Claims must be filed within 30 days.",
            "Claims must be filed within 30 working days. A call takes 30 minutes.",
        ),
        (
            "en",
            "Staff get a 20% discount on meals in the canteen.",
            "Staff get 20% off meals in the canteen.",
        ),
        ("en", "Claims must be sent by 30 June.", "Claims must be sent no later than 30 June."),
        ("en", "Room 5 is for guests.", "Room No. 5 is for guests."),
        ("de", "Hotels dürfen höchstens 150 EUR kosten.", "Hotels dürfen nicht mehr als 150 EUR kosten."),
        ("en", "Our chat runs on GPT-4.1 since May.", "Our chat runs on GPT-4.1 since May."),
        ("en", "The pump weighs 5 kg.", "The pump weighs 5kg."),
        ("en", "- **You have 26 days of annual leave.**", "Full-time staff have 26 days of annual leave."),
        ("en", "1. Submit the form within 30 days.", "Submit the form within 30 days."),
        (
            "en",
            "Dogs are not allowed in the office.",
            "| Place | Not allowed |\n|---|---|\n| office | dogs |",
        ),
        (
            "en",
            "For an amount up to 20,000 EUR ask the regional manager.",
            "| Amount without tax | Who |\n|---|---|\n| up to 20,000 EUR | regional manager |",
        ),
    ],
)
def test_the_same_said_otherwise_is_supported(language: str, sentence: str, text: str) -> None:
    assert supported(sentence, text, language)


@pytest.mark.parametrize(
    ("language", "sentence", "text"),
    [
        ("en", "The large room holds 50 people.", "The large room holds one hundred and fifty people."),
        ("en", "The yearly budget is 1000000 euros.", "The yearly budget is 2 million euros."),
        ("de", "Der Raum fasst zweihundertfünfzig Personen.", "Der Raum fasst dreihundertfünfzig Personen."),
        ("es", "La sala tiene doscientas sillas.", "La sala tiene trescientas sillas."),
        ("fr", "Le forfait est de 60 euros.", "Le forfait est de soixante-dix euros."),
        ("fr", "Le remboursement est de 100 pour cent.", "Le remboursement est de 20 pour cent."),
        ("en", "Hotels may cost more than 150 EUR.", "Hotels may cost no more than 150 EUR."),
        ("en", "Dogs are allowed in the office.", "| Place | Not allowed |\n|---|---|\n| office | dogs |"),
    ],
)
def test_another_number_or_the_contrary_is_not(language: str, sentence: str, text: str) -> None:
    assert not supported(sentence, text, language)


def test_every_reading_of_a_table_is_supported_by_its_row() -> None:
    text = "| Item | Without asking | Needs approval |\n|---|---|---|\n| Docking station | no | yes, £140 |"
    (row,) = (unit for unit in units(passages(text)) if unit.reading != unit.text)
    assert check(row.reading, passages(text), units(passages(text)), "en").unit == row


def test_an_index_behind_a_word_is_no_citation() -> None:
    found = passages("The first argument of the script is sys.argv[1].")
    assert without_markers("It is sys.argv[1].", found) == "It is sys.argv[1]."
    assert without_markers("It is the first argument[1].", found) == "It is the first argument."
    grid = passages("The middle is grid[1][2].")
    assert without_markers("The middle is grid[1][2][1] [1].", grid) == "The middle is grid[1][2]."


def test_an_opposite_of_something_else_turns_nothing_round() -> None:
    found = passages("The office closes at 5 p.m. and opens at 9 a.m. on Mondays, before the shop.")
    said = "The office opens at 9 am."
    assert check(said, found, units(found), "en").unit is not None


def test_a_not_above_a_list_belongs_to_its_items() -> None:
    found = passages("In the office you may not:\n\n- bring pets\n- smoke at the desk")
    assert check("You may bring pets.", found, units(found), "en").unit is None
    assert check("You may not bring pets.", found, units(found), "en").unit is not None


def test_a_word_that_begins_with_a_dot_keeps_its_blank() -> None:
    assert without_markers("Upload a .csv file [1] .", passages()) == "Upload a .csv file."


def test_thousands_are_one_number_however_they_are_written() -> None:
    found = passages("The limit is 1,500 euros.")

    assert check("The limit is 1500 euros.", found, units(found), "en").unit is not None
    assert check("The limit is 15000 euros.", found, units(found), "en").unit is None


@pytest.mark.parametrize("written", ["1'500", "1’500", "1 500", "1\u00a0500", "1\u2009500", "1\u202f500"])
def test_thousands_in_groups_are_one_number(written: str) -> None:
    found = passages(f"The annual bonus is {written} francs.")

    def holds(amount: str) -> bool:
        return check(f"The annual bonus is {amount} francs.", found, units(found), "en").unit is not None

    assert [holds(amount) for amount in ("1500", "1,500", written)] == [True] * 3
    assert [holds(amount) for amount in ("500", "1", "1501")] == [False] * 3


@pytest.mark.parametrize(
    ("sentence", "text", "holds"),
    [
        ("Rooms 101 102 103 are closed.", "Rooms 101 102 103 are closed.", True),
        ("Rooms 101, 102 and 103 are closed.", "Rooms 101, 102 and 103 are closed.", True),
        ("Room 102 is closed.", "Rooms 101, 102 and 103 are closed.", True),
        ("Rooms 102 are closed.", "Rooms 101 102 103 are closed.", False),
        ("The hotline is 044 123 45 67.", "The hotline is 044 123 45 67.", True),
        ("The hotline is +41 44 123 456.", "The hotline is +41 44 123 456.", True),
        ("In 2024 100 people came.", "In 2024 100 people came.", True),
        ("Only 100 people came.", "In 2024 only 100 people came.", True),
        ("We order paper A4 100 times.", "We order paper A4 100 times.", True),
        ("We order 100 times.", "We order paper A4 100 times.", True),
    ],
)
def test_numbers_beside_each_other_are_never_told_as_another_number(
    sentence: str, text: str, holds: bool
) -> None:
    assert supported(sentence, text, "en") is holds


@pytest.mark.parametrize(
    ("sentence", "text", "holds"),
    [
        ("The build needs Python 3.1.", "The build needs Python 3.10.", False),
        ("The build needs Python 3.10.", "The build needs Python 3.10.", True),
        ("The office closes on 1.1. every year.", "The office closes on 1.10. every year.", False),
        ("The printer has the address 10.0.0.1.", "The printer has the address 10.0.0.10.", False),
        ("The meal costs 2.5 EUR.", "The meal costs 2.50 EUR.", True),
        ("The meal at noon costs €2.50.", "The meal at noon costs €2.5.", True),
        ("The yearly bonus rate is 3.5 %.", "The yearly bonus rate is 3.50%.", True),
        ("The bonus rate is 3.5 %.", "The bonus rate is 35 %.", False),
        ("The limit is 1500 EUR.", "The limit is 1,500.00 EUR.", True),
        ("The shop opens at 14:30.", "The shop opens at 14:30.", True),
        ("The shop opens at 14:3.", "The shop opens at 14:30.", False),
    ],
)
def test_a_zero_at_the_end_counts_but_in_an_amount(sentence: str, text: str, holds: bool) -> None:
    assert supported(sentence, text, "en") is holds


@pytest.mark.parametrize(
    ("language", "sentence", "text"),
    [
        ("fr", "Le parking est gratuit.", "Le parking n’est plus gratuit."),
        ("fr", "Le personnel entre dans la salle.", "Personne du personnel n'entre dans la salle."),
        ("fr", "Les visiteurs restent dans la cour.", "Les visiteurs ne restent dans la cour."),
        ("de", "Der Serverraum darf betreten werden.", "Der Serverraum darf von niemandem betreten werden."),
        (
            "de",
            "Mitarbeiter dürfen den Serverraum betreten.",
            "Weder Mitarbeiter noch Gäste dürfen den Serverraum betreten.",
        ),
        (
            "de",
            "Die Werkstatt darf ohne Schlüssel betreten werden.",
            "Die Werkstatt darf von niemandem ohne Schlüssel betreten werden.",
        ),
        ("ru", "Сотрудники могут брать отпуск летом.", "Сотрудники не могут брать отпуск летом."),
        ("es", "El personal entra en la sala.", "Tampoco el personal entra en la sala."),
        ("it", "Il visitatore entra nella sala.", "Nessun'altra visitatore entra nella sala."),
        ("nl", "De bezoekers parkeren hier.", "De bezoekers parkeren nergens hier."),
        ("pt", "O pessoal entra na sala.", "Ninguém do pessoal entra na sala."),
        ("el", "Οι επισκέπτες μπαίνουν στην αίθουσα.", "Οι επισκέπτες δεν μπαίνουν στην αίθουσα."),
    ],
)
def test_a_lost_not_is_seen_in_every_language(language: str, sentence: str, text: str) -> None:
    assert not supported(sentence, text, language)
    assert supported(text, text, language)


def test_a_french_person_and_a_number_are_no_not() -> None:
    found = passages("Chaque personne paie le repas au guichet n° 5.")

    assert check("Le repas se paie au guichet.", found, units(found), "fr").unit is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The support hotline is (415) 555-0132.", "The support hotline is (415) 555-0132 [1]."),
        (
            "Overtime pay follows section 4(3) of the agreement.",
            "Overtime pay follows section 4(3) of the agreement.",
        ),
        (
            "Overtime pay follows section 4(1) of the agreement.",
            "Overtime pay follows section 4(1) of the agreement (source 1).",
        ),
        ("Overtime pay is (1) hourly and (2) taxed.", "Overtime pay is (1) hourly and (2) taxed [1]."),
        ("Overtime pay is hourly.", "Overtime pay is hourly (1)."),
    ],
)
def test_numbers_in_brackets_are_taken_out_only_where_they_cite(text: str, said: str) -> None:
    draft = checked(said, "What holds?", passages(text), "en", whole=True)

    assert [sentence.text for sentence in draft.sentences] == [text]


def test_a_draft_keeps_only_the_sentences_that_hold() -> None:
    draft = checked(
        "Full-time staff have 26 days of annual leave [3]. They also get a bicycle.",
        "How many days of leave?",
        passages(),
        "en",
        whole=True,
    )

    assert [sentence.text for sentence in draft.sentences] == [
        "Full-time staff have 26 days of annual leave."
    ]
    assert draft.sentences[0].unit.passage == 1


def test_a_draft_that_only_repeats_the_question_tells_nothing() -> None:
    draft = checked(
        "You have days of annual leave.",
        "How many days of annual leave do I have?",
        passages(),
        "en",
        whole=True,
    )

    assert not tells(draft, units(passages())[0], "How many days of annual leave do I have?", "en")


def test_a_date_or_an_hour_with_full_stops_is_not_cut_though_it_comes_word_by_word() -> None:
    text = "Der Antrag muss bis zum 31. Dezember da sein. Das Büro hilft."
    draft = checked(text, "Bis wann?", passages(text), "de", whole=True)
    assert [one.text for one in draft.sentences] == [
        "Der Antrag muss bis zum 31. Dezember da sein.",
        "Das Büro hilft.",
    ]


def test_a_sentence_that_was_cut_off_does_not_count() -> None:
    cut = checked("Full-time staff have 26 days of annual", "How many days?", passages(), "en", whole=False)

    assert cut.sentences == ()


def test_the_models_own_refusal_is_heard() -> None:
    assert checked("The sources do not mention this.", "What is it?", passages(), "en", whole=True).gave_up


def test_the_refusal_that_models_are_trained_to_give_is_heard_and_is_no_sentence() -> None:
    text = "I could not find an answer to this in the documents."
    draft = checked(text, "What is it?", passages(text), "en", whole=True)

    assert draft == Draft((), gave_up=True)


def test_of_passages_that_say_the_same_the_one_that_the_model_named_is_cited() -> None:
    found = [*passages("Leave is 26 days."), *passages("Leave is 26 days."), *passages("Dogs stay out.")]

    def cited(text: str) -> list[int]:
        draft = checked(text, "How long?", found, "en", whole=True)
        return [sentence.unit.passage for sentence in draft.sentences]

    assert [cited("26 days of leave."), cited("26 days of leave [2]."), cited("26 days of leave [3].")] == [
        [1],
        [2],
        [1],
    ]


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("passive immunity.", True),
        ("colostrum.", False),
        ("given to the infant.", False),
        ("not given to the infant.", True),
    ],
)
def test_some_words_of_a_passage_are_turned_only_by_a_not_that_is_near(said: str, holds: bool) -> None:
    text = "This is passive immunity, because the foetus makes no memory cells, and colostrum is not given to the infant."
    found = passages(text.replace("and colostrum", "and no colostrum"))
    assert (check(said, found, units(found), "en").unit is not None) is holds
