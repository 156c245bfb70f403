"""How fast the model reads and writes here, from one question over passages.

Rule: the question is like a real one and was not asked before; a warm-up is not counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bot.bench_load import LOAD_SEED, made_load
from models.engine.generator import Generator

TOKENS = 32


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second of reading and of writing, and the length of the prompt that was read."""

    prompt_tokens: int
    read_a_second: float
    written_a_second: float


async def measured_speed(model: Generator) -> Speed:
    """Asks two made-up questions, a few seconds on a small model; raises ModelError."""
    stranger = made_load(1, pool=4, seed=LOAD_SEED + 1, passages=1).questions[0]
    async for _ in model.stream(stranger, max_tokens=2):
        pass
    began = first = time.perf_counter()
    read = written = 0
    async for delta in model.stream(made_load(1, passages=3).questions[0], max_tokens=TOKENS):
        if first == began and delta.text:
            first = time.perf_counter()
        read, written = delta.prompt_tokens - delta.reused_tokens, delta.completion_tokens
    ended = time.perf_counter()
    return Speed(read, read / max(first - began, 1e-6), max(written - 1, 1) / max(ended - first, 1e-6))
