"""Answers scored against references, and golden questions."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.answer import Answer, Citation
from bot.errors import WrongUse
from bot.evaluation.answers import exact, f1, scores
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.datasets import ReferenceQuestion, load_answers, load_squad
from bot.evaluation.golden import GoldenQuestion, GoldenReport, dangling, holds, load_golden, run_golden
from bot.question import Question
from knowledge.documents import Chunk, Passage
from knowledge.store import Readable


def answer(text: str, *, status: str = "answered", quote: str = "It has 26 days.") -> Answer:
    passage = Passage(
        chunk=Chunk("benchmark:Leave/0", 0, (), None, "It has 26 days. Ask Maren Holt."),
        title="Leave",
        url=None,
        score=1.0,
        similarity=0.5,
        updated_at=None,
        source="benchmark",
        collection="benchmark",
    )
    cited = Citation(1, "benchmark:Leave/0", "Leave", "", None, quote, None, "benchmark", "benchmark")
    return Answer(
        question="?",
        text=text,
        status=status,  # type: ignore[arg-type]
        language="en",
        voice="quotes",
        citations=(cited,) if "[1]" in text else (),
        passages=(passage,),
    )


class _Says:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def answer(self, asked: Question) -> Answer:
        return self._answer


class _Nothing:
    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        return []


def test_f1_and_exact_match_are_those_of_squad() -> None:
    assert exact("The 26 days!", "26 days") == 1
    assert f1("26 days of leave", "26 days") == pytest.approx(2 / 3)
    assert f1("", "26 days") == 0


def test_scores_tell_answers_refusals_and_citations_apart() -> None:
    known = ReferenceQuestion("How many?", ("26 days", "26"), "Leave/0")
    unknown = ReferenceQuestion("Why?", (), "Leave/0")
    found = scores(
        [
            (known, answer("26 days [1]")),
            (known, answer("I could not find it.", status="refused")),
            (unknown, answer("I could not find it.", status="refused")),
            (unknown, answer("Because of 77 rules by Peter Holt. [1]")),
        ]
    )

    assert (found.answerable, found.unanswerable) == (2, 2)
    assert found.em == found.f1 == found.false_refusals == found.refused == 0.5
    assert found.citation_precision == found.citation_recall == 1
    assert found.hallucinated_entities == 0.5
    assert found.ungrounded_sentences == 0.5
    assert found.overall_f1 == 0.5


def test_a_marker_without_a_citation_and_a_quote_from_nowhere_are_counted() -> None:
    assert dangling(answer("26 days [1]")) == 0
    assert dangling(answer("26 days [2]")) == 1
    assert dangling(answer("26 days [1] and more [3]")) == 1
    assert dangling(answer("26 days [1]", quote="It has 27 days.")) == 1


@pytest.mark.parametrize(
    ("text", "fact", "there"),
    [
        ("It takes 6 weeks.", "6 weeks", True),
        ("It takes 26 weeks.", "6 weeks", False),
        ("It costs 0.45 EUR", "0.45", True),
        ("It costs 10.45 EUR", "0.45", False),
        ("Ask  Maren\nHolt", "maren holt", True),
        ("by 15:00", "15:00", True),
        ("It costs £11.50", "£11", False),
        ("It costs £11.", "£11", True),
        ("5 days.", "5 days", True),
        ("1,500 euros", "1,500", True),
    ],
)
def test_a_fact_stands_in_a_text_as_whole_words(text: str, fact: str, *, there: bool) -> None:
    assert holds(text, fact) is there


def test_questions_and_paragraphs_are_read_from_a_squad_file(tmp_path: Path) -> None:
    file = tmp_path / "squad.json"
    file.write_text(
        '{"data": [{"title": "A_B", "paragraphs": [{"context": "It has 26 days.", "qas": ['
        '{"id": "1", "question": "How many?", "answers": [{"text": "26 days", "answer_start": 7}]},'
        '{"id": "2", "question": "Why?", "is_impossible": true, "answers": []}]}]}]}'
    )
    texts, questions = load_answers(file)

    assert [(text.name, text.title) for text in texts] == [("A B/0", "A B")]
    assert [question.references for question in questions] == [("26 days",), ()]


def test_paragraphs_of_articles_with_the_same_title_have_names_of_their_own(tmp_path: Path) -> None:
    def article(title: str, *contexts: str) -> dict[str, object]:
        asked = {one: [{"id": one, "question": one, "answers": [{"text": one}]}] for one in contexts}
        paragraphs = [{"context": one, "qas": rows} for one, rows in asked.items()]
        return {"title": title, "paragraphs": paragraphs}

    file = tmp_path / "squad.json"
    file.write_text(
        json.dumps({"data": [article("F Q", "berlin", "bonn"), article("X", "oslo"), article("F_Q", "rome")]})
    )
    texts, questions = load_answers(file)
    assert [text.name for text in texts] == ["F Q/0", "F Q/1", "X/0", "F Q/2"]
    named = {text.name: text.text for text in texts}
    assert [named[question.text] for question in questions] == ["berlin", "bonn", "oslo", "rome"]
    judged = load_squad(file)
    assert judged.texts == texts
    assert judged.relevant == {text.text: {text.name: 1} for text in texts}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "question = 1",
        "[[question]]\nask = 1",
        "[[question]]\nask = 'x'",
        "not toml [",
        "[[question]]\nask = 'x'\nfacts = 3\ndocuments = ['a']",
        "[[question]]\nask = 'x'\nfacts = '30 days'\ndocuments = ['a']",
        "[[question]]\nask = 'x'\nfacts = [[{}]]\ndocuments = ['a']",
        "[[question]]\nask = 'x'\nfacts = [[]]\ndocuments = ['a']",
        "[[question]]\nask = 'x'\nfacts = [['y'], ['z', ' ']]\ndocuments = ['a']",
        "[[question]]\nask = 'x'\nfacts = [['y']]\ndocuments = ['']",
        "[[question]]\nask = ' '\nanswerable = false",
        "[[question]]\nask = 'x'\nanswerable = 'false'",
        "[[question]]\nask = 'x'\nfacts = [['y']]\ndocuments = ['a']\nmust = 'yes'",
        "[[question]]\nid = 'same'\nask = 'x'\nanswerable = false\n[[question]]\nid = 'same'\nask = 'y'\nanswerable = false",
        "[[question]]\nid = '2'\nask = 'x'\nanswerable = false\n[[question]]\nask = 'y'\nanswerable = false",
    ],
)
def test_broken_golden_questions_are_told_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "golden.toml"
    file.write_text(text)

    with pytest.raises(WrongUse) as caught:
        load_golden(file)

    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_marker_is_no_fact_and_a_document_may_stand_alone(tmp_path: Path) -> None:
    file = tmp_path / "golden.toml"
    text = "[[question]]\nask = 'How many?'\nfacts = ['2', ['a', 5]]\ndocuments = 'h:a.md'"
    file.write_text(text, encoding="utf-8-sig")
    (question,) = load_golden(file)
    assert (question.facts, question.documents) == ((("2",), ("a", "5")), ("h:a.md",))
    only = replace(question, facts=(("2",),))

    found = asyncio.run(run_golden([only], _Says(answer("It is 5 [2].\n\nIt has 26 days. [1]")), _Nothing()))
    assert [result.facts for result in found.results] == [False]

    assert GoldenReport(found.results).leads == (0, 1)


def test_an_index_that_the_passage_has_is_no_marker_and_may_be_a_fact(tmp_path: Path) -> None:
    told = "Use argv[1] to name the input file."
    found = answer("argv[1]. [1]\n\nUse argv[1] to name the input file. [1]", quote=told)
    (passage,) = found.passages
    found = replace(found, passages=(replace(passage, chunk=replace(passage.chunk, text=told)),))
    golden = GoldenQuestion(
        id="1",
        ask="What names the input file?",
        answerable=True,
        facts=(("argv[1]",),),
        documents=("benchmark:Leave/0",),
    )

    (result,) = asyncio.run(run_golden([golden], _Says(found), _Nothing())).results
    assert result.right
    assert GoldenReport((result,)).leads == (1, 1)
    question = ReferenceQuestion(golden.ask, ("argv[1]",), "Leave/0")
    assert AskedQuestion(question, "Leave", replace(found, text="argv[1]. [1]")).exact == 1
    assert scores([(question, found)]).ungrounded_sentences == 0
