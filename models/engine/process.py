"""A GGUF model in a child process: the Generator that answers without a network.

Rule: the parent never loads llama.cpp. Whatever happens in native code (a crash, a hang, memory that
runs out) costs one child. Each request it held is tried once more in a new child, alone, and its answer
goes on where it was; a request that loses a second child ends with one ModelUnavailable.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

from models.engine.generator import GREEDY, NOBODY, Asking, Delta, ModelIdentity, Sampling, Turn
from models.engine.quarantine import Quarantine
from models.engine.settings import EnginePlan, EngineSettings, Lora
from models.engine.spawn import Child, spawn
from models.engine.wire import Alive, Cancel, Count, Failure, Generate, Number, Offer, Piece, Prepare, Reply
from models.errors import BrokenWeights, ModelDied, ModelUnavailable, PromptTooLong
from models.gguf import Header, read_header
from models.hardware import check_memory, context_of, plan
from models.weights import sha256_of


class LocalModel:
    """Answers with the GGUF at `path`, in a child process that starts at the first use.

    `identity` None means that the file's name and sha256 are found out here, at the first look.
    Belongs to one event loop at a time: used from another, it starts another child there.
    """

    def __init__(
        self, path: Path, settings: EngineSettings | None = None, *, identity: ModelIdentity | None = None
    ) -> None:
        self._path = path
        self._settings = settings or EngineSettings()
        self._identity = identity
        self._header: Header | None = None
        self._seen: tuple[int, ...] | None = None
        self._child: Child | None = None
        self._loading: asyncio.Task[Child] | None = None
        self._quarantine: Quarantine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ids = itertools.count(1)

    @property
    def identity(self) -> ModelIdentity:
        """Hashes the file at the first look where the constructor got no identity (0.3 s for 100 MB)."""
        if self._identity is None:
            self._identity = ModelIdentity(self._path.stem, sha256_of(self._path))
        return self._identity

    @property
    def parameters(self) -> int:
        """How many numbers the model is made of; raises BrokenWeights for a file that is no model."""
        return self._known().parameters

    @property
    def trained(self) -> bool:
        """Whether a LoRA is merged into it; raises BrokenWeights for a file that is no model."""
        return self._known().trained

    @property
    def loras(self) -> dict[str, str]:
        """The sha256 of each LoRA that a request may name."""
        return {lora.name: lora.sha256 for lora in self._settings.loras}

    def offer(self, lora: Lora) -> None:
        """Lets requests name `lora` from now on, in place of another of its name; no answer is broken off."""
        others = tuple(one for one in self._settings.loras if one.name != lora.name)
        self._settings = replace(self._settings, loras=(*others, lora))
        if self._child is not None and self._child.lives:
            self._child.say(Offer(lora))

    @property
    def context_tokens(self) -> int:
        """The context of the settings, at most the length the model was trained for."""
        return context_of(self._known(), self._settings)

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return self._child.pid if self._child is not None and self._child.lives else None

    async def start(self) -> None:
        """Loads the model now instead of at the first use; raises ModelUnavailable."""
        await self._ready()

    async def count_tokens(self, turns: Sequence[Turn]) -> int:
        child = await self._ready()
        return await _number(child, Count(next(self._ids), tuple(turns)))

    async def prepare(self, turns: Sequence[Turn], *, lora: str | None = None) -> int:
        """Reads the blocks of a prompt ahead, when the model has nothing else to do; how many it has."""
        child = await self._ready()
        return await _number(child, Prepare(next(self._ids), tuple(turns), lora))

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
        if max_tokens < 1:
            raise ValueError("an answer needs room for one token at least")
        began = time.monotonic()
        request = Generate(
            0,  # each try gets a number of its own
            tuple(turns),
            max_tokens,
            deadline_s,
            tuple(stop),
            sampling.temperature,
            sampling.top_p,
            sampling.seed,
            sampling.grammar,
            asking.audience,
            asking.lora,
            avoid=sampling.avoid,
        )
        for_all = self._quarantine_of_this_loop()
        last = Delta("")
        shown = ""
        try:
            async with for_all.together(), contextlib.aclosing(self._deltas(request, began)) as deltas:
                async for last in deltas:
                    shown += last.text
                    yield last
            return
        except ModelDied:
            if shown and (request.grammar is not None or last.completion_tokens >= max_tokens):
                raise
        written = last.completion_tokens
        request = replace(request, begun=shown, max_tokens=max_tokens - written)
        try:
            async with for_all.alone(), contextlib.aclosing(self._deltas(request, began)) as deltas:
                async for delta in deltas:
                    yield replace(delta, completion_tokens=delta.completion_tokens + written)
        except ModelDied as error:
            raise ModelUnavailable(
                f"{error}; so it did before, and the request is not tried again"
            ) from error

    async def _deltas(self, request: Generate, began: float) -> AsyncGenerator[Delta, None]:
        child = await self._ready()
        left = request.deadline_s
        if left is not None:
            left = max(0.0, left - (time.monotonic() - began))
        request = replace(request, id=next(self._ids), deadline_s=left)
        async with contextlib.aclosing(_replies(child, request)) as replies:
            async for reply in replies:
                if isinstance(reply, Piece) and (reply.text or reply.finished):
                    yield Delta(
                        reply.text,
                        reply.prompt_tokens,
                        reply.reused_tokens,
                        reply.completion_tokens,
                        reply.finished,
                        avoided=reply.avoided,
                    )

    async def close(self) -> None:
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.cancel()
            await asyncio.wait([loading])
        await self._end_child()

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    def _known(self) -> Header:
        return self._header or self._look()

    def _look(self) -> Header:
        """The header as it is now; raises BrokenWeights for another file than the one that was seen first."""
        header = read_header(self._path)
        state = self._path.stat()
        seen = (state.st_ino, state.st_size, state.st_mtime_ns)
        if self._seen not in (None, seen) and (found := sha256_of(self._path)) != self.identity.sha256:
            raise BrokenWeights(
                f"{self._path.name} is another file than before: its sha256 is {found[:12]}…, not "
                f"{self.identity.sha256[:12]}…; start the program again to answer with it"
            )
        self._header, self._seen = header, seen
        return header

    def _plan(self) -> EnginePlan:
        """Looks at the file anew: it may have changed since the last child started."""
        header = self._look()
        planned = plan(self._path, header, self._settings, sha256=self.identity.sha256)
        check_memory(header, planned)
        return planned

    def _quarantine_of_this_loop(self) -> Quarantine:
        """Sees to it that locks, tasks and child belong to the running event loop."""
        loop = asyncio.get_running_loop()
        if self._quarantine is None or self._loop is not loop:
            self._loop, self._loading, self._quarantine = loop, None, Quarantine()
            if self._child is not None:  # it belongs to a loop that is gone
                self._child.kill()
                self._child = None
        return self._quarantine

    async def _ready(self) -> Child:
        """The living child, started if need be. All who ask while it loads wait for the same one, which goes on
        loading for the next one when they leave."""
        self._quarantine_of_this_loop()
        if self._child is not None and self._child.lives:
            return self._child
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(self._loaded)
        loading = self._loading
        await asyncio.wait([loading])
        if loading.cancelled():
            raise ModelUnavailable("the model was closed while it loaded")
        return loading.result()

    async def _load(self) -> Child:
        await self._end_child()
        planned = await asyncio.to_thread(self._plan)
        child = self._child = await spawn(planned, self._settings)
        for lora in self._settings.loras:
            if lora not in planned.loras:  # offered while the model loaded
                child.say(Offer(lora))
        return child

    def _loaded(self, loading: asyncio.Task[Child]) -> None:
        if not loading.cancelled():
            loading.exception()  # seen, even if nobody waits for it any more
        if self._loading is loading:
            self._loading = None


async def _replies(child: Child, request: Count | Generate | Prepare) -> AsyncGenerator[Reply, None]:
    """What the child says to `request` until its end; leaving early cancels it."""
    inbox = child.ask(request)
    ended = False
    try:
        while not ended:
            reply = await inbox.get()
            if isinstance(reply, Failure):
                ended = True
                raise _error(reply)
            ended = isinstance(reply, Number) or (isinstance(reply, Piece) and reply.finished is not None)
            if not isinstance(reply, Alive):
                yield reply
    finally:
        child.forget(request.id)
        if not ended:
            child.say(Cancel(request.id))


async def _number(child: Child, request: Count | Prepare) -> int:
    async with contextlib.aclosing(_replies(child, request)) as replies:
        async for reply in replies:
            if isinstance(reply, Number):
                return reply.value
    raise ModelUnavailable("the model's process gave no number")


def _error(failure: Failure) -> Exception:
    if failure.error == "too_long":
        return PromptTooLong(failure.message)
    if failure.error == "died":
        return ModelDied(failure.message)
    return (BrokenWeights if failure.error == "broken" else ModelUnavailable)(failure.message)
