"""What is particular to one channel: its collections, its tone, and how it is answered there.

Rule: the configuration file comes first; what an administrator set in the chat replaces it key by key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

LENGTHS = {"short": 80, "normal": None, "long": 480}
"""Tokens of an answer by the words of the configuration; None is what [model] says."""

AS_ELSEWHERE = "active"
"""Among the LoRAs that a channel compares: what would answer there if it compared none."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How questions of one channel are answered. None is what holds everywhere.

    `collections` narrows what may be drawn on, and never widens it. With `mention` False every message
    of the channel is a question; with `private` True only the asker sees the answer. These two are for the
    platform, which tells by `Asked.private` what became of it. Each conversation is answered with one of
    `loras`, where there are any.
    """

    collections: tuple[str, ...] | None = None
    persona: str | None = None
    language: str | None = None
    lora: str | None = None
    loras: tuple[str, ...] = ()
    max_answer_tokens: int | None = None
    mention: bool = True
    private: bool = False

    def changed(self, changes: Mapping[str, object]) -> ChannelSettings:
        """These settings with those keys of `changes` that are settings."""
        known = {field.name for field in fields(self)}
        kept = {key: value for key, value in changes.items() if key in known}
        if kept.get("lora") is not None:
            kept["loras"] = ()  # whoever names one wants no comparison
        return replace(self, **kept)  # type: ignore[arg-type]

    def as_typed(self) -> tuple[tuple[str, str], ...]:
        """Each key that can be set in the chat, with its value, both as they are typed there."""
        lengths = {tokens: name for name, tokens in LENGTHS.items()}
        unset = "default"
        return (
            ("collections", unset if self.collections is None else ", ".join(self.collections)),
            ("persona", self.persona or unset),
            ("language", self.language or unset),
            ("lora", self.lora or unset),
            ("length", lengths.get(self.max_answer_tokens, unset)),
            ("mention", "on" if self.mention else "off"),
            ("private", "on" if self.private else "off"),
        )

    def lora_for(self, conversation: str) -> str | None:
        """The LoRA for a question of `conversation`: the same for all of its questions, in every process, and
        over many conversations each of `loras` as often."""
        if not self.loras:
            return self.lora
        digest = hashlib.sha256(conversation.encode("utf-8", "replace")).digest()
        arm = self.loras[int.from_bytes(digest[:8]) % len(self.loras)]
        return self.lora if arm == AS_ELSEWHERE else arm
