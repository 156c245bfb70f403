"""Questions that came while nobody listened, read back from the history.

Rule: what is read back goes the way of what is heard, under the same names, so that it is asked once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from adapters.slack_calls import Json, SlackCalls, SlackRefused
from adapters.slack_hearing import SlackHearing
from adapters.slack_settings import SlackSettings
from bot.desk import Desk
from bot.platform import DeliveryFailed
from bot.retry import Retry

log = logging.getLogger(__name__)

OVERLAP_S = 120.0
"""Read again before the latest message that was heard: what came at the same time may have been lost."""

REDELIVERY_S = 600.0
"""Slack sends an event that was not accepted again for some minutes."""

_LONGEST_PAUSE_S = 60.0


class SlackMissed:
    """Reads the channels of the bot of `team` back."""

    def __init__(
        self, calls: SlackCalls, desk: Desk, hearing: SlackHearing, settings: SlackSettings, *, team: str
    ) -> None:
        self._calls = calls
        self._desk = desk
        self._hearing = hearing
        self._settings = settings
        self._team = team
        self._reading = 0

    async def marks(self) -> dict[str, str]:
        """What was heard last, by channel and thread, and when the bot last listened."""
        return await self._desk.seen(f"slack:{self._team}")

    async def listen(self) -> None:
        """Notes that the bot listens now; not while something is still read back: whoever starts after a crash
        has to read it too."""
        if not self._reading:
            await self._desk.mark_seen(f"slack:{self._team}", f"{self._calls.clock.now():.6f}")

    async def read(self, marks: Mapping[str, str]) -> None:
        """Asks what was asked since `marks`, however long Slack is busy or the database full."""
        if self._settings.backfill_s <= 0 or not marks:
            return
        self._reading += 1
        try:
            await Retry(_LONGEST_PAUSE_S)(lambda: self._read(marks))
        finally:
            self._reading -= 1

    async def _read(self, marks: Mapping[str, str]) -> None:
        earliest = self._calls.clock.now() - self._settings.backfill_s
        listened = float(marks.get(f"slack:{self._team}", 0.0))
        alive = max(earliest, listened - REDELIVERY_S)
        # What was heard after that may have come before something that is still to be read back.
        sure = {name: float(mark) for name, mark in marks.items() if float(mark) <= listened}
        old = {name for name, mark in marks.items() if float(mark) <= earliest}
        threads = {name: sure.get(name, alive) for name in marks if name.count(":") == 3}
        read: set[str] = set()
        for channel in await self._channels():
            since = max(alive, sure.get(f"slack:{self._team}:{channel}", 0.0) - OVERLAP_S)
            async for row in self._rows("conversations.history", channel, since):
                await self._hearing.message(row, channel=channel)
                if float(row.get("latest_reply") or 0.0) > since:
                    thread = f"slack:{self._team}:{channel}:{row['ts']}"
                    read.add(thread)
                    await self._thread(thread, max(since, threads.get(thread, 0.0)))
        for name, mark in threads.items():
            if name not in read | old:
                await self._thread(name, mark)

    async def _thread(self, name: str, since: float) -> None:
        _, _, channel, root = name.split(":")
        async for row in self._rows("conversations.replies", channel, since, ts=root):
            if float(row.get("ts") or 0.0) > since:
                await self._hearing.message(row, channel=channel)

    async def _channels(self) -> list[str]:
        """Where the bot is."""
        kinds = "public_channel,private_channel,mpim,im"
        found: list[str] = []
        async for row in self._patiently(
            "conversations.list", "channels", types=kinds, exclude_archived=True, limit=1000
        ):
            if row.get("is_member") or row.get("is_im") or row.get("is_mpim"):
                found.append(str(row["id"]))
        return found

    async def _rows(self, method: str, channel: str, since: float, **more: object) -> AsyncIterator[Json]:
        oldest = f"{since:.6f}"
        rows = self._patiently(method, "messages", channel=channel, oldest=oldest, limit=200, **more)
        for row in sorted([row async for row in rows], key=lambda row: str(row.get("ts"))):
            yield row

    async def _patiently(self, method: str, rows: str, **arguments: object) -> AsyncIterator[Json]:
        """The rows; none where the bot may not read them."""
        pause = 1.0
        while True:
            try:
                found = [row async for row in self._calls.pages(method, rows, **arguments)]
                break
            except SlackRefused as error:
                log.info("missed questions cannot be read: %s", error)
                return
            except DeliveryFailed as error:
                log.warning("missed questions wait for Slack: %s", error)
                await asyncio.sleep(max(error.after_s, pause))
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        for row in found:
            yield row
