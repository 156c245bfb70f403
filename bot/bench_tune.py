"""Finds the threads and the batch size that a model is fastest with on this machine.

Rule: threads first, then batches with the best of them; each is measured twice, the second time in
reverse order, and the faster time counts. Within three per cent the smaller value wins: fewer threads
leave room for other work, and smaller batches stop sooner.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.bench_load import LOAD_SEED, made_load
from models.engine.generator import ModelIdentity
from models.engine.process import LocalModel
from models.engine.settings import EngineSettings
from models.gguf import read_header
from models.hardware import plan, processor

BATCHES = (64, 128, 256, 512)
MOST_THREAD_COUNTS = 5
CLOSE = 1.03
_QUESTIONS = 2
_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Tried:
    """One pair of settings and how long the short load took with it, in seconds: reading, then writing.

    An answer that ended early counts as if it had gone on at its speed.
    """

    threads: int
    batch_tokens: int
    read_s: float
    write_s: float

    @property
    def total_s(self) -> float:
        return self.read_s + self.write_s


@dataclass(frozen=True, slots=True)
class Tuned:
    """All that was tried, in order, and the best of it."""

    tried: tuple[Tried, ...]
    threads: int
    batch_tokens: int


def tune(
    path: Path,
    identity: ModelIdentity,
    settings: EngineSettings,
    *,
    questions: int = _QUESTIONS,
    tokens: int = _TOKENS,
    batches: Sequence[int] = BATCHES,
    progress: Callable[[str], None] | None = None,
) -> Tuned:
    """Tries `path` with `settings` but other threads and batches; raises ModelError."""
    say = progress or (lambda _line: None)
    usual = plan(path, read_header(path), replace(settings, batch_tokens=None)).batch_tokens
    everything: dict[tuple[int, int], Tried] = {}

    def best(pairs: Sequence[tuple[int, int]]) -> tuple[int, int]:
        done: dict[tuple[int, int], Tried] = {}
        for threads, batch in (*pairs, *reversed(pairs)):
            say(f"{threads} threads, batches of {batch}")
            wanted = replace(settings, threads=threads, batch_tokens=batch, passage_cache=False, parallel=1)
            model = LocalModel(path, wanted, identity=identity)
            tried = asyncio.run(_tried(model, threads, batch, questions, tokens))
            known = done.get((threads, batch), tried)
            done[threads, batch] = min(known, tried, key=lambda one: one.total_s)
        everything.update(done)
        return fastest(list(done.values()))

    threads, _ = best([(count, usual) for count in thread_counts(processor()[1])])
    _, batch = best([(threads, size) for size in batches])
    return Tuned(tuple(everything.values()), threads, batch)


def thread_counts(cores: int) -> list[int]:
    """From 1 to `cores`, at most five of them, evenly apart."""
    if cores <= MOST_THREAD_COUNTS:
        return list(range(1, cores + 1))
    step = (cores - 1) / (MOST_THREAD_COUNTS - 1)
    return [round(1 + step * place) for place in range(MOST_THREAD_COUNTS)]


def fastest(tried: Sequence[Tried]) -> tuple[int, int]:
    """Threads and batch of the smallest pair that is as good as the fastest."""
    bound = min(one.total_s for one in tried) * CLOSE
    return min((one.threads, one.batch_tokens) for one in tried if one.total_s <= bound)


async def _tried(model: LocalModel, threads: int, batch: int, questions: int, tokens: int) -> Tried:
    read_s = write_s = 0.0
    stranger = made_load(1, pool=4, seed=LOAD_SEED + 1, passages=1).questions
    try:
        for place, turns in enumerate((*stranger, *made_load(questions).questions)):
            began = first = time.perf_counter()
            written = 0
            async for delta in model.stream(turns, max_tokens=tokens):
                if first == began and delta.text:
                    first = time.perf_counter()
                written = delta.completion_tokens
            if place >= len(stranger):
                read_s += first - began
                write_s += (time.perf_counter() - first) * tokens / max(written, 1)
    finally:
        await model.close()
    return Tried(threads, batch, read_s, write_s)
