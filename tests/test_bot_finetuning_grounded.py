"""Pairs become rows where the project's own search carries them: split, cited, marked for their readers."""

from __future__ import annotations

import asyncio
import hashlib
import itertools

from bot.evaluation.split import is_test
from bot.finetuning.grounded import (
    ONE_PASSAGE,
    REFUSED_ENOUGH,
    TOO_LONG,
    UNSUPPORTED,
    Ground,
    Grounded,
    Pair,
    grounded_rows,
)
from bot.finetuning.prepare import Made, Shares
from bot.finetuning.row_parts import cited, is_refusal, passages_of, question_of
from bot.languages import REFUSALS
from bot.looking import Looking, whole_passages
from knowledge.documents import Chunk
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import Retriever
from knowledge.store import IndexedChunk
from models.embedding.word_vectors import WordVectors
from models.engine.generator import Turn
from models.engine.scripted import ScriptedGenerator
from models.finetune.rows import Row

TITLES = (f"Rules {number}" for number in itertools.count())
HELD_BACK = next(title for title in TITLES if is_test(title))
LEAVE, PARKING, PAY, FIRE = itertools.islice((title for title in TITLES if not is_test(title)), 4)
TEXTS = {
    (LEAVE, "main"): "Staff have 26 days of annual leave. Trainees have 30 days of annual leave.",
    (PARKING, "main"): "The barrier of the car park closes at 21:30 every day.",
    (PAY, "hr"): "The bonus of the sales team is 400 EUR a quarter.",
    (FIRE, "main"): "The assembly point for a fire alarm is the bicycle shed.",
    (HELD_BACK, "main"): "The canteen opens at 11:45 and closes at 14:00.",
}


LOOKING = Looking(WordVectors(), None, whole_passages(3))


def ground() -> Ground:
    embedder = WordVectors()
    store = MemoryStore(embedder.dimensions)
    for (title, collection), text in TEXTS.items():
        item = IndexedChunk(
            chunk=Chunk(f"handbook:{title}", 0, (), None, text),
            title=title,
            url=None,
            updated_at=None,
            source="handbook",
            collection=collection,
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
        )
        store.replace("handbook", [item.chunk.document_id], [([item], embedder.embed_documents([text]))])
    return Ground(Retriever(store, embedder), LOOKING, ScriptedGenerator(), frozenset({"main"}))


def made(*pairs: Pair, taken_out: float = 0.0, seed: int = 0, most: int | None = None) -> Grounded:
    shares = Shares(taken_out=taken_out, refused=0.6)
    return asyncio.run(grounded_rows(pairs, ground(), shares=shares, seed=seed, most=most))


def pair(ask: str, answer: str, **more: object) -> Pair:
    return Pair(ask, answer, "desk", "own", **more)  # type: ignore[arg-type]


def test_a_supported_answer_is_cited_sentence_by_sentence() -> None:
    answer = "Hi! Trainees have 30 days of annual leave. The barrier of the car park closes at 21:30 [7]."
    (row,) = made(pair("How much annual leave have trainees, and when does the barrier close?", answer)).rows
    first, second = cited(row)
    assert row.answer == (
        f"Trainees have 30 days of annual leave [{first}]. The barrier of the car park closes at 21:30 [{second}]."
    )
    assert "Trainees have 30 days" in passages_of(row)[first]
    assert "barrier" in passages_of(row)[second]
    assert (row.origin, row.licence, row.audience) == ("desk", "own", "")


def test_what_the_index_does_not_carry_is_counted_and_never_taught() -> None:
    found = made(
        pair("How much annual leave have trainees?", "Trainees have 31 days of annual leave."),
        pair("Who is the doctor?", "The doctor is Mary Malone."),
        pair("How much annual leave have staff?", "Staff have 26 days of annual leave. " * 9),
        pair("How much annual leave has everyone?", "Staff have 26 days of annual leave.", passages=2),
    )
    assert not found.rows
    assert found.left_out == {("desk", UNSUPPORTED): 2, ("desk", TOO_LONG): 1, ("desk", ONE_PASSAGE): 1}


def test_a_no_stays_with_its_sentence_and_is_not_taught_where_no_passage_says_it() -> None:
    found = made(pair("Is the barrier open all day?", "No. The barrier of the car park closes at 21:30."))
    assert not found.rows
    assert found.left_out == {("desk", UNSUPPORTED): 1}


