"""An embedder that remembers asks once, gives the same vectors, and keeps no more than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bot.assistant import Assistant
from bot.question import Question
from knowledge.documents import Chunk
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import Retriever
from knowledge.store import IndexedChunk
from models.embedding.embedder import Vectors
from models.embedding.remembering import RememberingEmbedder
from models.embedding.word_vectors import WordVectors


class Counting(WordVectors):
    """Counts the texts that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return super().embed_documents(texts)


def test_an_embedder_that_remembers_asks_once_and_gives_the_same_vectors() -> None:
    counting = Counting()
    remembering = RememberingEmbedder(counting)
    first = remembering.embed_documents(["a b", "c", "a b"])
    again = remembering.embed_documents(["c", "a b", "d"])
    assert len(counting.asked) == 3
    assert (first[1] == again[0]).all()
    assert (again == WordVectors().embed_documents(["c", "a b", "d"])).all()
    assert remembering.embed_documents([]).shape == (0, remembering.dimensions)


def test_what_was_wanted_last_is_kept() -> None:
    counting = Counting()
    remembering = RememberingEmbedder(counting, most=2)
    for texts in (["a", "b"], ["a"], ["c"], ["a", "c"]):
        remembering.embed_documents(texts)
    assert counting.asked == ["a", "b", "c"]
    remembering.embed_documents(["b"])
    assert counting.asked == ["a", "b", "c", "b"]


def test_more_texts_at_once_than_are_kept_are_all_there() -> None:
    texts = [f"{word} barrier" for word in "abcdef"]
    remembering = RememberingEmbedder(WordVectors(), most=2)
    for _ in range(2):
        assert (remembering.embed_documents(texts) == WordVectors().embed_documents(texts)).all()
    assert remembering.embed_documents(["\ud800 alone"]).shape == (1, remembering.dimensions)


def test_threads_share_it() -> None:
    remembering = RememberingEmbedder(WordVectors(), most=5)
    rounds = [[f"word{number % 7} barrier", f"word{number % 5} door"] for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(remembering.embed_documents, rounds))
    for texts, vectors in zip(rounds, found, strict=True):
        assert np.array_equal(vectors, WordVectors().embed_documents(texts))


def test_sentences_are_read_once_and_not_once_for_each_question() -> None:
    counting, store = Counting(), MemoryStore(128)
    text = "Staff have 26 days of leave. The barrier closes at 21:30."
    chunk = IndexedChunk(Chunk("d", 0, (), None, text), "Leave", None, None, "main", "main", "")
    store.replace("main", ["d"], [([chunk], WordVectors().embed_documents([text]))])
    assistant = Assistant(Retriever(store, WordVectors()), counting, None)

    for question in ("How many days of leave do staff have?", "When does the barrier close?"):
        assert asyncio.run(assistant.answer(Question(question))).status == "answered"
    assert counting.asked == ["Leave: Staff have 26 days of leave.", "Leave: The barrier closes at 21:30."]
