"""Which LoRA answers where no channel and no collection names another, and why.

Rule: what the configuration names goes first, then what was activated, then what ships, else the bare model answers; a LoRA
that is damaged or was made for another model is never used, and that is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.channels import AS_ELSEWHERE
from bot.config import Config
from bot.question import NO_LORA, SHIPPED_LORA
from bot.registry import Artefact, Registry
from models.engine.settings import Lora
from models.errors import BrokenWeights
from models.lora import read_lora
from models.lora_folder import LoraFolder, shipped_lora
from models.weights import Weights, sha256_of

log = logging.getLogger(__name__)

Origin = Literal["configured", "activated", "shipped", "none"]


@dataclass(frozen=True, slots=True)
class LoraChoice:
    """The LoRA that answers (None: the bare model), where it is from, and one line that says why. `problem` is
    one line on what would have been used and cannot be."""

    lora: Lora | None
    origin: Origin
    why: str
    problem: str | None = None

    @property
    def name(self) -> str | None:
        """The name that a request asks for it by."""
        return None if self.lora is None else self.lora.name

    @property
    def sha256(self) -> str | None:
        """The sha256 of its file."""
        return None if self.lora is None else self.lora.sha256


class Loras:
    """The LoRAs of a configuration, of `registry` (None: there is none yet) with its `folder`, and the one in
    `shipped`. `path` finds a file that the configuration names."""

    def __init__(
        self,
        config: Config,
        registry: Registry | None,
        folder: LoraFolder,
        path: Callable[[str], Path],
        *,
        shipped: Path | None = None,
    ) -> None:
        self._config = config
        self._registry = registry
        self.folder = folder
        self._path = path
        self._shipped = shipped or shipped_lora()

    def choice(self, base: Weights) -> LoraChoice:
        """What answers with the model `base`; raises `BrokenWeights` for what the configuration names."""
        named = self._config.model.lora
        if named == NO_LORA:
            return LoraChoice(None, "none", '[model] lora = "none"')
        if named == SHIPPED_LORA:
            return self._shipped_one(base, '[model] lora = "shipped"')
        for lora in self.configured(base) if named is not None else ():
            if lora.name == named:
                return LoraChoice(lora, "configured", "[model] lora names it")
        return self.unconfigured(base)

    def unconfigured(self, base: Weights) -> LoraChoice:
        """The same where [model] names none: what a new LoRA is compared with."""
        moves = [] if self._registry is None else self._registry.moves()
        if moves and moves[-1].sha256 is not None:
            try:
                lora = self._activated(moves[-1].sha256, base)
                return LoraChoice(lora, "activated", f"activated by {moves[-1].who}")
            except BrokenWeights as error:
                return LoraChoice(None, "none", "the activated one cannot be used", str(error))
        if not self._shipped.is_file():
            return LoraChoice(None, "none", "none was activated, and none is shipped with this program")
        choice = self._shipped_one(base, "it ships with this model, and none was activated")
        return LoraChoice(None, "none", f"none was activated; {choice.problem}") if choice.problem else choice

    def _shipped_one(self, base: Weights, why: str) -> LoraChoice:
        if not self._shipped.is_file():
            return LoraChoice(None, "none", why, "no LoRA is shipped with this program")
        try:
            header = read_lora(self._shipped, base=base.path, base_sha256=base.sha256)
            name = self._free(header.name or self._shipped.stem, "shipped")
            lora = Lora(name, str(self._shipped), sha256_of(self._shipped))
        except BrokenWeights as error:
            return LoraChoice(None, "none", why, f"the shipped one: {error}")
        return LoraChoice(lora, "shipped", why)

    def configured(self, base: Weights) -> tuple[Lora, ...]:
        """Every [[lora]], held against `base`; raises `BrokenWeights`."""
        found = []
        for section in self._config.lora:
            path = self._path(section.path)
            read_lora(path, base=base.path, base_sha256=base.sha256)
            found.append(Lora(section.name, str(path), sha256_of(path), section.scale))
        return tuple(found)

    def compared(self, base: Weights) -> tuple[tuple[Lora, ...], tuple[str, ...]]:
        """The LoRAs of the registry that channels compare, each called as it is named there; and one line on
        each that cannot be used."""
        words = dict.fromkeys(word for channel in self._config.channel for word in channel.loras)
        known = {one.name for one in self._config.lora} | {NO_LORA, AS_ELSEWHERE}
        found, problems = [], []
        for word in words:
            if word in known:
                continue
            try:
                found.append(self._named(word, base))
            except BrokenWeights as error:
                problems.append(f"[[channel]] loras: {error}")
        return tuple(found), tuple(problems)

    def every(self, base: Weights) -> tuple[Lora, ...]:
        """Every LoRA that a question may be answered with; what cannot be used is logged and left out."""
        choice = self.choice(base)
        compared, problems = self.compared(base)
        for problem in (*([choice.problem] if choice.problem else []), *problems):
            log.warning("%s", problem)
        loras = (*self.configured(base), *([choice.lora] if choice.lora else []), *compared)
        return tuple({lora.name: lora for lora in loras}.values())

    def _named(self, word: str, base: Weights) -> Lora:
        known = [] if self._registry is None else loras_called(word, self._registry, self.folder)
        if len(known) != 1:
            several = "several LoRAs are" if known else "no LoRA is"
            raise BrokenWeights(f"{several} called {word!r}; see: groundling finetune list")
        self.folder.whole(known[0].sha256, base)
        return Lora(word, str(self.folder.path(known[0].sha256)), known[0].sha256)

    def _activated(self, sha256: str, base: Weights) -> Lora:
        header = self.folder.whole(sha256, base)
        known = self._registry.find(sha256) if self._registry is not None else None
        name = known.manifest.name if known is not None else header.name
        return Lora(self._free(name or sha256[:12], sha256[:8]), str(self.folder.path(sha256)), sha256)

    def _free(self, name: str, mark: str) -> str:
        """`name`, told apart from every other that a LoRA may be named by."""
        words = {word for channel in self._config.channel for word in channel.loras}
        taken = words | {one.name for one in self._config.lora} | {NO_LORA, AS_ELSEWHERE}
        return f"{name}@{mark}" if name in taken else name


def loras_called(word: str, registry: Registry, folder: LoraFolder) -> list[Artefact]:
    """The LoRAs that `word` means, a name or the beginning of a sha256; of several those whose file lies in
    `folder`: the others were exported and never evaluated."""
    known = registry.named("lora", word)
    there = [one for one in known if folder.path(one.sha256).is_file()]
    return there if len(known) > 1 and there else known
