"""The messages that answer one question, in its thread.

Rule: each part is posted once. What Slack did not confirm is looked for, by its metadata, before anything is
posted; and where a part stands is noted before anything else is done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adapters.slack_blocks import Block, notification
from adapters.slack_calls import Json, SlackCalls, SlackRefused, SlackUnsure
from bot.platform import DeliveryFailed, Handle, NoteHandle, Undeliverable

log = logging.getLogger(__name__)

EVENT_TYPE = "groundling_answer"

CONTENT = frozenset(
    "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long markdown_text_conflict no_text "
    "invalid_arguments".split()
)
"""Refusals of what is said, not of saying it."""

_NOT_OURS = frozenset({"cant_update_message", "edit_window_closed"})
_STREAM_OVER = frozenset({"message_not_in_streaming_state", "stopped_by_user", "message_not_found"})


class ContentRefused(Exception):
    """Slack does not take these blocks; it may take plain text."""


class SlackPosts:
    """The posts for question `id` in `thread` of `channel`, for `user` of `team`.

    `handle` is what was noted last; `note` writes down what was posted, all of it after the message `since`.
    Where it is `doubtful` that everything was noted, what stands there is looked for.
    """

    def __init__(
        self,
        calls: SlackCalls,
        id: str,
        *,
        team: str,
        channel: str,
        thread: str,
        user: str,
        since: str,
        handle: Handle | None,
        note: NoteHandle,
        doubtful: bool = False,
    ) -> None:
        self._calls = calls
        self.id = id
        self._team = team
        self._channel = channel
        self._thread = thread
        self._user = user
        self._since = since
        self._note = note
        self._doubtful = doubtful
        self.handle: dict[str, str] = dict(handle or {})
        self.streaming = False

    async def stand(self) -> bool:
        """Whether something stands there already. Raises `DeliveryFailed`, `Undeliverable`."""
        return "ts1" in self.handle or await self._found(1) is not None

    @property
    def begun_elsewhere(self) -> bool:
        """Whether an earlier process may have begun to answer."""
        return self._doubtful or bool(self.handle)

    def stands(self, ts: str) -> bool:
        """Whether `ts` is a message of these."""
        return any(value == ts for name, value in self.handle.items() if name.startswith("ts"))

    async def put(self, part: int, body: str, blocks: Sequence[Block] | None) -> None:
        """Makes part `part`, from 1, consist of `blocks`, or of `body` as mrkdwn where they are None.

        Raises `DeliveryFailed`, `Undeliverable`, and `ContentRefused` when the blocks are not taken.
        """
        text = body if blocks is None else notification(body)
        ts = self.handle.get(f"ts{part}") or await self._found(part)
        if ts is None:
            await self._post(part, text, blocks)
            return
        try:
            await self._update(ts, part, text, blocks)
        except SlackRefused as error:
            if error.code in CONTENT:
                raise ContentRefused(error.code) from None
            if error.code not in _NOT_OURS:
                raise Undeliverable(str(error)) from None
            await self._forget(part)
            await self._post(part, text, blocks)

    async def start_stream(self, text: str) -> None:
        """Begins the first part as a stream. Raises `SlackRefused` where Slack has no streams here,
        `DeliveryFailed`."""
        await self._intend(1)
        answer = await self._calls.call(
            "chat.startStream",
            channel=self._channel,
            thread_ts=self._thread,
            recipient_team_id=self._team,
            recipient_user_id=self._user,
            chunks=[{"type": "markdown_text", "text": text}],
        )
        self.streaming = True
        await self._stands(1, str(answer["ts"]))

    async def append(self, text: str) -> bool:
        """Adds to the stream; False where it has ended, and only `put` shows more.

        Raises `SlackBusy` when it was surely not added.
        """
        chunks = [{"type": "markdown_text", "text": text}]
        try:
            await self._calls.call(
                "chat.appendStream", channel=self._channel, ts=self.handle["ts1"], chunks=chunks
            )
        except (SlackRefused, SlackUnsure) as error:
            log.info("question %s: its stream ended: %s", self.id, error)
            self.streaming = False
        return self.streaming

    async def stop_stream(self, text: str, blocks: Sequence[Block], *, last: bool = True) -> bool:
        """Ends the stream with `text` added and `blocks` below, and with it the agent session where that is the
        `last` word; False where only `put` can still do that.

        Raises `SlackBusy` when it was surely not ended.
        """
        self.streaming, was = False, self.streaming
        try:
            await self._calls.call(
                "chat.stopStream",
                channel=self._channel,
                ts=self.handle["ts1"],
                chunks=[{"type": "markdown_text", "text": text}] if text else None,
                blocks=list(blocks) or None,
                metadata=self._metadata(1),
                session_status="active" if last else None,
            )
        except (SlackRefused, SlackUnsure) as error:
            log.info("question %s: its stream could not be ended: %s", self.id, error)
            return False
        except DeliveryFailed:
            self.streaming = was
            raise
        return True

    async def remove(self, *, above: int = 0) -> None:
        """Deletes the parts after part `above`. Raises `DeliveryFailed`, `Undeliverable`."""
        if not above and "ts1" not in self.handle:
            await self._found(1)
        for name in [one for one in self.handle if one.startswith("ts") and int(one[2:]) > above]:
            try:
                await self._calls.call("chat.delete", channel=self._channel, ts=self.handle[name])
            except SlackRefused as error:
                if error.code != "cant_delete_message":
                    continue
                # A stream cannot be deleted before it has ended.
                await self.stop_stream("", ())
                await self._delete_quietly(self.handle[name])
        for name in [one for one in self.handle if one[2:].isdigit() and int(one[2:]) > above]:
            del self.handle[name]
        await self._note(dict(self.handle))

    async def _delete_quietly(self, ts: str) -> None:
        try:
            await self._calls.call("chat.delete", channel=self._channel, ts=ts)
        except SlackRefused as error:
            log.info("question %s: a message could not be deleted: %s", self.id, error)

    async def _post(self, part: int, text: str, blocks: Sequence[Block] | None) -> None:
        await self._intend(part)
        try:
            answer = await self._calls.call(
                "chat.postMessage",
                channel=self._channel,
                thread_ts=self._thread or None,
                text=text,
                blocks=None if blocks is None else list(blocks),
                metadata=self._metadata(part),
            )
        except SlackRefused as error:
            if error.code in CONTENT:
                raise ContentRefused(error.code) from None
            raise Undeliverable(str(error)) from None
        await self._stands(part, str(answer["ts"]))

    async def _update(self, ts: str, part: int, text: str, blocks: Sequence[Block] | None) -> None:
        arguments: dict[str, object] = {
            "channel": self._channel,
            "ts": ts,
            "text": text,
            "blocks": [] if blocks is None else list(blocks),
            "metadata": self._metadata(part),
        }
        try:
            await self._calls.call("chat.update", **arguments)
        except SlackRefused as error:
            if error.code != "streaming_state_conflict":
                raise
            await self.stop_stream("", (), last=False)
            await self._update_ended(arguments)

    async def _update_ended(self, arguments: dict[str, object]) -> None:
        try:
            await self._calls.call("chat.update", **arguments)
        except SlackRefused as error:
            if error.code != "streaming_state_conflict":
                raise
            raise DeliveryFailed("a stream could not be ended yet") from None

    async def _found(self, part: int) -> str | None:
        """The message of a post or stream whose outcome nobody knows."""
        if not (self._doubtful or f"in{part}" in self.handle) or not self._thread:
            return None
        bot_id = (await self._calls.identity()).bot_id
        rows = self._calls.pages(
            "conversations.replies",
            "messages",
            channel=self._channel,
            ts=self._thread,
            include_all_metadata=True,
            limit=200,
        )
        unfinished: str | None = None
        try:
            async for row in rows:
                if self._is(row, part):
                    await self._stands(part, str(row["ts"]))
                    return str(row["ts"])
                if self._is_unfinished_stream(row, bot_id):
                    unfinished = str(row["ts"])
        except SlackRefused as error:
            if error.code in ("thread_not_found", "message_not_found", "channel_not_found"):
                raise Undeliverable(str(error)) from None
            log.warning("question %s: whether it was posted cannot be looked up: %s", self.id, error)
            return None
        if part == 1 and unfinished is not None:
            await self._stands(part, unfinished)
            return unfinished
        return None

    def _is(self, row: Json, part: int) -> bool:
        metadata = row.get("metadata") or {}
        payload = metadata.get("event_payload") or {}
        return metadata.get("event_type") == EVENT_TYPE and (payload.get("id"), str(payload.get("part"))) == (
            self.id,
            str(part),
        )

    def _is_unfinished_stream(self, row: Json, bot_id: str) -> bool:
        # Only a stream that nobody has ended is without metadata, and a conversation has one at a time.
        later = str(row.get("ts", "")) > self._since
        return row.get("bot_id") == bot_id and later and not row.get("metadata")

    def _metadata(self, part: int) -> Json:
        return {"event_type": EVENT_TYPE, "event_payload": {"id": self.id, "part": str(part)}}

    async def _intend(self, part: int) -> None:
        if f"in{part}" not in self.handle:
            self.handle[f"in{part}"] = "1"
            await self._note(dict(self.handle))

    async def _stands(self, part: int, ts: str) -> None:
        self.handle[f"ts{part}"] = ts
        await self._note(dict(self.handle))

    async def _forget(self, part: int) -> None:
        del self.handle[f"ts{part}"]
        self.handle.pop(f"in{part}", None)
        await self._note(dict(self.handle))
