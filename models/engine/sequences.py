"""Which sequences of a context are free, in use, or kept because another prompt may go on from them.

Rule: what is kept makes room, the longest unused first, for what is asked now, and goes to `ended`; and what
was kept for one audience is never taken by another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from weakref import WeakValueDictionary

from models.engine.context import Context
from models.engine.ended import Ended, EndedPrompts
from models.engine.prompts import Prompt
from models.engine.running import Held, Prefix, Running
from models.engine.settings import Lora

MOST_PREFIXES = 8
SHORT = 32
"""Fewer tokens are sooner read than their state is copied."""


class Sequences:
    """The sequences 0 to `count` - 1 of `context`, which answers with `lora`; at most `most_idle` ended ones
    are kept in their places, others in `ended`."""

    def __init__(
        self, context: Context, ended: EndedPrompts, *, lora: Lora | None, count: int, most_idle: int
    ) -> None:
        self._context = context
        self._ended = ended
        self._lora = lora
        self._most_idle = most_idle
        self._free = deque(range(count))
        self._idle: list[Held] = []  # the longest unused first
        self._prefixes: WeakValueDictionary[tuple[int, ...], Prefix] = (
            WeakValueDictionary()
        )  # those in use too
        self._kept: dict[tuple[int, ...], Prefix] = {}  # the longest unused first

    def take(self) -> int:
        """A sequence that holds nothing."""
        if not self._free:
            self._put_away(self._idle.pop(0))
        return self._free.popleft()

    def release(self, sequence: int) -> None:
        """Forgets all that `sequence` holds."""
        self._context.drop(sequence)
        self._free.append(sequence)

    def keep(self, held: Held) -> None:
        """Keeps what an ended request held, for the next turn of its conversation."""
        self._idle.append(held)
        if len(self._idle) > self._most_idle:
            self._put_away(self._idle.pop(0))

    def take_over(self, running: Running, others: Sequence[Running]) -> Held | None:
        """A sequence that holds what the prompt shares with one that was kept for the same audience, the one it
        shares most with, or a copy of what one of `others` has read so far; None where none shares more than the
        system message, or where blocks may have to be read and what is known of the system message, which they
        are read behind, was forgotten."""
        if running.keys and not self._knows_head(running.prompt):
            return None
        audience = running.held.audience
        idle = [held for held in self._idle if held.audience == audience]
        kept: list[Held | Ended] = [*idle, *self._ended.of((self._lora, audience))]
        best: Held | Ended | None = None
        most = running.prompt.head
        for one in kept:
            if (count := running.common(one.tokens)) > most:
                best, most = one, count
        if (copied := self._copied(running, others, most)) is not None:
            return copied
        if isinstance(best, Ended):
            self._ended.used(best)
            return self._restored(best.state, best.tokens, audience)
        if best is not None:
            self._idle.remove(best)
            if len(best.tokens) - most > SHORT:
                self._remember(best)
        return best

    def prefix(self, prompt: Prompt) -> Prefix | None:
        """What is known of the system message of `prompt`; None where it has none. As long as somebody uses it, all
        use the same."""
        if prompt.head == 0:
            return None
        tokens = _head(prompt)
        prefix = self._prefixes.get(tokens) or Prefix(tokens)
        self._kept.pop(tokens, None)
        self._prefixes[tokens] = self._kept[tokens] = prefix
        if len(self._kept) > MOST_PREFIXES:
            del self._kept[next(iter(self._kept))]
        return prefix

    def _knows_head(self, prompt: Prompt) -> bool:
        prefix = self._prefixes.get(_head(prompt))
        return prefix is not None and prefix.state is not None

    def has_room(self, needed: int, running: Sequence[Running]) -> bool:
        """Whether `needed` cells can be had beside those of `running`; what is kept makes room."""
        if not self._context.shared:
            return True  # each sequence has its own
        reserved = sum(one.reserved for one in running)
        while reserved + sum(len(held.tokens) for held in self._idle) + needed > self._context.cells:
            if not self._idle:
                return False
            self._put_away(self._idle.pop(0))
        return True

    def _copied(self, running: Running, others: Sequence[Running], most: int) -> Held | None:
        """What one of `others` of the same audience holds, where `running` shares clearly more than `most` tokens
        with it. Where all sequences share one memory a copy would take the room of what is kept."""
        if self._context.shared:
            return None
        audience = running.held.audience
        same = [other.held for other in others if other.held.audience == audience]
        longest = max(same, key=lambda held: running.common(held.tokens), default=None)
        if longest is None or running.common(longest.tokens) - most <= SHORT:
            return None
        return self._restored(self._context.state(longest.sequence), longest.tokens, audience)

    def _restored(self, state: bytes, tokens: Sequence[int | tuple[str, int]], audience: str) -> Held | None:
        """A sequence of its own that holds `tokens`, whose state is `state`."""
        sequence = self.take()
        if self._context.restore(sequence, state):
            return Held(sequence, audience, list(tokens))
        self.release(sequence)
        return None

    def _put_away(self, held: Held) -> None:
        self._remember(held)
        self.release(held.sequence)

    def _remember(self, held: Held) -> None:
        """Keeps what `held` holds outside the context."""
        owner = (self._lora, held.audience)
        if not self._ended.keeps or len(held.tokens) < SHORT or self._ended.has(owner, held.tokens):
            return
        self._ended.put(Ended(owner, tuple(held.tokens), self._context.state(held.sequence)))

    def clear(self) -> None:
        """Forgets everything that is kept."""
        for held in self._idle:
            self.release(held.sequence)
        self._idle.clear()


def _head(prompt: Prompt) -> tuple[int, ...]:
    """The tokens of its system message."""
    return prompt.parts[0].tokens[: prompt.head]
