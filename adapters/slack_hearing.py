"""Which messages are questions, and what becomes of a question whose message is changed or deleted.

Rule: a question is on disk when `message` returns; the bot joins no talk in which it is not meant.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from adapters.slack_calls import Identity, Json
from adapters.slack_events import Heard, heard, words_of
from adapters.slack_people import SlackPeople
from adapters.slack_settings import SlackSettings
from bot.asked import Asked, Way
from bot.desk import Desk

log = logging.getLogger(__name__)

MARK_S = 30.0
"""How often it is noted, at most, up to where a channel was heard; reading back what is known costs little."""

_MOST_CONVERSATIONS = 5_000


class SlackHearing:
    """Hands what the bot of `identity` is asked to `desk`; the new questions' ids go into `accepted`."""

    def __init__(
        self,
        desk: Desk,
        people: SlackPeople,
        settings: SlackSettings,
        identity: Identity,
        *,
        accepted: set[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._people = people
        self._settings = settings
        self._identity = identity
        self._accepted = accepted
        self._clock = clock
        self._asked: dict[str, dict[str, float]] = {}
        self._marked: dict[str, float] = {}
        self._speakers: dict[str, str] = {}

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
        self._spoke(said, asks=way is not None)
        if way is None:
            return said
        if self._too_many(said):
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
            files=said.files,
        )
        id_ = await self._desk.ask(asked, keys=[*keys, said.key])
        if id_ is not None:
            self._accepted.add(id_)
        return said

    async def mark(self, said: Heard) -> None:
        """Notes that everything up to this message was heard, in its channel and in its thread."""
        if said.direct or said.thread or self._identity.user in said.addressed:
            await self._mark(f"slack:{said.team}:{said.channel}:{said.root}", said.ts)
        await self._mark(f"slack:{said.team}:{said.channel}", said.ts)

    async def _mark(self, name: str, ts: str) -> None:
        now = self._clock()
        if now - self._marked.get(name, -MARK_S) < MARK_S:
            return
        if len(self._marked) > _MOST_CONVERSATIONS:
            self._marked.clear()
        self._marked[name] = now
        await self._desk.mark_seen(name, ts)

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
        if said.thread and self._settings.follow_ups and await self._goes_on(said):
            return "thread"
        return None

    async def _goes_on(self, said: Heard) -> bool:
        """Whether a message in a thread goes on with what the bot was asked there: anybody's where the thread
        began with a question to it, else only its last asker's, as long as nobody spoke between."""
        if not await self._desk.engaged(said.conversation):
            return False
        root = await self._desk.known(f"slack:{said.team}:{said.channel}:{said.root}")
        return root is not None or self._speakers.get(said.conversation) == said.user

    def _spoke(self, said: Heard, *, asks: bool) -> None:
        if asks:
            self.asks(said.conversation, said.user)
        elif said.conversation in self._speakers:
            self._speakers[said.conversation] = ""

    def asks(self, conversation: str, user: str) -> None:
        """Notes who asked last in a conversation."""
        if len(self._speakers) > _MOST_CONVERSATIONS:
            self._speakers.clear()
        self._speakers[conversation] = user

    def _too_many(self, said: Heard) -> bool:
        """Whether the conversation has had its questions of the minute that the message was written in; else counts
        it, once. What is read back in a moment was not written in one."""
        now = float(said.ts)
        if len(self._asked) > _MOST_CONVERSATIONS:
            self._asked = {
                name: times for name, times in self._asked.items() if max(times.values()) > now - 60
            }
        times = self._asked.get(said.conversation, {})
        times = {key: at for key, at in times.items() if at > now - 60.0}
        near = sum(at < now + 60.0 for at in times.values())
        if said.key not in times and near >= self._settings.questions_a_minute:
            return True
        times.setdefault(said.key, now)
        self._asked[said.conversation] = times
        return False
