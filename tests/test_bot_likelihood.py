"""Whether the judge counts: for the refusal, for the order of passages, and in the configuration."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.assistant import Assistant
from bot.config import load
from bot.evidence import find_evidence
from bot.judging.calibrating import Weighed, calibrated
from bot.likelihood import ReadingReranker, likelihood, reads
from bot.question import Question
from bot.wiring import Project
from knowledge.documents import Chunk
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import RetrievalSettings, Retriever
from knowledge.store import IndexedChunk
from models.embedding.embedder import Embedder
from models.embedding.word_vectors import WordVectors
from models.judge.calibration import Calibration, read_calibration
from models.judge.judge import Span

LEAVE = "Full-time staff have 26 days of annual leave."


class Reading:
    """A judge that finds an answer wherever `wanted` stands, and remembers what it was shown."""

    def __init__(self, wanted: str, *, calibrated: bool = True) -> None:
        self.wanted = wanted
        self.calibration = (
            Calibration(weight=0.25, slope=3.0, offset=-1.5, refuse_below=0.3) if calibrated else None
        )
        self.shown: list[str] = []

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        self.shown += passages
        return [8.0 if self.wanted in passage else -8.0 for passage in passages]

    def points(self, question: str, passages: Sequence[str]) -> list[Span]:
        found = [passage.find(self.wanted) for passage in passages]
        return [Span(at, at + len(self.wanted), -0.1 if at >= 0 else -math.inf) for at in found]

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return [float(one > 0) for one in self.answers([query] * len(texts), texts)]


def _store(texts: Sequence[str], embedder: Embedder) -> MemoryStore:
    store = MemoryStore(embedder.dimensions)
    items = [
        IndexedChunk(
            chunk=Chunk(f"h:{number}", 0, ("Rules", f"Part {number}"), None, text),
            title="Handbook",
            url=None,
            updated_at=None,
            source="h",
            collection="main",
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
        )
        for number, text in enumerate(texts)
    ]
    ids = [item.chunk.document_id for item in items]
    store.replace("h", ids, [(items, embedder.embed_documents(list(texts)))])
    return store


def _retriever(texts: Sequence[str], judge: Reading | None = None, *, share: float = 1.0) -> Retriever:
    embedder = WordVectors()
    store = _store(texts, embedder)
    return Retriever(store, embedder, settings=RetrievalSettings(reranker_share=share), reranker=judge)


def _status(judge: Reading | None) -> str:
    assistant = Assistant(_retriever([LEAVE]), WordVectors(), None, judge=judge)
    return asyncio.run(assistant.answer(Question("How many days of annual leave do staff have?"))).status


def test_a_question_is_refused_when_the_judge_finds_no_answer() -> None:
    assert _status(None) == "answered"
    assert _status(Reading("26 days")) == "answered"
    assert _status(Reading("40 days")) == "refused"


def test_the_judge_is_shown_where_a_passage_stands() -> None:
    judge = Reading("26")
    _status(judge)
    assert set(judge.shown) == {f"Handbook › Rules › Part 0\n{LEAVE}"}


def test_a_question_in_another_language_is_not_the_judges() -> None:
    sceptic = Reading("40")
    asked = "Wie viele Tage Urlaub haben die Beschäftigten?"
    assert not reads(asked)
    assert sceptic.scores("How many days?", ["26", "40"]) == ReadingReranker(sceptic).scores(
        "How many days?", ["26", "40"]
    )
    assert ReadingReranker(sceptic).scores(asked, ["26", "40"]) == [0.0, 0.0]
    assistant = Assistant(_retriever([LEAVE]), WordVectors(), None, judge=Reading("40"))
    german = Question("Wie viele days annual leave haben die staff?")
    assert asyncio.run(assistant.answer(german)).status == "answered"


def test_without_a_judge_the_evidence_alone_decides() -> None:
    passages = _retriever([LEAVE]).search("annual leave")
    evidence = find_evidence("annual leave", passages, WordVectors(), "en")
    assert likelihood("annual leave", passages, evidence, None) == evidence[0].likelihood
    assert likelihood("annual leave", [], [], Reading("26")) == 0.0
    unmeasured = Reading("40", calibrated=False)
    assert likelihood("annual leave", passages, evidence, unmeasured) == evidence[0].likelihood


def test_a_sure_judge_raises_the_likelihood_and_an_unsure_one_lowers_it() -> None:
    passages = _retriever([LEAVE]).search("annual leave")
    evidence = find_evidence("annual leave", passages, WordVectors(), "en")
    sure = likelihood("annual leave", passages, evidence, Reading("26"))
    unsure = likelihood("annual leave", passages, evidence, Reading("40"))
    assert 0 < unsure < sure < 1


def test_the_judge_puts_the_passage_that_answers_before_the_likely_one() -> None:
    texts = ["Annual leave is asked for. Annual leave is granted.", LEAVE]
    assert "asked for" in _retriever(texts).search("annual leave")[0].chunk.text
    assert "26" in _retriever(texts, Reading("26")).search("annual leave")[0].chunk.text


def test_the_judge_finds_an_answer_that_the_search_puts_far_down(tmp_path: Path) -> None:
    places = [f"{size} {kind}" for size in ("old", "new") for kind in "abcdefgh"]
    texts = [f"Annual leave, leave of the year: the {place} hall." for place in places]
    (tmp_path / "groundling.toml").write_text("")
    with Project(load(tmp_path / "groundling.toml"), root=tmp_path, data=tmp_path / "data") as project:
        asked = "Where is the annual leave of the year asked for?"
        store = _store([*texts, LEAVE], project.embedder)
        project.judge = None
        search = project.retriever_over(store)
        assert LEAVE not in [one.chunk.text for one in search.search(asked, limit=16)]
        project.judge = Reading("26 days")  # type: ignore[assignment]
        search = project.retriever_over(store)
        assert search.search(asked, limit=20)[0].chunk.text == LEAVE


@pytest.mark.parametrize(("written", "there"), [("false", False), ('"my.safetensors"', True)])
def test_the_configuration_says_whether_there_is_a_judge(tmp_path: Path, written: str, there: bool) -> None:
    (tmp_path / "groundling.toml").write_text(f"[retrieval]\njudge = {written}\n")
    (tmp_path / "my.safetensors").touch()
    config = load(tmp_path / "groundling.toml")
    with Project(config, root=tmp_path, data=tmp_path / "data") as project:
        assert (project.judge is not None) == there


def test_a_judge_with_half_the_say_does_not_bury_what_the_search_is_sure_of() -> None:
    texts = ["The barrier closes at nine, the barrier of the car park.", "Nothing of it 26."]
    retriever = _retriever(texts, Reading("26"), share=0.3)
    assert "barrier" in retriever.search("When does the barrier of the car park close?")[0].chunk.text


def test_a_calibration_comes_back_as_it_was_written() -> None:
    one = Calibration(weight=0.25, slope=3.0, offset=-1.5, refuse_below=0.3, order=0.1, least=0.2)
    assert read_calibration(one.written()) == one
    assert [read_calibration(text) for text in (None, "", "[]", '{"weight": 1}', "1")] == [None] * 5


def test_calibrating_trusts_a_judge_that_knows_and_not_one_that_guesses() -> None:
    knows = [Weighed(answerable=True, evidence=((0.4, 3.0), (0.5, -3.0)))] * 5
    knows += [Weighed(answerable=False, evidence=((0.6, -3.0), (0.5, -3.0)))] * 5
    found = calibrated(knows)
    assert found.weight > 0
    assert found.slope > 0
    guesses = [Weighed(answerable=True, evidence=((0.6, -3.0),))] * 5
    guesses += [Weighed(answerable=False, evidence=((0.4, 3.0),))] * 5
    assert calibrated(guesses).weight == 0


def test_what_is_further_away_than_any_answer_was_does_not_count() -> None:
    known = [Weighed(answerable=True, evidence=((0.3 + 0.01 * n, 2.0), (0.1, -1.0))) for n in range(9)]
    unknown = [Weighed(answerable=False, evidence=((0.4, -2.0), (0.1, 1.0)))] * 9
    found = calibrated([*known, *unknown])
    assert found.least == 0.3
    assert found.likelihood([(0.29, 9.0)]) == 0
    assert found.likelihood([(0.29, 9.0), (0.3, 2.0)]) == found.likelihood([(0.3, 2.0)]) > found.refuse_below
    assert replace(found, least=-1.0).likelihood([(0.29, 9.0)]) > found.refuse_below


def test_calibrating_finds_how_much_the_judge_has_to_say_in_the_order() -> None:
    second = ((0.5, -1.0), (0.4, 1.0), (0.3, -1.0))
    known = Weighed(answerable=True, evidence=second, holding=(False, True, False))
    unknown = Weighed(answerable=False, evidence=second, holding=(False, False, False))
    assert [known.rank(weight) for weight in (0.0, 0.04, 0.06)] == [0.5, 0.5, 1.0]
    assert unknown.rank(0.1) == 0
    assert calibrated([known, unknown]).order == 0.1
    misled = Weighed(answerable=True, evidence=second, holding=(True, False, False))
    assert calibrated([misled, unknown]).order == 0


def test_a_question_whose_answer_would_not_be_quoted_does_not_lower_the_bound() -> None:
    told = [
        Weighed(answerable=True, evidence=((0.5 + number / 1000, 2.0),), holding=(True,))
        for number in range(90)
    ]
    lost = [Weighed(answerable=True, evidence=((0.3, -2.0),), holding=(False,))] * 10
    unknown = [Weighed(answerable=False, evidence=((0.35, -1.0),), holding=(False,))] * 100
    found = calibrated([*told, *lost, *unknown])
    assert found.likelihood(unknown[0].evidence) < found.refuse_below
    assert sum(found.likelihood(row.evidence) < found.refuse_below for row in told) <= 0.05 * len(told)
    blind = [replace(row, holding=()) for row in (*told, *lost, *unknown)]
    assert calibrated(blind).refuse_below < found.refuse_below
    many = calibrated([*told, *lost, *lost, *unknown])  # more than a tenth of what can be answered
    assert many.likelihood(lost[0].evidence) >= many.refuse_below


def test_evidence_far_below_all_others_does_not_say_what_counts() -> None:
    """One question of two hundred, answered by evidence that scores next to nothing."""
    known = [Weighed(answerable=True, evidence=((0.5 + number / 1000, 4.0),)) for number in range(199)]
    unknown = [Weighed(answerable=False, evidence=((0.3, -4.0),))]
    assert calibrated([*known, *unknown]).least == 0.501
    assert calibrated([*known, Weighed(answerable=True, evidence=((0.01, 4.0),)), *unknown]).least == 0.501
