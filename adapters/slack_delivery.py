"""The visible side of one question in a thread: first signs, the growing answer, the whole answer.

Rule: one task at a time speaks to Slack for a question, it always shows the latest text, and the last word
is put so that it may be put again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from adapters import slack_markup, splitting
from adapters.prefixes import prefix, settled
from adapters.slack_blocks import PART_CHARACTERS, Layout, layout, plain_parts, progress
from adapters.slack_calls import SlackBusy, SlackRefused
from adapters.slack_posts import ContentRefused, SlackPosts
from adapters.slack_signs import NEVER_HERE, SlackSigns, Surface
from adapters.slack_words import SlackWords
from bot.asked import Asked
from bot.platform import DeliveryFailed, Phase, Reply, Undeliverable, Waiting

log = logging.getLogger(__name__)

STREAM_S = 270.0
"""Slack ends a stream after about five minutes, whatever comes."""

SIGN_S = 2.0


class SlackDelivery:
    """Implements `bot.platform.Delivery` with `posts`. `earlier` is an older delivery of the same question, which
    this one takes over from."""

    def __init__(
        self,
        surface: Surface,
        asked: Asked,
        posts: SlackPosts,
        *,
        earlier: SlackDelivery | None = None,
        undelivered: Callable[[Asked, Reply, str], Awaitable[None]] | None = None,
    ) -> None:
        self._surface = surface
        self._asked = asked
        self.posts = posts
        self._earlier = earlier
        self._undelivered = undelivered
        self._words = SlackWords(asked.text)
        self._signs = SlackSigns(surface, asked, self._words)
        if posts.begun_elsewhere:
            self._signs.left_by_another_process()
        self._thread = asked.thread or asked.message
        self._grows = surface.settings.streaming
        self._text = self._sent = self._looked_at = self._sign = self._signed = ""
        self._text_at = self._sign_at = self._stream_began = 0.0
        self._ended = False
        self._begun = asyncio.Event()
        self._news = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._reply: Reply | None = None
        self._put: set[int] = set()

    @property
    def key(self) -> str:
        """The name of the question's message over all platforms."""
        return f"slack:{self._asked.team}:{self._asked.channel}:{self._asked.message}"

    @property
    def place(self) -> tuple[str, str]:
        """Channel and thread."""
        return self._asked.channel, self._thread

    async def begin(self) -> None:
        """See `Delivery`: a status below the thread, and where Slack has none a message."""
        try:
            await self._take_over()
            shown, _, stands = await asyncio.gather(
                self._signs.show(self._words.say("looking")),
                self._signs.begin_session(),
                self.posts.stand(),
            )
            if stands and self._grows == "native":
                self._grows = "edit"
            self._sign_at = time.monotonic() + SIGN_S
            if not shown and self._grows == "native":
                self._grows = "edit"
            if (not shown or self._grows == "edit") and not self._ended:
                await self._put_progress(self._words.say("looking"))
        finally:
            self._begun.set()

    def phase(self, phase: Phase, *, detail: str = "") -> None:
        """See `Delivery`."""
        if phase == "searching" and detail:
            self._tell(sign=f"{detail}…")

    def wait(self, waiting: Waiting) -> None:
        """See `Delivery`."""
        self._tell(sign=self._words.notices.waiting(waiting.place, waiting.seconds))

    def show(self, text: str) -> None:
        """See `Delivery`."""
        self._tell(text=text)

    async def finish(self, reply: Reply) -> None:
        """See `Delivery`."""
        await self._take_over()
        await self._end_progress()
        if reply != self._reply:
            self._reply = reply
            self._put.clear()
        try:
            try:
                await self._put_all(layout(reply, self._words))
            except ContentRefused as error:
                log.warning("question %s: Slack does not take its blocks (%s)", reply.id, error)
                await self._put_plain(plain_parts(reply, self._words))
        except Undeliverable as error:
            await self._signs.clear_at_last()
            if self._undelivered is not None:
                await self._undelivered(self._asked, reply, str(error))
            raise
        await self._signs.clear()

    async def withdraw(self) -> None:
        """See `Delivery`."""
        await self._take_over()
        await self._end_progress()
        for pause in (0.5, 1.0, 2.0, None):
            try:
                if self.posts.streaming:
                    await self.posts.stop_stream("", ())
                await self.posts.remove()
                break
            except Undeliverable:
                break
            except DeliveryFailed as error:
                if pause is None:
                    log.warning("an answer to a deleted question could not be taken away: %s", error)
                    break
                await asyncio.sleep(max(pause, error.after_s))
        await self._signs.clear_at_last()

    async def interrupt(self) -> None:
        """See `Delivery`."""
        with contextlib.suppress(DeliveryFailed, Undeliverable, ContentRefused):
            await self._take_over()
            await self._end_progress()
            line = f"_{self._words.notices.interrupted()}_"
            if self.posts.streaming:
                await self.posts.stop_stream(f"\n\n{line}" if self._sent else line, ())
            else:
                shown = slack_markup.markdown(prefix(self._text), links=frozenset())
                body = _first_part(shown)
                text = f"{body}\n\n{line}" if body else line
                await self.posts.put(1, text, [{"type": "markdown", "text": text}])
                self._signs.message_came()
        await self._signs.clear_at_last()

    def halt(self) -> None:
        """Lets the answer grow no more; only `finish` and `withdraw` go on."""
        self.posts.streaming = False
        self._grows = "off"

    async def rest(self) -> None:
        """Ends the task that shows progress, for another delivery to go on."""
        self._ended = True
        await self._end_progress()

    # Progress

    def _tell(self, *, text: str = "", sign: str = "") -> None:
        self._text, self._sign = text or self._text, sign or self._sign
        self._news.set()
        if self._worker is None and not self._ended:
            self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        await self._begun.wait()
        while not self._ended:
            self._news.clear()
            text_due = self._grows != "off" and self._text != self._looked_at
            sign_due = not self._sent and self._sign not in ("", self._signed)
            due = self._text_at if text_due else self._sign_at
            if not (text_due or sign_due):
                await self._news.wait()
            elif (pause := due - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), pause)
            elif text_due:
                await self._progress()
            else:
                await self._send_sign()

    async def _progress(self) -> None:
        """One step; whatever keeps Slack from showing it, the reply itself will show."""
        pause = self._surface.settings.pause_s * max(1.0, self._surface.growing * 0.7)
        try:
            if not await self._send_text():
                return
        except (Undeliverable, ContentRefused, SlackRefused) as error:
            log.info("an answer does not grow any more: %s", error)
            self.halt()
        except DeliveryFailed as error:
            self._looked_at = ""
            pause = max(pause, error.after_s)
        self._text_at = time.monotonic() + pause

    async def _send_sign(self) -> None:
        self._signed = self._sign
        self._sign_at = time.monotonic() + SIGN_S
        if "ts1" not in self.posts.handle:
            await self._signs.show(self._sign)
        elif self._surface.calls.room("chat.update"):
            with contextlib.suppress(DeliveryFailed, Undeliverable, ContentRefused):
                await self._put_progress(self._sign)

    async def _send_text(self) -> bool:
        """Shows what is new of the text; False where nothing is to be shown of it yet."""
        self._looked_at = self._text
        if self._grows == "edit":
            return await self._send_edit()
        body = slack_markup.markdown(settled(self._text), links=frozenset())
        piece = body[len(self._sent) :]
        if not piece.strip() or not body.startswith(self._sent) or len(body) > PART_CHARACTERS - 1_000:
            return False
        if not self.posts.streaming:
            return await self._start(piece)
        if time.monotonic() - self._stream_began > STREAM_S:
            await self._end_stream_early()
            return await self._send_edit()
        if not self._surface.calls.room("chat.appendStream"):
            self._looked_at = ""
            return True
        if await self.posts.append(piece):
            self._sent = body
        else:
            self._grows, self._looked_at = "edit", ""
        return True

    async def _start(self, piece: str) -> bool:
        """Begins the stream, or goes over to edits where that cannot be."""
        calls = self._surface.calls
        if not self._surface.streams or not calls.room("chat.startStream"):
            self._grows = "edit"
            return await self._send_edit()
        try:
            await self.posts.start_stream(piece)
        except SlackRefused as error:
            if error.code in NEVER_HERE:
                log.warning("Slack offers no streams here (%s); answers grow by edits", error)
                self._surface.streams = False
            self._grows = "edit"
            return await self._send_edit()
        except SlackBusy:
            raise
        except DeliveryFailed:
            self._grows = "edit"
            raise
        self._stream_began, self._sent = time.monotonic(), piece
        self._signs.message_came()
        self._surface.growing += 1
        return True

    async def _send_edit(self) -> bool:
        if "ts1" in self.posts.handle and not self._surface.calls.room("chat.update"):
            self._looked_at = ""
            return True
        body = slack_markup.markdown(prefix(self._text), links=frozenset())
        body = _first_part(body)
        if not body.strip() or body == self._sent:
            return False
        await self._put_progress(body)
        self._sent = body
        return True

    async def _put_progress(self, body: str) -> None:
        new = "ts1" not in self.posts.handle
        await self.posts.put(1, body, progress(body, self.posts.id, self._words))
        if new:
            self._signs.message_came()

    async def _end_stream_early(self) -> None:
        await self.posts.stop_stream("", (), last=False)
        self._grows = "edit"

    async def _end_progress(self) -> None:
        """Lets what is being sent be sent, and sends nothing more of the growing answer."""
        self._ended = True
        self._begun.set()
        self._news.set()
        if self._worker is not None:
            await asyncio.wait([self._worker])
            if self._stream_began:
                self._surface.growing -= 1
                self._stream_began = 0.0
            self._worker = None

    async def _take_over(self) -> None:
        earlier, self._earlier = self._earlier, None
        if earlier is not None and earlier is not self:
            await earlier.rest()
            self.posts.handle = dict(earlier.posts.handle)
            self._signs.take_over(earlier._signs)

    # The whole answer

    async def _put_all(self, whole: Layout) -> None:
        count = len(whole.bodies)
        if self.posts.streaming:
            body = whole.bodies[0]
            fits = body.startswith(self._sent)
            rest = body[len(self._sent) :] if fits else ""
            tail = whole.tail if count == 1 and fits else ()
            if await self.posts.stop_stream(rest, tail):
                self._signs.session_ended()
                if fits:
                    self._put.add(1)
        for part in range(1, count + 1):
            if part not in self._put:
                new = f"ts{part}" not in self.posts.handle
                await self.posts.put(part, whole.bodies[part - 1], whole.blocks(part - 1))
                self._put.add(part)
                if new:
                    self._signs.message_came()
        await self._remove_above(count)

    async def _put_plain(self, parts: list[str]) -> None:
        for part, text in enumerate(parts, 1):
            try:
                await self.posts.put(part, text, None)
            except ContentRefused as error:
                raise Undeliverable(f"Slack does not take it: {error}") from None
        await self._remove_above(len(parts))

    async def _remove_above(self, count: int) -> None:
        if f"in{count + 1}" in self.posts.handle:
            await self.posts.remove(above=count)


def _first_part(body: str) -> str:
    parts = splitting.parts(body, PART_CHARACTERS)
    return parts[0] if parts else ""
