"""An order of turns: one line for each asker, whose first items are taken one after the other.

Rule: whoever has many items in line gets a turn as often as whoever has one.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Iterator, Set
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class RoundRobin(Generic[T]):
    """Items in the lines of their askers. An item may stand in several lines: it is taken once, at the
    first of its turns. A new asker's turn comes after those of all who stand in line already, but for those who are
    said to have theirs now.

    Every call looks at all items, so this is for hundreds, not for millions.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[T]] = {}  # in the order of their next turns, none of them empty

    def join(self, asker: str, item: T, *, now: Set[str] = frozenset()) -> None:
        """Puts `item` last in the line of `asker`, unless it stands there already. A new line, of one who is not
        having a turn `now` as others are, comes before the first of theirs."""
        if asker not in self._lines:
            after = [] if asker in now else [*self._from(now)]
            self._lines[asker] = deque()
            for other in after:
                self._lines[other] = self._lines.pop(other)
        line = self._lines[asker]
        if item not in line:
            line.append(item)

    def _from(self, now: Set[str]) -> Iterator[str]:
        """The askers in line from the first of `now` on."""
        return itertools.dropwhile(lambda asker: asker not in now, list(self._lines))

    def take(self) -> T | None:
        """The item whose turn it is, out of all lines; None when nothing is left."""
        asker = next(iter(self._lines), None)
        if asker is None:
            return None
        line = self._lines.pop(asker)
        self._lines[asker] = line
        item = line[0]
        self.remove(item)
        return item

    def remove(self, item: T) -> None:
        """Takes `item` out of all lines; does nothing when it stands in none."""
        for asker, line in list(self._lines.items()):
            if item in line:
                line.remove(item)
            if not line:
                del self._lines[asker]

    def order(self) -> list[T]:
        """All items, each once, as `take` would give them if nobody came or left."""
        lines = [deque(line) for line in self._lines.values()]
        taken: dict[T, None] = {}
        while lines:
            for line in lines:
                while line and line[0] in taken:
                    line.popleft()
                if line:
                    taken[line.popleft()] = None
            lines = [line for line in lines if line]
        return list(taken)

    def place(self, asker: str, item: T, *, now: Set[str] = frozenset()) -> int:
        """The place in `order`, from 1, that `item` would have after the same `join`."""
        trial = RoundRobin[T]()
        trial._lines = {name: deque(line) for name, line in self._lines.items()}
        trial.join(asker, item, now=now)
        return trial.order().index(item) + 1
