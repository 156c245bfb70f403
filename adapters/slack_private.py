"""The visible side of one question whose answer only its asker sees.

Rule: nothing of such an answer is ever posted where others read; where Slack cannot show it in its place it
goes to the asker's direct messages.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from adapters.slack_blocks import Block, layout, notification, plain_parts
from adapters.slack_calls import SlackCalls, SlackRefused
from adapters.slack_posts import CONTENT, EVENT_TYPE, ContentRefused
from adapters.slack_words import SlackWords
from bot.asked import Asked
from bot.platform import DeliveryFailed, Handle, NoteHandle, Phase, Reply, Undeliverable, Waiting

log = logging.getLogger(__name__)


class PrivateDelivery:
    """Implements `bot.platform.Delivery` with messages that one person sees."""

    def __init__(
        self, calls: SlackCalls, id: str, asked: Asked, handle: Handle | None, note: NoteHandle
    ) -> None:
        self._calls = calls
        self._id = id
        self._asked = asked
        self._handle: dict[str, str] = dict(handle or {})
        self._note = note
        self._words = SlackWords(asked.text)

    async def begin(self) -> None:
        """See `Delivery`; a slash command was answered with a sign already."""
        if self._asked.way == "command" or "sign" in self._handle:
            return
        await self._noted("sign")
        text = self._words.say("looking")
        try:
            await self._show(text, [{"type": "markdown", "text": text}])
        except ContentRefused:
            log.warning("question %s: its first sign was not taken", self._id)

    def phase(self, phase: Phase, *, detail: str = "") -> None:
        """See `Delivery`; a message to one person does not change."""

    def wait(self, waiting: Waiting) -> None:
        """See `Delivery`."""

    def show(self, text: str) -> None:
        """See `Delivery`."""

    async def finish(self, reply: Reply) -> None:
        """See `Delivery`."""
        whole = layout(reply, self._words)
        try:
            for part, body in enumerate(whole.bodies):
                await self._once(f"{reply.kind} {part + 1}", body, whole.blocks(part))
        except ContentRefused as error:
            log.warning("question %s: Slack does not take its blocks (%s)", self._id, error)
            for part, text in enumerate(plain_parts(reply, self._words)):
                await self._once(f"{reply.kind} {part + 1} in plain text", text, None)

    async def withdraw(self) -> None:
        """See `Delivery`; what one person was shown goes with their session."""

    async def interrupt(self) -> None:
        """See `Delivery`."""
        text = self._words.notices.interrupted()
        try:
            await self._show(text, None)
        except (ContentRefused, DeliveryFailed, Undeliverable) as error:
            log.info("question %s: the restart was not told: %s", self._id, error)

    async def _once(self, name: str, text: str, blocks: Sequence[Block] | None) -> None:
        if name not in self._handle:
            await self._show(text, blocks)
            await self._noted(name)

    async def _show(self, text: str, blocks: Sequence[Block] | None) -> None:
        """Raises `DeliveryFailed`, `Undeliverable`, `ContentRefused`."""
        shown = {
            "text": text if blocks is None else notification(text),
            "blocks": None if blocks is None else list(blocks),
        }
        url = self._asked.reply.get("response_url", "")
        if url:  # it lives for half an hour; after that Slack refuses it
            given = {name: value for name, value in shown.items() if value is not None}
            try:
                await self._calls.respond(
                    url, {**given, "response_type": "ephemeral", "replace_original": False}
                )
                return
            except SlackRefused as error:
                _raise_if_content(error)
        try:
            await self._calls.call(
                "chat.postEphemeral",
                channel=self._asked.channel,
                user=self._asked.user,
                thread_ts=self._asked.thread or None,
                **shown,
            )
        except SlackRefused as error:
            _raise_if_content(error)
            await self._show_directly(shown)

    async def _show_directly(self, shown: Mapping[str, object]) -> None:
        try:
            opened = await self._calls.call("conversations.open", users=self._asked.user)
            await self._calls.call(
                "chat.postMessage",
                channel=opened["channel"]["id"],
                metadata={"event_type": EVENT_TYPE, "event_payload": {"id": self._id, "part": "private"}},
                **shown,
            )
        except SlackRefused as error:
            _raise_if_content(error)
            raise Undeliverable(str(error)) from None

    async def _noted(self, name: str) -> None:
        self._handle[name] = "1"
        await self._note(dict(self._handle))


def _raise_if_content(error: SlackRefused) -> None:
    if error.code in CONTENT:
        raise ContentRefused(error.code) from None
