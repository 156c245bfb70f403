"""Which sequences of a context are free, in use, or kept because another prompt may go on from them.

Rule: what is kept makes room, the longest unused first, for what is asked now; and what was kept for one
audience is never taken by another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from models.engine.context import Context
from models.engine.prompts import Prompt
from models.engine.running import Held, Prefix, Running

MOST_PREFIXES = 8


class Sequences:
    """The sequences 0 to `count` - 1 of `context`; at most `most_idle` ended ones are kept."""

    def __init__(self, context: Context, *, count: int, most_idle: int) -> None:
        self._context = context
        self._most_idle = most_idle
        self._free = deque(range(count))
        self._idle: list[Held] = []  # the longest unused first
        self._prefixes: dict[tuple[int, ...], Prefix] = {}  # the longest unused first

    def take(self) -> int:
        """A sequence that holds nothing."""
        if not self._free:
            self.release(self._idle.pop(0).sequence)
        return self._free.popleft()

    def release(self, sequence: int) -> None:
        """Forgets all that `sequence` holds."""
        self._context.drop(sequence)
        self._free.append(sequence)

    def keep(self, held: Held) -> None:
        """Keeps what an ended request held, for the next turn of its conversation."""
        self._idle.append(held)
        if len(self._idle) > self._most_idle:
            self.release(self._idle.pop(0).sequence)

    def take_over(self, running: Running) -> Held | None:
        """The kept sequence of the same audience with which the prompt shares most, if that is more than its
        prefix; it is not kept any more."""
        best, most = None, running.prompt.head
        for held in self._idle:
            if held.audience == running.held.audience and (count := running.common(held)) > most:
                best, most = held, count
        if best is not None:
            self._idle.remove(best)
        return best

    def prefix(self, prompt: Prompt) -> Prefix | None:
        """What is known of the system message of `prompt`; None where it has none."""
        if prompt.head == 0:
            return None
        tokens = prompt.parts[0].tokens[: prompt.head]
        prefix = self._prefixes.pop(tokens, None) or Prefix(tokens)
        self._prefixes[tokens] = prefix
        if len(self._prefixes) > MOST_PREFIXES:
            del self._prefixes[next(iter(self._prefixes))]
        return prefix

    def has_room(self, needed: int, running: Sequence[Running]) -> bool:
        """Whether `needed` cells can be had beside those of `running`; what is kept makes room."""
        if not self._context.shared:
            return True  # each sequence has its own
        reserved = sum(one.reserved for one in running)
        while reserved + sum(len(held.tokens) for held in self._idle) + needed > self._context.cells:
            if not self._idle:
                return False
            self.release(self._idle.pop(0).sequence)
        return True

    def clear(self) -> None:
        """Forgets everything that is kept."""
        for held in self._idle:
            self.release(held.sequence)
        self._idle.clear()
