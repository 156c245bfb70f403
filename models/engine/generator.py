"""The seam for language models that write answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    `blocks` are spans of `text` (start and end, in characters, in order, not overlapping) that can be
    read apart from what stands before them, as the passages of a prompt can: a model may read such a
    block once and use what it read again wherever the same text stands.
    """

    role: Role
    text: str
    blocks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request's place in the queue, 1 for the next one, and how long it may take until it begins."""

    place: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer as it comes, and what the model has done so far.

    The texts of all deltas joined are the answer. `finished` is set on the last one only. `waiting` is
    set on deltas without text that come while the request waits for its turn. `reused_tokens` of the
    prompt were not read again. `avoided` is the natural logarithm of how likely the answer would have begun
    as `Sampling.avoid` does, where the model tells it.
    """

    text: str
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    finished: Literal["stop", "length", "cancelled", "deadline"] | None = None
    waiting: Waiting | None = None
    avoided: float | None = None


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which weights answer. `sha256` is that of the file, hex; the LoRA fields are None without one."""

    name: str
    sha256: str
    lora: str | None = None
    lora_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen: the likeliest at temperature 0, else drawn.

    `top_p` keeps the likeliest tokens whose probabilities reach that sum (1 keeps all). The same
    `seed`, prompt and settings give the same answer, asked alone. `grammar` in llama.cpp's GBNF allows
    only answers of its language. The answer does not begin with the first token of `avoid`, and how likely
    it would have is told with it; a model on a server knows nothing of this.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    grammar: str | None = None
    avoid: str = ""


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Asking:
    """For whom a request is made.

    `asker` is who waits for it, for a fair turn. `audience` names those who may see the answer: nothing
    that was read for one audience is used again for another, except the first message and the blocks,
    which are the same text for both. `lora` is the name of the LoRA to answer with.
    """

    asker: str = ""
    audience: str = ""
    lora: str | None = None


NOBODY = Asking()


class Generator(Protocol):
    """A language model that streams. One call of `stream` may run at a time or many; callers need not care."""

    @property
    def identity(self) -> ModelIdentity: ...

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may have together."""
        ...

    async def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Tokens of the prompt that `turns` become under the model's own chat template."""
        ...

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        max_tokens: int,
        deadline_s: float | None = None,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        asking: Asking = NOBODY,
    ) -> AsyncGenerator[Delta, None]:
        """Generates, greedily by default. Closing the iterator cancels and frees the model.

        The answer ends before the first of the `stop` texts, which is not part of it. `deadline_s`
        counts from the call, waiting included; past it the last delta says "deadline".

        Raises `models.errors.PromptTooLong` when prompt and `max_tokens` do not fit together,
        `models.errors.ModelBusy` when too many wait already, and `models.errors.ModelUnavailable` when
        there is no model, or it died, for a reason that the message says in one line.
        """
        ...

    async def close(self) -> None:
        """Ends the model's process, if there is one."""
        ...
