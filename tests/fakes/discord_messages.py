"""The REST routes of channels, messages, threads and reactions.

Rule: a bot may do there what its roles and the channel's overwrites allow, and is told the published code
where they do not.
"""

from __future__ import annotations

import copy
import mimetypes
from typing import Any

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_calls import Answering, Asked
from tests.fakes.discord_events import Events
from tests.fakes.discord_limits import check_message
from tests.fakes.discord_refusal import Form, refusal
from tests.fakes.discord_world import (
    ADD_REACTIONS,
    COMPONENTS_V2,
    CREATE_PRIVATE_THREADS,
    CREATE_PUBLIC_THREADS,
    FORUM,
    HAS_THREAD,
    LOADING,
    MANAGE_CHANNELS,
    MANAGE_MESSAGES,
    MANAGE_THREADS,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    READ_MESSAGE_HISTORY,
    REPLY,
    SEND_MESSAGES,
    SEND_MESSAGES_IN_THREADS,
    STARTER,
    SUPPRESS_EMBEDS,
    SYSTEM,
    THREAD_CREATED,
    THREADS,
    VIEW_CHANNEL,
    Attachment,
    Channel,
    Interaction,
    Message,
    World,
    parts,
)

Json = dict[str, Any]
Reply = tuple[int, Any]
_SENDABLE = SUPPRESS_EMBEDS | (1 << 12) | COMPONENTS_V2
_EDITS_AFTER_AN_HOUR = 3


