"""Keeps what a model has read of prompts that have ended, for others that begin alike.

Rule: only whoever may see all of a prompt goes on from it: the same audience, with the same LoRA. What was
used longest ago makes room.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """What was read of one prompt and its answer: `tokens` as `running.Held` has them, and their state."""

    owner: Hashable
    tokens: tuple[int | tuple[str, int], ...]
    state: bytes


class EndedPrompts:
    """At most `most_bytes` of states, in memory."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held = 0
        self._kept: list[Ended] = []  # the longest unused first

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._most_bytes > 0

    def of(self, owner: Hashable) -> list[Ended]:
        """What `owner` may go on from."""
        return [one for one in self._kept if one.owner == owner]

    def used(self, one: Ended) -> None:
        """Takes note that `one` was used just now."""
        self._kept.remove(one)
        self._kept.append(one)

    def put(self, fresh: Ended) -> None:
        """Keeps `fresh` in the place of what it goes on from; nothing new where a kept one goes on from it."""
        if self.has(fresh.owner, fresh.tokens) or len(fresh.state) > self._most_bytes:
            return
        for one in self.of(fresh.owner):
            if fresh.tokens[: len(one.tokens)] == one.tokens:
                self._drop(one)
        self._kept.append(fresh)
        self._held += len(fresh.state)
        while self._held > self._most_bytes:
            self._drop(self._kept[0])

    def has(self, owner: Hashable, tokens: Sequence[int | tuple[str, int]]) -> bool:
        """Whether a kept one of `owner` begins with `tokens`; it counts as used just now."""
        for one in self.of(owner):
            if one.tokens[: len(tokens)] == tuple(tokens):
                self.used(one)
                return True
        return False

    def _drop(self, one: Ended) -> None:
        self._kept.remove(one)
        self._held -= len(one.state)
