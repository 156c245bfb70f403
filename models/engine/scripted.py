"""The fake language model that tests use: it says what it was told to, and remembers what it was asked.

Rule: it keeps every promise of the Generator that needs no weights.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from models.engine.generator import GREEDY, NOBODY, Asking, Delta, ModelIdentity, Sampling, Turn
from models.errors import ModelUnavailable, PromptTooLong

Reply = str | Callable[[Sequence[Turn]], str]
_WORDS = re.compile(r"\s*\S+|\s+")


class ScriptedGenerator:
    """Answers with `replies`: one text or function of the turns for all, or a list used in order, whose
    last is repeated. A token is a word with the space before it.

    `prompts`, `samplings` and `askings` hold what every call of `stream` was given. While `failure` is
    set, every call raises ModelUnavailable with it. `pause_s` is waited before each piece; answers that
    are asked for at once come in turns, a piece of each.
    """

    def __init__(
        self, replies: Reply | Sequence[Reply] = "", *, context_tokens: int = 4096, pause_s: float = 0.0
    ) -> None:
        self._replies: list[Reply] = (
            [replies] if isinstance(replies, str) or callable(replies) else list(replies)
        )
        self._context_tokens = context_tokens
        self._pause_s = pause_s
        self.prompts: list[tuple[Turn, ...]] = []
        self.samplings: list[Sampling] = []
        self.askings: list[Asking] = []
        self.failure: str | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("scripted", "0" * 64)

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    async def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Words of the texts, and three for each turn, as a chat template has them."""
        self._check()
        return sum(len(_WORDS.findall(turn.text)) + 3 for turn in turns)

    async def stream(
        self,
        turns: Sequence[Turn],
        *,
        max_tokens: int,
        deadline_s: float | None = None,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        asking: Asking = NOBODY,
    ) -> AsyncGenerator[Delta, None]:
        if max_tokens < 1:
            raise ValueError("an answer needs room for one token at least")
        began = time.monotonic()
        prompt = await self.count_tokens(turns)
        if prompt + max_tokens > self._context_tokens:
            raise PromptTooLong(f"{prompt} and {max_tokens} tokens do not fit {self._context_tokens}")
        self.prompts.append(tuple(turns))
        self.samplings.append(sampling)
        self.askings.append(asking)
        reply = self._replies[min(len(self.prompts), len(self._replies)) - 1]
        text = reply(turns) if callable(reply) else reply
        ends = [place for word in stop if word and (place := text.find(word)) >= 0]
        words = _WORDS.findall(text[: min(ends)] if ends else text)
        for count, word in enumerate(words[:max_tokens], start=1):
            await asyncio.sleep(self._pause_s)
            if deadline_s is not None and time.monotonic() - began >= deadline_s:
                yield Delta("", prompt, 0, count - 1, "deadline")
                return
            yield Delta(word, prompt, 0, count)
        cut = len(words) > max_tokens
        yield Delta("", prompt, 0, min(len(words), max_tokens), "length" if cut else "stop")

    async def close(self) -> None:
        """There is nothing to end."""

    def _check(self) -> None:
        if self.failure is not None:
            raise ModelUnavailable(self.failure)