class Messages:
    """Answers for everything below /channels."""

    def __init__(self, world: World, events: Events) -> None:
        self._world = world
        self._events = events

    def routes(self) -> dict[str, Answering]:
        one = "/channels/{}/messages/{}"
        return {
            "GET /channels/{}": lambda asked: (200, shapes.channel(self._channel(asked))),
            "PATCH /channels/{}": self._change_channel,
            "DELETE /channels/{}": self._delete_channel,
            "POST /channels/{}/typing": self._typing,
            "GET /channels/{}/messages": self._list,
            "POST /channels/{}/messages": self._send,
            f"GET {one}": lambda asked: (200, self._shown(self._message(asked))),
            f"PATCH {one}": self._edit,
            f"DELETE {one}": self._delete,
            f"PUT {one}/reactions/{{}}/@me": self._react,
            f"DELETE {one}/reactions/{{}}/@me": self._unreact,
            f"POST {one}/threads": self._thread_from_message,
            "POST /channels/{}/threads": self._thread,
            "PUT /channels/{}/thread-members/@me": lambda asked: self._join(asked, inside=True),
            "DELETE /channels/{}/thread-members/@me": lambda asked: self._join(asked, inside=False),
        }

    def _channel(self, asked: Asked, may: int = VIEW_CHANNEL) -> Channel:
        """The channel of the path, where the bot may do `may` there."""
        channel = self._world.channels.get(asked.number(0))
        if channel is None:
            raise refusal(10003)
        if not self._world.can(self._world.bot, channel, VIEW_CHANNEL):
            raise refusal(50001)
        if not self._world.can(self._world.bot, channel, may):
            raise refusal(50013)
        return channel

    def _message(self, asked: Asked) -> Message:
        channel = self._channel(asked, READ_MESSAGE_HISTORY)
        message = self._world.messages.get(asked.number(1))
        gone = message is None or message.deleted or message.ephemeral_to is not None
        if message is None or gone or message.channel is not channel:
            raise refusal(10008)
        return message

    def _shown(self, message: Message) -> Json:
        return shapes.message(message, self._world)

    def _typing(self, asked: Asked) -> Reply:
        self._channel(asked, SEND_MESSAGES)
        return 204, None

    def _list(self, asked: Asked) -> Reply:
        channel = self._channel(asked)
        # Without the right to read the history Discord gives an empty list, no error.
        if not self._world.can(self._world.bot, channel, READ_MESSAGE_HISTORY):
            return 200, []
        limit = int(asked.query.get("limit", 50))
        if not 1 <= limit <= 100:
            form = Form()
            form.wrong("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
            form.close()
        found = self._world.in_channel(channel)
        if "after" in asked.query:
            found = [message for message in found if message.id > int(asked.query["after"])][:limit]
        elif "before" in asked.query:
            found = [message for message in found if message.id < int(asked.query["before"])]
        elif "around" in asked.query:
            middle = int(asked.query["around"])
            near = sorted(found, key=lambda message: abs(message.id - middle))[:limit]
            found = [message for message in found if message in near]
        return 200, [self._shown(message) for message in reversed(found[-limit:])]

    def _send(self, asked: Asked) -> Reply:
        channel = self._channel(asked)
        if channel.kind == FORUM:
            raise refusal(50024)
        speaking = SEND_MESSAGES_IN_THREADS if channel.kind in THREADS else SEND_MESSAGES
        self._channel(asked, speaking)
        if channel.recipients and not channel.recipients[0].dms_open:
            raise refusal(50007)
        if channel.locked and not self._world.can(self._world.bot, channel, MANAGE_THREADS):
            raise refusal(50083)
        body = asked.body
        if body.get("enforce_nonce") and (earlier := self._same_nonce(channel, body.get("nonce"))):
            return 200, self._shown(earlier)
        message = self.create(channel, asked, body)
        if channel.archived:
            channel.archived = False
            self._events.channel("THREAD_UPDATE", channel)
        self._events.message("MESSAGE_CREATE", message)
        return 200, self._shown(message)

    def _same_nonce(self, channel: Channel, nonce: object) -> Message | None:
        """The bot's message of the last minutes with this nonce."""
        recent = self._world.now_s() - 300
        for message in reversed(channel.messages):
            if message.made_s < recent:
                return None
            if message.author is self._world.bot and nonce is not None and message.nonce == str(nonce):
                return message
        return None

    def create(
        self,
        channel: Channel,
        asked: Asked,
        body: Json,
        *,
        ephemeral_to: int | None = None,
        made_by: Interaction | None = None,
        flags: int = 0,
        loading: bool = False,
    ) -> Message:
        """The bot's new message out of `body`; refuses what is empty or over a limit."""
        flags |= (body.get("flags") or 0) & _SENDABLE | (LOADING if loading else 0)
        check_message(body, flags=flags)
        reference = body.get("message_reference") or {}
        quoted = self._world.messages.get(int(reference.get("message_id") or 0))
        if reference and (quoted is None or quoted.deleted) and reference.get("fail_if_not_exists", True):
            form = Form()
            form.wrong("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            form.close()
        filled = any(body.get(name) for name in ("embeds", "components", "sticker_ids")) or asked.uploads
        if not (body.get("content") or "").strip() and not filled and not loading:
            raise refusal(50006)
        nonce = body.get("nonce")
        return self._world.add_message(
            channel,
            self._world.bot,
            body.get("content") or "",
            kind=REPLY if reference else 20 if made_by is not None and made_by.kind == 2 else 0,
            embeds=body.get("embeds") or [],
            components=_numbered(body.get("components") or []),
            attachments=self.attach(channel, asked),
            flags=flags,
            nonce=None if nonce is None else str(nonce),
            allowed_mentions=body.get("allowed_mentions"),
            reference=int(reference["message_id"]) if reference else None,
            ephemeral_to=ephemeral_to,
            interaction=made_by,
        )

    def attach(self, channel: Channel, asked: Asked) -> list[Attachment]:
        """The files that came with a call."""
        return [
            self.keep_file(channel, upload.filename, upload.content, upload.media_type)
            for upload in asked.uploads
        ]

    def keep_file(
        self, channel: Channel, filename: str, content: bytes, media_type: str | None = None
    ) -> Attachment:
        """A file that can be fetched under its address, as from Discord's content network."""
        guessed = media_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
        file = Attachment(self._world.snowflake(), filename, content, guessed)
        file.url = f"{self._world.origin}/attachments/{channel.id}/{file.id}/{filename}"
        self._world.files[file.id] = file
        return file

    def _edit(self, asked: Asked) -> Reply:
        message = self._message(asked)
        if message.kind in SYSTEM:
            raise refusal(50021)
        only_flags = set(asked.body) <= {"flags"} and self._world.can(
            self._world.bot, message.channel, MANAGE_MESSAGES
        )
        if message.author is not self._world.bot and not only_flags:
            raise refusal(50005)
        return 200, self._shown(self.edit(message, asked, asked.body))

    def edit(self, message: Message, asked: Asked, body: Json) -> Message:
        """Changes what `body` names and tells everybody; fewer edits are taken of a message over an hour old."""
        old = message.made_s < self._world.now_s() - 3600
        if old and message.late_edits >= _EDITS_AFTER_AN_HOUR:
            raise refusal(30046, retry_after=0.05)
        named = {name for name in ("content", "embeds", "components") if name in body}
        content = (body.get("content") or "").strip() if "content" in named else message.content
        embeds = (body.get("embeds") or []) if "embeds" in named else message.embeds
        components = (body.get("components") or []) if "components" in named else message.components
        kept = message.flags & ~LOADING
        if body.get("flags") is not None:
            kept = kept & ~SUPPRESS_EMBEDS | body["flags"] & (SUPPRESS_EMBEDS | COMPONENTS_V2)
        whole = body | {"content": content, "embeds": embeds, "components": components}
        check_message(whole, flags=kept)
        attachments = message.attachments
        if "attachments" in body:
            listed = {str(one.get("id")) for one in body["attachments"] or []}
            attachments = [one for one in attachments if str(one.id) in listed]
        attachments = [*attachments, *self.attach(message.channel, asked)]
        if not (content or embeds or components or attachments):
            raise refusal(50006)
        message.late_edits += old
        message.content, message.embeds, message.components = content, embeds, _numbered(components)
        message.attachments, message.flags, message.edited_s = attachments, kept, self._world.now_s()
        if "allowed_mentions" in body:
            message.allowed_mentions = body["allowed_mentions"]
        message.versions = (*message.versions, message.text)
        self._world.call_upon(message)
        self._events.message("MESSAGE_UPDATE", message)
        return message

    def _delete(self, asked: Asked) -> Reply:
        message = self._message(asked)
        if message.author is not self._world.bot:
            self._channel(asked, MANAGE_MESSAGES)
        self.delete(message)
        return 204, None

    def delete(self, message: Message) -> None:
        message.deleted = True
        self._events.message_deleted(message)

    def _react(self, asked: Asked) -> Reply:
        message, emoji, bot = self._message(asked), asked.parts[2], self._world.bot
        self._channel(asked, ADD_REACTIONS)
        if not emoji or emoji.isascii():
            raise refusal(10014)
        who = message.reactions.setdefault(emoji, [])
        if bot.id not in who:
            who.append(bot.id)
            self._events.reaction("MESSAGE_REACTION_ADD", message, bot, emoji)
        return 204, None

    def _unreact(self, asked: Asked) -> Reply:
        message, emoji, bot = self._message(asked), asked.parts[2], self._world.bot
        if bot.id in message.reactions.get(emoji, []):
            message.reactions[emoji].remove(bot.id)
            self._events.reaction("MESSAGE_REACTION_REMOVE", message, bot, emoji)
        return 204, None

    def _thread_from_message(self, asked: Asked) -> Reply:
        message = self._message(asked)
        self._channel(asked, CREATE_PUBLIC_THREADS)
        if message.thread is not None:
            raise refusal(160004)
        if message.channel.kind in THREADS or message.channel.guild is None:
            raise refusal(50024)
        return 201, shapes.channel(self.open_thread(message.channel, asked.body, self._world.bot, message))

    def open_thread(self, parent: Channel, body: Json, owner: Any, message: Message | None) -> Channel:
        """A new thread; one begun at a message takes over that message's id."""
        form = Form()
        form.most("name", body.get("name") or "", 100, 1)
        if body.get("auto_archive_duration", 1440) not in (60, 1440, 4320, 10080):
            said = "Value must be one of {60, 1440, 4320, 10080}."
            form.wrong("auto_archive_duration", "BASE_TYPE_CHOICES", said)
        form.close()
        private = message is None and parent.kind != FORUM and body.get("type") != PUBLIC_THREAD
        thread = self._world.add_channel(
            parent.guild, body["name"], kind=PRIVATE_THREAD if private else PUBLIC_THREAD, parent=parent
        )
        if message is not None:
            del self._world.channels[thread.id]
            thread.id = message.id
            self._world.channels[thread.id] = thread
            message.thread, message.flags = thread, message.flags | HAS_THREAD
        thread.owner, thread.archive_minutes = owner, body.get("auto_archive_duration") or 1440
        thread.thread_members.add(owner.id)
        self._events.thread_created(thread)
        if message is not None:
            self._events.message("MESSAGE_UPDATE", message)
            self._world.add_message(thread, message.author, "", kind=STARTER, reference=message.id)
        elif parent.kind != FORUM and not private:
            self._world.add_message(parent, owner, body["name"], kind=THREAD_CREATED)
        return thread

    def _thread(self, asked: Asked) -> Reply:
        parent, body = self._channel(asked), asked.body
        if parent.kind == FORUM:
            self._channel(asked, SEND_MESSAGES)
            if not body.get("message"):
                raise refusal(50035, errors={"message": {"_errors": [{"code": "BASE_TYPE_REQUIRED"}]}})
            thread = self.open_thread(parent, body, self._world.bot, None)
            first = self.create(thread, asked, body["message"])
            self._events.message("MESSAGE_CREATE", first)
            return 201, shapes.channel(thread) | {"message": self._shown(first)}
        public = body.get("type") == PUBLIC_THREAD
        self._channel(asked, CREATE_PUBLIC_THREADS if public else CREATE_PRIVATE_THREADS)
        if parent.kind in THREADS or parent.guild is None:
            raise refusal(50024)
        return 201, shapes.channel(self.open_thread(parent, body, self._world.bot, None))

    def _join(self, asked: Asked, *, inside: bool) -> Reply:
        thread = self._channel(asked)
        if thread.kind not in THREADS:
            raise refusal(50024)
        change = thread.thread_members.add if inside else thread.thread_members.discard
        change(self._world.bot.id)
        return 204, None

    def _change_channel(self, asked: Asked) -> Reply:
        channel, body = self._channel(asked), asked.body
        own = channel.kind in THREADS and channel.owner is self._world.bot
        if not own:
            self._channel(asked, MANAGE_THREADS if channel.kind in THREADS else MANAGE_CHANNELS)
        channel.name = body.get("name", channel.name)
        channel.topic = body.get("topic") or channel.topic
        channel.archived, channel.locked = (
            body.get("archived", channel.archived),
            body.get("locked", channel.locked),
        )
        self._events.channel("THREAD_UPDATE" if channel.kind in THREADS else "CHANNEL_UPDATE", channel)
        return 200, shapes.channel(channel)

    def _delete_channel(self, asked: Asked) -> Reply:
        channel = self._channel(asked)
        if channel.guild is not None:
            self._channel(asked, MANAGE_THREADS if channel.kind in THREADS else MANAGE_CHANNELS)
            self.remove_channel(channel)
        return 200, shapes.channel(channel)

    def remove_channel(self, channel: Channel) -> None:
        """Takes a channel away with all that was said there."""
        self._events.channel("THREAD_DELETE" if channel.kind in THREADS else "CHANNEL_DELETE", channel)
        del self._world.channels[channel.id]
        for message in channel.messages:
            message.deleted = True


def _numbered(components: list[Json]) -> list[Json]:
    """The components with the ids that Discord gives to those without."""
    components = copy.deepcopy(components)
    taken = {part["id"] for part in parts(components) if part.get("id")}
    free = (number for number in range(1, 1000) if number not in taken)
    for part in parts(components):
        if not part.get("id"):
            part["id"] = next(free)
    return components
