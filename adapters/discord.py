"""Discord: hears questions over the gateway, and shows answers over the REST API.

Rule: the two live apart. The gateway's client is thrown away and made anew whenever it fails, no oftener
than Discord allows; what is being delivered goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from pathlib import Path

import discord
import yarl

from adapters.discord_client import Ears
from adapters.discord_commands import COMMANDS, Commands, commands_hash
from adapters.discord_controls import Controls
from adapters.discord_delivery import DiscordDelivery
from adapters.discord_hearing import Hearing
from adapters.discord_people import People
from adapters.discord_rest import PORTAL, Refused, Rest, wrong_token
from adapters.discord_reviewed import Reviewed
from adapters.discord_settings import DiscordSettings
from adapters.discord_state import State
from adapters.discord_uses import Uses
from bot.asked import Asked, Person, Place
from bot.desk import Desk
from bot.errors import ConfigError
from bot.platform import DeliveryFailed, Handle, NoteHandle, Turn

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 60.0
_MOST_DELIVERIES = 2000
_THREAD_MESSAGES = 20
_THREAD_CHARACTERS = 4000


class Discord:
    """Discord as a `bot.platform.Platform`. `state` is a file of the data folder that outlives the process;
    `api_url` and `gateway_url` point it at another server."""

    name = "discord"

    def __init__(
        self,
        desk: Desk,
        *,
        token: str,
        settings: DiscordSettings,
        state: Path,
        api_url: str | None = None,
        gateway_url: str | None = None,
    ) -> None:
        if gateway_url is not None:
            discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)
        self._desk = desk
        self._token = token
        self._settings = settings
        self._state = State(state)
        self._rest = Rest(token, api_url=api_url, timeout_s=settings.connect_timeout_s, proxy=settings.proxy)
        self._people = People(self._rest, settings.guilds)
        self._hearing = Hearing(desk, self._people, settings)
        self._commands = Commands(desk, self._people, self._rest, self._hearing, settings)
        controls = Controls(desk, self._people, self._rest)
        reviewed = Reviewed(desk, self._people, self._rest)
        self._uses = Uses(self._commands, controls, reviewed, self._rest, settings)
        self._ears: Ears | None = None
        self._deliveries: OrderedDict[str, DiscordDelivery] = OrderedDict()

    @property
    def connected(self) -> bool:
        """Whether every connection to the gateway stands."""
        return self._ears is not None and self._ears.connected

    async def serve(self) -> None:
        """As `Platform` promises."""
        if not self._settings.guilds:
            raise ConfigError(
                "[discord] guilds names no server; put in the id of yours (in Discord: Settings > Advanced > "
                "Developer Mode, then right-click the server > Copy Server ID)"
            )
        hearing = asyncio.create_task(self._hear(), name="discord")
        try:
            await asyncio.wait([hearing])
            hearing.result()
        finally:
            await _end(hearing)

    async def close(self) -> None:
        """Ends every connection."""
        for delivery in self._deliveries.values():
            delivery.stop()
        await self._rest.close()

    async def who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        """As `Platform` promises."""
        return await self._people.who(asked, since=since)

    async def before(self, asked: Asked) -> tuple[Turn, ...]:
        """What people wrote before in the thread; without the message content intent, only what named the bot."""
        if not (asked.team and asked.thread and asked.message) or asked.thread != asked.reply["channel"]:
            return ()
        try:
            found = await self._rest.messages(asked.thread, before=asked.message, limit=_THREAD_MESSAGES)
        except Refused:
            return ()
        turns: list[Turn] = []
        room = _THREAD_CHARACTERS
        for one in reversed(found):
            room -= len(one.content)
            if room < 0:
                break
            if one.content and not one.of_bot:
                turns.append(Turn("user", f"{one.author_name}: {one.content}"))
        return tuple(reversed(turns))

    def delivery(self, id: str, asked: Asked, handle: Handle | None, note: NoteHandle) -> DiscordDelivery:
        """As `Platform` promises."""
        earlier = self._deliveries.pop(id, None)
        if earlier is not None:
            earlier.stop()
        found = self._deliveries[id] = DiscordDelivery(
            id,
            asked,
            handle,
            note,
            rest=self._rest,
            settings=self._settings,
            opened=self._commands.opened,
            private=asked.private,
            looking=earlier is not None or handle is not None or not self._hearing.is_new(asked),
        )
        if len(self._deliveries) > _MOST_DELIVERIES:
            self._deliveries.popitem(last=False)
        return found

    async def _hear(self) -> None:
        await self._open()
        beside = asyncio.create_task(self._set_commands(), name="discord commands")
        try:
            await self._supervise()
        finally:
            await _end(beside)

    async def _open(self) -> None:
        pause = 1.0
        while True:
            try:
                return await self._rest.open()
            except DeliveryFailed as error:
                log.warning("%s; trying again in %.0f s", error, pause)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _set_commands(self) -> None:
        """Tells Discord the commands, if they are not those that it has."""
        wanted = commands_hash(self._rest.application)
        if self._state.commands == wanted:
            return
        try:
            await self._rest.set_commands(COMMANDS)
        except (Refused, DeliveryFailed) as error:
            log.warning(
                "Discord did not take the slash commands (%s); mentions and direct messages are answered. "
                "Is the bot invited with the scope applications.commands? See: groundling discord invite",
                error,
            )
        else:
            self._state.keep_commands(wanted)
            log.info("Discord has the slash commands")

    async def _supervise(self) -> None:
        """Keeps a client running; one that fails is followed by another."""
        pause = 1.0
        while True:
            wait = self._state.pause_s(shards=self._settings.shards or 1)
            if wait:
                log.warning("the connection began too often lately; the next begins in %.0f s", wait)
                await asyncio.sleep(wait)
            began = time.monotonic()
            reason = await self._run()
            if time.monotonic() - began > _LONGEST_PAUSE_S:
                pause = 1.0
            log.warning("the connection to Discord ended (%s); another begins in %.0f s", reason, pause)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _run(self) -> str:
        """One client, until it ends; why. Raises ConfigError for what only people can mend."""
        self._ears = Ears(
            desk=self._desk,
            hearing=self._hearing,
            use=self._uses.use,
            state=self._state,
            clock=self._rest.clock,
            settings=self._settings,
        )
        try:
            await self._ears.run(self._token)
        except discord.LoginFailure:
            raise ConfigError(wrong_token()) from None
        except discord.PrivilegedIntentsRequired:
            raise ConfigError(
                "[discord] message_content is on, but Discord does not grant the intent; switch on "
                f"Bot > Message Content Intent at {PORTAL}, or set message_content = false"
            ) from None
        except discord.ConnectionClosed as error:
            _tell_people(error.code)
            return f"code {error.code}"
        except Exception as error:
            log.exception("discord.py failed")
            return type(error).__name__
        return "it was closed"


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels a task for good: `asyncio.wait_for`, which discord.py connects with, may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


def _tell_people(code: int) -> None:
    """Raises ConfigError for a close code that coming back does not mend."""
    if code == 4004:
        raise ConfigError(wrong_token())
    if code in (4010, 4011):
        raise ConfigError("[discord] shards does not fit the bot's number of servers; try another, or 2")
    if code == 4013:
        raise ConfigError("Discord does not know the intents that were asked for; is discord.py too old?")
