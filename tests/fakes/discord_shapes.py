"""The JSON shapes of Discord's API v10, made from the state of the world.

Rule: ids go out as text and times as ISO 8601; what Discord leaves out is left out.
"""

from __future__ import annotations

import datetime
from typing import Any

from tests.fakes.discord_world import (
    DM,
    FORUM,
    THREADS,
    Attachment,
    Channel,
    Guild,
    Interaction,
    Member,
    Message,
    Role,
    User,
    World,
)

Json = dict[str, Any]


def moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


def user(one: User) -> Json:
    told: Json = {
        "id": str(one.id),
        "username": one.name,
        "discriminator": "0",
        "global_name": None if one.bot else one.name.title(),
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
    }
    return told | {"bot": True} if one.bot else told


def member(one: Member, *, with_user: bool = True) -> Json:
    told: Json = {
        "roles": [str(role) for role in sorted(one.roles)],
        "joined_at": moment(one.joined_s),
        "nick": one.nick,
        "avatar": None,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": None,
    }
    return told | {"user": user(one.user)} if with_user else told


def role(one: Role) -> Json:
    tags = {"tags": {"bot_id": str(one.bot)}} if one.bot else {}
    return {
        "id": str(one.id),
        "name": one.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": one.position,
        "permissions": str(one.permissions),
        "managed": bool(one.bot),
        "mentionable": False,
        "flags": 0,
        **tags,
    }


def channel(one: Channel) -> Json:
    last = str(one.last_message) if one.last_message else None
    told: Json = {"id": str(one.id), "type": one.kind, "last_message_id": last, "flags": 0}
    if one.kind == DM:
        return told | {"recipients": [user(person) for person in one.recipients]}
    assert one.guild is not None
    told |= {
        "guild_id": str(one.guild.id),
        "name": one.name,
        "parent_id": str(one.parent.id) if one.parent else None,
        "rate_limit_per_user": 0,
        "nsfw": False,
    }
    if one.kind in THREADS:
        return told | _thread(one)
    roles = one.guild.roles
    told |= {
        "position": 0,
        "topic": one.topic,
        "permission_overwrites": [
            {"id": str(who), "type": 0 if who in roles else 1, "allow": str(allow), "deny": str(deny)}
            for who, (allow, deny) in one.overwrites.items()
        ],
    }
    if one.kind == FORUM:
        told |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
        told |= {"default_forum_layout": 0}
    return told


def _thread(one: Channel) -> Json:
    assert one.owner is not None
    return {
        "owner_id": str(one.owner.id),
        "message_count": one.message_count,
        "member_count": len(one.thread_members),
        "total_message_sent": one.message_count,
        "thread_metadata": {
            "archived": one.archived,
            "auto_archive_duration": one.archive_minutes,
            "archive_timestamp": moment(one.made_s),
            "locked": one.locked,
            "create_timestamp": moment(one.made_s),
        },
    }


def thread_member(one: Channel, person: User) -> Json:
    return {
        "id": str(one.id),
        "user_id": str(person.id),
        "join_timestamp": moment(one.made_s),
        "flags": 1,
    }


