"""Has the LoRA that was activated meanwhile answer the next question, while the bot serves.

Rule: no answer is broken off, and a LoRA that cannot be used changes nothing but a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from bot.assistant import AnswerSettings
from bot.channels import AS_ELSEWHERE, ChannelSettings
from bot.lora_choice import LoraChoice
from bot.question import NO_LORA
from bot.registry import Registry
from knowledge.errors import KnowledgeError
from models.engine.settings import Lora
from models.errors import ModelError

log = logging.getLogger(__name__)


@runtime_checkable
class Offered(Protocol):
    """A model that can be given another LoRA while it runs; `models.engine.process.LocalModel` is one."""

    def offer(self, lora: Lora) -> None:
        """Lets requests name `lora` from now on."""
        ...


class Settled(Protocol):
    """What answers by `settings`, which may be exchanged; `bot.assistant.Assistant` does."""

    settings: AnswerSettings


class LoraWatch:
    """Looks at the tag "active" of `registry`. `choice`, called in a thread, gives what answers now; `change`
    hears of what was taken over. `answers_with` is the sha256 of that, None for the bare model."""

    def __init__(
        self,
        registry: Registry,
        choice: Callable[[], LoraChoice],
        *,
        change: Callable[[], None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._choice = choice
        self._change = change
        self._seen: int | None = None
        self._trouble = ""
        self._names: frozenset[str] = frozenset()
        self._served: tuple[object, Settled, Callable[[], AnswerSettings]] | None = None
        self.answers_with: str | None = None

    def begin(self, model: object, assistant: Settled, settings: Callable[[], AnswerSettings]) -> None:
        """From here on it is these two that get the LoRA, if `model` is `Offered`; `settings`, called in a
        thread, gives how `assistant` answers then."""
        self._served = model, assistant, settings
        self._names = frozenset(assistant.settings.lora_sha256)
        self.answers_with = assistant.settings.lora_sha256.get(assistant.settings.lora or "")
        self._seen = None

    def limited(self, settings: ChannelSettings) -> ChannelSettings:
        """A channel's settings without the LoRAs to compare that the model was not given when it was made."""
        if not settings.loras or self._served is None:
            return settings
        known = {*self._names, NO_LORA, AS_ELSEWHERE}
        return replace(settings, loras=tuple(name for name in settings.loras if name in known))

    async def look(self) -> None:
        """Takes over what was activated or rolled back since the last look that could; what keeps it from that is
        logged once."""
        if self._served is None:
            return
        model, assistant, settings = self._served
        try:
            moves = await asyncio.to_thread(self._registry.moves)
            number = moves[-1].number if moves else 0
            if number == self._seen:
                return
            choice = await asyncio.to_thread(self._choice)
            if choice.lora is not None and isinstance(model, Offered):
                model.offer(choice.lora)
            assistant.settings = await asyncio.to_thread(settings)
        except (KnowledgeError, ModelError) as error:
            if str(error) != self._trouble:
                log.error("the LoRA stays as it was: %s", error)
            self._trouble = str(error)
            return
        first, self._seen, self._trouble = self._seen is None, number, ""
        self.answers_with = choice.sha256
        if choice.problem and not first:
            log.error("%s", choice.problem)
        log.info("answering with %s: %s", choice.name or "no LoRA", choice.why)
        self._change()
