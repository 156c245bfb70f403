"""Makes up a corpus for speed measurements: words as frequent as in real text, vectors like real ones.

Rule: the same seed gives the same corpus on every machine; nothing here says anything about quality.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from knowledge.documents import Chunk
from knowledge.store import Batch, IndexedChunk
from models.embedding.embedder import Embedder, Vectors

VOCABULARY_SEED = 7
WORDS = 40_000
WORDS_A_CHUNK = 55
CHUNKS_A_DOCUMENT = 25
CHUNKS_A_BATCH = 2_000
EMBEDDED = 128  # really embedded texts, of which the vectors are mixtures

_SYLLABLES = "ba be bi bo ca co da de di do fa fi ga go ka la le li lo ma me mi mo na ne no pa pe po ra re ri ro sa se si so ta te ti to va ve vi"
_FUNCTION = "the of to and in a is for that on with as it be are by this was at from or an not your will we if can have you"
_QUESTION = (
    "what is the",
    "how do I",
    "where can we find the",
    "who is responsible for",
    "when does the",
    "",
)


def made_chunks(count: int, *, embedder: Embedder, seed: int = VOCABULARY_SEED) -> Iterator[Batch]:
    """`count` chunks in batches, each vector a mixture of two really embedded texts and some noise."""
    random = np.random.default_rng(seed)
    words, weights = _vocabulary(seed)
    upto = np.cumsum(weights)
    real = embedder.embed_documents([_text(random, words, upto) for _ in range(EMBEDDED)])
    for start in range(0, count, CHUNKS_A_BATCH):
        size = min(CHUNKS_A_BATCH, count - start)
        texts = [_text(random, words, upto) for _ in range(size)]
        items = [_item(start + place, text) for place, text in enumerate(texts)]
        yield items, _mixtures(random, real, size)


def made_queries(count: int, *, seed: int = VOCABULARY_SEED) -> list[str]:
    """Questions of three to eight words that the corpus has, most of them with question words."""
    random = np.random.default_rng(seed + 1)
    words, weights = _vocabulary(seed)
    queries = []
    for _ in range(count):
        chosen = random.choice(len(words), size=int(random.integers(3, 9)), p=weights)
        start = _QUESTION[int(random.integers(len(_QUESTION)))]
        queries.append(f"{start} {' '.join(words[place] for place in chosen)}?".strip())
    return queries


def _vocabulary(seed: int) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Function words at the top of a Zipf distribution, made-up words below them."""
    random = np.random.default_rng(seed)
    syllables = _SYLLABLES.split()
    words = dict.fromkeys(_FUNCTION.split())
    while len(words) < WORDS:
        chosen = random.integers(len(syllables), size=int(random.integers(2, 5)))
        words["".join(syllables[place] for place in chosen)] = None
    weights = 1.0 / (np.arange(len(words)) + 2.7)
    return list(words), weights / weights.sum()


def _text(random: np.random.Generator, words: Sequence[str], upto: npt.NDArray[np.float64]) -> str:
    size = int(random.integers(WORDS_A_CHUNK // 2, WORDS_A_CHUNK * 3 // 2))
    places = np.minimum(np.searchsorted(upto, random.random(size)), len(words) - 1)
    return " ".join(words[place] for place in places) + "."


def _mixtures(random: np.random.Generator, real: Vectors, count: int) -> Vectors:
    some, others = random.integers(len(real), size=(2, count))
    share = random.uniform(0.2, 0.8, size=(count, 1))
    mixed = share * real[some] + (1 - share) * real[others]
    mixed += random.normal(0.0, 0.3 / np.sqrt(real.shape[1]), size=mixed.shape)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def _item(place: int, text: str) -> IndexedChunk:
    document = place // CHUNKS_A_DOCUMENT
    return IndexedChunk(
        chunk=Chunk(
            document_id=f"bench:page-{document}.md",
            ordinal=place % CHUNKS_A_DOCUMENT,
            headings=(f"Part {place % CHUNKS_A_DOCUMENT // 3}",),
            page=None,
            text=text,
        ),
        title=f"Page {document}",
        url=None,
        updated_at=None,
        source="bench",
        collection="bench",
        text_hash=hashlib.sha256(f"{place}\n{text}".encode()).hexdigest(),
    )
