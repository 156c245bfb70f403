"""A loaded model with a context for each LoRA that is asked for.

Rule: what was read with one LoRA is never used with another, because each has a context of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from models.engine.batching import Batching
from models.engine.ended import EndedPrompts
from models.engine.generator import Turn
from models.engine.llama import Llama
from models.engine.passage_cache import PassageCache
from models.engine.prompts import Prompts
from models.engine.running import Watch
from models.engine.settings import EnginePlan, Lora
from models.engine.template import CHATML, ChatTemplate
from models.engine.wire import Generate, Prepare, Reply

MIB = 2**20


class Engine:
    """Loads what `plan` says; raises LoadError and TemplateError. `alive` is called while work goes on."""

    def __init__(self, plan: EnginePlan, *, alive: Callable[[], None]) -> None:
        self._plan = plan
        self._alive = alive
        self._llama = Llama(plan, progress=alive)
        own = self._llama.chat_template
        self.has_template = bool(own)
        template = ChatTemplate(
            own or CHATML,
            bos=self._llama.bos_text,
            eos=self._llama.eos_text,
            control_texts=self._llama.control_texts(),
        )
        self._prompts = Prompts(self._llama, template)
        self._cache = _cache(plan) if plan.passage_cache else None
        self._ended = EndedPrompts(0 if self._llama.forgets_only_whole else plan.prompt_memory_mb * MIB)
        self._loras = {lora.name: lora for lora in plan.loras}
        self._contexts: dict[Lora | None, Batching] = {None: self._context(None)}  # longest unused first

    @property
    def busy(self) -> bool:
        return any(context.busy for context in self._contexts.values())

    def ids(self) -> set[int]:
        """Of the requests that have not ended."""
        return {id_ for context in self._contexts.values() for id_ in context.ids()}

    def count(self, turns: Sequence[Turn]) -> int:
        """Tokens of the prompt."""
        return len(self._prompts.prompt(turns))

    def add(self, request: Generate | Prepare, watch: Watch) -> None:
        """Takes a request in; raises ValueError, LoadError."""
        if request.lora is not None and request.lora not in self._loras:
            raise ValueError(f"there is no LoRA named {request.lora!r}; configured: {sorted(self._loras)}")
        lora = None if request.lora is None else self._loras[request.lora]
        context = self._contexts.pop(lora, None)
        if context is None:
            self._make_room()
            context = self._context(lora)
        self._contexts[lora] = context
        context.add(request, watch)

    def offer(self, lora: Lora) -> None:
        """Lets requests name `lora` from now on; those that are under way keep the one they began with."""
        self._loras[lora.name] = lora

    def keep(self) -> None:
        """Writes the states of passages that are not on disk yet; callable from any thread."""
        if self._cache is not None:
            self._cache.close()

    def step(self) -> list[Reply]:
        """One batch of each context that has work."""
        return [
            reply for context in list(self._contexts.values()) if context.busy for reply in context.step()
        ]

    def _context(self, lora: Lora | None) -> Batching:
        return Batching(
            self._llama,
            self._prompts,
            self._cache,
            ended=self._ended,
            lora=lora,
            alive=self._alive,
        )

    def _make_room(self) -> None:
        """Closes the LoRA contexts that were not used for longest, but none that has work."""
        idle = [lora for lora, context in self._contexts.items() if lora is not None and not context.busy]
        spare = len(self._contexts) - self._plan.lora_contexts
        for lora in idle[: max(0, spare)]:
            self._contexts.pop(lora).close()


def _cache(plan: EnginePlan) -> PassageCache:
    # Without the weights' hash a state on disk could meet other weights under the same path.
    folder = Path(plan.passages) if plan.passages and plan.sha256 else None
    return PassageCache(
        memory_bytes=plan.passage_memory_mb * MIB, folder=folder, disk_bytes=plan.passage_disk_mb * MIB
    )
