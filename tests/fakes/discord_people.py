"""What people do in a Discord: write, mention, use commands, press buttons, fill in forms, change roles.

Rule: a person can do only what the real client would let them do; anything else raises LookupError or
PermissionError. Every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_calls import Routes
from tests.fakes.discord_commands import CHAT_INPUT, MESSAGE_MENU, USER_MENU, Commands
from tests.fakes.discord_events import Events
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT, Interactions
from tests.fakes.discord_messages import Messages
from tests.fakes.discord_rest import Rest
from tests.fakes.discord_server import Server
from tests.fakes.discord_world import (
    READ_MESSAGE_HISTORY,
    REPLY,
    SEND_MESSAGES,
    SEND_MESSAGES_IN_THREADS,
    THREADS,
    USE_APPLICATION_COMMANDS,
    VIEW_CHANNEL,
    Channel,
    Interaction,
    Message,
    User,
    World,
    parts,
)

Json = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")


def on_loop(
    method: Callable[Concatenate[Any, P], R],
) -> Callable[Concatenate[Any, P], R]:
    """Runs a method on the server's loop, whichever thread it is called from."""

    @functools.wraps(method)
    def called(self: People, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.run_on_loop(lambda: method(self, *args, **kwargs))

    return called


class People:
    """The parts of a Discord put together, and what people do there."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.world = World()
        self.gateway = Gateway(self.world, token)
        self.events = Events(self.world, self.gateway)
        self.messages = Messages(self.world, self.events)
        self.interactions = Interactions(self.world, self.events, self.messages)
        self.commands = Commands(self.world, self.messages)
        routes = Routes()
        for part in (self.messages, self.interactions, self.commands, Rest(self.world, self.gateway)):
            routes.add(part.routes())
        self.server = Server(self.world, self.gateway, routes, token)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def run_on_loop(self, work: Callable[[], R]) -> R:
        """The result of `work` done on the server's loop, which alone touches the state."""
        if self.loop is None or threading.get_ident() == self._thread:
            return work()

        async def done() -> R:
            return work()

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(30)

    @on_loop
    def post(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: int | None = None,
        ping: bool = True,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> Message:
        """`user` writes `text`; `ping` says whether a reply notifies the one replied to."""
        speaking = SEND_MESSAGES_IN_THREADS if channel.kind in THREADS else SEND_MESSAGES
        self._need(user, channel, VIEW_CHANNEL | speaking)
        message = self.world.add_message(
            channel,
            user,
            text,
            kind=REPLY if reply_to else 0,
            reference=reply_to,
            attachments=[self.messages.keep_file(channel, name, content) for name, content in files],
            allowed_mentions=None
            if ping
            else {"parse": ["users", "roles", "everyone"], "replied_user": False},
        )
        if channel.kind in THREADS:
            channel.thread_members.add(user.id)
        self.events.message("MESSAGE_CREATE", message)
        return message

    @on_loop
    def post_by_webhook(self, channel: Channel, name: str, text: str) -> Message:
        """Another program writes `text` through a webhook, under any name."""
        author = User(self.world.snowflake(), name, bot=True)
        message = self.world.add_message(channel, author, text, webhook_id=author.id)
        self.events.message("MESSAGE_CREATE", message)
        return message

    def mention(self, user: User, channel: Channel, text: str, reply_to: int | None = None) -> Message:
        """`user` writes `text` to the bot, by its mention."""
        return self.post(user, channel, f"{self.world.bot.mention} {text}", reply_to=reply_to)

    def direct(self, user: User, text: str) -> Message:
        """`user` writes to the bot directly."""
        return self.post(user, self.run_on_loop(lambda: self.world.direct_channel(user)), text)

    @on_loop
    def edit(self, message_id: int, text: str) -> Message:
        """The author changes what a message says."""
        message = self.world.messages[message_id]
        message.content, message.edited_s = text, self.world.now_s()
        message.versions = (*message.versions, text)
        self.world.call_upon(message)
        self.events.message("MESSAGE_UPDATE", message)
        return message

    @on_loop
    def delete(self, message_id: int) -> None:
        """The author, or a moderator, takes a message away."""
        self.messages.delete(self.world.messages[message_id])

    @on_loop
    def react(self, user: User, message_id: int, emoji: str) -> None:
        """`user` puts a reaction to a message."""
        message = self.world.messages[message_id]
        self._need(user, message.channel, VIEW_CHANNEL | READ_MESSAGE_HISTORY)
        message.reactions.setdefault(emoji, []).append(user.id)
        self.events.reaction("MESSAGE_REACTION_ADD", message, user, emoji)

    @on_loop
    def open_thread(
        self, user: User, place: Channel, name: str, *, message_id: int | None = None, private: bool = False
    ) -> Channel:
        """`user` opens a thread in a channel, at a message of it, or as a post in a forum."""
        self._need(user, place, VIEW_CHANNEL)
        message = self.world.messages[message_id] if message_id else None
        body = {"name": name, "type": 12 if private else 11}
        return self.messages.open_thread(place, body, user, message)

    @on_loop
    def slash(
        self,
        user: User,
        channel: Channel,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        by_user_install: bool = False,
    ) -> Interaction:
        """`user` runs `/name`, with subcommands after spaces; files are given as (name, bytes)."""
        command, path = self._command(user, channel, name, by_user_install=by_user_install)
        data = self.commands.used(command, path, options or {}, channel)
        return self._interact(COMMAND, user, channel, data, by_user_install=by_user_install)

    @on_loop
    def autocomplete(
        self, user: User, channel: Channel, name: str, options: Mapping[str, object], focused: str
    ) -> Interaction:
        """`user` is typing the option `focused`; what is offered comes into `.choices`."""
        command, path = self._command(user, channel, name)
        data = self.commands.used(command, path, options, channel, focused)
        return self._interact(AUTOCOMPLETE, user, channel, data)

    @on_loop
    def context_menu(self, user: User, channel: Channel, target: int | User, name: str) -> Interaction:
        """`user` picks the app's command `name` from the menu of a message (by its id) or of a person."""
        self._need(user, channel, VIEW_CHANNEL | USE_APPLICATION_COMMANDS)
        kind = USER_MENU if isinstance(target, User) else MESSAGE_MENU
        command = self.commands.find(user, channel, name, [kind])
        pointed = target if isinstance(target, User) else self._shown_to(user, target)
        return self._interact(COMMAND, user, channel, self.commands.pointed(command, pointed, channel))

    @on_loop
    def click(
        self,
        user: User,
        message_id: int,
        custom_id: str,
        values: Sequence[str] | None = None,
        *,
        forged: bool = False,
    ) -> Interaction:
        """`user` presses a button, or picks `values` of a menu; `forged` sends an id that was never shown."""
        message = self._shown_to(user, message_id)
        if not forged and custom_id not in message.custom_ids:
            raise LookupError(f"there is no {custom_id!r} to press, only {message.custom_ids}")
        found = [part for part in parts(message.components) if part.get("custom_id") == custom_id]
        kind = found[0]["type"] if found else 2
        data: Json = {"custom_id": custom_id, "component_type": kind, "id": found[0]["id"] if found else 1}
        if kind != 2:
            data["values"] = list(values or ())
        return self._interact(COMPONENT, user, message.channel, data, message=message)

    @on_loop
    def submit_modal(self, user: User, custom_id: str, values: Mapping[str, object]) -> Interaction:
        """`user` fills in the form `custom_id` that was shown last; `values` by the fields' custom ids."""
        shown = [one for one in self.world.interactions.values() if one.user is user and one.modal]
        shown = [one for one in shown if one.modal and one.modal["custom_id"] == custom_id]
        if not shown or shown[-1].modal is None:
            raise LookupError(f"no form {custom_id!r} is shown to {user.name}")
        opened = shown[-1]
        fields = [_filled(part, dict(values)) for part in opened.modal["components"]]  # type: ignore[index]
        data: Json = {"custom_id": custom_id, "components": fields}
        return self._interact(MODAL_SUBMIT, user, opened.channel, data, message=opened.message)

    def _command(
        self, user: User, channel: Channel, name: str, *, by_user_install: bool = False
    ) -> tuple[Json, list[str]]:
        self._need(user, channel, VIEW_CHANNEL | USE_APPLICATION_COMMANDS)
        first, *path = name.split()
        found = self.commands.find(user, channel, first, [CHAT_INPUT], by_user_install=by_user_install)
        return found, path

    def _interact(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: Json,
        *,
        message: Message | None = None,
        by_user_install: bool = False,
    ) -> Interaction:
        now, token = self.world.now_s(), uuid.uuid4().hex * 5
        one = Interaction(self.world.snowflake(), token, kind, user, channel, data, now, by_user_install)
        one.message, one.sent_at = message, time.monotonic()
        self.world.interactions[one.id] = self.world.by_token[token] = one
        told = shapes.interaction(one, self.world)
        self.gateway.dispatch(
            "INTERACTION_CREATE", told, guild_id=channel.guild.id if channel.guild else None
        )
        return one

    def _shown_to(self, user: User, message_id: int) -> Message:
        message = self.world.messages[message_id]
        if message.deleted or message.ephemeral_to not in (None, user.id):
            raise LookupError(f"{user.name} does not see this message")
        self._need(user, message.channel, VIEW_CHANNEL)
        return message

    def _need(self, user: User, channel: Channel, permission: int) -> None:
        if not self.world.can(user, channel, permission):
            raise PermissionError(f"{user.name} may not do this in {channel.name or 'a direct channel'}")


def _filled(part: Json, values: dict[str, object]) -> Json:
    """A form's part as it is sent when it was filled in."""
    told: Json = {"type": part["type"], "id": part.get("id", 1)}
    if part["type"] == 1:
        return told | {"components": [_filled(one, values) for one in part["components"]]}
    if part["type"] == 18:
        return told | {"component": _filled(part["component"], values)}
    if part["type"] == 10:
        return told
    name = part["custom_id"]
    value = values.get(name, part.get("value") or "")
    if part["type"] != 4:
        single = part["type"] in (21, 23)
        key = "value" if single else "values"
        return told | {"custom_id": name, key: value if single or isinstance(value, list) else [value]}
    least = part.get("min_length", 1 if part.get("required", True) else 0)
    size = len(str(value))
    if (size or part.get("required", True)) and not least <= size <= part.get("max_length", 4000):
        raise ValueError(f"{name!r} may not be {size} characters long")
    return told | {"custom_id": name, "value": value}
