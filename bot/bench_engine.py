"""Measures the engine under a load like real questions, peers beside it in the same run, taking turns.

Rule: every arm gets the same questions, threads and context; while one is measured the others wait.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bot.bench_arms import Arm, EngineArm, Written
from bot.bench_library import LibraryArm
from bot.bench_load import LOAD_SEED, POOL, Load, made_load
from bot.bench_server import ServerArm
from bot.errors import WrongUse
from models.engine.generator import ModelIdentity, Turn
from models.engine.process import LocalModel
from models.engine.settings import EngineSettings
from models.gguf import read_header
from models.hardware import plan, processor

Progress = Callable[[str], None]

OURS = ("cold", "warm")
QUESTIONS = 16
SMALL_ROUND = 4
MEMORY_SECONDS = 0.5  # between two looks at a process's memory


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What is asked, and of whom. `questions` None takes 16 at each concurrency, or two rounds.

    `context_tokens` is the room of one question and its answer. `against` is a server's address.
    """

    concurrency: tuple[int, ...] = (1, 4, 8, 16)
    questions: int | None = None
    pool: int = POOL
    tokens: int = 64
    seed: int = LOAD_SEED
    context_tokens: int = 1536
    warm: bool = True
    against: str | None = None
    library: bool = False

    def questions_at(self, concurrency: int) -> int:
        """A multiple of `concurrency` if it was left open, so that every round is a full one."""
        whole = -(-QUESTIONS // concurrency) * concurrency
        return self.questions or max(whole, 2 * concurrency)


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One arm at one concurrency.

    Times in seconds, those to the first token from the moment of the question, waiting included.
    `prompt_tokens` and `reused_tokens` are sums, None where the arm does not tell. `memory_mb` is the
    most proportional set size (PSS) seen in its process: what it shares with others counts in part.
    """

    arm: str
    concurrency: int
    questions: int
    total_s: float
    tokens: int
    tokens_per_s: float
    first_p50_s: float
    first_p95_s: float
    prompt_tokens: int | None
    reused_tokens: int | None
    memory_mb: float | None


@dataclass(frozen=True, slots=True)
class EngineRatio:
    """Ours to a peer at one concurrency; below 1 ours is the faster, except for `tokens_per_s`."""

    ours: str
    peer: str
    concurrency: int
    total: float
    first_p50: float
    first_p95: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class EngineBench:
    """What was measured, on what; `notes` say what a reader of the ratios must know."""

    model: str
    sha256: str
    cpu: str
    cores: int
    threads: int
    context_tokens: int
    pool: int
    tokens: int
    seed: int
    rows: tuple[EngineRow, ...]
    ratios: tuple[EngineRatio, ...]
    notes: tuple[str, ...]


def bench_engine(
    path: Path,
    identity: ModelIdentity,
    settings: EngineSettings,
    load: EngineLoad,
    *,
    progress: Progress | None = None,
) -> EngineBench:
    """The GGUF at `path` under `load`.

    Raises WrongUse for a load that makes no sense or does not fit, Failed when a peer does not answer, and
    ModelError when our engine does not.
    """
    _check(load)
    say = progress or (lambda _line: None)
    planned = plan(path, read_header(path), settings)
    settings = replace(settings, threads=planned.threads, context_tokens=load.context_tokens)
    rows: list[EngineRow] = []
    notes: dict[str, None] = {}
    with tempfile.TemporaryDirectory(prefix="groundling-bench-") as folder:
        bench = _Bench(path, identity, replace(settings, passages=Path(folder)), load, say, notes)
        for concurrency in load.concurrency:
            rows += asyncio.run(bench.at(concurrency))
    cpu, cores = processor()
    return EngineBench(
        model=identity.name,
        sha256=identity.sha256,
        cpu=cpu,
        cores=cores,
        threads=planned.threads,
        context_tokens=load.context_tokens,
        pool=load.pool,
        tokens=load.tokens,
        seed=load.seed,
        rows=tuple(rows),
        ratios=tuple(ratios(rows)),
        notes=tuple(notes),
    )


def ratios(rows: Sequence[EngineRow]) -> list[EngineRatio]:
    """Each of our arms to each peer at the same concurrency."""
    return [
        EngineRatio(
            ours.arm,
            peer.arm,
            ours.concurrency,
            total=ours.total_s / peer.total_s,
            first_p50=ours.first_p50_s / peer.first_p50_s,
            first_p95=ours.first_p95_s / peer.first_p95_s,
            tokens_per_s=ours.tokens_per_s / peer.tokens_per_s if peer.tokens_per_s else float("inf"),
        )
        for ours in rows
        if ours.arm in OURS
        for peer in rows
        if peer.arm not in OURS and peer.concurrency == ours.concurrency
    ]


@dataclass(slots=True)
class _Tally:
    """What one arm has done so far."""

    total_s: float = 0.0
    first_s: list[float] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    memory: int | None = None

    def look_at(self, pid: int | None) -> None:
        size = _pss(pid) if pid is not None else None
        if size is not None:
            self.memory = max(size, self.memory or 0)

    def row(self, arm: str, concurrency: int) -> EngineRow:
        tokens = sum(one.completion_tokens for one in self.written)
        p50, p95 = np.percentile(self.first_s, (50, 95))
        return EngineRow(
            arm=arm,
            concurrency=concurrency,
            questions=len(self.written),
            total_s=self.total_s,
            tokens=tokens,
            tokens_per_s=tokens / self.total_s,
            first_p50_s=float(p50),
            first_p95_s=float(p95),
            prompt_tokens=_sum([one.prompt_tokens for one in self.written]),
            reused_tokens=_sum([one.reused_tokens for one in self.written]),
            memory_mb=None if self.memory is None else self.memory / 2**20,
        )


@dataclass(frozen=True, slots=True)
class _Bench:
    path: Path
    identity: ModelIdentity
    settings: EngineSettings
    load: EngineLoad
    say: Progress
    notes: dict[str, None]

    async def at(self, concurrency: int) -> list[EngineRow]:
        """The rows of every arm at one concurrency."""
        questions = self.load.questions_at(concurrency)
        made = made_load(questions, pool=self.load.pool, seed=self.load.seed, part=concurrency)
        async with AsyncExitStack() as open_:
            arms = self._arms(concurrency)
            for arm in arms:
                open_.push_async_callback(arm.close)
            for arm in arms:
                await arm.start()
                self._note(arm, concurrency)
            await self._check_room(arms[0], made)
            for arm in arms:
                self.say(f"{concurrency} at once: warming up {arm.name}")
                await self._warm_up(arm, made)
            tallies = await self._rounds(arms, made.questions, concurrency)
        rows = [tally.row(name, concurrency) for name, tally in tallies.items()]
        self._note_short(rows)
        return rows

    def _arms(self, concurrency: int) -> list[Arm]:
        """Ours without the passage cache first."""
        load = self.load
        together = replace(
            self.settings,
            parallel=min(concurrency, self.settings.parallel),
            passage_cache=False,
        )
        arms: list[Arm] = [
            EngineArm("cold", LocalModel(self.path, together, identity=self.identity), warms_up=False)
        ]
        if load.warm:
            warm = replace(together, passage_cache=True)
            arms.append(EngineArm("warm", LocalModel(self.path, warm, identity=self.identity), warms_up=True))
        if load.against is not None:
            arms.append(ServerArm(load.against, at_once=concurrency))
        if load.library:
            arms.append(LibraryArm(plan(self.path, read_header(self.path), replace(together, parallel=1))))
        return arms

    async def _check_room(self, arm: Arm, made: Load) -> None:
        """Refuses questions that do not fit, before anything is measured."""
        assert isinstance(arm, EngineArm)
        longest = max([await arm.count_tokens(turns) for turns in made.questions])
        if longest + self.load.tokens > arm.context_tokens:
            raise WrongUse(
                f"a question of {longest:,} tokens and an answer of {self.load.tokens:,} do not fit a context "
                f"of {arm.context_tokens:,}; raise --context"
            )

    async def _warm_up(self, arm: Arm, made: Load) -> None:
        """One question that is not asked again; the whole pool where the arm can keep it."""
        stranger = made_load(1, pool=4, seed=self.load.seed + 1).questions
        for turns in (*stranger, *(made.over_the_pool() if arm.warms_up else ())):
            await arm.ask(turns, tokens=2, asker="warm-up")

    async def _rounds(
        self, arms: Sequence[Arm], questions: Sequence[Sequence[Turn]], concurrency: int
    ) -> dict[str, _Tally]:
        tallies = {arm.name: _Tally() for arm in arms}
        size = max(concurrency, SMALL_ROUND)
        for number, start in enumerate(range(0, len(questions), size)):
            self.say(f"{concurrency} at once: question {start + 1} of {len(questions)}")
            for arm in arms if number % 2 == 0 else reversed(arms):
                await self._round(arm, tallies[arm.name], questions[start : start + size], concurrency)
        return tallies

    async def _round(
        self, arm: Arm, tally: _Tally, questions: Sequence[Sequence[Turn]], concurrency: int
    ) -> None:
        """Asks `questions`, `concurrency` of them at any time."""
        waiting = list(enumerate(questions))[::-1]

        async def client() -> None:
            while waiting:
                place, turns = waiting.pop()
                asked_at = time.perf_counter()
                written = await arm.ask(turns, tokens=self.load.tokens, asker=f"asker-{place}")
                tally.first_s.append(written.first_at - asked_at)
                tally.written.append(written)

        watching = asyncio.create_task(_watch(tally, arm.pid))
        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as clients:
                for _ in range(min(concurrency, len(questions))):
                    clients.create_task(client())
        except* Exception as errors:
            raise _first(errors) from None
        finally:
            watching.cancel()
        tally.total_s += time.perf_counter() - began
        tally.look_at(arm.pid)

    def _note(self, arm: Arm, concurrency: int) -> None:
        if not isinstance(arm, ServerArm):
            return
        if arm.slots is not None and arm.slots != concurrency:
            self.notes[
                f"the server has {arm.slots} slots, but {concurrency} ask at once: start it with -np"
            ] = None
        if arm.context_tokens is not None and arm.context_tokens != self.load.context_tokens:
            self.notes[
                f"the server gives each question {arm.context_tokens:,} tokens of context, here it is "
                f"{self.load.context_tokens:,}"
            ] = None

    def _note_short(self, rows: Sequence[EngineRow]) -> None:
        if len({row.tokens for row in rows}) > 1:
            self.notes["not all arms wrote as many tokens: compare tokens/s, not the totals"] = None
        if len({row.prompt_tokens for row in rows if row.prompt_tokens is not None}) > 1:
            self.notes["the arms counted different prompts: is it the same model with the same template?"] = (
                None
            )


def _check(load: EngineLoad) -> None:
    if not load.concurrency or min(load.concurrency) < 1:
        raise WrongUse("the concurrency is a list of numbers from 1 on, like 1,4,8,16")
    most = max(load.concurrency)
    if load.questions is not None and load.questions < most:
        raise WrongUse(f"{most} at once need at least {most} questions; raise --questions")


async def _watch(tally: _Tally, pid: int | None) -> None:
    while True:
        await asyncio.sleep(MEMORY_SECONDS)
        await asyncio.to_thread(tally.look_at, pid)


def _pss(pid: int) -> int | None:
    """Bytes of the proportional set size; None where the kernel does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(sizes[0]) * 1024 if sizes else None


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _first(errors: BaseExceptionGroup[Exception]) -> Exception:
    """What went wrong first; the others are mostly its consequences."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
