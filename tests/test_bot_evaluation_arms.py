"""The same questions in several arms: what each gets to read, what is searched once, and what comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.assistant import AnswerSettings
from bot.evaluation.arms import Arm, Parts, arms_of, ask_arms
from bot.evaluation.arms_report import DRAWN, arms_document, arms_found, arms_json, question_rows
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.datasets import ReferenceQuestion, Text
from bot.evaluation.given import GivenPassages, WithoutAnswer
from bot.evaluation.measures import Extras
from bot.evaluation.overlap import Overlap
from bot.evaluation.report import Bars
from bot.evaluation.temporary_index import SOURCE
from knowledge.documents import Chunk, Passage
from knowledge.store import Readable
from models.embedding.word_vectors import WordVectors
from models.engine.generator import Turn
from models.engine.scripted import ScriptedGenerator

TEXTS = tuple(
    Text(f"{thing}/0", thing, f"The {thing} opens at {hour} o'clock. The {thing} stands in hall {hour + 20}.")
    for thing, hour in (("Lathe", 3), ("Kiln", 4), ("Loom", 5), ("Anvil", 6))
)
QUESTIONS = (
    ReferenceQuestion("When does the Lathe open?", ("3 o'clock",), "Lathe/0"),
    ReferenceQuestion("When does the Kiln open?", ("4 o'clock",), "Kiln/0"),
    ReferenceQuestion("Who painted the Loom?", (), "Loom/0"),
)
SETTINGS = AnswerSettings(most_sentences=2, prompt_passages=2, passages=3, refuse_below=0.0)


@dataclass
class Words:
    """A search by shared words that counts what it is asked."""

    asked: list[str] = field(default_factory=list)

    def search(self, query: str, *, limit: int = 5, readable: Readable = Readable()) -> list[Passage]:
        self.asked.append(query)
        wanted = set(query.rstrip("?").split())
        best = sorted(TEXTS, key=lambda text: -len(wanted & set(text.text.split())))
        return [passage(text) for text in best[:limit]]


def passage(text: Text) -> Passage:
    chunk = Chunk(f"{SOURCE}:{text.name}", 0, (), None, text.text)
    return Passage(chunk, text.title, None, 1.0, 0.5, None, SOURCE, SOURCE)


def reply(turns: Sequence[Turn]) -> str:
    """What a model says that reads: the first source's first sentence; and that it knows nothing by itself."""
    told = turns[-1].text
    if "Sources:" not in told:
        return "I believe it opens at 77 o'clock. Ask Peter Holt. And so on."
    return "The Lathe opens at 3 o'clock." if "When does the Lathe" in told else "Paris is in France."


def asked(
    arms: Sequence[Arm],
    model: ScriptedGenerator,
    search: Words,
    questions: Sequence[ReferenceQuestion] = QUESTIONS,
) -> dict[str, list[AskedQuestion]]:
    searches = {
        "found": search,
        "oracle": GivenPassages(search, questions, TEXTS, 1),
        "distractors": WithoutAnswer(search, questions, 2),
    }
    parts = Parts(model, WordVectors(), None, SETTINGS, searches)  # type: ignore[arg-type]
    return asyncio.run(ask_arms([(one, one.text.split("/")[0]) for one in questions], arms, parts))


def test_four_arms_and_with_given_passages_eight() -> None:
    names = [arm.name for arm in arms_of("skill", oracle=False)]
    assert names == ["base", "base+retrieval", "LoRA", "LoRA+retrieval"]
    assert len(arms_of("skill", oracle=True)) == 8


def test_arms_share_one_search_a_question() -> None:
    search = Words()
    asked(arms_of("skill", oracle=False), ScriptedGenerator(reply), search)
    assert search.asked == [question.ask for question in QUESTIONS]


def test_a_closed_book_gets_the_bare_question_and_a_lora_only_its_own_arms() -> None:
    model = ScriptedGenerator(reply)
    asked(arms_of("skill", oracle=False), model, Words(), QUESTIONS[:1])
    told = [
        (asking.lora, "Sources:" in turns[-1].text)
        for turns, asking in zip(model.prompts, model.askings, strict=True)
    ]
    assert sorted(told, key=str) == sorted(
        [(None, False), (None, True), ("skill", False), ("skill", True)], key=str
    )
    assert all("hall" not in turns[-1].text for turns in model.prompts if "Sources:" not in turns[-1].text)


