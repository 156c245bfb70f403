"""The queue before a language model: who asks much waits longer than who asks little.

Rule: every request ends once, by its last delta or one error, and whoever leaves frees what was held
for them alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from models.engine.generator import (
    GREEDY,
    NOBODY,
    Asking,
    Delta,
    Generator,
    ModelIdentity,
    Sampling,
    Turn,
    Waiting,
)
from models.engine.round_robin import RoundRobin
from models.errors import ModelBusy, ModelUnavailable

FIRST_GUESS_S = 10.0
"""How long an answer is taken to last until the first one has ended."""

_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Everything that decides an answer; requests with equal ones get the same."""

    turns: tuple[Turn, ...]
    max_tokens: int
    stop: tuple[str, ...]
    sampling: Sampling
    audience: str
    lora: str | None


@dataclass(slots=True, eq=False)
class _Request:
    """One caller's share in a generation: its `inbox` gets what the caller is to get, an end last."""

    asker: str
    generation: _Generation
    inbox: asyncio.Queue[Delta | Exception] = field(default_factory=asyncio.Queue)
    timer: asyncio.TimerHandle | None = None
    place: int = 0

    def end(self, end: Delta | Exception) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.inbox.put_nowait(end)


@dataclass(slots=True, eq=False)
class _Generation:
    """One answer that the model writes, or will, for all of `requests`; `task` is None while it waits."""

    wanted: _Wanted
    asker: str
    requests: list[_Request] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    began: float = 0.0
    pieces: list[str] = field(default_factory=list)
    latest: Delta = Delta("")
    last: Delta | None = None

    def add(self, delta: Delta) -> None:
        if delta.waiting is None:
            self.pieces.append(delta.text)
            self.latest = delta
        for request in self.requests:
            request.inbox.put_nowait(delta)


