"""Where an answer stands in Discord, and finding it again after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.discord_blocks import Post
from adapters.discord_rest import Rest
from adapters.snowflakes import snowflake
from bot.platform import Handle

_PAGES = 5
_BEFORE_S = 60.0
"""How much Discord's clock may differ from this machine's."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the answer stands: as the first response to a command, or as a message of the bot's own."""

    kind: Literal["original", "message"]
    channel: str
    message: str

    @classmethod
    def of(cls, handle: Handle | None) -> Stand | None:
        """What a noted handle says; None where nothing stands yet."""
        if not handle or "message" not in handle:
            return None
        kind: Literal["original", "message"] = "original" if handle.get("kind") == "original" else "message"
        return cls(kind, handle["channel"], handle["message"])


async def answer_in(channel: str, id: str, asked_at: float, rest: Rest) -> str | None:
    """The bot's message in `channel` for the question `id`, if there is one; `asked_at` in seconds since 1970."""
    after = snowflake(asked_at - _BEFORE_S)
    for _ in range(_PAGES):
        messages = await rest.messages(channel, after=after)
        for one in messages:
            mine = any(id in name for name in one.custom_ids)
            known = one.nonce in (id, f"{id}h")
            if one.author == rest.bot and (mine or known):
                return one.id
        if len(messages) < 100:
            return None
        after = messages[-1].id
    return None


async def part_after(stand: Stand, nonce: str, post: Post, rest: Rest) -> str | None:
    """The bot's message behind `stand` that was posted with `nonce` or says what `post` says, if there is one."""
    for one in await rest.messages(stand.channel, after=stand.message):
        if one.author == rest.bot and (one.nonce == nonce or one.content == post.content.strip()):
            return one.id
    return None
