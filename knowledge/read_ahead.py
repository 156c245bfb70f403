"""Runs an iterator in a thread of its own, a bounded number of steps ahead of whoever takes from it.

Rule: an error reaches the taker at its place in the order, and the thread never outlives the taker.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def read_ahead(values: Iterator[T], *, ahead: int) -> Iterator[T]:
    """The same values in the same order; `values` is only touched by the other thread."""
    ready: queue.Queue[_Item[T] | _End] = queue.Queue(maxsize=ahead)
    stopping = threading.Event()
    thread = threading.Thread(target=_fill, args=(values, ready, stopping), name="read-ahead", daemon=True)
    thread.start()
    try:
        while isinstance(step := ready.get(), _Item):
            yield step.value
        if step.error is not None:
            raise step.error
    finally:
        stopping.set()
        thread.join()


def _fill(values: Iterator[T], ready: queue.Queue[_Item[T] | _End], stopping: threading.Event) -> None:
    try:
        for value in values:
            if not _put(ready, _Item(value), stopping):
                return
    except BaseException as error:  # whatever it is, it belongs to the taker
        _put(ready, _End(error), stopping)
    else:
        _put(ready, _End(None), stopping)


def _put(ready: queue.Queue[_Item[T] | _End], step: _Item[T] | _End, stopping: threading.Event) -> bool:
    while not stopping.is_set():
        try:
            ready.put(step, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
