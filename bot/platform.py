"""The seam for chat platforms: what the bot needs of one, and what one gets to deliver.

The fake for tests is `tests/fakes/platform.py`; a platform is a file in `adapters/` and a line in
`bot/wiring.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.answer import Answer
from bot.asked import Asked, Person, Place
from models.engine.generator import Turn as Turn
from models.engine.generator import (
    Waiting as Waiting,
)  # platforms see no model; this is their door to these two

Kind = Literal["answer", "notice", "failure", "stopped"]
"""What a reply is: an answer or refusal of the assistant, a calm word instead of one, an explicit
failure with its reference, or what was written until somebody stopped it."""

Phase = Literal["searching", "writing"]

Handle = Mapping[str, str]
"""How a platform finds again what it posted for a question, in its own words."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the asker is to see in the end.

    `id` is the question's; its first eight letters are the reference that people are told. `text` is
    Markdown with `[n]` markers, written by a model or out of documents and so not to be trusted.
    `answer` has the citations; None where nothing was answered. `shareable` says whether the asker may
    show a private answer in the place where it was asked.
    """

    id: str
    kind: Kind
    text: str
    answer: Answer | None = None
    shareable: bool = False

    @property
    def reference(self) -> str:
        """What people quote when they ask for help."""
        return self.id[:8]


class DeliveryFailed(Exception):
    """The platform cannot be reached or does not take it now; trying again is worth it."""

    def __init__(self, reason: str, *, after_s: float = 1.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Undeliverable(Exception):
    """The platform will never take it: the channel is gone, the bot was removed, the message deleted."""


class Delivery(Protocol):
    """The visible side of one question, from the first sign to the last word.

    Every method may be called again after the process died at any point, with the handle that was
    noted last; what was posted before is then found and used, never posted a second time.
    """

    async def begin(self) -> None:
        """Shows that the question was heard. Raises `DeliveryFailed` or `Undeliverable`."""
        ...

    def phase(self, phase: Phase, *, detail: str = "") -> None:
        """Shows what is being done; "Searching 3 collections". Never waits, may skip."""
        ...

    def wait(self, waiting: Waiting) -> None:
        """Shows the place in the queue. Never waits, may skip."""
        ...

    def show(self, text: str) -> None:
        """Shows the answer as far as it is written: the whole text so far. Never waits, may skip."""
        ...

    async def finish(self, reply: Reply) -> None:
        """Makes what stands there the reply, whole. Raises `DeliveryFailed` or `Undeliverable`."""
        ...

    async def withdraw(self) -> None:
        """Takes away what stands there, as far as it can; the question was deleted. Raises nothing."""
        ...

    async def interrupt(self) -> None:
        """Says that the answer comes after a restart, as far as it can. Raises nothing."""
        ...


NoteHandle = Callable[[Handle], Awaitable[None]]
"""Takes the handle of what was just posted; it is on disk when the call returns."""


class Platform(Protocol):
    """One chat platform. Its questions go to the `Desk` it was made with."""

    name: str

    @property
    def connected(self) -> bool:
        """Whether questions can come in now."""
        ...

    async def serve(self) -> None:
        """Connects and hears questions until it is cancelled; then takes no more, but can still deliver
        until `close`. Raises `bot.errors.ConfigError` when a token, a scope or an intent is wrong."""
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...

    async def who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        """Who asks and who will see the answer, not older than a minute, or not older than `since` (of
        time.monotonic); unknown where the platform does not tell. Raises `DeliveryFailed` when it cannot be asked."""
        ...

    async def before(self, asked: Asked) -> tuple[Turn, ...]:
        """What people wrote before `asked` in the same thread and the bot did not hear, oldest first."""
        ...

    def delivery(self, id: str, asked: Asked, handle: Handle | None, note: NoteHandle) -> Delivery:
        """The visible side of the question `id`; `handle` is what was noted of it last."""
        ...
