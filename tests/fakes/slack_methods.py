"""The Web API methods but for chat.*, and the table of all of them with the scopes they need.

Rule: each is a function of the world and the arguments; it answers with what stands beside `ok`, or
raises Refused before it has changed anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.fakes import slack_chat as chat
from tests.fakes.slack_events import reaction_event
from tests.fakes.slack_limits import check_view
from tests.fakes.slack_shapes import (
    channel_object,
    file_object,
    group_object,
    message_object,
    page,
    user_object,
    view_object,
)
from tests.fakes.slack_world import BOT_USER, TEAM, Channel, Json, Pass, Refused, Session, View, World

Method = Callable[[World, Json], Json]

_EMOJI = re.compile(r"[a-z0-9_'+-]{1,100}(::skin-tone-[2-6])?")


def auth_test(world: World, arguments: Json) -> Json:
    team, bot = world.teams[TEAM], world.users[BOT_USER]
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": bot.name,
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": bot.bot_id,
        "is_enterprise_install": False,
    }


def conversations_info(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    shown = channel_object(channel)
    if chat.flag(arguments.get("include_num_members")):
        shown["num_members"] = len(channel.members)
    return {"channel": shown}


def conversations_list(world: World, arguments: Json) -> Json:
    kinds = {
        "public_channel" if one == "public" else "private_channel" if one == "private" else one: one
        for one in ("public", "private", "im", "mpim")
    }
    wanted = {kinds.get(one.strip()) for one in str(arguments.get("types") or "public_channel").split(",")}
    skips = chat.flag(arguments.get("exclude_archived"))
    rows = [
        channel_object(one)
        for one in world.channels.values()
        if one.kind in wanted
        and not (skips and one.archived)
        and (one.kind == "public" or BOT_USER in one.members)
    ]
    return _paged("channels", rows, arguments)


def conversations_members(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    return _paged("members", list(channel.members), arguments)


def conversations_open(world: World, arguments: Json) -> Json:
    users = [one for one in str(arguments.get("users") or "").split(",") if one]
    if ident := arguments.get("channel"):
        channel = world.channel(ident)
    elif not users:
        raise Refused("channel_not_found")
    else:
        for one in users:
            if world.user(one).kind == "deleted":
                raise Refused("user_disabled")
        channel = world.direct_channel(users[0]) if len(users) == 1 else _group_talk(world, users)
    whole = chat.flag(arguments.get("return_im"))
    return {"channel": channel_object(channel) if whole else {"id": channel.id}}


def conversations_history(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    if BOT_USER not in channel.members:
        raise Refused("not_in_channel")
    rows = [one for one in world.visible(channel.id) if one.thread_ts is None or one.broadcast]
    rows = [one for one in reversed(rows) if _between(one.ts, arguments)]
    shown = [message_object(world, one, with_metadata=_metadata(arguments)) for one in rows]
    return _paged("messages", shown, arguments, most=999) | {"pin_count": 0}


def conversations_replies(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    if BOT_USER not in channel.members:
        raise Refused("not_in_channel")
    found = world.find(channel.id, arguments.get("ts"))
    rows = world.visible(channel.id, found.root) if found else []
    if not rows:
        raise Refused("thread_not_found")
    rows = [one for one in rows if one.thread_ts is None or _between(one.ts, arguments)]
    shown = [message_object(world, one, with_metadata=_metadata(arguments)) for one in rows]
    return _paged("messages", shown, arguments, usual=1000)


def users_info(world: World, arguments: Json) -> Json:
    user = world.user(arguments.get("user"))
    shown = user_object(world, user)
    return {"user": shown | ({"locale": user.locale} if chat.flag(arguments.get("include_locale")) else {})}


def users_list(world: World, arguments: Json) -> Json:
    rows = [user_object(world, one) for one in world.users.values() if one.team_id == TEAM]
    return _paged("members", rows, arguments) | {"cache_ts": int(world.clock.now())}


def usergroups_list(world: World, arguments: Json) -> Json:
    disabled, users = (chat.flag(arguments.get(one)) for one in ("include_disabled", "include_users"))
    groups = [one for one in world.groups.values() if one.enabled or disabled]
    return {"usergroups": [group_object(one, with_users=bool(users)) for one in groups]}


def usergroups_users_list(world: World, arguments: Json) -> Json:
    group = world.groups.get(str(arguments.get("usergroup")))
    if group is None:
        raise Refused("no_such_subteam")
    if not group.enabled and not chat.flag(arguments.get("include_disabled")):
        raise Refused("subteam_disabled")
    return {"users": group.members}


def bots_info(world: World, arguments: Json) -> Json:
    user = next((one for one in world.users.values() if one.bot_id == arguments.get("bot")), None)
    if user is None or user.bot_id is None:
        raise Refused("bot_not_found")
    bot = {"id": user.bot_id, "deleted": False, "name": user.name, "updated": 0, "app_id": user.app_id}
    return {"bot": bot | {"user_id": user.id, "icons": {}}}


def files_info(world: World, arguments: Json) -> Json:
    file = world.files.get(str(arguments.get("file")))
    if file is None:
        raise Refused("file_not_found")
    file.checked_only = False
    return {"file": file_object(world, file), "comments": [], "response_metadata": {"next_cursor": ""}}


def reactions_add(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"), posting=True)
    message = world.message(channel.id, arguments.get("timestamp"))
    name = str(arguments.get("name") or "")
    if not _EMOJI.fullmatch(name):
        raise Refused("invalid_name")
    users = message.reactions.setdefault(name, [])
    if BOT_USER in users:
        raise Refused("already_reacted")
    users.append(BOT_USER)
    world.publish(reaction_event(world, message, BOT_USER, name, added=True))
    return {}


def reactions_remove(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"), posting=True)
    message = world.message(channel.id, arguments.get("timestamp"))
    name = str(arguments.get("name") or "")
    if BOT_USER not in message.reactions.get(name, []):
        raise Refused("no_reaction")
    message.reactions[name].remove(BOT_USER)
    if not message.reactions[name]:
        del message.reactions[name]
    world.publish(reaction_event(world, message, BOT_USER, name, added=False))
    return {}


def views_open(world: World, arguments: Json) -> Json:
    view = check_view(arguments.get("view"), "modal")
    given = _trigger(world, arguments)
    return {"view": view_object(_new_view(world, given.user, view))}


def views_push(world: World, arguments: Json) -> Json:
    view = check_view(arguments.get("view"), "modal")
    given = _trigger(world, arguments)
    below = world.views.get(given.view or "")
    if below is None:
        raise Refused("no_view_to_push_onto")
    return {"view": view_object(push_view(world, below, view))}


def views_update(world: World, arguments: Json) -> Json:
    external = arguments.get("external_id")
    view = next(
        (
            one
            for one in world.views.values()
            if one.open
            and (one.id == arguments.get("view_id") or (external and one.body.get("external_id") == external))
        ),
        None,
    )
    if view is None:
        raise Refused("not_found")
    if arguments.get("hash") not in (None, view.hash):
        raise Refused("hash_conflict")
    replace_view(world, view, check_view(arguments.get("view"), view.body["type"]))
    return {"view": view_object(view)}


def views_publish(world: World, arguments: Json) -> Json:
    user = world.user(arguments.get("user_id"))
    body = check_view(arguments.get("view"), "home")
    home = world.homes.get(user.id)
    if home is None:
        home = world.homes[user.id] = _new_view(world, user.id, body)
    elif arguments.get("hash") not in (None, home.hash):
        raise Refused("hash_conflict")
    replace_view(world, home, body)
    return {"view": view_object(home)}


def replace_view(world: World, view: View, body: Json) -> None:
    """Shows `body` where `view` was; what was typed is gone."""
    view.body, view.hash, view.state, view.errors = body, f"{world.next_ts()}.{view.id}", {}, {}


def push_view(world: World, below: View, body: Json) -> View:
    pushed = _new_view(world, below.user, body)
    pushed.root, pushed.previous = below.root, below.id
    return pushed


def set_thread_status(world: World, arguments: Json) -> Json:
    channel, thread = _thread(world, arguments)
    if not isinstance(arguments.get("status"), str) or len(arguments.get("loading_messages") or []) > 10:
        raise Refused("invalid_arguments")
    shown = {name: value for name, value in arguments.items() if name in ("status", "loading_messages")}
    world.statuses.setdefault((channel.id, thread), []).append(shown)
    return {}


def set_title(world: World, arguments: Json) -> Json:
    channel, thread = _thread(world, arguments)
    world.titles[channel.id, thread] = str(arguments.get("title") or "")
    return {}


def set_suggested_prompts(world: World, arguments: Json) -> Json:
    """With a thread_ts it answers ok and shows nothing, as it does for an app with an agent view."""
    channel = world.channel(arguments.get("channel_id"))
    prompts = arguments.get("prompts")
    if not isinstance(prompts, list) or not all(one.get("title") and one.get("message") for one in prompts):
        raise Refused("invalid_arguments")
    if len(prompts) > 4:
        raise Refused("invalid_arguments")
    if not arguments.get("thread_ts"):
        world.prompts[channel.id] = prompts
    return {}


def set_session_status(world: World, arguments: Json) -> Json:
    channel, thread = _thread(world, arguments)
    status, title = arguments.get("status"), arguments.get("title")
    if status not in ("processing", "active", "suspended", "closed") or len(title or "") > 200:
        raise Refused("invalid_arguments")
    if (who := arguments.get("initiator_user_id")) and who not in channel.members:
        raise Refused("user_not_found")
    session = world.sessions.setdefault((channel.id, thread), Session(status, title))
    session.status = status
    session.history.append(status)
    told: Json = {"status": status, "agent_status": status, "title": session.title or ""}
    if status == "processing" and "agent_session_stopped" not in (
        world.subscriptions or {"agent_session_stopped"}
    ):
        told["warning"] = "missing_agent_session_stopped_event_subscription"
    return told


def rename_session(world: World, arguments: Json) -> Json:
    channel, thread = _thread(world, arguments)
    session = world.sessions.get((channel.id, thread))
    if session is None:
        raise Refused("session_not_found")
    title = str(arguments.get("title") or "")
    if not 0 < len(title) <= 200:
        raise Refused("invalid_arguments")
    session.title = title
    return {"title": title}


def _thread(world: World, arguments: Json) -> tuple[Channel, str]:
    channel = world.channel(arguments.get("channel_id"), posting=True)
    thread = world.thread(channel.id, arguments.get("thread_ts"))
    if thread is None:
        raise Refused("invalid_thread_ts")
    return channel, thread


def _trigger(world: World, arguments: Json) -> Pass:
    """What the trigger_id stands for; it is used up by this."""
    given = world.triggers.get(str(arguments.get("trigger_id")))
    if given is None:
        raise Refused("invalid_trigger_id")
    if world.clock.now() - given.made > world.trigger_s:
        raise Refused("expired_trigger_id")
    if given.used:
        raise Refused("exchanged_trigger_id")
    given.used += 1
    return given


def _new_view(world: World, user: str, body: Json) -> View:
    ident = world.new_id("V")
    view = world.views[ident] = View(ident, user, body, f"{world.next_ts()}.{ident}", ident)
    return view


def _group_talk(world: World, users: list[str]) -> Channel:
    members = [*users, BOT_USER]
    for one in world.channels.values():
        if one.kind == "mpim" and set(one.members) == set(members):
            return one
    return world.add_channel(Channel(world.new_id("C"), "mpdm-" + "--".join(users).lower(), "mpim", members))


def _between(ts: str, arguments: Json) -> bool:
    oldest, latest = str(arguments.get("oldest") or "0"), str(arguments.get("latest") or "9999999999")
    inclusive = chat.flag(arguments.get("inclusive"))
    return float(oldest) < float(ts) < float(latest) or bool(inclusive and ts in (oldest, latest))


def _metadata(arguments: Json) -> bool:
    return bool(chat.flag(arguments.get("include_all_metadata")))


def _paged(name: str, rows: list[object], arguments: Json, *, most: int = 1000, usual: int = 100) -> Json:
    try:
        shown, cursor = page(rows, arguments, most=most, usual=usual)
    except ValueError as error:
        raise Refused("invalid_cursor") from error
    return {name: shown, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}


_READ = {"public": "channels:read", "private": "groups:read", "im": "im:read", "mpim": "mpim:read"}
_HISTORY = {name: scope.replace(":read", ":history") for name, scope in _READ.items()}
_BY_CHANNEL = {
    "conversations.info": _READ,
    "conversations.members": _READ,
    "conversations.history": _HISTORY,
    "conversations.replies": _HISTORY,
}

METHODS: dict[str, tuple[Method, str | None]] = {
    "agents.sessions.rename": (rename_session, "chat:write"),
    "agents.sessions.setStatus": (set_session_status, "chat:write"),
    "assistant.threads.setStatus": (set_thread_status, "assistant:write"),
    "assistant.threads.setSuggestedPrompts": (set_suggested_prompts, "assistant:write"),
    "assistant.threads.setTitle": (set_title, "assistant:write"),
    "auth.test": (auth_test, None),
    "bots.info": (bots_info, "users:read"),
    "chat.appendStream": (chat.append_stream, "chat:write"),
    "chat.delete": (chat.delete, "chat:write"),
    "chat.getPermalink": (chat.get_permalink, None),
    "chat.postEphemeral": (chat.post_ephemeral, "chat:write"),
    "chat.postMessage": (chat.post_message, "chat:write"),
    "chat.startStream": (chat.start_stream, "chat:write"),
    "chat.stopStream": (chat.stop_stream, "chat:write"),
    "chat.update": (chat.update, "chat:write"),
    "conversations.history": (conversations_history, None),
    "conversations.info": (conversations_info, None),
    "conversations.list": (conversations_list, "channels:read"),
    "conversations.members": (conversations_members, None),
    "conversations.open": (conversations_open, "im:write"),
    "conversations.replies": (conversations_replies, None),
    "files.info": (files_info, "files:read"),
    "reactions.add": (reactions_add, "reactions:write"),
    "reactions.remove": (reactions_remove, "reactions:write"),
    "usergroups.list": (usergroups_list, "usergroups:read"),
    "usergroups.users.list": (usergroups_users_list, "usergroups:read"),
    "users.info": (users_info, "users:read"),
    "users.list": (users_list, "users:read"),
    "views.open": (views_open, None),
    "views.publish": (views_publish, None),
    "views.push": (views_push, None),
    "views.update": (views_update, None),
}


def scope_for(world: World, method: str, arguments: Json) -> str | None:
    """The scope that the call needs; for conversations it hangs on their kind."""
    by_channel = _BY_CHANNEL.get(method)
    if by_channel is None:
        return METHODS[method][1]
    channel = world.channels.get(str(arguments.get("channel")))
    return by_channel[channel.kind] if channel else by_channel["public"]
