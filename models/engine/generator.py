"""The seam for language models that write answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer as it comes, and what the model has done so far.

    The texts of all deltas joined are the answer. `finished` is set on the last one only.
    """

    text: str
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    finished: Literal["stop", "length", "cancelled", "deadline"] | None = None


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
    `seed`, prompt and settings give the same answer.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


GREEDY = Sampling()


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
    ) -> AsyncGenerator[Delta, None]:
        """Generates, greedily by default. Closing the iterator cancels and frees the model.

        The answer ends before the first of the `stop` texts, which is not part of it. `deadline_s`
        counts from the call, waiting included; past it the last delta says "deadline".

        Raises `models.errors.PromptTooLong` when prompt and `max_tokens` do not fit together, and
        `models.errors.ModelUnavailable` when there is no model, or it died, for a reason that the
        message says in one line.
        """
        ...

    async def close(self) -> None:
        """Ends the model's process, if there is one."""
        ...
