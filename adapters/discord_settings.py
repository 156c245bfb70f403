"""How the Discord adapter behaves; the configuration's [discord] in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Times are in seconds.

    `guilds` are the ids of the servers where the bot answers; it leaves a server that it is added to while
    it runs and that is not named here. `shards` None is one connection for all. With `message_content` the
    bot hears follow-ups in its threads without a mention, which needs the privileged intent. `private` is
    whether only the asker sees the answer to a command that does not say. With `threads` a mention in a
    channel is answered in a thread of its own, where the bot may open one.

    An answer that grows is edited at most every `edit_pause_s`. A command's answer goes on as a message
    `token_s` after it was asked: Discord takes no more edits after 900. `servers_wait_s` is how long the next
    server may take to be told of when a session begins; sessions of several shards begin `sessions_apart_s`
    apart, as Discord demands. How far everything was heard is noted every `mark_every_s`. `proxy` is the
    address over which everything goes; None is straight to Discord.
    """

    guilds: tuple[str, ...]
    streaming: Literal["edit", "off"] = "edit"
    shards: int | None = None
    message_content: bool = False
    backfill_s: float = 86400.0
    private: bool = True
    threads: bool = True
    connect_timeout_s: float = 15.0
    edit_pause_s: float = 1.2
    token_s: float = 840.0
    servers_wait_s: float = 2.0
    sessions_apart_s: float = 5.0
    mark_every_s: float = 30.0
    proxy: str | None = None
