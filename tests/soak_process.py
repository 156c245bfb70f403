"""A bot of real parts without a model, in a process of its own that says how large it is.

Rule: it keeps nothing for the test's sake, so that what grows is the program's own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp

from bot.answer import Answer
from bot.answering import Answering
from bot.assistant import Show, Wait
from bot.question import Question
from tests import discord_bench, slack_stage
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import FakeSlack


class Size(TypedDict):
    """Memory in MB, tasks of the event loop, and open sessions for HTTP."""

    rss_mb: float
    tasks: int
    sessions: int


class BriefSlack(slack_stage.Answers):
    """Writes an answer and forgets it."""

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        for piece in ("The notice ", "is one week. [1]"):
            if show:
                show(piece)
            await asyncio.sleep(0)
        return slack_stage.answer_of(question.text, "The notice is one week. [1]", slack_stage.passage(1))


class BriefDiscord(discord_bench.Answers):
    """The same for Discord."""

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        found = await super().answer(question, show=show, waiting=waiting)
        self.asked.clear()
        return found


class Bot:
    """The process, from without. `where` is what `SoakTown.where` says."""

    def __init__(self, platform: str, where: dict[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, platform, json.dumps(where), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )
        self.counts()

    def counts(self) -> dict[str, int]:
        """How many questions were `received`, `answered`, ..., and how many are `open`."""
        return json.loads(self._ask("counts"))  # type: ignore[no-any-return]

    def size(self) -> Size:
        return json.loads(self._ask("size"))  # type: ignore[no-any-return]

    def wait(self, *, most_open: int, seconds: float = 300.0) -> None:
        """Waits until at most so many questions are open."""
        ends = time.monotonic() + seconds
        while (left := self.counts()["open"]) > most_open:
            assert time.monotonic() < ends, f"{left} questions stay open"
            time.sleep(0.02)

    def end(self) -> Size:
        """Ends it; how large it was with everything closed."""
        size: Size = json.loads(self._ask("end"))
        assert self._process.wait(60) == 0
        return size

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@asynccontextmanager
async def _slack(where: dict[str, str], folder: Path) -> AsyncIterator[Answering]:
    fake = FakeSlack()  # never served: it only says where the other one is
    fake.url = where["url"]
    async with slack_stage.stage(folder, fake, answers=BriefSlack()) as bot:
        yield bot.answering


@asynccontextmanager
async def _discord(where: dict[str, str], folder: Path) -> AsyncIterator[Answering]:
    fake = FakeDiscord()
    fake.server.origin, fake.gateway.url = where["origin"], where["gateway"]
    chosen = discord_bench.settings(fake, guilds=(where["guild"],))
    async with discord_bench.bench(folder, fake, chosen=chosen, answers=BriefDiscord()) as bot:
        yield bot.answering


async def _serve(platform: str, where: dict[str, str], folder: Path) -> None:
    opened = {"slack": _slack, "discord": _discord}[platform]
    async with opened(where, folder) as answering:
        while (asked := (await asyncio.to_thread(sys.stdin.readline)).strip()) not in ("end", ""):
            counts = {**answering.counts, "open": answering.busy_with}
            _say(_size() if asked == "size" else counts)
    await asyncio.sleep(0.3)  # connections take a moment to be closed
    _say(_size())


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _size() -> Size:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    sessions = [one for one in gc.get_objects() if isinstance(one, aiohttp.ClientSession) and not one.closed]
    return {
        "rss_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        "tasks": len(asyncio.all_tasks()),
        "sessions": len(sessions),
    }


if __name__ == "__main__":
    logging.basicConfig(filename=Path(sys.argv[3]) / "bot.log", level=logging.WARNING)
    asyncio.run(_serve(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])))
