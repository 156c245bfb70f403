"""The gateway's client: one life of a connection, from identifying to its end.

Rule: nothing is heard twice and nothing is missed: what came while there was no session is read back once
a new one has begun, and known questions are the inbox's to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import discord

from adapters.discord_events import Heard, Used, heard, missed, used
from adapters.discord_hearing import DIRECT, LIVE, Hearing
from adapters.discord_settings import DiscordSettings
from adapters.discord_state import State
from adapters.platform_clock import PlatformClock
from adapters.snowflakes import snowflake
from bot.desk import Desk

log = logging.getLogger(__name__)

SURE_S = 120.0
"""A connection that is dead without a sign is found out after about a minute; older than this was heard."""


class Ears:
    """Hears through a client, until `end`. `clock` is Discord's."""

    def __init__(
        self,
        *,
        desk: Desk,
        hearing: Hearing,
        use: Callable[[Used], Awaitable[None]],
        state: State,
        clock: PlatformClock,
        settings: DiscordSettings,
    ) -> None:
        self._desk = desk
        self._hearing = hearing
        self._use = use
        self._state = state
        self._clock = clock
        self._settings = settings
        self._identifying = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._down: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._caught_up = False
        self._ended = False
        self.client: discord.Client = self._made()

    def _made(self) -> discord.Client:
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
        intents.message_content = self._settings.message_content
        wait, proxy = self._settings.servers_wait_s, self._settings.proxy
        given = {"intents": intents, "guild_ready_timeout": wait, "proxy": proxy, **_SLIM}
        shards = self._settings.shards
        return _Client(self, **given) if shards is None else _Shards(self, shard_count=shards, **given)

    @property
    def connected(self) -> bool:
        """Whether every connection stands and has its session."""
        return self.client.is_ready() and not self.client.is_closed() and not self._down and not self._ended

    @property
    def bot(self) -> str:
        """The bot's own id."""
        return str(self.client.user.id) if self.client.user else ""

    async def run(self, token: str) -> None:
        """Hears until the client ends. Raises what discord.py raises."""
        marking = asyncio.create_task(self._mark(), name="discord marks")
        try:
            await self.client.start(token)
        finally:
            self._ended = True
            self._hearing.marking = False
            for task in (marking, *self._tasks):
                task.cancel()
            with contextlib.suppress(Exception):  # an end that fails is an end
                await self.client.close()
            await asyncio.gather(marking, *self._tasks, return_exceptions=True)

    # What happens

    async def message(self, message: discord.Message) -> None:
        """A message was written."""
        found = heard(message, self.bot)
        if found is None or self._ended:
            return
        try:
            await self._hearing.message(found)
        except Exception:
            # It was not kept, and nobody was told that it was: it is read back like one that was missed.
            log.exception("a message could not be taken; it is read again")
            self._pause()

    async def edited(self, message: discord.Message) -> None:
        """A message was changed."""
        found = heard(message, self.bot)
        if found is not None and message.edited_at is not None:
            await self._hearing.edited(found)

    async def deleted(self, channel: int, message: int) -> None:
        """A message was taken away."""
        await self._hearing.deleted(str(channel), str(message))

    async def interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Something was used."""
        found = used(interaction, self.bot)
        if found is not None and not self._ended:
            await self._use(found)

    async def joined(self, guild: discord.Guild) -> None:
        """The bot was added to a server."""
        if str(guild.id) not in self._settings.guilds:
            log.warning("left the server %s: [discord] guilds does not name it", guild.id)
            await guild.leave()

    async def ready(self) -> None:
        """A session began anew, so what came before it was not heard."""
        if self._ended:
            return
        self._down.clear()
        self._pause()
        there = {str(guild.id) for guild in self.client.guilds}
        for guild in sorted(there - set(self._settings.guilds)):
            log.warning("nothing is answered in the server %s: [discord] guilds does not name it", guild)
        for guild in sorted(set(self._settings.guilds) - there):
            log.warning("the bot is not in the server %s; invite it: groundling discord invite", guild)
        log.info("connected to Discord, in %d servers", len(there))
        self._read()

    def left(self, shard: int) -> None:
        """A connection broke off."""
        self._down.add(shard)
        self._hearing.marking = False

    def resumed(self, shard: int) -> None:
        """A session goes on; Discord has sent what was missed."""
        self._down.discard(shard)
        self._hearing.marking = self._caught_up and not self._down

    async def identify(self) -> None:
        """A session is about to begin: waits until it may."""
        shards, apart = self._settings.shards or 1, self._settings.sessions_apart_s
        async with self._identifying:
            wait = self._state.pause_s(shards=shards, apart_s=apart)
            if wait > apart:
                log.warning("sessions began too often lately; the next begins in %.0f s", wait)
            await asyncio.sleep(wait)
            self._state.note_identify()

    # What was missed

    def _pause(self) -> None:
        self._caught_up = self._hearing.marking = False

    def _read(self) -> None:
        task = asyncio.create_task(self._reading(), name="discord back reading")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reading(self) -> None:
        async with self._turn:
            try:
                await self._catch_up()
            except Exception:
                log.exception("what was missed cannot be read yet")

    async def _catch_up(self) -> None:
        """Reads back what came while nobody listened."""
        marks = await self._desk.seen("discord:")
        since = marks.pop(LIVE, None)
        now = self._clock.now()
        direct = {name.removeprefix(DIRECT): at for name, at in marks.items() if name.startswith(DIRECT)}
        if since is not None and self._settings.backfill_s > 0:
            since = max(since, snowflake(now - self._settings.backfill_s), key=int)
            count = 0
            async for message in missed(self.client, self._settings.guilds, since, direct):
                found = heard(message, self.bot)
                if found is not None:
                    count += 1
                    await self._read_back(found)
            log.info("read %d messages back", count)
        self._caught_up = True
        self._hearing.marking = not self._down
        await self._desk.mark_seen(LIVE, snowflake(now - SURE_S))

    async def _read_back(self, found: Heard) -> None:
        await self._hearing.message(found)
        if found.direct:
            await self._desk.mark_seen(DIRECT + found.where.channel, found.id)

    async def _mark(self) -> None:
        while True:
            await asyncio.sleep(self._settings.mark_every_s)
            if not self.connected:
                continue
            if not self._caught_up and not self._tasks:
                self._read()
            elif self._hearing.marking:
                try:
                    await self._desk.mark_seen(LIVE, snowflake(self._clock.now() - SURE_S))
                except Exception:
                    log.exception("how far all was heard cannot be noted yet")


_SLIM = {
    "allowed_mentions": discord.AllowedMentions.none(),
    "member_cache_flags": discord.MemberCacheFlags.none(),
    "max_messages": None,
    "chunk_guilds_at_startup": False,
}


class _Client(discord.Client):
    """One connection for all servers."""

    def __init__(self, ears: Ears, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._ears = ears

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        del shard_id, initial  # all of them share one budget
        await self._ears.identify()

    async def on_ready(self) -> None:
        await self._ears.ready()

    async def on_resumed(self) -> None:
        self._ears.resumed(0)

    async def on_disconnect(self) -> None:
        self._ears.left(0)

    async def on_message(self, message: discord.Message) -> None:
        await self._ears.message(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        await self._ears.edited(event.message)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._ears.deleted(event.channel_id, event.message_id)

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        for message in event.message_ids:
            await self._ears.deleted(event.channel_id, message)

    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        await self._ears.interaction(interaction)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._ears.joined(guild)


class _Shards(_Client, discord.AutoShardedClient):
    """Several connections that share the servers."""

    async def on_resumed(self) -> None:
        pass  # told once for each of them, below

    async def on_disconnect(self) -> None:
        pass

    async def on_shard_resumed(self, shard_id: int) -> None:
        self._ears.resumed(shard_id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        self._ears.left(shard_id)

    async def on_shard_ready(self, shard_id: int) -> None:
        self._ears.resumed(shard_id)
        if self.is_ready():
            await self._ears.ready()  # a later session of one of them