def guild(one: Guild, world: World, *, members: bool) -> Json:
    """As GUILD_CREATE carries it; without `members` only the bot itself is in it."""
    inside = [place for place in world.channels.values() if place.guild is one]
    known = one.members.values() if members else [one.members[world.bot.id]]
    return guild_settings(one) | {
        "joined_at": moment(one.members[world.bot.id].joined_s),
        "large": False,
        "unavailable": False,
        "member_count": len(one.members),
        "voice_states": [],
        "members": [member(person) for person in known],
        "channels": [channel(place) for place in inside if place.kind not in THREADS],
        "threads": [
            channel(place)
            for place in inside
            if place.kind in THREADS and not place.archived and world.permissions(world.bot, place)
        ],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def guild_settings(one: Guild) -> Json:
    """As the REST API gives it."""
    empty = (
        "icon splash discovery_splash description banner afk_channel_id application_id vanity_url_code "
        "system_channel_id rules_channel_id public_updates_channel_id incidents_data"
    )
    zero = (
        "verification_level default_message_notifications explicit_content_filter mfa_level nsfw_level "
        "premium_tier premium_subscription_count system_channel_flags"
    )
    return {
        "id": str(one.id),
        "name": one.name,
        "owner_id": str(one.owner.id),
        "roles": [role(each) for each in one.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "region": "",
        "afk_timeout": 300,
        "preferred_locale": "en-US",
        "max_members": 500000,
        "premium_progress_bar_enabled": False,
        **dict.fromkeys(empty.split()),
        **dict.fromkeys(zero.split(), 0),
    }


def attachment(one: Attachment) -> Json:
    return {
        "id": str(one.id),
        "filename": one.filename,
        "size": len(one.content),
        "url": one.url,
        "proxy_url": one.url,
        "content_type": one.media_type,
    }


def message(one: Message, world: World, *, quoted: bool = False) -> Json:
    """A message; `quoted` where it stands inside another, which leaves out what it quotes itself."""
    told: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel.id),
        "type": one.kind,
        "author": user(one.author),
        "content": one.content,
        "timestamp": moment(one.made_s),
        "edited_timestamp": moment(one.edited_s) if one.edited_s else None,
        "tts": False,
        "mention_everyone": one.mention_everyone,
        "mentions": [user(person) for person in one.mentions],
        "mention_roles": [str(each) for each in one.mention_roles],
        "attachments": [attachment(each) for each in one.attachments],
        "embeds": [{"type": "rich", **embed} for embed in one.embeds],
        "components": one.components,
        "pinned": False,
        "flags": one.flags,
    }
    if one.nonce is not None:
        told["nonce"] = one.nonce
    if one.reactions:
        told["reactions"] = [_reaction(emoji, who, world) for emoji, who in one.reactions.items()]
    if one.thread is not None:
        told["thread"] = channel(one.thread)
    if one.interaction is not None:
        told |= _made_by(one.interaction, world)
    if one.webhook_id is not None:
        told["webhook_id"] = str(one.webhook_id)
    if one.reference is not None:
        told["message_reference"] = _reference(one, world)
        if not quoted:
            original = world.messages.get(one.reference)
            there = original is not None and not original.deleted
            told["referenced_message"] = message(original, world, quoted=True) if original and there else None
    return told


def _reference(one: Message, world: World) -> Json:
    original = world.messages.get(one.reference or 0)
    place = original.channel if original else one.channel
    told: Json = {"type": 0, "message_id": str(one.reference), "channel_id": str(place.id)}
    return told | {"guild_id": str(place.guild.id)} if place.guild else told


def _reaction(emoji: str, who: list[int], world: World) -> Json:
    return {
        "emoji": {"id": None, "name": emoji},
        "count": len(who),
        "count_details": {"burst": 0, "normal": len(who)},
        "me": world.bot.id in who,
        "me_burst": False,
        "burst_colors": [],
    }


def _made_by(one: Interaction, world: World) -> Json:
    told: Json = {
        "id": str(one.id),
        "type": one.kind,
        "user": user(one.user),
        "authorizing_integration_owners": owners(one),
    }
    named = {"id": str(one.id), "type": one.kind, "name": one.data.get("name", ""), "user": user(one.user)}
    if one.kind == 3 and one.message is not None:
        told["interacted_message_id"] = str(one.message.id)
    made: Json = {
        "application_id": str(world.bot.id),
        "webhook_id": str(world.bot.id),
        "interaction_metadata": told,
    }
    return made | {"interaction": named} if one.kind == 2 else made


def owners(one: Interaction) -> Json:
    """Who installed the app that is used: the person ("1") or the guild ("0")."""
    if one.by_user_install:
        return {"1": str(one.user.id)}
    return {"0": str(one.channel.guild.id) if one.channel.guild else "0"}


def interaction(one: Interaction, world: World) -> Json:
    """As INTERACTION_CREATE carries it."""
    place = one.channel
    person_may = world.permissions(one.user, place)
    told: Json = {
        "id": str(one.id),
        "application_id": str(world.bot.id),
        "type": one.kind,
        "token": one.token,
        "version": 1,
        "data": one.data,
        "channel_id": str(place.id),
        "channel": channel(place) | {"permissions": str(person_may)},
        "app_permissions": str(world.permissions(world.bot, place)),
        "locale": one.user.locale,
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": owners(one),
        "attachment_size_limit": 10 * 1024 * 1024,
        "context": 0 if place.guild else 1,
    }
    if one.message is not None:
        told["message"] = message(one.message, world)
    if place.guild is None:
        return told | {"user": user(one.user)}
    told["member"] = member(place.guild.members[one.user.id]) | {"permissions": str(person_may)}
    told["guild_id"] = str(place.guild.id)
    told["guild"] = {"id": str(place.guild.id), "locale": "en-US", "features": []}
    return told | {"guild_locale": "en-US"}
