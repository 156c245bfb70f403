"""Long runs of the engine that are too long for every test run; each prints one line of JSON.

python tests/soak_engine.py kills --questions 1000      a random kill of the child every 20 questions
python tests/soak_engine.py memory --questions 5000     the child's memory over many questions
python tests/soak_engine.py loop                        the parent's event loop while 16 answers stream
python tests/soak_engine.py fair                        one asker with 50 questions, nine with one each
python tests/soak_engine.py cancel                      from a cancellation to the next answer's start
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models.engine.fair_queue import FairQueue
from models.engine.generator import Asking, Turn
from models.engine.process import LocalModel
from models.engine.settings import EngineSettings
from models.errors import ModelUnavailable
from models.weights import bundled_path

WORDS = "office leave travel invoice customer ticket release network laptop contract manager security".split()
SYSTEM = Turn("system", "You answer questions from numbered sources. Use only what the sources say.")


def turns(chance: random.Random, *, passages: int = 3, words: int = 60, pool: int = 50) -> tuple[Turn, ...]:
    text, blocks = "Sources:", []
    for number in range(1, passages + 1):
        text += f"\n\n[{number}]"
        source = random.Random(chance.randrange(pool))
        passage = " " + " ".join(source.choice(WORDS) for _ in range(words)) + "."
        blocks.append((len(text), len(text) + len(passage)))
        text += passage
    question = f"What about {chance.choice(WORDS)} and {chance.choice(WORDS)} {chance.random()}?"
    return (SYSTEM, Turn("user", f"{text}\n\nQuestion: {question}", tuple(blocks)))


def made(folder: str, *, parallel: int, cached: bool) -> LocalModel:
    path = bundled_path()
    assert path is not None
    settings = EngineSettings(
        parallel=parallel,
        context_tokens=2048,
        passage_cache=cached,
        passage_memory_mb=64,
        passages=Path(folder),
        passage_disk_mb=128,
    )
    return LocalModel(path, settings)


async def kills(model: LocalModel, questions: int) -> dict[str, object]:
    """Every question ends exactly once, whatever happens to the child."""
    chance = random.Random(1)
    ends: list[Counter[str]] = [Counter() for _ in range(questions)]
    gate = asyncio.Semaphore(8)
    done = 0

    async def one(number: int) -> None:
        nonlocal done
        async with gate:
            try:
                async for delta in model.stream(turns(chance), max_tokens=12):
                    if delta.finished:
                        ends[number]["answered"] += 1
            except ModelUnavailable:
                ends[number]["failed"] += 1
            done += 1

    killed = 0

    async def killer() -> None:
        nonlocal killed
        while done < questions:
            await asyncio.sleep(chance.random() * 0.3)
            if done >= 20 * (killed + 1) and model.pid is not None and done < questions:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(model.pid, signal.SIGKILL)
                    killed += 1

    await asyncio.gather(killer(), *(one(number) for number in range(questions)))
    return {
        "questions": questions,
        "killed": killed,
        "answered": sum(end["answered"] for end in ends),
        "failed": sum(end["failed"] for end in ends),
        "ended_once": sum(end.total() == 1 for end in ends),
    }


async def memory(model: LocalModel, questions: int) -> dict[str, object]:
    """The child's private memory, in MB, every 250 questions, and its slope over the second half."""
    chance = random.Random(2)
    points: list[tuple[int, float]] = []
    for start in range(0, questions, 250):
        for batch in range(start, min(start + 250, questions), 8):
            await asyncio.gather(*(drain(model, turns(chance)) for _ in range(min(8, questions - batch))))
        points.append((start + 250, _private_mb(model.pid or 0)))
    half = points[len(points) // 2 :]
    slope = statistics.linear_regression([x for x, _ in half], [y for _, y in half]).slope * 1000
    return {"questions": questions, "mb": points, "slope_mb_per_1000": round(slope, 3)}


async def loop(model: LocalModel, answers: int) -> dict[str, object]:
    """The longest time that the parent's event loop did not turn."""
    chance = random.Random(3)
    longest, running = 0.0, True

    async def watch() -> None:
        nonlocal longest
        while running:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before - 0.001)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(drain(model, turns(chance), max_tokens=64) for _ in range(answers)))
    running = False
    await watching
    return {"answers": answers, "longest_ms": round(longest * 1000, 1)}


async def fair(model: LocalModel, heavy: int) -> dict[str, object]:
    """Waits of nine askers beside one with many questions, against the ten of them with one each."""

    async def waits(of_one: int) -> list[float]:
        queue = FairQueue(model, parallel=2, most_waiting=200, most_of_one=200)
        chance = random.Random(of_one)
        began = time.monotonic()

        async def one(asker: str) -> float:
            async for delta in queue.stream(turns(chance), max_tokens=24, asking=Asking(asker)):
                if delta.text:
                    return time.monotonic() - began
            return time.monotonic() - began

        crowd = [asyncio.create_task(one("heavy")) for _ in range(of_one)]
        await asyncio.sleep(0)
        light = [asyncio.create_task(one(f"light {number}")) for number in range(9)]
        found = await asyncio.gather(*light)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        return sorted(found)

    share, beside = await waits(1), await waits(heavy)
    return {
        "fair_mean_s": round(statistics.mean(share), 2),
        "beside_heavy_mean_s": round(statistics.mean(beside), 2),
        "ratio_mean": round(statistics.mean(beside) / statistics.mean(share), 2),
        "ratio_longest": round(beside[-1] / share[-1], 2),
    }


async def cancel(model: LocalModel, times: int) -> dict[str, object]:
    """Seconds from closing a stream in the middle of a long prompt until its place is free."""
    chance = random.Random(5)
    found, free = [], []
    for _ in range(times):
        task = asyncio.create_task(drain(model, turns(chance, passages=6, words=160, pool=10**9)))
        await asyncio.sleep(0.2 + chance.random() / 2)
        task.cancel()
        began = time.monotonic()
        await asyncio.gather(task, return_exceptions=True)
        await drain(model, (SYSTEM, Turn("user", "Hi")), max_tokens=1)
        found.append(time.monotonic() - began)
        began = time.monotonic()
        await drain(model, (SYSTEM, Turn("user", "Ho")), max_tokens=1)
        free.append(time.monotonic() - began)
    return {
        "times": times,
        "next_answer_s": {"median": round(statistics.median(found), 3), "longest": round(max(found), 3)},
        "without_a_cancellation_s": {
            "median": round(statistics.median(free), 3),
            "longest": round(max(free), 3),
        },
    }


async def drain(model: LocalModel, asked: tuple[Turn, ...], *, max_tokens: int = 12) -> None:
    async for _ in model.stream(asked, max_tokens=max_tokens):
        pass


def _private_mb(pid: int) -> float:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) / 1024


RUNS: dict[str, tuple[Callable[[LocalModel, int], Awaitable[dict[str, object]]], int, int]] = {
    "kills": (kills, 1000, 8),
    "memory": (memory, 5000, 8),
    "loop": (loop, 16, 16),
    "fair": (fair, 50, 2),
    "cancel": (cancel, 20, 1),
}


async def run(name: str, number: int | None) -> dict[str, object]:
    what, usual, parallel = RUNS[name]
    with tempfile.TemporaryDirectory() as folder:
        model = made(folder, parallel=parallel, cached=name != "fair")  # there all must cost the same
        try:
            await model.start()
            return await what(model, number or usual)
        finally:
            await model.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("run", choices=sorted(RUNS))
    arguments.add_argument("--questions", type=int)
    given = arguments.parse_args()
    print(json.dumps(asyncio.run(run(given.run, given.questions))))
