"""One request on its way through a context: what of its prompt is read, and its answer as it grows.

Rule: values and bookkeeping only; nothing here touches llama.cpp.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from models.engine.choosing import Chooser
from models.engine.growing_text import GrowingText
from models.engine.prompts import Part, Prompt, shared
from models.engine.wire import Finish, Generate, Piece, Prepare


@dataclass(slots=True, weakref_slot=True)
class Prefix:
    """The tokens of a system message. `state` is what was read of them, once `reader` has done so."""

    tokens: tuple[int, ...]
    state: bytes | None = None
    reader: Running | None = None


@dataclass(slots=True)
class Block:
    """A block on its way: read behind its prefix, which its state leaves out.

    `sequence` is None until it begins to be read and again when `state` holds what was read.
    """

    key: str
    tokens: tuple[int, ...]
    prefix: Prefix
    sequence: int | None = None
    read: int = 0
    state: bytes | None = None


@dataclass(slots=True)
class Held:
    """What a sequence holds, token by token, so that another prompt can go on from the same beginning.

    A token read in line stands for itself; one of a block stands for itself and its block.
    """

    sequence: int
    audience: str
    tokens: list[int | tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Watch:
    """When a request has to end early: at `deadline` (of time.monotonic) or when `cancelled` says so."""

    deadline: float | None
    cancelled: Callable[[], bool]

    def verdict(self) -> Finish | None:
        if self.cancelled():
            return "cancelled"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "deadline"
        return None


class Running:
    """A request whose prompt is being read (`next_token` None) or whose answer is being written.

    `keys` has the key of each part that is a block, by the part's number; empty when all is read in line.
    """

    def __init__(
        self,
        request: Generate | Prepare,
        prompt: Prompt,
        watch: Watch,
        *,
        keys: dict[int, str],
        held: Held,
    ) -> None:
        self.request = request
        self.prompt = prompt
        self.watch = watch
        self.keys = keys
        self.prefix: Prefix | None = None
        self.held = held
        self.blocks: dict[int, Block] = {}
        self.part = 0
        self.offset = 0
        self.reused = 0
        self.reserved = 0
        self.next_token: int | None = None
        self.chooser: Chooser | None = None
        self.answer: AnswerText | None = None

    @property
    def position(self) -> int:
        return len(self.held.tokens)

    @property
    def reading(self) -> bool:
        return self.next_token is None

    @property
    def left(self) -> int:
        """How many tokens of the prompt are still to be read, where all is read in line; else 0."""
        return len(self.prompt) - self.position if self.reading and not self.keys else 0

    @property
    def current(self) -> Part:
        """The part that is being read."""
        return self.prompt.parts[self.part]

    @property
    def at_block(self) -> bool:
        """Whether the next thing to do is to put a block in its place."""
        return self.part in self.keys

    def close(self) -> None:
        """Frees what chooses its tokens."""
        if self.chooser is not None:
            self.chooser.close()

    @property
    def waits_for_prefix(self) -> bool:
        """Whether another request is reading the system message that this one begins with."""
        prefix = self.prefix
        return prefix is not None and self.position == 0 and prefix.reader not in (None, self)

    def unread(self, most: int) -> tuple[int, ...]:
        """The next tokens to read in line, at most `most`; none while a block has to come first. The system
        message is a piece of its own."""
        if self.at_block:
            return ()
        if self.prefix is not None and self.position < len(self.prefix.tokens):
            most = min(most, len(self.prefix.tokens) - self.position)
        return self.current.tokens[self.offset : self.offset + most]

    def is_last(self, count: int) -> bool:
        """Whether reading `count` more tokens ends the prompt."""
        return self.part == len(self.prompt.parts) - 1 and self.offset + count == len(self.current.tokens)

    def has_read(self, tokens: tuple[int, ...]) -> None:
        """Takes note that `tokens` of the current part were read in line."""
        self.held.tokens += tokens
        self.offset += len(tokens)
        if self.offset == len(self.current.tokens) and self.part < len(self.prompt.parts) - 1:
            self.part, self.offset = self.part + 1, 0

    def has_joined(self) -> None:
        """Takes note that the current block stands in its place."""
        self.held.tokens += self._named(self.part)
        self.part, self.offset = self.part + 1, 0

    def begin_at(self, count: int) -> None:
        """Takes note that the first `count` tokens are held already."""
        self.part, self.offset = 0, count
        while self.part < len(self.prompt.parts) - 1 and self.offset >= len(self.current.tokens):
            self.offset -= len(self.current.tokens)
            self.part += 1

    def named(self) -> list[int | tuple[str, int]]:
        """The whole prompt as `Held` has it."""
        return [token for part in range(len(self.prompt.parts)) for token in self._named(part)]

    def common(self, tokens: Sequence[int | tuple[str, int]]) -> int:
        """With how many of `tokens`, as `Held` has them, this prompt begins: whole blocks, and never its last token."""
        count = min(shared(self.named(), tokens), len(self.prompt) - 1)
        start = 0
        for number, part in enumerate(self.prompt.parts):
            end = start + len(part.tokens)
            if number in self.keys and start < count < end:
                return start
            start = end
        return count

    def _named(self, part: int) -> list[int | tuple[str, int]]:
        tokens = self.prompt.parts[part].tokens
        key = self.keys.get(part)
        return list(tokens) if key is None else [(key, token) for token in tokens]


class AnswerText:
    """The pieces of one answer, each with what the model has done so far."""

    def __init__(self, request: Generate, *, prompt_tokens: int) -> None:
        self._id = request.id
        self._prompt_tokens = prompt_tokens
        self._text = GrowingText(request.stop)
        self.reused_tokens = 0
        self.completion_tokens = 0
        self.avoided: float | None = None

    @property
    def stopped(self) -> bool:
        return self._text.stopped

    def add(self, token: bytes) -> str:
        """Takes the next token; gives what can be shown now."""
        self.completion_tokens += 1
        return self._text.add(token)

    def piece(self, text: str) -> Piece:
        return self._piece(text, None)

    def end(self, finished: Finish, text: str = "") -> Piece:
        """The last piece. What was held back for a stop text is shown, unless that came."""
        rest = "" if self.stopped else self._text.rest()
        return self._piece(text + rest, finished)

    def _piece(self, text: str, finished: Finish | None) -> Piece:
        return Piece(
            self._id,
            text,
            self._prompt_tokens,
            self.reused_tokens,
            self.completion_tokens,
            finished,
            self.avoided,
        )
