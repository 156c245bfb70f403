"""Whether sentences are carried by passages, and what a draft is worth."""

import pytest

from bot.drafting import Draft, Drafting, tells
from bot.evidence import units
from bot.support import check
from knowledge.documents import Chunk, Passage

TEXT = "Full-time staff have 26 days of annual leave. Requests go to Maren Holt by 30 June. Dogs are not allowed."


def passages(text: str = TEXT) -> list[Passage]:
    chunk = Chunk("s:leave.md", 0, ("Leave",), None, text)
    return [Passage(chunk, "Leave policy", None, 1.0, 0.6, None, "s", "main")]


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


def test_thousands_are_one_number_however_they_are_written() -> None:
    found = passages("The limit is 1,500 euros.")

    assert check("The limit is 1500 euros.", found, units(found), "en").unit is not None
    assert check("The limit is 15000 euros.", found, units(found), "en").unit is None


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
