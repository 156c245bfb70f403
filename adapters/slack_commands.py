"""The slash command: a question, or one of the few words beside questions.

Rule: only what can be nothing else is taken for such a word; everything else is a question.
"""

from __future__ import annotations

import time

from adapters.slack_calls import Identity, Json
from adapters.slack_people import SlackPeople
from adapters.slack_words import SlackWords
from bot.asked import Asked
from bot.channel_store import KEYS
from bot.channels import ChannelSettings
from bot.desk import Desk
from bot.errors import BotError


class SlackCommands:
    """Understands the slash command called `command`."""

    def __init__(self, desk: Desk, people: SlackPeople, identity: Identity, *, command: str) -> None:
        self._desk = desk
        self._people = people
        self._identity = identity
        self._command = command

    async def accept(self, body: Json, text: str) -> None:
        """Accepts the question of a command; nothing where it is another word. Raises as `Desk.ask`."""
        if aside(text):
            return
        asked = Asked(
            platform="slack",
            team=self._identity.team,
            channel=str(body["channel_id"]),
            user=str(body["user_id"]),
            text=text,
            way="command",
            at=time.time(),
            private=True,
            reply={"response_url": str(body.get("response_url") or "")},
        )
        await self._desk.ask(asked, keys=[f"slack:command:{body['trigger_id']}"])

    async def said(self, body: Json, text: str) -> str:
        """The reply to a word that is no question. Raises `DeliveryFailed` when Slack cannot be asked."""
        words = SlackWords(text)
        name, rest = aside(text) or ("help", [])
        person = await self._people.person(self._identity.team, str(body["user_id"]))
        try:
            match name:
                case "forget-me":
                    return words.say("forgotten", count=await self._desk.forget(person))
                case "status":
                    return await self._desk.status(person) or words.say("admins_only")
                case "sync":
                    line = await self._desk.sync(person, rest[0] if rest else None)
                    return line or words.say("admins_only")
                case "settings" if rest:
                    channel = f"slack:channel:{body['channel_id']}"
                    value = " ".join(rest[1:])
                    line = await self._desk.set_channel(person, channel, rest[0], value)
                    return line or words.say("admins_only")
                case "settings":
                    if not self._desk.is_admin(person):
                        return words.say("admins_only")
                    return self._settings(self._desk.channel(f"slack:channel:{body['channel_id']}"), words)
                case _:
                    return words.say("help", command=self._command)
        except BotError as error:
            return f"{error}."

    def _settings(self, settings: ChannelSettings, words: SlackWords) -> str:
        unset = ChannelSettings().as_typed()
        changed = [" ".join(pair) for pair in settings.as_typed() if pair not in unset]
        shown = "; ".join(changed) or words.say("nothing_set")
        keys = words.say("settings_help", keys=", ".join(KEYS), command=self._command)
        return f"{words.say('settings_now', settings=shown)}\n{keys}"


def aside(text: str) -> tuple[str, list[str]] | None:
    """The word beside questions that `text` is, with what follows it; None for a question."""
    name, *rest = text.split() or ["help"]
    name = name.lower()
    if name in ("help", "status", "reviewed", "forget-me") and not rest:
        return name, rest
    if name == "sync" and len(rest) < 2:
        return name, rest
    if name == "settings" and (not rest or (rest[0] in KEYS and len(rest) > 1)):
        return name, rest
    return None
