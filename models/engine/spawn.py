"""Starts a model's child process, listens to it, and ends it when it dies, hangs or is not needed.

Rule: a child that has work and is silent too long is killed; each request that was waiting is then
told once, in one line, what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from models.engine.settings import EnginePlan, EngineSettings
from models.engine.wire import (
    VERSION,
    Alive,
    Cancel,
    Count,
    Failure,
    Generate,
    Load,
    Offer,
    Prepare,
    Ready,
    Reply,
    WireError,
    decode_reply,
    encode,
)
from models.errors import BrokenWeights, ModelUnavailable

LOG_BYTES = 16_384  # of the child's log, the newest
END_S = 5.0  # for writing what is kept, when it is ended
LOOK_SECONDS = 0.25  # between two looks of the watchdog
_PASSED = (
    *("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_", "PYTHON", "OMP_", "GOMP_", "KMP_", "GGML_", "LLAMA_"),
    *("CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "VK_", "SYCL_", "ONEAPI_", "ZE_"),
)
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from models.engine.child import main; main(int(sys.argv[2]))"


async def spawn(plan: EnginePlan, settings: EngineSettings) -> Child:
    """A child that has loaded `plan`; raises ModelUnavailable when it cannot."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working folder may hold a package of the same name
        "-c",
        _PROGRAM,
        str(_ROOT),
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    child = Child(process, Path(plan.path).name, settings)
    try:
        await child.load(plan)
    except BaseException:
        await child.end()
        raise
    return child


def _environment() -> dict[str, str]:
    """What llama.cpp, Python and GPU drivers may need, and none of the tokens of chat platforms.

    Threads of OpenMP wait spinning for a while, then sleep. With libgomp's own long spin and both cores busy
    with other work 30 tokens took 31 s; never spinning halves the speed on a machine that is free (20 against
    45 tokens a second). A short spin has both.
    """
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
    return {"GOMP_SPINCOUNT": "20000", **passed}


class Child:
    """A running child process and the requests that it holds."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, settings: EngineSettings) -> None:
        self._process = process
        self._name = name
        self._settings = settings
        self._inboxes: dict[int, asyncio.Queue[Reply]] = {}
        self._log = bytearray()
        self._patience = settings.load_s
        self._heard = time.monotonic()
        self._killed_for: str | None = None
        self._unwanted = False
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.lives = True
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._keep_log()),
            asyncio.create_task(self._watch()),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    async def load(self, plan: EnginePlan) -> Ready:
        """Waits until the model is loaded."""
        self._write(encode(Load(plan)))
        ready = await self._ready
        if ready.version != VERSION:
            raise ModelUnavailable(f"the model's process speaks protocol {ready.version}, not {VERSION}")
        self._patience = self._settings.silence_s
        return ready

    def ask(self, request: Count | Generate | Prepare) -> asyncio.Queue[Reply]:
        """Sends `request`; the replies come into the queue, a Failure last if the child dies."""
        if not self._inboxes:
            self._heard = time.monotonic()  # an idle child owes no sign of life
        inbox: asyncio.Queue[Reply] = asyncio.Queue()
        self._inboxes[request.id] = inbox
        if not self.lives:
            inbox.put_nowait(Failure(request.id, self._end_of_a_request(), self._epitaph()))
        self._write(encode(request))
        return inbox

    def say(self, request: Cancel | Offer) -> None:
        """Sends what has no reply."""
        self._write(encode(request))

    def forget(self, id_: int) -> None:
        """Drops the queue of a request whose replies nobody reads any more."""
        self._inboxes.pop(id_, None)

    def kill(self, reason: str | None = None) -> None:
        """Ends the process at once; `reason` is told to the requests it held."""
        self._killed_for = self._killed_for or reason
        self.lives = False
        try:
            self._process.kill()
        except ProcessLookupError:
            pass

    async def end(self) -> None:
        """Lets the process write what it keeps, for `END_S` at most, and waits until nothing of it is left."""
        self._unwanted = True
        self._killed_for = self._killed_for or f"the model's process for {self._name} was ended on request"
        pipe = self._process.stdin
        if self.lives and pipe is not None:
            pipe.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_S)
        self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._process.wait()

    def _write(self, line: bytes) -> None:
        pipe = self._process.stdin
        if self.lives and pipe is not None and not pipe.is_closing():
            pipe.write(line)

    async def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            while line := await pipe.readline():
                self._heard = time.monotonic()
                self._sort(decode_reply(line))
        except (WireError, ValueError, ConnectionError) as error:
            self.kill(f"the model's process spoke nonsense ({error})")
        self.lives = False
        await self._process.wait()
        await self._tasks[1]
        self._bury()

    def _sort(self, reply: Reply) -> None:
        """Puts a reply where it is waited for."""
        if isinstance(reply, Ready):
            if not self._ready.done():
                self._ready.set_result(reply)
        elif isinstance(reply, Failure) and reply.id is None:
            if not self._ready.done():
                self._ready.set_exception(BrokenWeights(f"{self._name} cannot be used: {reply.message}"))
        elif not isinstance(reply, Alive) and reply.id in self._inboxes:
            self._inboxes[reply.id].put_nowait(reply)

    def _bury(self) -> None:
        epitaph = self._epitaph()
        if not self._ready.done():
            self._ready.set_exception(ModelUnavailable(epitaph))
        self._ready.exception()  # seen, even if nobody waits for it any more
        for id_, inbox in self._inboxes.items():
            inbox.put_nowait(Failure(id_, self._end_of_a_request(), epitaph))

    def _end_of_a_request(self) -> Literal["died", "unavailable"]:
        return "unavailable" if self._unwanted else "died"

    def _epitaph(self) -> str:
        """One line: why the process is gone."""
        if self._killed_for is not None:
            return self._killed_for
        code = self._process.returncode
        if code is None or code == 0:
            return f"the model's process for {self._name} has ended"
        how = f"exit status {code}" if code > 0 else _signal_name(-code)
        if code == -signal.SIGKILL:
            how += ", perhaps because memory ran out"
        told = self._last_words()
        return f"the model's process for {self._name} died ({how})" + (f": {told}" if told else "")

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._log.decode("utf-8", "replace").splitlines()]
        telling = [
            line
            for line in lines
            if ("ASSERT" in line or "rror" in line) and not line.startswith("Fatal Python error")
        ]
        return telling[-1][:200] if telling else ""

    async def _keep_log(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while piece := await pipe.read(4096):
            self._log += piece
            del self._log[:-LOG_BYTES]

    async def _watch(self) -> None:
        """Kills the child when it owes a sign of life for too long."""
        while self.lives:
            asleep = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)
            if time.monotonic() - asleep > 4 * LOOK_SECONDS:
                self._heard = time.monotonic()  # it was this process that did nothing for so long
                continue
            if self._inboxes or not self._ready.done():
                silent = time.monotonic() - self._heard
                if silent > self._patience:
                    self.kill(
                        f"the model's process for {self._name} was silent for {silent:.0f} s and was ended"
                    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
