"""A model behind an OpenAI-compatible server: the Generator that answers over HTTP.

Rule: what was sent is asked again only while no text of its answer has come, and nothing is waited for
without a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from models.engine.chat_completions import (
    Chunk,
    Offer,
    Usage,
    chunk_of,
    estimate,
    kept_apart,
    listed,
    messages,
    offer_of,
    prompt_of,
    request,
    says_too_long,
    tokens_in,
)
from models.engine.connection import ApiKey, Connection, Patience, ServerError
from models.engine.generator import GREEDY, NOBODY, Asking, Delta, ModelIdentity, Sampling, Turn
from models.engine.growing_text import GrowingText
from models.errors import ModelUnavailable, PromptTooLong

T = TypeVar("T")
_REMEMBERED = 32


class ServerModel:
    """Answers with the model `name` of the server at `url`; None takes the only one it offers.

    `context_tokens` is what prompt and answer may have together, or less where the server says so. What
    the server offers is asked at the first use, and anew after a failure. `patience` bounds every wait.
    Raises ModelUnavailable for an address that cannot be one.

    Of the promises of Generator two are as good as the server: that a drawn answer repeats with its
    seed, and, where it is neither llama-server nor vLLM, that audiences are kept apart in what it keeps.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        key: ApiKey | None = None,
        context_tokens: int = 4096,
        patience: Patience = Patience(),
    ) -> None:
        self._connection = Connection(url, key, patience)
        self._patience = patience
        self._name = name
        self._context_tokens = context_tokens
        self._offer: Offer | None = None
        self._doubtful = False
        self._counted: dict[tuple[str, tuple[Turn, ...]], int] = {}
        self._audience: str | None = None
        self._mixed = False
        self._waits: set[asyncio.Timeout] = set()
        self._closed = 0

    @property
    def identity(self) -> ModelIdentity:
        """The name that is asked for, or the address until it is known; a server tells no hash."""
        name = self._offer.name if self._offer else self._name
        return ModelIdentity(name or self._connection.url, "")

    @property
    def parameters(self) -> None:
        """Unknown: servers do not tell how large their model is."""
        return None

    @property
    def trained(self) -> bool:
        """Not known either, so no."""
        return False

    @property
    def loras(self) -> dict[str, str]:
        """None: a server's LoRAs are models of their own to it, and it does not tell their hashes."""
        return {}

    @property
    def context_tokens(self) -> int:
        """The configured context, at most what the server told at the first use."""
        told = self._offer.context_tokens if self._offer else None
        return min(self._context_tokens, told or self._context_tokens)

    async def start(self) -> None:
        """Asks the server what it offers now instead of at the first use; raises ModelUnavailable."""
        await self._offered(_Deadline(None))

    async def count_tokens(self, turns: Sequence[Turn]) -> int:
        """As the server counts, or an estimate from above where it does not."""
        deadline = _Deadline(None)
        return await self._count(turns, await self._offered(deadline), deadline)

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
        deadline, text = _Deadline(deadline_s), GrowingText(stop)
        prompt, pieces, shown = 0, 0, ""
        finished, usage = None, None
        try:
            offer = await self._offered(deadline)
            model = self._asked_for(offer, asking)
            prompt = await self._fitting(turns, max_tokens, offer, deadline)
            body = request(model, turns, offer.program, max_tokens=max_tokens, stop=stop, sampling=sampling)
            body |= kept_apart(offer.program, asking.audience, mixed=self._is_mixed(asking.audience))
            async with contextlib.aclosing(self._chunks(body, deadline)) as chunks:
                async for chunk in chunks:
                    finished, usage = finished or chunk.finished, chunk.usage or usage
                    if chunk.text and pieces == max_tokens:
                        finished = "length"  # a piece is a token at least, and the server was told
                        break
                    pieces += bool(chunk.text)
                    shown = text.add(chunk.text.encode())
                    if text.stopped:
                        break
                    if shown:
                        yield Delta(shown, prompt, 0, pieces)
                        shown = ""
        except _DeadlinePassed:
            yield Delta("", prompt, 0, pieces, "deadline")
            return
        counts = usage or Usage(0, 0, 0)
        yield Delta(
            shown + text.rest(),
            counts.prompt or prompt,
            counts.reused,
            counts.completion or pieces,
            "stop" if text.stopped else finished or "stop",
        )

    async def close(self) -> None:
        """Ends the connections and what waits on them; the server lives on, and a later use connects anew."""
        self._closed += 1
        now = asyncio.get_running_loop().time()
        for wait in list(self._waits):
            if not wait.expired():
                wait.reschedule(now)
        await self._connection.close()

    async def _offered(self, deadline: _Deadline) -> Offer:
        """What the server offers, asked at the first use and after a failure."""
        if self._offer is not None and not self._doubtful:
            return self._offer
        found = await self._fetch("/v1/models", None, deadline)
        props = await self._optional("/props", None, deadline)
        self._offer = offer_of(found, props, self._name, self._connection.server)
        self._doubtful = False
        self._counted.clear()
        return self._offer

    def _asked_for(self, offer: Offer, asking: Asking) -> str:
        """The model to ask for, which is how servers name a LoRA."""
        if asking.lora is None:
            return offer.name
        if asking.lora not in offer.names:
            raise ModelUnavailable(
                f"{self._connection.server} has no LoRA {asking.lora!r}; it offers {listed(offer.names)}"
            )
        return asking.lora

    def _is_mixed(self, audience: str) -> bool:
        """Whether answers for more than one audience were asked of the server."""
        if self._audience is None:
            self._audience = audience
        self._mixed = self._mixed or audience != self._audience
        return self._mixed

    async def _fitting(
        self, turns: Sequence[Turn], max_tokens: int, offer: Offer, deadline: _Deadline
    ) -> int:
        """Tokens of the prompt; raises PromptTooLong when they leave no room for `max_tokens`."""
        prompt = await self._count(turns, offer, deadline)
        if prompt + max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"the prompt has {prompt:,} tokens and the answer up to {max_tokens:,}, "
                f"but the context has {self.context_tokens:,}"
            )
        return prompt

    async def _count(self, turns: Sequence[Turn], offer: Offer, deadline: _Deadline) -> int:
        asked = (offer.name, tuple(turns))
        if asked not in self._counted:
            counted = await self._count_there(turns, offer, deadline)
            while len(self._counted) >= _REMEMBERED:
                del self._counted[next(iter(self._counted))]
            self._counted[asked] = counted or estimate(turns)
        return self._counted[asked]

    async def _count_there(self, turns: Sequence[Turn], offer: Offer, deadline: _Deadline) -> int | None:
        """As the server counts; None where it does not."""
        told: dict[str, object] = {"model": offer.name, "messages": messages(turns)}
        if offer.program == "vllm":
            return tokens_in(await self._optional("/tokenize", told, deadline))
        if offer.program == "llama-server":
            prompt = prompt_of(await self._optional("/apply-template", told, deadline))
            text = {"model": offer.name, "content": prompt, "add_special": True, "parse_special": True}
            return tokens_in(await self._optional("/tokenize", text, deadline)) if prompt else None
        return None

    async def _optional(self, path: str, body: Mapping[str, object] | None, deadline: _Deadline) -> object:
        """What only some servers know; None where this one does not."""
        doubtful = self._doubtful
        try:
            return await self._fetch(path, body, deadline)
        except ServerError as error:
            if error.status is None or error.passing:
                raise
            self._doubtful = doubtful
            return None

    async def _fetch(self, path: str, body: Mapping[str, object] | None, deadline: _Deadline) -> object:
        for attempt in itertools.count(1):
            try:
                return await self._within(
                    lambda: self._connection.fetch(path, body), self._patience.reply_s, deadline
                )
            except ServerError as error:
                await self._pause(error, attempt, deadline)
        raise AssertionError("counting ends")

    async def _chunks(self, body: Mapping[str, object], deadline: _Deadline) -> AsyncGenerator[Chunk, None]:
        """What the server says to `body` until its end, asked again while no text has come."""
        for attempt in itertools.count(1):
            begun = finished = False
            idle = 0.0
            try:
                events = self._connection.events("/v1/chat/completions", body)
                async with contextlib.aclosing(events):
                    while True:
                        limit = self._patience.silence_s if begun else self._patience.first_s
                        asked = time.monotonic()
                        event = await self._within(lambda: anext(events, None), limit, deadline, idle)  # noqa: B023
                        if event is None:
                            break
                        chunk = chunk_of(event, self._connection.server)
                        idle = idle + time.monotonic() - asked if chunk.idle else 0.0
                        begun, finished = begun or bool(chunk.text), finished or bool(chunk.finished)
                        if chunk.last:
                            return
                        yield chunk
                if finished:
                    return
                broken = f"{self._connection.server} ended in the middle of the answer"
                raise ServerError(broken, passing=True)
            except (ModelUnavailable, _DeadlinePassed) as error:
                if finished:
                    return  # only the counts are missing
                if begun or not isinstance(error, ServerError):
                    self._doubtful = True
                    raise
                if error.status in (200, 400, 413, 422) and says_too_long(error.said):
                    raise PromptTooLong(f"{self._connection.server} refused: {error.said[:200]}") from None
                await self._pause(error, attempt, deadline)

    async def _within(
        self, ask: Callable[[], Awaitable[T]], limit_s: float, deadline: _Deadline, waited_s: float = 0.0
    ) -> T:
        """What comes of `ask`, waited for until the limit, of which `waited_s` are over, the deadline, or the end of
        this model."""
        closed, left = self._closed, deadline.left
        if left <= 0:
            raise _DeadlinePassed
        limit = max(0.0, limit_s - waited_s)
        wait = asyncio.timeout(min(limit, left))
        try:
            async with wait:
                self._waits.add(wait)
                return await ask()
        except TimeoutError:
            if self._closed > closed:
                raise ModelUnavailable("the model was closed while it answered") from None
            if left <= limit:
                raise _DeadlinePassed from None
            raise ServerError(f"{self._connection.server} said nothing for {limit_s:g} s") from None
        finally:
            self._waits.discard(wait)

    async def _pause(self, error: ServerError, attempt: int, deadline: _Deadline) -> None:
        """Waits until the server may be asked again; raises `error` where that makes no sense."""
        pause = max(self._patience.pause_s * 2 ** (attempt - 1), error.retry_after_s)
        last = attempt >= self._patience.attempts
        if not error.passing or last or pause > self._patience.longest_pause_s or pause >= deadline.left:
            self._doubtful = True
            raise error
        await self._within(lambda: asyncio.sleep(pause), pause + 1, deadline)


class _DeadlinePassed(Exception):
    """The time for an answer is over."""


class _Deadline:
    """A point in time, `seconds` after it was made; None never comes."""

    def __init__(self, seconds: float | None) -> None:
        self._at = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, negative afterwards."""
        return self._at - time.monotonic()