class FairQueue:
    """A Generator before `inner`, in which at most `parallel` answers are written at once.

    - The others wait, with a turn for each `asking.asker` in rotation and, of one asker, in the order
      in which they came. Who comes new stands before those of whom an answer is being written. Their `Delta.waiting` tells the place at once and whenever it changes; its
      seconds are the mean of the last answers' times, for each place, divided by `parallel`.
    - A request that finds `most_waiting` requests waiting, or `most_of_one` of its asker, raises
      ModelBusy. Those being answered do not count.
    - Requests that differ in `asker` and `deadline_s` alone share one answer while it waits or is
      written: the later ones get the text so far in one piece. It stands in the line of each asker who
      shares it, keeps that place when the asker leaves, and ends early only when all have left.
    - Deadlines are kept here and not passed on, because who joins an answer that is being written may
      have a later one: a request whose deadline passes, waiting or not, ends alone.

    Belongs to one event loop at a time.
    """

    def __init__(
        self, inner: Generator, *, parallel: int = 1, most_waiting: int = 64, most_of_one: int = 8
    ) -> None:
        if parallel < 1:
            raise ValueError("a queue needs room for one answer at least")
        self._inner = inner
        self._parallel = parallel
        self._most_waiting = most_waiting
        self._most_of_one = most_of_one
        self._durations: deque[float] = deque(maxlen=_REMEMBERED)
        self._line = RoundRobin[_Generation]()
        self._running: set[_Generation] = set()
        self._shared: dict[_Wanted, _Generation] = {}

    @property
    def identity(self) -> ModelIdentity:
        return self._inner.identity

    @property
    def context_tokens(self) -> int:
        return self._inner.context_tokens

    async def count_tokens(self, turns: Sequence[Turn]) -> int:
        return await self._inner.count_tokens(turns)

    async def stream(
        self,
        turns: Sequence[Turn],
        *,
        max_tokens: int,
        deadline_s: float | None = None,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        asking: Asking = NOBODY,
    ) -> AsyncGenerator[Delta, None]:
        if deadline_s is not None and deadline_s <= 0:
            yield Delta("", finished="deadline")
            return
        wanted = _Wanted(tuple(turns), max_tokens, tuple(stop), sampling, asking.audience, asking.lora)
        request = self._enter(wanted, asking.asker, deadline_s)
        try:
            while True:
                piece = await request.inbox.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finished is not None:
                    return
        finally:
            await self._leave(request)

    async def close(self) -> None:
        """Ends the requests that wait with ModelUnavailable, then closes the model, which ends the others."""
        for generation in self._line.order():
            self._line.remove(generation)
            self._end(generation, ModelUnavailable("the model was closed"))
        await self._inner.close()

    def _enter(self, wanted: _Wanted, asker: str, deadline_s: float | None) -> _Request:
        generation = self._shared.get(wanted) or _Generation(wanted, asker)
        free = len(self._running) < self._parallel  # then nobody waits
        if generation.task is None and not free:
            self._check_room(generation, asker)
        request = _Request(asker, generation)
        self._shared[wanted] = generation
        generation.requests.append(request)
        if deadline_s is not None:
            request.timer = asyncio.get_running_loop().call_later(deadline_s, self._expire, request)
        if generation.task is not None:
            if generation.pieces:
                request.inbox.put_nowait(replace(generation.latest, text="".join(generation.pieces)))
        elif free:
            self._begin(generation)
        else:
            self._line.join(asker, generation, now=self._served())
            self._tell()
        return request

    def _check_room(self, generation: _Generation, asker: str) -> None:
        waiting = [request.asker for one in self._line.order() for request in one.requests]
        if len(waiting) >= self._most_waiting or waiting.count(asker) >= self._most_of_one:
            place = self._line.place(asker, generation, now=self._served())
            raise ModelBusy(place, self._seconds(place))

    def _served(self) -> frozenset[str]:
        """Those of whom an answer is being written."""
        return frozenset(generation.asker for generation in self._running)

    def _begin(self, generation: _Generation) -> None:
        self._running.add(generation)
        generation.began = asyncio.get_running_loop().time()
        generation.task = asyncio.create_task(self._run(generation))
        # A task that is cancelled before its first step never reaches a `finally` of its own.
        generation.task.add_done_callback(functools.partial(self._ended, generation))

    async def _run(self, generation: _Generation) -> None:
        wanted = generation.wanted
        stream = self._inner.stream(
            wanted.turns,
            max_tokens=wanted.max_tokens,
            stop=wanted.stop,
            sampling=wanted.sampling,
            asking=Asking(generation.asker, wanted.audience, wanted.lora),
        )
        async with contextlib.aclosing(stream):
            async for delta in stream:
                if delta.finished is not None:
                    generation.last = delta  # given when the model is free again
                    return
                generation.add(delta)

    def _ended(self, generation: _Generation, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        end: Delta | Exception
        if generation.last is not None:
            end = generation.last
            self._durations.append(asyncio.get_running_loop().time() - generation.began)
        elif isinstance(error, Exception):
            end = error
        else:
            end = ModelUnavailable("the model broke off its answer")
        self._running.discard(generation)
        while len(self._running) < self._parallel and (following := self._line.take()) is not None:
            self._begin(following)
        self._tell()
        self._end(generation, end)

    def _end(self, generation: _Generation, end: Delta | Exception) -> None:
        self._unshare(generation)
        for request in generation.requests:
            request.end(end)
        generation.requests.clear()

    def _expire(self, request: _Request) -> None:
        self._drop(request)
        request.end(replace(request.generation.latest, text="", finished="deadline"))

    async def _leave(self, request: _Request) -> None:
        """Drops the request; when the answer was for it alone, comes back when the model is free of it."""
        self._drop(request)
        generation = request.generation
        if generation.task is not None and not generation.requests and not generation.task.done():
            await asyncio.wait([generation.task])

    def _drop(self, request: _Request) -> None:
        generation = request.generation
        if request not in generation.requests:
            return
        if request.timer is not None:
            request.timer.cancel()
        generation.requests.remove(request)
        if generation.requests:
            return
        self._unshare(generation)
        if generation.task is not None:
            generation.task.cancel()
        else:
            self._line.remove(generation)
            self._tell()

    def _unshare(self, generation: _Generation) -> None:
        if self._shared.get(generation.wanted) is generation:
            del self._shared[generation.wanted]

    def _tell(self) -> None:
        """Tells those whose place is another than they know."""
        for place, generation in enumerate(self._line.order(), start=1):
            for request in generation.requests:
                if request.place != place:
                    request.place = place
                    request.inbox.put_nowait(Delta("", waiting=Waiting(place, self._seconds(place))))

    def _seconds(self, place: int) -> float:
        usual = fmean(self._durations) if self._durations else FIRST_GUESS_S
        return place * usual / self._parallel
