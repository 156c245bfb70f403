"""Reading ahead: the very passages that questions will hold, in order of worth, and it knows when to stop."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from bot.assistant import AnswerSettings
from bot.prompt import compose
from bot.reading_ahead import read_ahead
from knowledge.documents import Chunk
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import Retriever
from knowledge.store import IndexedChunk
from models.embedding.word_vectors import WordVectors
from models.engine.generator import Turn
from models.engine.process import LocalModel
from models.engine.scripted import ScriptedGenerator
from models.weights import bundled_path
from tests.conftest import Groundling

EMBEDDER = WordVectors()
SETTINGS = AnswerSettings(persona="You are calm.")
PARTS = (
    "Every employee has 25 days of leave a year.",
    "Leave may be carried over into March.",
    "Leave is asked for two weeks ahead.",
    "The car park closes at nine.",
)


class Reader(ScriptedGenerator):
    """A model that notes what it was given to read; `apart` False reads nothing apart, as a server does."""

    def __init__(self, *, apart: bool = True) -> None:
        super().__init__()
        self.read: list[Turn] = []
        self._apart = apart

    async def prepare(self, turns: Sequence[Turn], *, lora: str | None = None) -> int:
        self.read.append(turns[-1])
        return len(turns[-1].blocks) if self._apart else 0

    @property
    def blocks(self) -> list[str]:
        return [block for turn in self.read for block in _blocks(turn)]


def _blocks(turn: Turn) -> list[str]:
    return [turn.text[start:end] for start, end in turn.blocks]


def _items(document: str, parts: Sequence[str] = PARTS) -> list[IndexedChunk]:
    """The parts as chunks of one document; the last stands in a section of its own."""
    return [
        IndexedChunk(
            Chunk(
                f"handbook:{document}", number, ("Rules", "Last") if number == 3 else ("Rules",), None, text
            ),
            title=document,
            url=None,
            updated_at=None,
            source="handbook",
            collection="handbook",
            text_hash=f"{document}{number}",
        )
        for number, text in enumerate(parts)
    ]


def _store(*documents: str) -> MemoryStore:
    store = MemoryStore(EMBEDDER.dimensions)
    items = [item for document in documents for item in _items(document)]
    store.replace("handbook", [], [(items, EMBEDDER.embed_documents([item.chunk.text for item in items]))])
    return store


async def test_every_passage_that_a_question_can_hold_was_read_to_the_letter() -> None:
    store, model = _store("leave.md"), Reader()
    await read_ahead(model, store, ["handbook:leave.md"], SETTINGS, seconds=60)
    for question in ("How many days of leave?", "carried over into March", "When does the car park close?"):
        passages = Retriever(store, EMBEDDER).search(question, limit=3)
        turns = await compose(
            question,
            dict(enumerate(passages, start=1)),
            model,
            max_tokens=SETTINGS.max_answer_tokens,
            language="en",
            persona=SETTINGS.persona,
        )
        assert passages
        assert set(_blocks(turns[-1])) <= set(model.blocks)


async def test_neighbours_are_read_together_within_a_section_only() -> None:
    model = Reader()
    read = await read_ahead(model, _store("leave.md"), ["handbook:leave.md"], SETTINGS, seconds=60)
    texts = [text for text in model.blocks if not text.startswith("\n\n[")]
    assert read == len(texts) == 4 + 2 + 1  # single chunks, pairs and one run of three
    assert not any(PARTS[2] in text and PARTS[3] in text for text in texts)


async def test_cited_passages_come_before_the_newest_documents_and_once_only() -> None:
    cited = [["handbook:old.md#1", "handbook:old.md#2"], ["handbook:gone.md#0"], ["handbook:old.md#9"]]
    model = Reader()
    documents = ["handbook:new.md", "handbook:old.md"]
    await read_ahead(
        model, _store("old.md", "new.md"), documents, SETTINGS, seconds=60, cited=lambda: cited + cited[:1]
    )
    texts = [text for text in model.blocks if not text.startswith("\n\n[")]
    assert PARTS[1] in texts[0]
    assert PARTS[2] in texts[0]
    assert texts[1].startswith(" new.md")
    assert len(set(texts)) == len(texts) == 14


async def test_it_stops_as_soon_as_there_is_enough() -> None:
    model = Reader()
    enough = itertools.count()
    read = await read_ahead(
        model,
        _store("leave.md"),
        ["handbook:leave.md"],
        SETTINGS,
        seconds=60,
        enough=lambda: next(enough) == 2,
    )
    assert read == len(model.read) == 2


async def test_without_time_nothing_is_read() -> None:
    model = Reader()
    assert await read_ahead(model, _store("leave.md"), ["handbook:leave.md"], SETTINGS, seconds=0) == 0
    assert model.read == []


async def test_a_model_that_reads_nothing_apart_is_not_asked_twice() -> None:
    model = Reader(apart=False)
    assert await read_ahead(model, _store("leave.md"), ["handbook:leave.md"], SETTINGS, seconds=60) == 0
    assert len(model.read) == 1


def test_the_first_question_after_a_sync_reads_no_passage(tmp_path: Path, groundling: Groundling) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    documents.joinpath("leave.md").write_text("# Annual leave\n\n" + "\n\n".join(PARTS[:3]) + "\n")
    documents.joinpath("parking.txt").write_text(f"{PARTS[3]}\n")
    tmp_path.joinpath("groundling.toml").write_text(
        '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n\n[model]\npassage_cache = true\n'
    )
    synced = groundling("sync", "--read-ahead", "--json", cwd=tmp_path)
    assert synced.returncode == 0, synced.stderr.decode()
    assert json.loads(synced.stdout)["passages_read_ahead"] >= 2
    question = "How many days of leave does every employee have a year?"
    asked = groundling("ask", question, "--json", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr.decode()
    timings = json.loads(asked.stdout)["timings"]
    assert timings["reused_tokens"] > 0
    # Whatever had to be read is no more than the prompt would be without a passage.
    assert timings["prompt_tokens"] - timings["reused_tokens"] <= asyncio.run(_tokens_without(question))


async def _tokens_without(question: str) -> int:
    """The tokens of a prompt that holds no passage."""
    path = bundled_path()
    assert path is not None
    model = LocalModel(path)
    try:
        return await model.count_tokens(await compose(question, {}, model, max_tokens=128, language="en"))
    finally:
        await model.close()


def test_reading_ahead_without_the_passage_cache_is_told_what_it_needs(
    synced: Path, groundling: Groundling
) -> None:
    refused = groundling("sync", "--read-ahead", cwd=synced)
    assert refused.returncode == 2
    assert b"passage_cache = true" in refused.stderr
