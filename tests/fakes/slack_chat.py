"""The chat.* methods: posting, changing, deleting, streaming.

Rule: each is a function of the world and the arguments; it answers with what stands beside `ok`, or
raises Refused before it has changed anything.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.slack_events import announce, announce_change, announce_deletion
from tests.fakes.slack_limits import TEXT, check_blocks, check_chunks, check_markdown
from tests.fakes.slack_shapes import message_object
from tests.fakes.slack_world import APP, BOT_ID, BOT_USER, Json, Message, Refused, Session, Stream, World


def flag(value: object) -> bool | None:
    """A boolean argument as JSON or a form has it; None where it is not given."""
    if value is None:
        return None
    return value if isinstance(value, bool) else str(value).lower() in ("1", "true")


def post_message(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"), posting=True)
    thread = world.thread(channel.id, arguments.get("thread_ts"))
    message = _new(world, channel.id, arguments)
    message.thread_ts = thread
    message.broadcast = bool(thread and flag(arguments.get("reply_broadcast")))
    message.subtype = "thread_broadcast" if message.broadcast else None
    message.metadata = _metadata(arguments)
    _publish(world, message)
    return {"channel": channel.id, "ts": message.ts, "message": message_object(world, message)}


def post_ephemeral(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"), posting=True)
    user = world.user(arguments.get("user"))
    if user.id not in channel.members:
        raise Refused("user_not_in_channel")
    thread = world.thread(channel.id, arguments.get("thread_ts"))
    message = _new(world, channel.id, arguments)
    message.thread_ts, message.ephemeral_for = thread, user.id
    world.store(message)
    return {"message_ts": message.ts}


def update(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"), posting=True)
    message = world.message(channel.id, arguments.get("ts"))
    if message.bot_id != BOT_ID:
        raise Refused("cant_update_message")
    if world.streaming(message):
        raise Refused("streaming_state_conflict")
    change = _content(arguments)
    if len(arguments.get("text") or "") > world.update_text_limit:
        raise Refused("msg_too_long")
    before = message_object(world, message)
    _rewrite(message, change)
    message.rewritten = True
    if metadata := _metadata(arguments):
        message.metadata = metadata
    if not change.get("blocks"):
        message.edited_by, message.edited_ts = BOT_USER, world.next_ts()
    announce_change(world, message, before)
    shown = message_object(world, message)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def delete(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    message = world.message(channel.id, arguments.get("ts"))
    if message.bot_id != BOT_ID or world.streaming(message):
        raise Refused("cant_delete_message")
    before = message_object(world, message)
    message.deleted = True
    announce_deletion(world, message, before)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    message = world.message(channel.id, arguments.get("message_ts"))
    link = f"https://acme.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def start_stream(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"), posting=True)
    recipient, team = arguments.get("recipient_user_id"), arguments.get("recipient_team_id")
    if channel.kind == "mpim":
        raise Refused("channel_type_not_supported")
    if channel.kind != "im":
        if not recipient:
            raise Refused("missing_recipient_user_id")
        if not team:
            raise Refused("missing_recipient_team_id")
    if recipient:
        world.user(recipient)
    if team and team not in world.teams:
        raise Refused("team_not_found")
    if not arguments.get("thread_ts") and channel.kind == "im":
        raise Refused("invalid_arguments")
    thread = world.thread(channel.id, arguments.get("thread_ts"))
    chunks = _stream_chunks(arguments)
    message = Message(channel.id, world.next_ts(), BOT_USER, "", thread, BOT_ID, APP)
    message.stream = Stream(world.clock.now(), recipient_user_id=recipient, recipient_team_id=team)
    _append(message, chunks)
    _publish(world, message)
    return {"channel": channel.id, "ts": message.ts}


def append_stream(world: World, arguments: Json) -> Json:
    message = _streamed(world, arguments)
    chunks = _stream_chunks(arguments)
    if not chunks:
        raise Refused("no_text")
    _append(message, chunks)
    message.versions.append(message.text)
    return {"channel": message.channel, "ts": message.ts}


def stop_stream(world: World, arguments: Json) -> Json:
    message = _streamed(world, arguments)
    chunks = _stream_chunks(arguments)
    blocks = check_blocks(arguments["blocks"]) if arguments.get("blocks") else []
    metadata = _metadata(arguments)
    status = arguments.get("session_status")
    if status not in (None, "processing", "active", "suspended", "closed"):
        raise Refused("invalid_arguments")
    before = message_object(world, message)
    _append(message, chunks)
    message.versions.append(message.text)
    message.blocks = [*message.blocks, *blocks]
    message.metadata = metadata or message.metadata
    assert message.stream is not None
    message.stream.state = "stopped"
    if status and message.thread_ts:
        session = world.sessions.setdefault((message.channel, message.thread_ts), Session(status))
        session.status = status
        session.history.append(status)
    announce_change(world, message, before)
    return {"channel": message.channel, "ts": message.ts, "message": message_object(world, message)}


def _streamed(world: World, arguments: Json) -> Message:
    channel = world.channel(arguments.get("channel"), posting=True)
    message = world.message(channel.id, arguments.get("ts"))
    if message.bot_id != BOT_ID:
        raise Refused("message_not_owned_by_app")
    if message.stream is not None and message.stream.state == "stopped_by_user":
        raise Refused("stopped_by_user")
    if not world.streaming(message):
        raise Refused("message_not_in_streaming_state")
    return message


def _stream_chunks(arguments: Json) -> list[Json]:
    """The call's chunks, text given plainly as one of them."""
    plain, chunks = arguments.get("markdown_text"), arguments.get("chunks")
    if plain is not None and chunks is not None:
        raise Refused("cannot_provide_both_markdown_text_and_chunks")
    if plain is not None:
        return [{"type": "markdown_text", "text": check_markdown(plain)}]
    return check_chunks(chunks) if chunks else []


