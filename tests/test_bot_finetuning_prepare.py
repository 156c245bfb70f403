"""Rows for training: what is asked of which passages, what the right answer is, and what is left out."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.errors import WrongUse
from bot.evaluation.datasets import ReferenceQuestion, Text
from bot.evaluation.golden import GoldenQuestion
from bot.evaluation.split import is_test
from bot.finetuning.golden import golden_rows
from bot.finetuning.prepare import Asked, Shares, rows_of
from bot.finetuning.sets import squad_set
from bot.languages import REFUSALS
from bot.looking import Looking, evidence_alone, whole_passages
from bot.prompt import SYSTEM
from knowledge.documents import Chunk, Passage
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import EVERYTHING, Retriever
from knowledge.store import IndexedChunk, Readable
from models.embedding.word_vectors import WordVectors
from models.engine.scripted import ScriptedGenerator
from models.finetune.rows import Row

REFUSAL = REFUSALS["en"]
LOOKING = Looking(WordVectors(), None, whole_passages(3))
THINGS = ["lathe", "kiln", "loom", "anvil", "press", "forge", "drill", "saw", "crane", "pump"]
TITLES = [title for title in (f"Workshop {n}" for n in range(40)) if not is_test(title)][:10]
HELD_BACK = next(title for title in (f"Workshop {n}" for n in range(40)) if is_test(title))


def asked(titles: Sequence[str] = TITLES) -> Asked:
    """For each title a text about one thing, with two questions that it answers and one that it does not."""
    texts, questions = [], []
    for number, (title, thing) in enumerate(zip(titles, THINGS, strict=False)):
        name = f"{title}/0"
        texts.append(
            Text(
                name,
                title,
                f"The {thing} opens at {number + 3} o'clock. The {thing} weighs {number + 50} tons.",
            )
        )
        questions += [
            ReferenceQuestion(f"When does the {thing} open?", (f"{number + 3} o'clock",), name),
            ReferenceQuestion(f"What does the {thing} weigh?", (f"{number + 50} tons",), name),
            ReferenceQuestion(f"Who painted the {thing}?", (), name),
        ]
    return Asked("things", "CC0-1.0", tuple(texts), tuple(questions))


def made(shares: Shares = Shares(), *, seed: int = 0, titles: Sequence[str] = TITLES) -> list[Row]:
    return asyncio.run(rows_of([asked(titles)], LOOKING, ScriptedGenerator(), shares=shares, seed=seed))


def numbered(row: Row) -> dict[int, str]:
    """The passages of a row's prompt by their numbers."""
    blocks = [row.turns[-1].text[start:end] for start, end in row.turns[-1].blocks]
    marks = [int(re.fullmatch(r"\n\n\[(\d+)\]", mark)[1]) for mark in blocks[::2]]  # type: ignore[index]
    return dict(zip(marks, blocks[1::2], strict=True))


def test_an_answer_is_words_of_the_passage_with_its_number() -> None:
    answers = [row for row in made(Shares(taken_out=0)) if row.answer != REFUSAL]
    assert len(answers) >= 15
    for row in answers:
        found = re.fullmatch(r"(.+) \[(\d+)\]\.", row.answer)
        assert found is not None
        assert found[1] in numbered(row)[int(found[2])]


def test_the_prompt_is_the_assistants_own() -> None:
    row = made()[0]
    assert row.turns[0].text == SYSTEM.format(language="English")
    assert row.turns[1].text.startswith("Sources:\n\n[")
    assert "\n\nQuestion: " in row.turns[1].text
    assert 1 <= len(numbered(row)) <= 3


def test_a_question_whose_passage_was_taken_out_is_refused_and_the_others_answered() -> None:
    rows = made(Shares(taken_out=0.5, refused=0.8, near_misses=0))
    there = {row.document in "".join(numbered(row).values()): row.answer == REFUSAL for row in rows}
    assert there == {True: False, False: True}
    for row in rows:
        assert (row.answer == REFUSAL) != (row.document in "".join(numbered(row).values()))


class _NothingButSaws(Retriever):
    """A search that finds what is about the saw, whatever is asked."""

    def search(self, query: str, *, limit: int, readable: Readable = EVERYTHING) -> list[Passage]:
        return super().search("When does the saw open?", limit=1, readable=readable)


def test_rows_read_what_the_projects_own_search_finds() -> None:
    rows = asyncio.run(
        rows_of(
            [asked()],
            LOOKING,
            ScriptedGenerator(),
            shares=Shares(taken_out=0, refused=0.5, near_misses=0.5),
            search_over=lambda store: _NothingButSaws(store, LOOKING.embedder),
        )
    )
    assert rows
    assert all("saw" in passage for row in rows for passage in numbered(row).values())


def test_refusals_are_at_most_their_share() -> None:
    rows = made(Shares(taken_out=0.5, refused=0.25, near_misses=0.1))
    refused = sum(row.answer == REFUSAL for row in rows)
    assert 0 < refused <= 0.25 * len(rows) + 1


def test_a_share_of_nothing_leaves_answers_alone() -> None:
    rows = made(Shares(taken_out=0.3, refused=0, near_misses=0.1))
    assert rows
    assert not any(row.answer == REFUSAL for row in rows)


