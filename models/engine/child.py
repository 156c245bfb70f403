"""The process that owns the model: reads requests from its standard input, answers on its standard output.

Rule: one loop owns the model and does one step at a time; a second thread only reads requests, so that
a cancellation is seen in the middle of a step, and ends the process when the parent is gone. Counting
tokens waits for nobody.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from models.engine.wire import (
    VERSION,
    Alive,
    Cancel,
    Count,
    Failure,
    Generate,
    Load,
    Number,
    Offer,
    Piece,
    Prepare,
    Ready,
    Reply,
    Request,
    decode_request,
    encode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from models.engine.engine import Engine
    from models.engine.running import Watch

PR_SET_PDEATHSIG = 1


def main(parent: int) -> None:
    """Runs until standard input ends. `parent` is the process id that must stay our parent."""
    replies, requests = _own_pipes()
    _die_with(parent)
    _stay_small()
    first = decode_request(requests.readline())
    if not isinstance(first, Load):
        raise SystemExit("the first line must load a model")
    pulse = _Pulse(replies)
    try:
        engine, ready = _loaded(first, pulse)
    except Exception as error:  # whatever is wrong with the file, the parent gets one line
        _send(replies, Failure(None, "broken", _line(error)))
        return
    _send(replies, ready)
    inbox: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_listen, args=(requests, inbox, cancelled, engine), daemon=True).start()
    _Loop(engine, inbox, cancelled, replies, pulse).run()


@dataclass(frozen=True, slots=True)
class _Arrived:
    request: Request
    at: float


class _Loop:
    """Takes requests in and steps through the contexts that have work, in turn."""

    def __init__(
        self,
        engine: Engine,
        inbox: queue.SimpleQueue[_Arrived],
        cancelled: set[int],
        replies: BinaryIO,
        pulse: _Pulse,
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._cancelled = cancelled  # the listening thread adds, this one removes
        self._replies = replies
        self._pulse = pulse

    def run(self) -> None:
        while True:
            self._take_in()
            for reply in self._engine.step():
                self._send(reply)
            self._pulse.beat()

    def _take_in(self) -> None:
        while True:
            try:
                arrived = self._inbox.get(block=not self._engine.busy)
            except queue.Empty:
                return
            request = arrived.request
            if isinstance(request, Cancel):
                if request.id not in self._engine.ids():  # it came too late; not to be remembered for ever
                    self._cancelled.discard(request.id)
            elif isinstance(request, Offer):
                self._engine.offer(request.lora)
            elif isinstance(request, Count | Generate | Prepare):
                self._begin(request, arrived.at)

    def _begin(self, request: Count | Generate | Prepare, at: float) -> None:
        try:
            if isinstance(request, Count):
                self._send(Number(request.id, self._engine.count(request.turns)))
            else:
                self._engine.add(request, self._watch(request, at))
        except Exception as error:  # whatever is wrong with one request, it is told and the next one goes on
            self._send(_failure(request.id, error))

    def _watch(self, request: Generate | Prepare, at: float) -> Watch:
        from models.engine.running import Watch

        seconds = request.deadline_s if isinstance(request, Generate) else None
        deadline = None if seconds is None else at + seconds
        return Watch(deadline, lambda: request.id in self._cancelled)

    def _send(self, reply: Reply) -> None:
        if isinstance(reply, Number | Failure) or (isinstance(reply, Piece) and reply.finished):
            self._cancelled.discard(reply.id or 0)
        _send(self._replies, reply)


class _Pulse:
    """Tells the parent that work goes on, at most twice a second however often it is asked to."""

    def __init__(self, replies: BinaryIO) -> None:
        self._replies = replies
        self._last = time.monotonic()

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._last > 0.5:
            self._last = now
            _send(self._replies, Alive())


def _loaded(load: Load, pulse: _Pulse) -> tuple[Engine, Ready]:
    # Imported here so that a failing import of llama_cpp is told like any other failure to load.
    from models.engine.engine import Engine

    began = time.monotonic()
    engine = Engine(load.plan, alive=pulse.beat)
    template: Literal["model", "chatml"] = "model" if engine.has_template else "chatml"
    return engine, Ready(VERSION, load.plan.context_tokens, template, time.monotonic() - began)


def _listen(
    requests: BinaryIO, inbox: queue.SimpleQueue[_Arrived], cancelled: set[int], engine: Engine
) -> None:
    for line in requests:
        request = decode_request(line)
        if isinstance(request, Cancel):
            cancelled.add(request.id)  # seen at once, also in the middle of a batch
        inbox.put(_Arrived(request, time.monotonic()))
    engine.keep()
    os._exit(0)  # nobody asks any more, and the model's loop may be deep in native code


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keeps the two pipes for the protocol alone: native code that prints to 1 lands in the log."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return replies, requests


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _stay_small() -> None:
    """If memory runs out the kernel takes this process first, and a crash writes no memory to disk."""
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        pass


def _failure(id_: int, error: Exception) -> Failure:
    from models.engine.batching import TooLongError

    return Failure(id_, "too_long" if isinstance(error, TooLongError) else "unavailable", _line(error))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _send(replies: BinaryIO, reply: Reply) -> None:
    replies.write(encode(reply))
