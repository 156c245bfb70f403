"""How the workspace looks in JSON: the objects that answers, events and interactions carry.

Rule: field names are those Slack publishes; nothing here changes the world.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from tests.fakes.slack_world import (
    APP,
    BOT_ID,
    BOT_USER,
    TEAM,
    Channel,
    File,
    Group,
    Json,
    Message,
    User,
    View,
    World,
)

_TOKEN = re.compile(r"<([@#!]?)([^>|]+)(?:\|([^>]*))?>")


def user_object(world: World, user: User) -> Json:
    return {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "deleted": user.kind == "deleted",
        "color": "9f69e7",
        "real_name": user.name.title(),
        "tz": "Europe/Berlin",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": {
            "real_name": user.name.title(),
            "display_name": user.name,
            "email": f"{user.name}@example.org",
            "team": user.team_id,
        }
        | ({"bot_id": user.bot_id, "api_app_id": user.app_id} if user.bot_id else {}),
        "is_admin": user.kind in ("admin", "owner"),
        "is_owner": user.kind == "owner",
        "is_primary_owner": False,
        "is_restricted": user.kind in ("guest", "single_channel_guest"),
        "is_ultra_restricted": user.kind == "single_channel_guest",
        "is_stranger": user.kind == "stranger",
        "is_bot": user.kind == "bot",
        "is_app_user": False,
        "updated": int(world.clock.now()),
        "is_email_confirmed": True,
        "who_can_share_contact_card": "EVERYONE",
    }


def group_object(group: Group, *, with_users: bool = False) -> Json:
    shown: Json = {
        "id": group.id,
        "team_id": TEAM,
        "is_usergroup": True,
        "is_subteam": True,
        "name": group.handle.title(),
        "handle": group.handle,
        "description": "",
        "is_external": False,
        "date_delete": 0 if group.enabled else 1,
        "user_count": len(group.members),
        "prefs": {"channels": [], "groups": []},
    }
    return shown | ({"users": group.members} if with_users else {})


def channel_object(channel: Channel) -> Json:
    shown: Json = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.archived,
        "is_im": channel.kind == "im",
        "is_org_shared": False,
        "context_team_id": TEAM,
        "updated": channel.created * 1000,
    }
    if channel.kind == "im":
        other = next((one for one in channel.members if one != BOT_USER), BOT_USER)
        return shown | {"user": other, "is_user_deleted": False, "priority": 0, "is_open": True}
    return shown | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public",
        "is_general": channel.name == "general",
        "is_shared": bool(channel.teams),
        "is_ext_shared": bool(channel.teams),
        "is_pending_ext_shared": False,
        "is_member": BOT_USER in channel.members,
        "is_read_only": channel.read_only,
        "shared_team_ids": [TEAM, *channel.teams],
        "connected_team_ids": channel.teams,
        "internal_team_ids": [],
        "creator": channel.members[0] if channel.members else BOT_USER,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "previous_names": [],
    }


def message_object(world: World, message: Message, *, with_metadata: bool = True) -> Json:
    """A message as history, replies, message_changed and interactions show it."""
    reactions = [
        {"name": name, "users": list(users), "count": len(users)} for name, users in message.reactions.items()
    ]
    edited = {"user": message.edited_by, "ts": message.edited_ts} if message.edited_ts else None
    mostly: Json = {
        "subtype": message.subtype,
        "user": None if message.subtype == "bot_message" else message.user,
        "username": message.username,
        "client_msg_id": message.client_msg_id,
        "bot_id": message.bot_id,
        "app_id": message.app_id,
        "bot_profile": bot_profile(world, message.bot_id) if message.bot_id else None,
        "blocks": blocks_of(message),
        "attachments": list(message.attachments),
        "metadata": message.metadata if with_metadata else None,
        "files": [file_object(world, world.files[one]) for one in message.files],
        "reactions": reactions,
        "edited": edited,
    }
    shown: Json = {"type": "message", "ts": message.ts, "text": message.text, "team": message.team_id}
    return shown | {name: value for name, value in mostly.items() if value} | _thread_of(world, message)


def _thread_of(world: World, message: Message) -> Json:
    """What a reply says of its root, and a root of its replies."""
    if message.thread_ts:
        root = world.find(message.channel, message.thread_ts)
        return {"thread_ts": message.thread_ts, "parent_user_id": root.user if root else "USLACKBOT"}
    answers = world.replies(message.channel, message.ts)
    if not answers:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(answers),
        "reply_users": list(dict.fromkeys(one.user for one in answers)),
        "reply_users_count": len({one.user for one in answers}),
        "latest_reply": answers[-1].ts,
        "is_locked": False,
        "subscribed": False,
    }


def blocks_of(message: Message) -> list[Json]:
    """The blocks of a message, for one of text alone those that Slack makes of it."""
    own = message.blocks
    if message.markdown is not None:
        return [{"type": "markdown", "block_id": block_id(message.markdown), "text": message.markdown}, *own]
    if own:
        return [{"block_id": block_id(f"{n}{message.ts}")} | one for n, one in enumerate(own)]
    return (
        rich_text(message.text)
        if message.text and message.subtype in (None, "file_share", "thread_broadcast")
        else []
    )


def rich_text(text: str) -> list[Json]:
    """The rich_text block that Slack makes of what somebody typed."""
    elements: list[Json] = []
    at = 0
    for found in _TOKEN.finditer(text):
        if found.start() > at:
            elements.append({"type": "text", "text": text[at : found.start()]})
        sign, name, label = found.groups()
        if sign == "@":
            elements.append({"type": "user", "user_id": name})
        elif sign == "#":
            elements.append({"type": "channel", "channel_id": name})
        elif sign == "!" and name.startswith("subteam^"):
            elements.append({"type": "usergroup", "usergroup_id": name.removeprefix("subteam^")})
        elif sign == "!":
            elements.append({"type": "broadcast", "range": name})
        else:
            elements.append({"type": "link", "url": name} | ({"text": label} if label else {}))
        at = found.end()
    if text[at:]:
        elements.append({"type": "text", "text": text[at:]})
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": block_id(text), "elements": [section]}]


def block_id(text: str) -> str:
    """A made-up block_id that is the same for the same text."""
    return f"b{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def bot_profile(world: World, bot_id: str) -> Json:
    user = next((one for one in world.users.values() if one.bot_id == bot_id), None)
    return {
        "id": bot_id,
        "app_id": (user.app_id if user else None) or APP,
        "user_id": user.id if user else BOT_USER,
        "name": user.name if user else "webhook",
        "icons": {"image_36": f"{world.url}icon.png"},
        "deleted": False,
        "updated": 0,
        "team_id": user.team_id if user else TEAM,
    }


def file_object(world: World, file: File) -> Json:
    if file.checked_only:
        return {
            "id": file.id,
            "created": 0,
            "timestamp": 0,
            "mode": "file_access",
            "file_access": "check_file_info",
        }
    root = world.url.removesuffix("api/")
    return {
        "id": file.id,
        "created": int(world.clock.now()),
        "timestamp": int(world.clock.now()),
        "name": file.name,
        "title": file.name,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2],
        "user": file.user,
        "size": len(file.content),
        "mode": "hosted",
        "is_external": False,
        "is_public": True,
        "url_private": f"{root}files/{file.id}/{file.name}",
        "url_private_download": f"{root}files/{file.id}/download/{file.name}",
        "permalink": f"https://acme.slack.com/files/{file.user}/{file.id}/{file.name}",
        "channels": file.channels,
        "file_access": "visible",
    }


def view_object(view: View) -> Json:
    return view.body | {
        "id": view.id,
        "team_id": TEAM,
        "state": {"values": view.state},
        "hash": view.hash,
        "private_metadata": view.body.get("private_metadata", ""),
        "callback_id": view.body.get("callback_id", ""),
        "external_id": view.body.get("external_id", ""),
        "clear_on_close": bool(view.body.get("clear_on_close")),
        "notify_on_close": bool(view.body.get("notify_on_close")),
        "previous_view_id": view.previous,
        "root_view_id": view.root,
        "app_id": APP,
        "app_installed_team_id": TEAM,
        "bot_id": BOT_ID,
    }


def page(rows: list[Any], arguments: Json, *, most: int = 1000, usual: int = 100) -> tuple[list[Any], str]:
    """The rows that `limit` and `cursor` ask for, and the cursor of the next ones."""
    limit = int(arguments.get("limit") or usual)
    cursor = str(arguments.get("cursor") or "")
    start = int(cursor.removeprefix("at:")) if cursor else 0
    end = start + max(1, min(limit, most))
    return rows[start:end], f"at:{end}" if end < len(rows) else ""
