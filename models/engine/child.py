"""The process that owns the model: reads requests from its standard input, answers on its standard output.

Rule: one loop owns the model and does one step at a time; a second thread only reads requests, so that
a cancellation is seen between two steps, and ends the process when the parent is gone. The first
request that came is the first that is answered; counting tokens waits for nobody.
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
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.engine.wire import (
    VERSION,
    Alive,
    Cancel,
    Count,
    Failure,
    Generate,
    Load,
    Number,
    Piece,
    Ready,
    Reply,
    Request,
    Score,
    decode_request,
    encode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from models.engine.generation import Model, Watch

PR_SET_PDEATHSIG = 1


def main(parent: int) -> None:
    """Runs until standard input ends. `parent` is the process id that must stay our parent."""
    replies, requests = _own_pipes()
    _die_with(parent)
    _stay_small()
    first = decode_request(requests.readline())
    if not isinstance(first, Load):
        raise SystemExit("the first line must load a model")
    try:
        model, ready = _loaded(first, replies)
    except Exception as error:  # whatever is wrong with the file, the parent gets one line
        _send(replies, Failure(None, "broken", _line(error)))
        return
    _send(replies, ready)
    inbox: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_listen, args=(requests, inbox, cancelled), daemon=True).start()
    _Loop(model, inbox, cancelled, replies).run()


@dataclass(frozen=True, slots=True)
class _Arrived:
    request: Request
    at: float


class _Loop:
    """Takes requests in the order they came and drives the first of them step by step."""

    def __init__(
        self, model: Model, inbox: queue.SimpleQueue[_Arrived], cancelled: set[int], replies: BinaryIO
    ) -> None:
        self._model = model
        self._inbox = inbox
        self._replies = replies
        self._pulse = _Pulse(replies)
        self._waiting: deque[_Arrived] = deque()
        self._cancelled = cancelled  # the listening thread adds, this one removes
        self._running: Iterator[Reply] | None = None
        self._running_id = 0

    def run(self) -> None:
        while True:
            self._take_in()
            self._drop_the_late()
            if self._running is None and self._waiting:
                self._begin(self._waiting.popleft())
            self._step()

    def _take_in(self) -> None:
        idle = self._running is None and not self._waiting
        while True:
            try:
                arrived = self._inbox.get(block=idle)
            except queue.Empty:
                return
            idle = False
            if isinstance(arrived.request, Cancel):
                self._forget_if_over(arrived.request.id)
            elif isinstance(arrived.request, Count):
                self._count(arrived.request)
            else:
                self._waiting.append(arrived)

    def _forget_if_over(self, id_: int) -> None:
        """A cancellation that came too late must not be remembered for ever."""
        if id_ != self._running_id and all(_id(arrived.request) != id_ for arrived in self._waiting):
            self._cancelled.discard(id_)

    def _count(self, request: Count) -> None:
        try:
            _send(self._replies, Number(request.id, self._model.count(request.turns)))
        except Exception as error:
            _send(self._replies, _failure(request.id, error))

    def _drop_the_late(self) -> None:
        """Ends the waiting requests that were cancelled or are past their deadline."""
        for arrived in list(self._waiting):
            verdict = self._watch(arrived).verdict()
            if verdict is not None:
                self._waiting.remove(arrived)
                self._cancelled.discard(_id(arrived.request))
                _send(self._replies, Piece(_id(arrived.request), "", 0, 0, 0, verdict))

    def _begin(self, arrived: _Arrived) -> None:
        request = arrived.request
        self._running_id = _id(request)
        if isinstance(request, Generate):
            self._running = self._model.generate(request, self._watch(arrived))
        elif isinstance(request, Score):
            self._running = self._model.score(request, self._watch(arrived))

    def _step(self) -> None:
        if self._running is None:
            return
        try:
            reply = next(self._running, None)
        except Exception as error:
            reply = _failure(self._running_id, error)
            self._running = None
        if reply is None:
            self._running = None
        else:
            _send(self._replies, reply)
        if self._running is None:
            self._cancelled.discard(self._running_id)
            self._running_id = 0

    def _watch(self, arrived: _Arrived) -> Watch:
        from models.engine.generation import Watch

        id_ = _id(arrived.request)
        seconds = arrived.request.deadline_s if isinstance(arrived.request, Generate) else None
        deadline = None if seconds is None else arrived.at + seconds
        return Watch(deadline, lambda: id_ in self._cancelled, self._pulse.beat)


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


def _loaded(load: Load, replies: BinaryIO) -> tuple[Model, Ready]:
    # Imported here so that a failing import of llama_cpp is told like any other failure to load.
    from models.engine.generation import Model
    from models.engine.llama import Llama
    from models.engine.template import CHATML, ChatTemplate

    began = time.monotonic()
    llama = Llama(load.plan, progress=_Pulse(replies).beat)
    own = llama.chat_template
    template = ChatTemplate(
        own or CHATML, bos=llama.bos_text, eos=llama.eos_text, control_texts=llama.control_texts()
    )
    ready = Ready(VERSION, llama.context_tokens, "model" if own else "chatml", time.monotonic() - began)
    return Model(llama, template), ready


def _listen(requests: BinaryIO, inbox: queue.SimpleQueue[_Arrived], cancelled: set[int]) -> None:
    for line in requests:
        request = decode_request(line)
        if isinstance(request, Cancel):
            cancelled.add(request.id)  # seen at once, also in the middle of a batch
        inbox.put(_Arrived(request, time.monotonic()))
    os._exit(0)  # the parent is gone; the model's loop may be deep in native code


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
    from models.engine.generation import TooLongError

    return Failure(id_, "too_long" if isinstance(error, TooLongError) else "unavailable", _line(error))


def _id(request: Request) -> int:
    return 0 if isinstance(request, Load) else request.id


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _send(replies: BinaryIO, reply: Reply) -> None:
    replies.write(encode(reply))
