"""One answer in Discord, from "Searching" to its last word, through restarts and expired tokens.

Rule: one message stands for a question; whoever has to post looks first whether it stands already. One task
edits it, at most every so often and always to the latest text; the last text is never left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from adapters import discord_blocks as blocks
from adapters.discord_blocks import Post
from adapters.discord_rest import (
    BAD_TOKEN,
    NO_DIRECT,
    TOO_MANY_EDITS,
    UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    Refused,
    Rest,
)
from adapters.discord_settings import DiscordSettings
from adapters.discord_stand import Stand, answer_in, part_after
from adapters.discord_words import Words
from bot.asked import Asked
from bot.platform import DeliveryFailed, Handle, NoteHandle, Phase, Reply, Undeliverable, Waiting

log = logging.getLogger(__name__)

_TOKEN_GONE = (BAD_TOKEN, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION)

Opened = Callable[[str], Awaitable[str | None]]
"""The id of the message that answered an interaction of this process, "" where nobody told; None where
it was not answered in time, or by another process."""


class DiscordDelivery:
    """The delivery of the question `id`.

    `private` says that only the asker may see it. `looking` says that an earlier process, or an earlier
    delivery, may have posted already.
    """

    def __init__(
        self,
        id: str,
        asked: Asked,
        handle: Handle | None,
        note: NoteHandle,
        *,
        rest: Rest,
        settings: DiscordSettings,
        opened: Opened,
        private: bool,
        looking: bool,
    ) -> None:
        self._id = id
        self._asked = asked
        self._note = note
        self._rest = rest
        self._settings = settings
        self._opened = opened
        self._private = private
        self._looking = looking
        self._words = Words(asked.text)
        self._stand = Stand.of(handle)
        self._told = bool(handle and handle.get("told"))
        self._parts = (handle or {}).get("parts", "").split()
        self._line = asyncio.Lock()
        self._wanted: Post | None = None
        self._shown: Post | None = None
        self._editing: asyncio.Task[None] | None = None
        self._moving: asyncio.Task[None] | None = None
        self._begun = self._ended = False
        self._edited_at = 0.0

    # What the answering calls

    async def begin(self) -> None:
        """Shows the first sign; see `Delivery`."""
        first = self._wanted or blocks.sign(self._id, self._words.searching(1), self._words)
        async with self._line:
            if self._ended:
                return
            try:
                await self._stand_up(first)
            except Refused as error:
                raise Undeliverable(f"Discord refused it: {error}") from None
            finally:
                self._begun, self._edited_at = True, time.monotonic()  # from here on the editor tries, too
        if self._stands_as("original") and self._moving is None:
            self._moving = asyncio.create_task(self._move_in_time())
        self._edit()

    def phase(self, phase: Phase, *, detail: str = "") -> None:
        """Shows what is being done; see `Delivery`."""
        if phase == "searching" and detail:
            self._show(blocks.sign(self._id, detail, self._words))

    def wait(self, waiting: Waiting) -> None:
        """Shows the place in the queue; see `Delivery`."""
        if waiting.place > 0:
            text = self._words.waiting(waiting.place, waiting.seconds)
            self._show(blocks.sign(self._id, text, self._words))

    def show(self, text: str) -> None:
        """Shows the answer so far; see `Delivery`."""
        if self._settings.streaming == "edit":
            self._show(blocks.growing(self._id, text, self._words))

    async def finish(self, reply: Reply) -> None:
        """Makes it the reply; see `Delivery`."""
        self.stop()
        async with self._line:
            self.stop(sure=True)
            try:
                await self._finish(reply)
            except Refused as error:
                await self._say_so(error)
                raise Undeliverable(f"Discord refused it: {error}") from None

    async def _say_so(self, error: Refused) -> None:
        """Leaves a word where Discord would not take the reply itself."""
        with contextlib.suppress(Refused, DeliveryFailed, Undeliverable):
            if error.code == NO_DIRECT and self._asked.message:
                await self._tell("closed")
            elif error.status == 400 and self._stand is not None:
                log.error("question %s: Discord did not take the form of its reply: %s", self._id, error)
                await self._put(Post(self._words.failed(self._id[:8])))

    async def withdraw(self) -> None:
        """Takes away what stands there; see `Delivery`."""
        self.stop()
        with contextlib.suppress(Refused, Undeliverable):
            for pause in (0.5, 1.0, 2.0, 4.0):
                try:
                    async with self._line:
                        await self._take_away()
                except DeliveryFailed as error:
                    await asyncio.sleep(max(pause, error.after_s))
                else:
                    return
            log.warning("question %s: it was deleted, but its answer could not be", self._id)

    async def _take_away(self) -> None:
        if self._stand is not None and self._stand.kind == "original":
            await self._rest.delete_original(self._asked.reply["token"])
        elif self._stand is not None:
            for message in (self._stand.message, *self._parts):
                await self._unless_gone(self._rest.delete(self._stand.channel, message))

    async def interrupt(self) -> None:
        """Says that the answer comes after a restart; see `Delivery`."""
        self.stop()
        with contextlib.suppress(Refused, DeliveryFailed, Undeliverable):
            async with self._line:
                if self._stand is not None:
                    await self._put(blocks.sign(self._id, self._words.interrupted(), self._words))

    def stop(self, *, sure: bool = False) -> None:
        """Ends what this delivery does beside its calls; nothing is shown any more that was not yet.

        What is on its way is let through: broken off, it could arrive after the last word. `sure` says that
        nothing is.
        """
        self._ended = True
        for task in (self._editing, self._moving):
            if task is not None and (sure or not self._line.locked()):
                task.cancel()

    # Growing

    def _show(self, post: Post | None) -> None:
        if post is not None and not self._ended:
            self._wanted = post
            self._edit()

    def _edit(self) -> None:
        waiting = self._wanted is not None and self._wanted != self._shown
        if waiting and self._begun and self._editing is None and not self._ended:
            self._editing = asyncio.create_task(self._edit_on())

    async def _edit_on(self) -> None:
        """The one editor: sends the latest text until there is no later one."""
        while self._wanted is not None and self._wanted != self._shown:
            due = self._edited_at + self._settings.edit_pause_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                async with self._line:
                    if self._ended:
                        break
                    post = self._wanted
                    if not await self._stand_up(post):
                        await self._put(post)
                    self._shown, self._edited_at = post, time.monotonic()
            except (Refused, Undeliverable) as error:
                # The reply will meet the same and say so.
                log.info("question %s cannot be shown as it grows: %s", self._id, error)
                self._ended = True
            except DeliveryFailed as error:
                log.info("question %s: an edit has to wait: %s", self._id, error)
                await asyncio.sleep(error.after_s)
        self._editing = None

    async def _move_in_time(self) -> None:
        """Goes on as a message before the command's token ends."""
        await asyncio.sleep(max(0.0, self._asked.at + self._settings.token_s - self._rest.clock.now()))
        with contextlib.suppress(Refused, DeliveryFailed, Undeliverable):
            async with self._line:
                if not self._ended and self._stands_as("original"):
                    first = self._shown or blocks.sign(self._id, self._words.searching(1), self._words)
                    await self._move(first)

    # Standing

    async def _stand_up(self, post: Post) -> bool:
        """Sees to it that there is a message for the answer; whether it was now posted, as `post`."""
        if self._stand is not None:
            return False
        token = self._asked.reply.get("token", "")
        if token and (message := await self._opened(self._asked.reply["interaction"])) is not None:
            await self._stands(Stand("original", self._asked.reply["channel"], message))
            return False
        if token and self._looking and (message := await self._original(token)) is not None:
            await self._stands(Stand("original", self._asked.reply["channel"], message))
            return False
        return await self._post(post)

    async def _original(self, token: str) -> str | None:
        if self._rest.clock.now() > self._asked.at + self._settings.token_s:
            return None
        try:
            return (await self._rest.original(token)).id
        except Refused:
            return None

    async def _post(self, post: Post, *, suffix: str = "") -> bool:
        """Posts a message of the bot's own, if none stands there yet."""
        channel, reply_to = await self._place()
        post = Post(blocks.headed(self._head(), post.content), post.components)
        found = await answer_in(channel, self._id, self._asked.at, self._rest) if self._looking else None
        if found is None:
            self._looking = True  # from here on it may stand there, whatever this process hears of it
            found = await self._rest.send(channel, post, nonce=self._id + suffix, reply_to=reply_to)
            posted = True
        else:
            posted = False
        await self._stands(Stand("message", channel, found))
        return posted

    async def _place(self) -> tuple[str, str]:
        """The channel for a message of the bot's own, and the message that it replies to."""
        asked, here = self._asked, self._asked.reply["channel"]
        if self._private:
            direct = await self._rest.direct(asked.user)
            if direct == here:
                return here, asked.message
            if not asked.reply.get("token") and not self._told:
                self._told = await self._tell("answered_directly")
            return direct, ""
        if asked.reply.get("thread") != "open":
            return here, asked.message
        try:
            name = " ".join(asked.text.split())[:90] or self._words.say("your_question")
            return await self._rest.open_thread(here, asked.message, name), ""
        except Refused as error:
            log.info("question %s gets no thread: %s", self._id, error)
            return here, asked.message

    async def _tell(self, sentence: str) -> bool:
        """Says under a public question what becomes of its private answer."""
        with contextlib.suppress(Refused):
            text, here = Post(self._words.say(sentence)), self._asked.reply["channel"]
            nonce = f"{self._id}{sentence[:2]}"
            await self._rest.send(here, text, nonce=nonce, reply_to=self._asked.message)
        return True

    async def _stands(self, stand: Stand) -> None:
        self._stand = stand
        await self._keep()

    async def _keep(self) -> None:
        assert self._stand is not None
        told = {"told": "yes"} if self._told else {}
        parts = {"parts": " ".join(self._parts)} if self._parts else {}
        stand = self._stand
        await self._note(
            {"kind": stand.kind, "channel": stand.channel, "message": stand.message, **told, **parts}
        )

    # Saying

    async def _put(self, post: Post) -> None:
        """Makes what stands there `post`; moves where a command's token has ended."""
        stand = self._stand
        assert stand is not None
        try:
            if stand.kind == "original":
                return await self._rest.edit_original(self._asked.reply["token"], post)
            post = Post(blocks.headed(self._head(), post.content), post.components)
            return await self._rest.edit(stand.channel, stand.message, post)
        except Refused as error:
            if stand.kind == "original" and (error.code in _TOKEN_GONE or error.status == 401):
                log.info("question %s: its token has ended (%s)", self._id, error)
                return await self._move(post)
            if error.code == UNKNOWN_MESSAGE:
                raise Undeliverable("its message was deleted") from None
            if error.code == TOO_MANY_EDITS:
                raise DeliveryFailed("too many edits of an old message", after_s=30.0) from None
            raise

    async def _move(self, post: Post) -> None:
        """Goes on without the command's token: in the message itself where others see it, else in one of the
        bot's own below, or, privately, with the asker alone."""
        if await self._keep_place(post):
            return
        try:
            posted = await self._post(post, suffix="h")
        except Refused:
            if self._private:
                raise
            self._private = True  # the bot may not write there: the asker gets it alone
            posted = await self._post(post, suffix="h")
        if not posted:
            await self._put(post)
        assert self._stand is not None
        here = self._stand.channel == self._asked.reply["channel"]
        text = self._words.say("continued" if here else "continued_directly")
        with contextlib.suppress(Refused, DeliveryFailed):
            await self._rest.edit_original(self._asked.reply["token"], Post(f"*{text}*"))

    async def _keep_place(self, post: Post) -> bool:
        """Takes the first response over as the bot's own message, which it is for all who see it."""
        old = self._stand
        if self._private or old is None or not old.message:
            return False
        try:
            await self._rest.edit(old.channel, old.message, post)
        except Refused as error:
            log.info("question %s goes on in another message: %s", self._id, error)
            return False
        await self._stands(Stand("message", old.channel, old.message))
        return True

    async def _finish(self, reply: Reply) -> None:
        first, *rest = blocks.posts(reply, self._words, head=self._head())
        posted = await self._stand_up(first)
        if self._stands_as("original"):
            await self._put(blocks.page(reply, 0, self._words))
        if self._stands_as("message"):
            if not posted:
                await self._put(first)
            await self._others(rest)

    async def _others(self, rest: Sequence[Post]) -> None:
        """Makes the messages below say what the first had no room for, and takes away those that say nothing now."""
        stand = self._stand
        assert stand is not None
        for part, post in zip(self._parts, rest, strict=False):
            await self._unless_gone(self._rest.edit(stand.channel, part, post))
        while len(self._parts) > len(rest):
            await self._unless_gone(self._rest.delete(stand.channel, self._parts[-1]))
            self._parts.pop()
            await self._keep()
        for number, post in enumerate(rest, 1):
            if number > len(self._parts):
                nonce = f"{self._id}.{number}"
                found = await part_after(stand, nonce, post, self._rest) if self._looking else None
                self._looking = True
                if found is not None:
                    await self._unless_gone(self._rest.edit(stand.channel, found, post))
                self._parts.append(found or await self._rest.send(stand.channel, post, nonce=nonce))
                await self._keep()

    @staticmethod
    async def _unless_gone(change: Awaitable[None]) -> None:
        """Changes a message; one that somebody took away stays away."""
        try:
            await change
        except Refused as error:
            if error.code == TOO_MANY_EDITS:
                raise DeliveryFailed("too many edits of an old message", after_s=30.0) from None
            if error.code != UNKNOWN_MESSAGE:
                raise

    def _stands_as(self, kind: Literal["original", "message"]) -> bool:
        return self._stand is not None and self._stand.kind == kind

    def _head(self) -> str:
        """The question, for a place where it does not stand."""
        elsewhere = self._private or "token" in self._asked.reply
        return blocks.quoted(self._asked.text) if elsewhere and self._asked.way != "direct" else ""