def test_a_model_that_reads_the_evidence_alone_learns_from_it_alone() -> None:
    def opening(looking: Looking) -> Row:
        rows = asyncio.run(rows_of([asked()], looking, ScriptedGenerator(), shares=Shares(taken_out=0)))
        return next(row for row in rows if "When does the kiln open?" in row.turns[-1].text)

    alone, whole = opening(replace(LOOKING, selection=evidence_alone)), opening(LOOKING)
    assert "The kiln opens at 4 o'clock." in alone.turns[-1].text
    assert alone.answer.startswith("4 o'clock [")
    sentences = [sum(text.count(".") for text in numbered(row).values()) for row in (alone, whole)]
    assert sentences[0] < sentences[1] == 6


def test_without_near_misses_no_question_is_refused_beside_its_own_text() -> None:
    rows = made(Shares(taken_out=0, near_misses=0))
    refused = [row for row in rows if row.answer == REFUSAL]
    assert not any(row.document in "".join(numbered(row).values()) for row in refused)


def test_questions_about_one_text_are_asked_of_the_same_passages() -> None:
    rows = [row for row in made(Shares(taken_out=0)) if row.document == TITLES[0]]
    ends = {row.turns[1].text.index("\n\nQuestion:") for row in rows}
    assert len(rows) >= 2
    assert len({row.turns[1].text[: min(ends)] for row in rows}) == 1


def test_a_document_of_the_test_fifth_is_neither_asked_about_nor_read() -> None:
    rows = made(titles=[HELD_BACK, *TITLES])
    assert rows
    assert not any(HELD_BACK in turn.text for row in rows for turn in row.turns)
    assert HELD_BACK not in {row.document for row in rows}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    assert made(seed=3) == made(seed=3)
    assert made(seed=3) != made(seed=4)


def test_about_a_fifth_of_all_titles_is_for_the_test_for_ever() -> None:
    chosen = sum(is_test(f"Document {number}") for number in range(2000))
    assert 350 < chosen < 450
    assert is_test("New York City")
    assert is_test("New_York_City")
    assert not is_test("Nikola Tesla")
    assert is_test("Beyonc\u00e9") == is_test("Beyonce\u0301")


def test_a_set_without_a_licence_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("sets") / "squad.json"
    file.write_text('{"data": []}')
    with pytest.raises(WrongUse, match="name the licence"):
        squad_set(file, " ")
    assert squad_set(file, "MIT").origin == "squad"


def _index(texts: dict[str, str]) -> Retriever:
    embedder = WordVectors()
    store = MemoryStore(embedder.dimensions)
    for title, text in texts.items():
        item = IndexedChunk(
            chunk=Chunk(f"handbook:{title}", 0, (), None, text),
            title=title,
            url=None,
            updated_at=None,
            source="handbook",
            collection="handbook",
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
        )
        store.replace("handbook", [item.chunk.document_id], [([item], embedder.embed_documents([text]))])
    return Retriever(store, embedder)


def golden(ask: str, *expected: str) -> GoldenQuestion:
    """A question with a fact and its document, or one that the documents do not answer."""
    facts = ((expected[0],),) if expected else ()
    documents = tuple(f"handbook:{title}" for title in expected[1:])
    return GoldenQuestion(ask, ask, answerable=bool(expected), facts=facts, documents=documents)


def test_golden_questions_become_the_sentences_that_hold_their_facts() -> None:
    leave, parking, *_ = TITLES
    retriever = _index(
        {
            leave: "Staff have 26 days of annual leave. Trainees have 30 days of annual leave.",
            parking: "The barrier closes at 21:30.",
            HELD_BACK: "The canteen opens at noon.",
        }
    )
    questions = [
        golden("annual leave of trainees?", "30 days", leave),
        golden("annual leave of staff?", "77 days", leave),
        golden("Who painted the barrier?"),
    ]
    rows = asyncio.run(
        golden_rows(
            questions,
            _index({leave: "Staff have 26 days of annual leave. Trainees have 30 days of annual leave."}),
            LOOKING,
            ScriptedGenerator(),
            origin="golden",
            licence="own",
        )
    )
    assert [(one.row.answer, one.kind) for one in rows.values()] == [
        ("Trainees have 30 days of annual leave [1].", "answer"),
        (REFUSAL, "refusal"),
    ]
    assert rows.keys() == {questions[0].id, questions[2].id}
    held = asyncio.run(
        golden_rows(questions, retriever, LOOKING, ScriptedGenerator(), origin="golden", licence="own")
    )
    assert not any(HELD_BACK in one.row.turns[1].text for one in held.values())


def test_an_answer_out_of_a_list_begins_without_its_mark() -> None:
    leave, *_ = TITLES
    rows = asyncio.run(
        golden_rows(
            [golden("annual leave of trainees?", "30 days", leave)],
            _index({leave: "- Staff: 26 days of annual leave\n- Trainees: 30 days of annual leave"}),
            LOOKING,
            ScriptedGenerator(),
            origin="golden",
            licence="own",
        )
    )
    assert [one.row.answer for one in rows.values()] == ["Trainees: 30 days of annual leave [1]."]