def test_a_closed_book_answer_is_cut_like_the_others_and_held_against_what_the_search_found() -> None:
    rows = asked([Arm(None, "nothing")], ScriptedGenerator(reply), Words(), QUESTIONS[:1])
    answer = rows["base"][0].answer
    assert answer.text == "I believe it opens at 77 o'clock. Ask Peter Holt."
    assert answer.passages[0].title == "Lathe"
    assert rows["base"][0].alone


def test_a_model_that_does_not_know_has_refused() -> None:
    rows = asked([Arm(None, "nothing")], ScriptedGenerator("I don't know."), Words())
    assert {row.answer.status for row in rows["base"]} == {"refused"}


def test_a_model_that_fails_is_told_and_not_taken_for_a_refusal() -> None:
    model = ScriptedGenerator(reply)
    model.failure = "it is gone"
    arms = [Arm(None, "nothing"), Arm(None, "found")]
    rows = asked(arms, model, Words())
    found = arms_found(rows, arms, seed=0)
    assert {row.answer.status for row in rows["base"]} == {"failed"}
    assert found.measures["base"].without_model == 3
    assert found.measures["base+retrieval"].without_model == 3
    assert found.comparisons == ()


def test_oracle_has_the_own_paragraph_and_distractors_never_do() -> None:
    rows = asked([Arm(None, "oracle"), Arm(None, "distractors")], ScriptedGenerator(reply), Words())
    for row in rows["base+oracle"]:
        assert row.own_found
        assert len(row.answer.passages) == 2
    for row in rows["base+distractors"]:
        assert not row.own_found
        assert not row.answerable


def test_questions_that_the_distractors_answer_by_chance_are_kept_from_it() -> None:
    own = ReferenceQuestion("Where does the Kiln stand?", ("hall",), "Kiln/0")
    rows = asked([Arm(None, "distractors")], ScriptedGenerator(reply), Words(), [own])
    assert rows["base+distractors"][0].answer.passages == ()
    assert rows["base+distractors"][0].refused


def test_json_of_a_comparison_has_every_arm_and_an_interval_for_every_difference() -> None:
    arms = arms_of("skill", oracle=True)
    rows = asked(arms, ScriptedGenerator(reply), Words())
    found = arms_found(rows, arms, Extras(Overlap()), seed=1)
    told = json.loads(json.dumps(arms_json(found)))
    assert set(told["arms"]) == {arm.name for arm in arms}
    assert told["arms"]["LoRA+retrieval"]["answerable"]["n"] == 2
    low, high = told["arms"]["LoRA+retrieval"]["f1_95"]
    assert low <= told["arms"]["LoRA+retrieval"]["answerable"]["f1"] <= high
    # From distractors alone no question has an answer, so there is nothing to have an F1.
    assert told["arms"]["base+distractors"]["f1_95"] is None
    assert len(told["arms"]["base+distractors"]["overall_f1_95"]) == 2
    figures, comparisons, *_ = arms_document(found, ()).tables
    assert {"hallucinated entities", "facts from nowhere"} < set(figures.heads)
    assert "each citation counts once" in comparisons.note
    bars = {plot.title: plot.bars for plot in arms_document(found, ()).plots if isinstance(plot, Bars)}
    assert "base+distractors" not in {bar.label for bar in bars[DRAWN["f1"]]}
    assert len(bars[DRAWN["overall_f1"]]) == len(arms)
    against = {one["against"] for one in told["comparisons"]}
    assert against == {"base", "base+retrieval", "LoRA", "base+oracle", "LoRA+oracle"}
    assert all(one["verdict"] in {"ahead", "behind", "not told apart"} for one in told["comparisons"])
    assert len(list(question_rows(rows))) == 8 * len(QUESTIONS)
    assert sum(told["arms"]["base"]["outcomes"].values()) == len(QUESTIONS)
    assert told["retrieval"]["own_paragraph"]["1"] == 1