def test_an_answer_of_the_test_fifth_is_to_measure_on_and_its_passage_never_read_in_training() -> None:
    found = made(
        pair("When does the canteen open?", "The canteen opens at 11:45."),
        pair("When does the barrier of the car park close?", "The barrier closes at 21:30."),
        taken_out=1.0,
    )
    assert {row.document for row in found.test} == {HELD_BACK}
    assert {row.document for row in found.rows} == {PARKING}
    assert found.rows
    assert not any(HELD_BACK in turn.text for row in found.rows for turn in row.turns)


def test_the_same_question_is_refused_where_the_passages_that_answer_are_taken_away() -> None:
    answered, refused = made(
        pair("When does the barrier of the car park close?", "The barrier closes at 21:30."), taken_out=1.0
    ).rows
    assert question_of(answered) == question_of(refused)
    assert refused.answer == REFUSALS["en"]
    assert is_refusal(refused)
    assert "21:30" in answered.turns[-1].text
    assert "21:30" not in refused.turns[-1].text


def test_a_follow_up_is_asked_with_the_question_that_it_needs() -> None:
    (row,) = made(
        pair("And of trainees?", "30 days of annual leave.", earlier=("How much annual leave of staff?",))
    ).rows
    assert question_of(row) == "How much annual leave of staff? And of trainees?"


def test_rows_of_a_collection_that_not_everyone_may_read_are_marked_and_stay_out_of_the_others() -> None:
    bonus = "What is the bonus of the sales team?"
    closed = made(pair(bonus, "The bonus is 400 EUR.", collections=frozenset({"hr"})))
    (row,) = closed.rows
    assert row.audience == "hr"
    opened = made(pair(bonus, "The bonus is 400 EUR.", collections=frozenset({"main"})))
    assert opened.left_out == {("desk", UNSUPPORTED): 1}
    (other,) = made(
        pair("Where is the assembly point?", "The bicycle shed.", collections=frozenset({"main"}))
    ).rows
    assert "400 EUR" not in other.turns[-1].text
    assert other.audience == ""


def test_the_same_seed_gives_the_same_rows_and_most_ends_it() -> None:
    pairs = [
        pair("When does the barrier of the car park close?", "The barrier closes at 21:30."),
        pair("How much annual leave have trainees?", "Trainees have 30 days."),
        pair("Where is the assembly point?", "The bicycle shed."),
    ]
    assert made(*pairs, taken_out=0.5, seed=2).rows == made(*pairs, taken_out=0.5, seed=2).rows
    assert len(made(*pairs, most=1).rows) == 1


def test_rows_of_golden_questions_count_for_the_share_of_refusals_and_go_first() -> None:
    def golden(number: int, kind: str) -> Made:
        answer = REFUSALS["en"] if kind == "refusal" else "It is so [1]."
        return Made(Row(f"g{number}", (Turn("user", "?"),), answer, "golden", "own", "d"), kind)

    refusals = [golden(number, "refusal") for number in range(6)]
    first = (*refusals, *(golden(number, "answer") for number in range(6, 12)))
    measured = [golden(12, "answer")]
    pairs = [
        pair("When does the barrier of the car park close?", "The barrier closes at 21:30."),
        pair("How much annual leave have trainees?", "Trainees have 30 days."),
    ]
    shares = Shares(taken_out=0.0, refused=0.2)
    for most in (None, 6):
        found = asyncio.run(
            grounded_rows(pairs, ground(), shares=shares, most=most, golden=(first, measured))
        )
        assert sum(map(is_refusal, found.rows)) <= 0.2 * len(found.rows)
        assert found.rows[-1].origin == ("desk" if most is None else "golden")
        assert found.left_out == {("golden", REFUSED_ENOUGH): 4}
        assert [row.id for row in found.test] == ["g12"]
    assert len(found.rows) <= 6


def test_the_journals_names_of_what_stands_in_a_row_are_told_beside_it() -> None:
    answer = "Trainees have 30 days of annual leave."
    some = [
        pair("How much annual leave have trainees?", answer, questions=frozenset({"one"})),
        pair("How many days of annual leave have trainees?", answer, questions=frozenset({"two"})),
        pair("What is the annual leave of trainees?", answer),
    ]
    found = made(*some, taken_out=1.0)
    assert len(found.rows) > 3
    asked = [{"one"}, {"two"}, set()]
    for row in found.rows:
        (wanted,) = (names for one, names in zip(some, asked, strict=True) if one.ask in row.turns[-1].text)
        assert found.questions.get(row.id, frozenset()) == wanted
