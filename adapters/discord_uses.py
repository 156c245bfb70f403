"""Where commands, buttons and forms go.

Rule: the bot answers in the servers that it was given and in direct messages, nowhere else; whatever goes
wrong with one use touches no other.
"""

from __future__ import annotations

import logging

from adapters.discord_blocks import Post, form_of
from adapters.discord_commands import SAVE, Commands
from adapters.discord_controls import Controls
from adapters.discord_events import Used
from adapters.discord_rest import Refused, Rest
from adapters.discord_reviewed import Reviewed
from adapters.discord_reviewed_blocks import pressed
from adapters.discord_settings import DiscordSettings
from adapters.discord_words import Words
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)


class Uses:
    """Hands each use to what does it."""

    def __init__(
        self,
        commands: Commands,
        controls: Controls,
        reviewed: Reviewed,
        rest: Rest,
        settings: DiscordSettings,
    ) -> None:
        self._commands = commands
        self._controls = controls
        self._reviewed = reviewed
        self._rest = rest
        self._settings = settings

    async def use(self, used: Used) -> None:
        """Does what somebody used. Raises nothing."""
        try:
            if used.where.guild and used.where.guild not in self._settings.guilds:
                await self._decline(used, "not_here")
            else:
                await self._do(used)
        except (Refused, DeliveryFailed) as error:
            log.warning("a %s was not answered: %s", used.kind, error)
        except Exception:
            log.exception("a %s failed", used.kind)
            try:
                await self._decline(used, "busy")
            except (Refused, DeliveryFailed) as error:
                log.info("nor could that be said: %s", error)

    async def _do(self, used: Used) -> None:
        match used.kind:
            case "command" if used.command == SAVE:
                await self._reviewed.open(used)
            case "command" if used.command == "reviewed":
                await self._reviewed.waiting(used)
            case "command":
                await self._commands.command(used)
            case "typing":
                await self._commands.complete(used)
            case "press" if pressed(used.custom_id):
                await self._reviewed.press(used)
            case "press":
                await self._controls.press(used)
            case "form":
                await self._take(used)

    async def _take(self, used: Used) -> None:
        match form_of(used.custom_id):
            case ("reason", id_):
                await self._controls.reason(used, id_)
            case ("about", _):
                await self._commands.about(used)
            case ("save", target):
                await self._reviewed.save(used, target)
            case None:
                await self._decline(used, "not_there")

    async def _decline(self, used: Used, why: str) -> None:
        if used.kind == "typing":
            await self._rest.offer(used.id, used.token, [])
        else:
            post = Post(Words("", locale=used.locale).say(why))
            await self._rest.respond(used.id, used.token, "message", post=post, ephemeral=True)