def _append(message: Message, chunks: list[Json]) -> None:
    assert message.stream is not None
    message.stream.chunks.extend(chunks)
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            message.text += chunk["text"]
        elif chunk["type"] == "blocks":
            message.blocks = [*message.blocks, *chunk["blocks"]]


def _new(world: World, channel: str, arguments: Json) -> Message:
    """The app's message that the arguments describe, not stored yet."""
    content = _content(arguments)
    message = Message(channel, world.next_ts(), BOT_USER, "", None, BOT_ID, APP)
    _rewrite(message, content)
    message.unfurl_links = flag(arguments.get("unfurl_links"))
    message.unfurl_media = flag(arguments.get("unfurl_media"))
    if username := arguments.get("username"):
        message.username = username
    message.versions.clear()
    return message


def _content(arguments: Json) -> Json:
    """What a call wants to show: `text`, `markdown`, `blocks`, `attachments`, those given."""
    content: Json = {}
    text, markdown = arguments.get("text"), arguments.get("markdown_text")
    if markdown is not None:
        if text or arguments.get("blocks"):
            raise Refused("markdown_text_conflict")
        content["markdown"] = check_markdown(markdown)
    if text is not None:
        content["text"] = str(text)[:TEXT]
    if arguments.get("blocks") is not None:
        content["blocks"] = check_blocks(arguments["blocks"])
    if arguments.get("attachments") is not None:
        content["attachments"] = _attachments(arguments["attachments"])
    if not any(content.get(name) for name in ("text", "markdown", "blocks", "attachments")):
        raise Refused("no_text")
    return content


def _attachments(value: Any) -> list[Json]:
    if not isinstance(value, list):
        raise Refused("invalid_attachments")
    if len(value) > 100:
        raise Refused("too_many_attachments")
    for one in value:
        if one.get("blocks"):
            check_blocks(one["blocks"])
    return value


def _rewrite(message: Message, content: Json) -> None:
    """Blocks and attachments that are not given stay, an empty list takes them away."""
    message.blocks = content.get("blocks", message.blocks)
    message.attachments = content.get("attachments", message.attachments)
    if "markdown" in content:
        message.markdown, message.text = content["markdown"], content["markdown"]
        message.blocks = []
    elif "text" in content:
        message.markdown, message.text = None, content["text"]
    message.versions.append(message.text)


def _metadata(arguments: Json) -> Json | None:
    metadata = arguments.get("metadata")
    if not metadata:
        return None
    if not isinstance(metadata, dict) or "event_type" not in metadata or "event_payload" not in metadata:
        raise Refused("invalid_metadata_format")
    return metadata


def _publish(world: World, message: Message) -> None:
    """Stores the app's message; a status shown in its thread goes with it."""
    world.store(message)
    if message.thread_ts and (told := world.statuses.get((message.channel, message.thread_ts))):
        told.append({"status": "", "cleared_by": "message"})
    announce(world, message)
