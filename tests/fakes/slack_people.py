"""What people write in the fake workspace, and what they do to it: mention, edit, delete, join, stop.

Rule: each deed changes the world as it would on a screen, and tells the app what Slack would tell it.
"""

from __future__ import annotations

import uuid
from typing import Literal

from tests.fakes import slack_events as events
from tests.fakes.slack_shapes import message_object, view_object
from tests.fakes.slack_sockets import Delivery, Sockets
from tests.fakes.slack_world import (
    BOT_USER,
    TEAM,
    Channel,
    ChannelKind,
    File,
    Group,
    Json,
    Kind,
    Message,
    Team,
    User,
    World,
)

_NAMES = {"im": "directmessage", "private": "privategroup"}


class People:
    """The deeds of people and of those who set the workspace up; each is callable from any thread.

    Users, channels and messages are named by their ids; a deed that names one that is not there raises
    KeyError, because it is the test that is wrong then.
    """

    world: World
    sockets: Sockets
    mention_order: tuple[str, ...] = ("app_mention", "message")

    def add_team(self, name: str) -> str:
        with self.world.lock:
            team = Team(self.world.new_id("T"), name, name.lower())
            self.world.teams[team.id] = team
            return team.id

    def add_user(self, name: str, kind: Kind = "member", *, team: str = TEAM, locale: str = "en-US") -> str:
        with self.world.lock:
            user = User(self.world.new_id("U"), name, team, kind, locale=locale)
            if kind == "bot":
                user.bot_id, user.app_id = self.world.new_id("B"), self.world.new_id("A")
            self.world.users[user.id] = user
            return user.id

    def add_group(self, handle: str, members: list[str]) -> str:
        with self.world.lock:
            group = Group(self.world.new_id("S"), handle, members)
            self.world.groups[group.id] = group
            return group.id

    def add_channel(
        self,
        name: str,
        members: list[str],
        *,
        kind: ChannelKind = "public",
        with_bot: bool = True,
        teams: tuple[str, ...] = (),
    ) -> str:
        """A channel; with `teams` it is shared with these other organisations."""
        with self.world.lock:
            present = [*members, BOT_USER] if with_bot else list(members)
            ident = self.world.new_id("D" if kind == "im" else "C")
            return self.world.add_channel(Channel(ident, name, kind, present, list(teams))).id

    def add_file(self, user: str, name: str, content: bytes, *, mimetype: str = "text/plain") -> str:
        with self.world.lock:
            file = File(self.world.new_id("F"), name, mimetype, content, user, [])
            self.world.files[file.id] = file
            return file.id

    def post(
        self,
        user: str,
        channel: str,
        text: str,
        thread_ts: str | None = None,
        *,
        subtype: str | None = None,
        files: tuple[str, ...] = (),
        blocks: list[Json] | None = None,
        broadcast: bool = False,
    ) -> str:
        """Writes a message and returns its ts. With `subtype` bot_message it comes from a webhook."""
        with self.world.lock:
            message = self._written(user, channel, text, thread_ts)
            message.files, message.blocks, message.broadcast = list(files), blocks or [], broadcast
            message.subtype = subtype or (
                "thread_broadcast" if broadcast else "file_share" if files else None
            )
            if message.subtype == "bot_message":
                message.bot_id, message.username = message.bot_id or "B0WEBHOOK", "webhook"
            events.announce(self.world, message)
            return message.ts

    def direct(self, user: str, text: str, thread_ts: str | None = None) -> str:
        """Writes to the app in direct messages and returns the message's ts."""
        return self.post(user, self.direct_channel(user), text, thread_ts)

    def direct_channel(self, user: str) -> str:
        with self.world.lock:
            return self.world.direct_channel(user).id

    def mention(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> str:
        """Writes a message that names the app, before `text` unless it does so itself; returns its ts.

        The app hears an app_mention and a message event, in `mention_order`, if it is in the channel.
        """
        named = f"<@{BOT_USER}>"
        with self.world.lock:
            text = text if named in text else f"{named} {text}"
            message = self._written(user, channel, text, thread_ts)
            for kind in self.mention_order:
                if kind == "message":
                    events.announce(self.world, message)
                elif self.world.channels[channel].kind != "im":
                    self.event(events.mention_event(self.world, message))
            return message.ts

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        with self.world.lock:
            message = self.world.written(channel, ts)
            before = message_object(self.world, message)
            message.text, message.edited_by, message.edited_ts = text, user, self.world.next_ts()
            message.versions.append(text)
            events.announce_change(self.world, message, before)

    def delete(self, user: str, channel: str, ts: str) -> None:
        """Deletes a message, one's own or, as a moderator may, anybody's."""
        with self.world.lock:
            message = self.world.written(channel, ts)
            before = message_object(self.world, message)
            message.deleted = True
            events.announce_deletion(self.world, message, before)

    def react(self, user: str, channel: str, ts: str, name: str) -> None:
        with self.world.lock:
            message = self.world.written(channel, ts)
            message.reactions.setdefault(name, []).append(user)
            self.event(events.reaction_event(self.world, message, user, name, added=True))

    def join(self, user: str, channel: str) -> None:
        """Lets somebody, or the app, into a channel."""
        with self.world.lock:
            place = self.world.channels[channel]
            place.members.append(user)
            sender = self.world.users[user]
            shared = {"user": user, "channel": channel, "channel_type": "C", "team": sender.team_id}
            self.event({"type": "member_joined_channel", "event_ts": self.world.next_ts()} | shared)
            told = Message(channel, self.world.next_ts(), user, f"<@{user}> has joined the channel")
            told.subtype, told.team_id = "channel_join", sender.team_id
            events.announce(self.world, self.world.store(told))

    def leave(self, user: str, channel: str) -> None:
        with self.world.lock:
            gone = {"type": "member_left_channel", "user": user, "channel": channel, "channel_type": "C"}
            self.event(gone | {"team": TEAM, "event_ts": self.world.next_ts()})
            self.world.channels[channel].members.remove(user)

    def open_home(self, user: str, tab: Literal["home", "messages"] = "home") -> Delivery | None:
        with self.world.lock:
            event: Json = {
                "type": "app_home_opened",
                "user": user,
                "channel": self.direct_channel(user),
                "tab": tab,
            }
            if (home := self.world.homes.get(user)) and tab == "home":
                event["view"] = view_object(home)
            return self.event(event | {"event_ts": self.world.next_ts()})

    def stop_session(self, user: str, channel: str, thread_ts: str) -> Delivery | None:
        """Presses the stop button of an agent session: its streams end at once, its status stays."""
        with self.world.lock:
            stopped = [one for one in self.world.streams() if (one.channel, one.root) == (channel, thread_ts)]
            for message in stopped:
                assert message.stream is not None
                message.stream.state = "stopped_by_user"
            return self.event(
                {
                    "type": "agent_session_stopped",
                    "channel": channel,
                    "thread_ts": thread_ts,
                    "user": user,
                    "streaming_message_ts": [one.ts for one in stopped],
                    "event_ts": self.world.next_ts(),
                }
            )

    def event(self, event: Json) -> Delivery | None:
        """Sends any event; None where the app would not hear of it."""
        with self.world.lock:
            if not events.heard(self.world, event):
                return None
            return self.sockets.deliver(Delivery("events_api", events.callback(self.world, event)))

    def _written(self, user: str, channel: str, text: str, thread_ts: str | None) -> Message:
        sender = self.world.users[user]
        root = self.world.written(channel, thread_ts).root if thread_ts else None
        message = Message(channel, self.world.next_ts(), user, text, root, team_id=sender.team_id)
        message.bot_id, message.app_id = sender.bot_id, sender.app_id
        message.client_msg_id = None if sender.bot_id else str(uuid.uuid4())
        return self.world.store(message)
