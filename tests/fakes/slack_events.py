"""The events an app hears of: messages, edits, deletions, reactions, and their envelope.

Rule: an event is published once for what happened; who gets it, and how often, the sockets decide.
"""

from __future__ import annotations

from tests.fakes.slack_shapes import message_object
from tests.fakes.slack_world import APP, BOT_USER, TEAM, Json, Message, World

_SCOPES = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}
_PLURAL = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


def callback(world: World, event: Json) -> Json:
    """The `event_callback` that carries `event`; another call makes another event of it."""
    channel = world.channels.get(_place(event))
    return {
        "token": "verification-token",
        "team_id": TEAM,
        "context_team_id": TEAM,
        "context_enterprise_id": None,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": world.new_id("Ev"),
        "event_time": int(world.clock.now()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": bool(channel and channel.teams),
        "event_context": f"4-{world.new_id('EC')}",
    }


def subscription(event: Json) -> str:
    """The name under which an app subscribes to it, as `message.im` for a direct message."""
    kind = str(event.get("type"))
    return (
        f"message.{_PLURAL[event['channel_type']]}" if kind == "message" and "channel_type" in event else kind
    )


def heard(world: World, event: Json) -> bool:
    """Whether the app is subscribed to it, has the scope for it, and sits where it happened."""
    name = subscription(event)
    if world.subscriptions is not None and name not in world.subscriptions:
        return False
    if (scope := _SCOPES.get(name)) is not None and scope not in world.scopes:
        return False
    channel = world.channels.get(_place(event))
    return channel is None or event["type"] == "app_home_opened" or BOT_USER in channel.members


def message_event(world: World, message: Message) -> Json:
    """The event of a new message."""
    channel = world.channels[message.channel]
    event = message_object(world, message) | {
        "channel": message.channel,
        "event_ts": message.ts,
        "channel_type": channel.type,
    }
    for name in ("reply_count", "latest_reply"):
        event.pop(name, None)
    return event | _shared(world, message)


def mention_event(world: World, message: Message) -> Json:
    """The app_mention event that stands beside the message event."""
    event = message_event(world, message) | {"type": "app_mention"}
    for name in ("channel_type", "subtype", "parent_user_id"):
        event.pop(name, None)
    return event


def announce(world: World, message: Message) -> None:
    """Tells of a new message, the app's own among them where the world echoes."""
    if message.user != BOT_USER or world.echoes:
        world.publish(message_event(world, message))


def announce_change(world: World, message: Message, before: Json) -> None:
    """Tells that what `before` shows has become what `message` is."""
    if message.user == BOT_USER and not world.echoes:
        return
    ts = world.next_ts()
    world.publish(
        {
            "type": "message",
            "subtype": "message_changed",
            "message": message_object(world, message) | _shared(world, message),
            "previous_message": before,
            "channel": message.channel,
            "hidden": True,
            "ts": ts,
            "event_ts": ts,
            "channel_type": world.channels[message.channel].type,
        }
    )


def announce_deletion(world: World, message: Message, before: Json) -> None:
    """Tells that a message is gone; the root of a thread with replies leaves a tombstone."""
    if message.user == BOT_USER and not world.echoes:
        return
    ts = world.next_ts()
    shared: Json = {
        "type": "message",
        "previous_message": before,
        "channel": message.channel,
        "hidden": True,
        "ts": ts,
        "event_ts": ts,
        "channel_type": world.channels[message.channel].type,
    }
    if world.replies(message.channel, message.ts):
        tombstone = {
            "type": "message",
            "subtype": "tombstone",
            "text": "This message was deleted.",
            "user": "USLACKBOT",
            "hidden": True,
            "ts": message.ts,
            "thread_ts": message.ts,
        }
        world.publish(shared | {"subtype": "message_changed", "message": tombstone})
    else:
        world.publish(shared | {"subtype": "message_deleted", "deleted_ts": message.ts})


def reaction_event(world: World, message: Message, user: str, name: str, *, added: bool) -> Json:
    return {
        "type": "reaction_added" if added else "reaction_removed",
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "item_user": message.user,
        "event_ts": world.next_ts(),
    }


def _place(event: Json) -> str:
    place = event.get("channel") or event.get("item", {}).get("channel") or ""
    return str(place.get("id", "")) if isinstance(place, dict) else str(place)


def _shared(world: World, message: Message) -> Json:
    """What messages of channels shared with another organisation carry beside the rest."""
    channel = world.channels[message.channel]
    sender = world.users.get(message.user)
    if not channel.teams or sender is None:
        return {}
    profile = {
        "name": sender.name,
        "real_name": sender.name.title(),
        "team": sender.team_id,
        "is_restricted": False,
    }
    return {"user_team": sender.team_id, "source_team": sender.team_id, "user_profile": profile}
