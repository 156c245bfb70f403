"""What every embedder promises, run against each of them.

Rule: a new embedder subclasses `EmbedderContract` and passes unchanged.
"""

from __future__ import annotations

import numpy as np
import pytest

from models.embedding.embedder import Embedder
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.embedding.word_vectors import WordVectors

TEXTS = [
    "The car park closes at nine.",
    "Annual leave is 25 days.",
    "",
    "word " * 600,
    "年次有給休暇は25日です。",
]
HOSTILE = ["", " ", "\0", "a\ud800b", "שלום עולם", "word " * 8000, "x" * 40_000]


class EmbedderContract:
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        raise NotImplementedError

    def test_vectors_are_float32_rows_of_length_one_in_the_order_of_the_texts(
        self, embedder: Embedder
    ) -> None:
        vectors = embedder.embed_documents(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), embedder.dimensions)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        for text, vector in zip(TEXTS, vectors, strict=True):
            assert float(embedder.embed_documents([text])[0] @ vector) > 0.999

    def test_no_texts_give_no_rows(self, embedder: Embedder) -> None:
        assert embedder.embed_documents([]).shape == (0, embedder.dimensions)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_any_string_has_a_vector_and_a_count(self, embedder: Embedder, text: str) -> None:
        vector = embedder.embed_query(text)
        assert vector.shape == (embedder.dimensions,)
        assert vector.dtype == np.float32
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)
        assert embedder.count_tokens(text) >= embedder.count_tokens("")

    def test_a_question_is_nearest_to_the_text_that_shares_its_words(self, embedder: Embedder) -> None:
        vectors = embedder.embed_documents(TEXTS[:2])
        near = vectors @ embedder.embed_query("How many days of annual leave?")
        assert near[1] > near[0]

    def test_counting_includes_special_tokens_and_is_not_cut(self, embedder: Embedder) -> None:
        assert 0 < embedder.count_tokens("") < 5
        assert embedder.count_tokens("leave " * 1000) > embedder.max_tokens

    def test_nothing_within_the_limit_is_cut(self, embedder: Embedder) -> None:
        room = embedder.max_tokens - embedder.count_tokens("")
        full = "leave " * (room - 1)
        one, other = embedder.embed_documents([full + "car", full + "money"])
        assert not np.array_equal(one, other)


class TestWordVectors(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        return WordVectors()


class TestSentenceTransformerEmbedder(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        return SentenceTransformerEmbedder.from_package(threads=2)
