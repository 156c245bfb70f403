"""Reading ahead: order, errors in their place, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from knowledge.read_ahead import read_ahead


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_values_come_in_order_from_another_thread() -> None:
    seen: set[str] = set()

    def values() -> Iterator[int]:
        for value in range(100):
            seen.add(threading.current_thread().name)
            yield value

    assert list(read_ahead(values(), ahead=3)) == list(range(100))
    assert seen == {"read-ahead"}
    assert threads() == []


def test_error_comes_after_the_values_before_it() -> None:
    def values() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("three")

    ahead = read_ahead(values(), ahead=1)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(KeyError, match="three"):
        next(ahead)
    assert threads() == []


def test_taker_that_stops_ends_the_thread_within_its_bound() -> None:
    made: list[int] = []

    def values() -> Iterator[int]:
        for value in range(10_000):
            made.append(value)
            yield value

    ahead = read_ahead(values(), ahead=4)
    assert next(ahead) == 0
    ahead.close()
    assert threads() == []
    assert len(made) <= 8
