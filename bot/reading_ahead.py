"""Lets the language model read passages before anybody asks, so that a first answer need not wait for them.

Rule: what is read is what a question's prompt would hold, composed by the same function; and it stops
between two passages as soon as there is something better to do.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from bot.assistant import AnswerSettings
from bot.languages import language_of
from bot.prompt import compose
from knowledge.documents import Passage
from knowledge.fusion import Found, Joining, joined
from knowledge.store import IndexedChunk, Store
from models.engine.generator import Generator, Turn

Cited = Callable[[], Iterable[Sequence[str]]]
"""Gives passages as the ids of their chunks in reading order, the most often cited first."""

LONGEST_PASSAGE = Joining().longest
_LANGUAGE_SAMPLE = 20


class ReadingModel(Generator, Protocol):
    """A Generator that can read the blocks of a prompt ahead."""

    async def prepare(self, turns: Sequence[Turn], *, lora: str | None = None) -> int:
        """Reads the blocks of `turns` when there is nothing else to do; how many it has then."""
        ...


async def read_ahead(
    generator: ReadingModel,
    store: Store,
    documents: Sequence[str],
    settings: AnswerSettings,
    *,
    seconds: float,
    language: str | None = None,
    cited: Cited = tuple,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Reads the `cited` passages, then those of `documents` (their ids, the newest first); how many it read.

    A document's passages are its chunks, then the runs of neighbours that a search may join. The prompts are
    those of questions in `language`, by default that of most documents, and of `settings`. It ends after
    `seconds`, or when `enough` says so (someone asks, the disk is full): before the next passage in either
    case, one of which takes up to a few hundred milliseconds. Raises `models.errors.ModelError`.
    """
    until = time.monotonic() + seconds
    read = 0
    if language is None:
        language = await asyncio.to_thread(_language, store, documents)
    passages = _passages(store, cited(), documents)
    while not enough() and time.monotonic() < until:
        passage = await asyncio.to_thread(next, passages, None)
        if passage is None:
            break
        turns = await compose(
            "",
            # Each number that a prompt may give to a passage is a block of its own, and is read along.
            {read % settings.passages + 1: passage},
            generator,
            max_tokens=settings.max_answer_tokens,
            language=language,
            persona=settings.persona,
        )
        lora = settings.lora_in.get(passage.collection, settings.lora)
        if not await generator.prepare(turns, lora=lora):
            break  # this model reads nothing apart
        read += 1
    return read


def _language(store: Store, documents: Sequence[str]) -> str:
    """The language of most chunks of the first documents: questions come in it, most likely."""
    sample = store.chunks(documents[:_LANGUAGE_SAMPLE])
    counted = Counter(language_of(item.chunk.text) for item in sample)
    return counted.most_common(1)[0][0] if counted else language_of("")


def _passages(store: Store, cited: Iterable[Sequence[str]], documents: Sequence[str]) -> Iterator[Passage]:
    """Each passage once; of what was cited only that which is still in the index."""
    seen: set[tuple[str, ...]] = set()
    for ids in cited:
        known = {item.chunk.id: item for item in store.chunks([_document(chunk) for chunk in ids[:1]])}
        run = [known[chunk] for chunk in ids if chunk in known]
        if run and len(run) == len(ids) and tuple(ids) not in seen:
            seen.add(tuple(ids))
            yield from _joined(run)
    for document in documents:
        items = store.chunks([document])
        for length in range(1, LONGEST_PASSAGE + 1):
            for start in range(len(items) - length + 1):
                run = items[start : start + length]
                names = tuple(item.chunk.id for item in run)
                if names not in seen:
                    seen.add(names)
                    yield from _joined(run)


def _joined(run: Sequence[IndexedChunk]) -> Iterator[Passage]:
    """The passage that a search makes of the chunks; none where they are not neighbours in one section."""
    whole = Joining(leading=1, ratio=0.0, chunks=len(run), longest=len(run))
    places = {(item.chunk.headings, item.chunk.page) for item in run}
    ordinals = [item.chunk.ordinal for item in run]
    if len(places) > 1 or ordinals != list(range(ordinals[0], ordinals[0] + len(run))):
        return
    (found,) = joined([Found(item, 1.0) for item in run], 1, whole)
    item = found.item
    yield Passage(
        chunk=item.chunk,
        title=item.title,
        url=item.url,
        score=found.score,
        similarity=None,
        updated_at=item.updated_at,
        source=item.source,
        collection=item.collection,
    )


def _document(chunk_id: str) -> str:
    return chunk_id.rpartition("#")[0]
