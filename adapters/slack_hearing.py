"""Which messages are questions, and what becomes of a question whose message is changed or deleted.

Rule: a question is on disk when `message` returns; the bot joins no talk in which it is not meant.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from adapters.slack_calls import Identity, Json
from adapters.slack_events import Heard, heard, words_of
from adapters.slack_people import SlackPeople
from adapters.slack_settings import SlackSettings
from bot.asked import Asked, Way
from bot.desk import Desk

log = logging.getLogger(__name__)

_MOST_CONVERSATIONS = 5_000


class SlackHearing:
    """Hands what the bot of `identity` is asked to `desk`."""

    def __init__(
        self,
        desk: Desk,
        people: SlackPeople,
        settings: SlackSettings,
        identity: Identity,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._people = people
        self._settings = settings
        self._identity = identity
        self._clock = clock
        self._asked: dict[str, deque[float]] = {}

    async def message(
        self, event: Json, *, keys: Sequence[str] = (), channel: str | None = None
    ) -> Heard | None:
        """Accepts the question in `event`, if it is one. The message, if a person wrote it.

        `keys` are names of the event beside the message's own. Raises what `Desk.ask` raises.
        """
        said = heard(event, self._identity.team, channel=channel)
        if said is None or said.user == self._identity.user:
            return None
        way = await self._way(said)
        if way is None:
            return said
        if self._too_many(said.conversation):
            log.warning("more than %d questions a minute in one thread", self._settings.questions_a_minute)
            return said
        asked = Asked(
            platform="slack",
            team=said.team,
            channel=said.channel,
            user=said.user,
            text=self.words(said.text),
            way=way,
            at=float(said.ts),
            message=said.ts,
            thread=said.thread,
            private=self._desk.channel(f"slack:channel:{said.channel}").private and not said.direct,
        )
        if await self._desk.ask(asked, keys=[*keys, said.key]) is not None:
            self._asked.setdefault(said.conversation, deque()).append(self._clock())
        return said

    async def mark(self, said: Heard) -> None:
        """Notes that everything up to this message was heard, in its channel and in its thread."""
        if said.direct or said.thread or self._identity.user in said.addressed:
            await self._desk.mark_seen(f"slack:{said.team}:{said.channel}:{said.root}", said.ts)
        await self._desk.mark_seen(f"slack:{said.team}:{said.channel}", said.ts)

    def words(self, text: str) -> str:
        """Slack's `text` as people read it, without the bot's name."""
        return words_of(text, bot=self._identity.user, name=self._people.called)

    async def _way(self, said: Heard) -> Way | None:
        """How the bot is asked by it; None where it is not."""
        if said.direct:
            return "direct"
        if self._identity.user in said.addressed:
            return "mention"
        if said.addressed:
            return None
        if not said.thread and not self._desk.channel(f"slack:channel:{said.channel}").mention:
            return "mention"
        if said.thread and self._settings.follow_ups and await self._desk.engaged(said.conversation):
            return "thread"
        return None

    def _too_many(self, conversation: str) -> bool:
        now = self._clock()
        if len(self._asked) > _MOST_CONVERSATIONS:
            self._asked = {name: times for name, times in self._asked.items() if times[-1] > now - 60.0}
        times = self._asked.get(conversation, deque())
        while times and times[0] < now - 60.0:
            times.popleft()
        if not times:
            self._asked.pop(conversation, None)
        return len(times) >= self._settings.questions_a_minute
