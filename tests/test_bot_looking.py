"""What passages say to a question when a judge reads them too, and answers in the words that it points at."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest

from bot.answer import Answer
from bot.assistant import AnswerSettings, Assistant, Quote
from bot.citations import cite
from bot.evaluation.golden import dangling
from bot.evidence import units
from bot.looking import Looking, evidence_alone, point, whole_passages
from bot.question import Question
from bot.quoting import quoted
from knowledge.documents import Chunk, Passage
from knowledge.store import Readable
from models.embedding.word_vectors import WordVectors
from models.engine.scripted import ScriptedGenerator
from models.judge.calibration import Calibration
from models.judge.judge import Span

HOURS = "The barrier of the car park opens at 6:00.\nThe barrier of the car park closes at 21:30.\nCall Wim."
GARDEN = "The barrier of the garden is green."
ASKED = "When does the barrier of the car park close?"


class Knowing:
    """A judge that knows the answer, and is as sure of it as `log_likelihood` says."""

    def __init__(self, answer: str, log_likelihood: float = -0.1, *, odds: float = 2.0) -> None:
        self._answer = answer
        self._log_likelihood = log_likelihood
        self._odds = odds
        self.calibration = Calibration(weight=0.06, slope=1.0, offset=0.0, refuse_below=0.1)

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        return [self._odds if self._answer in passage else -self._odds for passage in passages]

    def points(self, question: str, passages: Sequence[str]) -> list[Span]:
        starts = [passage.find(self._answer) for passage in passages]
        sure = [self._log_likelihood if start >= 0 else -math.inf for start in starts]
        return [Span(at, at + len(self._answer), one) for at, one in zip(starts, sure, strict=True)]


class Fixed:
    """A search that always finds the same."""

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        return PASSAGES


def passage(name: str, text: str) -> Passage:
    return Passage(Chunk(f"s:{name}", 0, (), None, text), name, None, 1.0, 0.5, None, "s", "main")


PASSAGES = [passage("Garden", GARDEN), passage("Parking", HOURS)]


def answered(
    judge: Knowing | None,
    said: str,
    *,
    quote: Quote = "never",
    lora: str | None = "house",
    pointing: bool = True,
) -> Answer:
    settings = AnswerSettings(quote=quote, lora=lora, pointing=pointing, only_evidence=True)
    one = Assistant(Fixed(), WordVectors(), ScriptedGenerator(said), settings=settings, judge=judge)
    return asyncio.run(one.answer(Question(ASKED)))


def test_the_sentence_that_a_judge_takes_for_the_answer_comes_first() -> None:
    def best(judge: Knowing | None) -> str:
        looking = Looking(WordVectors(), judge, whole_passages(1))
        return looking.at(ASKED, PASSAGES, "en").evidence[0].unit.reading

    assert best(None) == "The barrier of the car park closes at 21:30."
    assert best(Knowing("6:00", odds=20.0)) == "The barrier of the car park opens at 6:00."
    assert best(Knowing("green", odds=20.0)) == GARDEN


def test_a_judge_that_read_nothing_of_what_is_far_off_loses_none_of_it() -> None:
    long = passage("Long", " ".join(f"Rule {n} of the barrier." for n in range(60)))
    seen = Looking(WordVectors(), Knowing("21:30"), whole_passages(3)).at(ASKED, [*PASSAGES, long], "en")
    assert len(seen.evidence) == 64
    assert sorted(seen.shown) == [1, 2, 3]


def test_what_stands_in_what_a_model_reads_are_its_units() -> None:
    alone = Looking(WordVectors(), Knowing("21:30"), evidence_alone).at(ASKED, PASSAGES, "en")
    read = "\n".join(passage.chunk.text for passage in alone.shown.values())
    assert "21:30" in read
    assert "Wim" not in read
    assert {unit.reading for unit in alone.units} == set(read.split("\n"))
    whole = Looking(WordVectors(), None, whole_passages(2)).at(ASKED, PASSAGES, "en")
    assert len(whole.units) == 4


def test_a_question_in_another_language_is_not_pointed_at() -> None:
    looking = Looking(WordVectors(), Knowing("21:30"), whole_passages(1))
    assert looking.at(ASKED, PASSAGES, "en").pointed is not None
    assert looking.at("Wann schließt die Schranke des Parkplatzes?", PASSAGES, "de").pointed is None


def test_words_that_a_judge_points_at_stand_where_the_models_do_not_hold() -> None:
    answer = answered(Knowing("21:30"), "At midnight, by the moon [1].")
    assert answer.text == "21:30 [2]"
    assert answer.voice == "quotes"
    assert answer.citations[0].quote == "The barrier of the car park closes at 21:30."
    assert dangling(answer) == 0


@pytest.mark.parametrize(("log_likelihood", "text"), [(-0.1, "21:30 [2]"), (-3.0, "6:00. [2]")])
def test_a_small_models_words_must_agree_with_a_sure_judge_alone(log_likelihood: float, text: str) -> None:
    assert answered(Knowing("21:30", log_likelihood), "6:00 [2].").text == text


def test_pointed_words_come_without_the_mark_of_a_list_and_with_their_brackets() -> None:
    def pointed(text: str, answer: str) -> str:
        one = passage("List", text)
        found = point(ASKED, [one], units([one])[0], Knowing(answer))
        return found.words

    assert pointed("- at 21:30, daily", "- at 21:30,") == "at 21:30"
    assert pointed("It closes at nine (21:30) daily.", "nine (21:30") == "nine (21:30)"
    assert pointed("It is -5 degrees.", "-5 degrees") == "-5 degrees"


def test_without_a_model_pointed_words_lead_the_quotes() -> None:
    settings = AnswerSettings(quote="always", pointing=True)
    one = Assistant(
        Fixed(), WordVectors(), None, settings=settings, judge=Knowing("21:30"), without_model="gone"
    )
    answer = asyncio.run(one.answer(Question(ASKED)))
    assert answer.text.startswith("21:30 [2]\n\n")
    assert (answer.voice, answer.note) == ("quotes", "gone")


def test_words_of_the_model_that_agree_stand_as_it_wrote_them() -> None:
    answer = answered(Knowing("21:30"), "It closes at 21:30 [2].")
    assert (answer.text, answer.voice) == ("It closes at 21:30. [2]", "model")


def test_pointed_words_lead_the_quotes_of_a_model_that_said_something_else() -> None:
    answer = answered(Knowing("21:30"), "Call Wim [2].", quote="always")
    lead, quotes = answer.text.split("\n\n")
    assert lead == "21:30 [2]"
    assert "The barrier of the car park closes at 21:30." in quotes


def test_words_that_the_judge_is_not_sure_of_lead_no_quotes() -> None:
    answer = answered(Knowing("21:30", -2.0), "Call Wim [2].", quote="always")
    assert answer.lead == ""
    assert "The barrier of the car park closes at 21:30." in answer.text
    assert answered(Knowing("21:30", -2.0), "At midnight, by the moon [1].").text == "21:30 [2]"


@pytest.mark.parametrize(
    ("judge", "pointing"),
    [
        (Knowing("21:30", -6.0), True),
        (Knowing("the car park", -0.1), True),
        (Knowing("21:30"), False),
        (None, True),
    ],
)
def test_an_unsure_judge_words_of_the_question_and_a_large_model_change_nothing(
    judge: Knowing | None, *, pointing: bool
) -> None:
    answer = answered(judge, "At midnight [1].", pointing=pointing)
    assert answer.voice == "quotes"
    assert "The barrier of the car park" in answer.text


def test_numbers_of_the_documents_own_are_no_sources_of_the_answer() -> None:
    text = "Call the hotline (650) 273 in Oslo [12, 13]. Call the desk in Rome."
    one = passage("Numbers", text)
    found = Looking(WordVectors(), Knowing("(650) 273 in Oslo [12"), evidence_alone)
    seen = found.at("Call the hotline in Oslo", [one], "en")
    assert seen.pointed is not None
    assert seen.pointed.words == "(650) 273 in Oslo [12"
    assert quoted([seen.evidence[0].unit]) == "Call the hotline (650) 273 in Oslo (12, 13). [1]"
    own = Answer(
        question="",
        text="Call the hotline (650) 273. [1]",
        status="answered",
        language="en",
        voice="quotes",
        citations=cite([one], [seen.evidence[0].unit]),
        passages=(one,),
    )
    assert dangling(own) == 0
