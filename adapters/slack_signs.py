"""The small signs beside an answer: the status below its thread, and the agent session with its stop button.

Rule: what was switched on is switched off, at once or as soon as Slack can be reached again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field

from adapters.slack_calls import SlackCalls, SlackRefused
from adapters.slack_settings import SlackSettings
from adapters.slack_words import SlackWords
from bot.asked import Asked
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)

NEVER_HERE = frozenset(
    "unknown_method missing_scope not_allowed_token_type method_deprecated access_denied "
    "feature_not_enabled no_permission".split()
)
"""Refusals that hold for the whole workspace, for as long as the process lives."""

MOST_FAILURES = 5

_LATER_S = (1.0, 2.0, 5.0, 15.0, 30.0)


@dataclass(slots=True)
class Surface:
    """What all deliveries share: the way to Slack, the settings, and what this workspace turned out to offer.

    `accepted` are the questions that this process accepted and has not begun to answer: nothing can stand
    for them yet. `growing` counts the streams that are open.
    """

    calls: SlackCalls
    settings: SlackSettings
    streams: bool = True
    status: bool = True
    sessions: bool = True
    growing: int = 0
    accepted: set[str] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Does `work` beside everything else; `close` ends it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def close(self) -> None:
        """Ends what is still done beside."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class SlackSigns:
    """The signs for the question `asked`."""

    def __init__(self, surface: Surface, asked: Asked, words: SlackWords) -> None:
        self._surface = surface
        self._channel = asked.channel
        self._thread = asked.thread or asked.message
        self._words = words
        self._status_up = False
        self._session_up = False
        self._failed = 0

    def left_by_another_process(self) -> None:
        """An earlier process may have died before it took its signs away."""
        self._status_up = self._session_up = bool(self._thread)

    async def show(self, line: str) -> bool:
        """Shows `line` below the thread; False where Slack has no status here."""
        if not self._surface.status or not self._thread:
            return False
        if not self._surface.calls.room("assistant.threads.setStatus"):
            return True
        self._status_up = True
        try:
            await self._set_status(self._words.say("looking_status"), [line])
        except SlackRefused as error:
            self._status_up = False
            if error.code in NEVER_HERE:
                log.warning("Slack shows no status here (%s); a message says what is done", error)
                self._surface.status = False
            return False
        except DeliveryFailed as error:
            log.info("a status could not be shown: %s", error)
        return True

    async def begin_session(self) -> None:
        """Gives the asker a stop button, where Slack has one."""
        if not self._surface.sessions or not self._thread:
            return
        self._session_up = True
        try:
            await self._set_session("processing")
        except SlackRefused as error:
            self._session_up = False
            if error.code in NEVER_HERE:
                log.info("Slack has no agent sessions here: %s", error)
                self._surface.sessions = False
        except DeliveryFailed as error:
            log.info("an agent session could not be begun: %s", error)

    def message_came(self) -> None:
        """A new message of the bot in the thread has taken the status away."""
        self._status_up = False

    def session_ended(self) -> None:
        """The session was ended together with a stream."""
        self._session_up = False

    def take_over(self, earlier: SlackSigns) -> None:
        """Goes on where `earlier` was."""
        self._status_up, self._session_up = earlier._status_up, earlier._session_up

    async def clear(self) -> None:
        """Takes the status away and ends the session. Raises `DeliveryFailed` a few times, for the caller to
        come back; then does it later, beside everything else."""
        if not (self._status_up or self._session_up):
            return
        try:
            await self._clear()
        except DeliveryFailed:
            self._failed += 1
            if self._failed <= MOST_FAILURES:
                raise
            self._surface.later(self._clear_later())

    async def clear_at_last(self) -> None:
        """The same for a caller who does not come back. Raises nothing."""
        self._failed = MOST_FAILURES
        await self.clear()

    async def _clear(self) -> None:
        if self._status_up and self._surface.status:
            with contextlib.suppress(SlackRefused):
                await self._set_status("", None)
        self._status_up = False
        if self._session_up and self._surface.sessions:
            with contextlib.suppress(SlackRefused):
                await self._set_session("active")
        self._session_up = False

    async def _clear_later(self) -> None:
        for pause in _LATER_S:
            await asyncio.sleep(pause)
            try:
                await self._clear()
                break
            except DeliveryFailed as error:
                log.info("a status could not be taken away: %s", error)

    async def _set_status(self, status: str, lines: list[str] | None) -> None:
        await self._surface.calls.call(
            "assistant.threads.setStatus",
            channel_id=self._channel,
            thread_ts=self._thread,
            status=status,
            loading_messages=lines,
        )

    async def _set_session(self, status: str) -> None:
        await self._surface.calls.call(
            "agents.sessions.setStatus", channel_id=self._channel, thread_ts=self._thread, status=status
        )
