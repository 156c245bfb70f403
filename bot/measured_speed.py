"""How fast the model reads and writes here, from one question over passages.

Rule: the question is like a real one and was not asked before, not by an earlier run of a server that remembers
either; a warm-up is not counted.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from bot.bench_load import made_load
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
    seed = secrets.randbelow(2**31)
    stranger = made_load(1, pool=4, seed=seed + 1, passages=1).questions[0]
    async for _ in model.stream(stranger, max_tokens=2):
        pass
    began, first = time.perf_counter(), None
    prompt = reused = written = 0
    async for delta in model.stream(made_load(1, seed=seed, passages=3).questions[0], max_tokens=TOKENS):
        if first is None and delta.text:
            first = time.perf_counter()
        prompt, reused, written = delta.prompt_tokens, delta.reused_tokens, delta.completion_tokens
    ended = time.perf_counter()
    read_s, write_s = ended - began, ended - began  # at most, where too little came to tell them apart
    if first is not None and written > 1:
        read_s, write_s = first - began, ended - first
    return Speed(
        prompt, max(prompt - reused, 1) / max(read_s, 1e-6), max(written - 1, 1) / max(write_s, 1e-6)
    )
