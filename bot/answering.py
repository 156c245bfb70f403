"""Takes questions out of the inbox, has them answered, and has the answers delivered.

Rule: each question ends in exactly one visible outcome: its answer, a calm notice, or an explicit
failure with a reference. Who may see what is judged before the search, and again before anything is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, replace
from typing import Protocol

from bot.access import Access
from bot.answer import Answer
from bot.asked import Asked, Person, Place
from bot.assistant import Show, Wait
from bot.channels import ChannelSettings
from bot.greetings import asks
from bot.inbox import Entry, Inbox, Outcome, outcome_of
from bot.notices import Notices
from bot.platform import Delivery, DeliveryFailed, Handle, Platform, Reply, Undeliverable
from bot.question import Question
from bot.retry import Retry
from bot.under_way import UnderWay
from knowledge.store import Readable
from models.engine.generator import Turn

log = logging.getLogger(__name__)

JUDGED_FOR_S = 60.0
"""How long a reply that could not be delivered is taken to be seen by the same people as before, in seconds."""

EARLIER = 4
"""How many questions of a conversation, with their answers, a follow-up knows."""


class Answers(Protocol):
    """Answers one question; `bot.assistant.Assistant` does."""

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        """The answer; raises nothing that is expected."""
        ...


class Curated(Protocol):
    """Reviewed answers, which go before all others; `bot.curated.CuratedAnswers` is one."""

    async def find(self, text: str, collections: Set[str]) -> Answer | None:
        """The reviewed answer to `text` out of `collections`, or None."""
        ...


@dataclass(frozen=True, slots=True)
class AnsweringSettings:
    """Times in seconds. A question that is older than `oldest_s` when its answer is begun gets a notice;
    one whose answer was begun `most_tries` times and never ended gets an explicit failure. From the try after
    `suspected_after` on it is answered while no other such is, so that a process that ends counts against
    one question and not against its neighbours. A reply that cannot be delivered is tried for `deliver_for_s`."""

    oldest_s: float = 86400.0
    most_tries: int = 5
    suspected_after: int = 2
    deliver_for_s: float = 3600.0
    longest_pause_s: float = 30.0
    question_characters: int = 4000


class Answering:
    """Works on the questions of `inbox`. `gone` gives those of some document ids that are there no more.

    `settings_of` gives what is particular to the place of a question. Belongs to one event loop.
    """

    def __init__(
        self,
        inbox: Inbox,
        answers: Answers,
        access: Access,
        *,
        settings_of: Callable[[Place], ChannelSettings] = lambda _place: ChannelSettings(),
        curated: Curated | None = None,
        gone: Callable[[Collection[str]], Set[str]] = lambda _documents: frozenset(),
        settings: AnsweringSettings = AnsweringSettings(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._inbox = inbox
        self._answers = answers
        self._access = access
        self._settings_of = settings_of
        self._curated = curated
        self.gone = gone
        self._settings = settings
        self._clock = clock
        self._platforms: Mapping[str, Platform] = {}
        self._work: dict[str, UnderWay] = {}
        self._lines: dict[str, asyncio.Lock] = {}
        self._in_line: Counter[str] = Counter()
        self._suspects = asyncio.Lock()
        self._retry = Retry(settings.longest_pause_s)
        self.counts: Counter[str] = Counter()

    async def start(self, platforms: Mapping[str, Platform]) -> None:
        """Goes on with every question that an earlier process left, and takes those of `platforms`."""
        self._platforms = platforms
        for entry in sorted(await self._inbox.open(), key=lambda entry: entry.tries):
            self.take(entry.id, entry.asked)

    def take(self, id: str, asked: Asked) -> None:
        """Begins with the question `id`, which is in the inbox; without its platform it waits there."""
        if id in self._work or self._retry.ending or asked.platform not in self._platforms:
            return
        # From here on its age is measured by a clock that nobody sets.
        work = UnderWay(id, asked_at=time.monotonic() - max(0.0, self._clock() - asked.at))
        self._work[id] = work
        self._in_line[asked.conversation or id] += 1
        work.task = asyncio.create_task(self._in_turn(work, asked.conversation or id), name=f"question {id}")
        work.task.add_done_callback(functools.partial(self._done, work, asked.conversation or id))

    def stop(self, id: str, *, withdrawn: bool = False) -> bool:
        """Ends the answer to `id` where it is: what was shown stays and says so, or is taken away where the
        question is `withdrawn`. False where nobody works on it."""
        work = self._work.get(id)
        if work is None:
            return False
        work.end("withdrawn" if withdrawn else "stopped")
        return True

    def again(self, id: str) -> None:
        """Begins the answer to `id` anew: its question was changed in the inbox."""
        if (work := self._work.get(id)) is not None:
            work.end("revised")

    @property
    def busy_with(self) -> int:
        """How many questions have no outcome yet."""
        return len(self._work)

    @property
    def under_way(self) -> frozenset[str]:
        """The ids of those questions."""
        return frozenset(self._work)

    async def drain(self, seconds: float) -> None:
        """Takes no more, waits at most `seconds` for what is being answered; the others are told that their
        answer comes after a restart, and stay in the inbox."""
        self._retry.ending = True
        tasks = [work.task for work in self._work.values() if work.task is not None]
        if not tasks:
            return
        _, unfinished = await asyncio.wait(tasks, timeout=seconds)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=5.0)

    async def _in_turn(self, work: UnderWay, line: str) -> None:
        """Questions of one conversation are answered one after the other; those that wait show that they were heard."""
        turn = self._lines.setdefault(line, asyncio.Lock())
        # Beside waiting, which begins at once: whose sign is slow to be shown keeps its turn.
        heard = asyncio.create_task(self._heard(work.id)) if turn.locked() else None
        try:
            async with turn:
                if heard is not None:
                    await heard
                while await self._question(work):
                    work.why = None
        finally:
            if heard is not None:
                heard.cancel()

    async def _heard(self, id: str) -> None:
        if (entry := await self._retry(lambda: self._inbox.entry(id))) is not None:
            await _begin(self._delivery(entry))

    def _done(self, work: UnderWay, line: str, task: asyncio.Task[None]) -> None:
        del self._work[work.id]
        self._in_line[line] -= 1
        if not self._in_line[line]:
            del self._in_line[line]
            self._lines.pop(line, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("question %s stays in the inbox: %s", work.id, error, exc_info=error)

    async def _question(self, work: UnderWay) -> bool:
        """One go at the question; True where it is to be begun anew."""
        entry = await self._retry(lambda: self._inbox.entry(work.id))
        if entry is None or entry.outcome is not None:
            return False
        delivery = self._delivery(entry)
        try:
            if entry.reply is not None:
                await self._deliver(delivery, entry, entry.reply, judged_at=None)
                return False
            begun = asyncio.create_task(_begin(delivery))
            try:
                reply = await work.run(self._reply(entry, delivery, work))
            finally:
                await begun
            if work.why == "revised":
                return True
            if work.why == "withdrawn":
                await delivery.withdraw()
                await self._finish(entry.id, "withdrawn")
                return False
            if reply is None:
                reply = Reply(entry.id, "stopped", work.shown)
            note = functools.partial(self._inbox.note_reply, entry.id, reply, to=entry.asked.text)
            if not await self._retry(note):
                return True
            await self._deliver(delivery, entry, reply, judged_at=time.monotonic())
        except asyncio.CancelledError:
            if work.making:  # once there is a reply, it may stand there already
                if work.begun:
                    await self._inbox.pause(entry.id)
                with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                    await asyncio.wait_for(delivery.interrupt(), 3.0)
            raise
        return False

    def _delivery(self, entry: Entry) -> Delivery:
        async def note(handle: Handle) -> None:
            await self._retry(lambda: self._inbox.note_handle(entry.id, handle))

        return self._platforms[entry.asked.platform].delivery(entry.id, entry.asked, entry.handle, note)

    async def _reply(self, entry: Entry, delivery: Delivery, work: UnderWay) -> Reply:
        """What the asker is to see. A question under which processes have ended is answered alone."""
        suspected = entry.tries >= self._settings.suspected_after
        async with self._suspects if suspected else contextlib.nullcontext():
            return await self._tried(entry, delivery, work)

    async def _tried(self, entry: Entry, delivery: Delivery, work: UnderWay) -> Reply:
        """The reply of one try; an unexpected error becomes an explicit failure."""
        notices = Notices(entry.asked.text)
        tries = await self._retry(lambda: self._inbox.begin(entry.id))
        work.begun = True
        if tries > self._settings.most_tries:
            log.error("question %s: its answer was begun %d times and never ended", entry.id, tries - 1)
            return Reply(entry.id, "failure", notices.failed(entry.id[:8]))
        try:
            refused = self._refused(entry.asked, work, notices)
            if refused is not None:
                return Reply(entry.id, "notice", refused)
            return await self._answered(entry, delivery, work, notices)
        except Exception:
            log.exception("question %s could not be answered", entry.id)
            return Reply(entry.id, "failure", notices.failed(entry.id[:8]))

    def _refused(self, asked: Asked, work: UnderWay, notices: Notices) -> str | None:
        """What is said instead of looking for an answer."""
        if time.monotonic() - work.asked_at > self._settings.oldest_s:
            return notices.too_old()
        if not asks(asked.text):
            return notices.only_files() if asked.files else notices.greeting()
        if len(asked.text) > self._settings.question_characters:
            return notices.too_long(len(asked.text), self._settings.question_characters)
        return None

    async def _answered(self, entry: Entry, delivery: Delivery, work: UnderWay, notices: Notices) -> Reply:
        asked = entry.asked
        person, place = await self._who(asked)
        if not self._access.admits(person):
            return Reply(entry.id, "notice", notices.not_admitted())
        channel = self._settings_of(place)
        collections = self._collections(asked, person, place)
        if not collections:
            return Reply(entry.id, "notice", notices.nothing_readable())
        delivery.phase("searching", detail=notices.searching(len(collections)))
        answer = await self._curated.find(asked.text, collections) if self._curated else None
        if answer is None:
            question = Question(
                asked.text,
                earlier=await self._earlier(entry, collections, alone=asked.private or place.direct),
                readable=Readable(collections=collections),
                asker=person.id,
                audience=_audience(person, place, collections, private=asked.private),
                persona=channel.persona,
                language=channel.language,
                lora=channel.lora_for(asked.conversation or entry.id),
                max_answer_tokens=channel.max_answer_tokens,
            )
            answer = await self._answers.answer(question, show=work.shower(delivery), waiting=delivery.wait)
        if asked.files:
            answer = replace(answer, note=" ".join(filter(None, (answer.note, notices.files()))))
        return await self._checked(entry, answer, notices)

    async def _checked(self, entry: Entry, answer: Answer, notices: Notices) -> Reply:
        """The reply with `answer`, if it may still be seen by those who will see it."""
        asked = entry.asked
        drawn = self._access.drawn(answer)
        person, place = await self._who(asked, since=time.monotonic())
        if not drawn <= self._collections(asked, person, place):
            return Reply(entry.id, "notice", notices.access_changed())
        cited: Collection[str] = [citation.document_id for citation in answer.citations]
        if cited and await self._retry(lambda: asyncio.to_thread(self.gone, cited)):
            return Reply(entry.id, "notice", notices.documents_changed())
        shareable = asked.private and not place.direct and drawn <= self._access.readable(person, place)
        return Reply(entry.id, "answer", answer.text, answer, shareable)

    def _collections(self, asked: Asked, person: Person, place: Place) -> frozenset[str]:
        readable = self._access.readable(person, place, private=asked.private)
        channel = self._settings_of(place)
        if channel.collections is not None:
            readable &= frozenset(channel.collections)
        if asked.collections:
            readable &= frozenset(asked.collections)
        return readable

    async def _who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        platform = self._platforms[asked.platform]
        pause = 0.5
        for _ in range(5):
            try:
                return await platform.who(asked, since=since)
            except DeliveryFailed as error:
                await asyncio.sleep(max(pause, min(error.after_s, self._settings.longest_pause_s)))
                pause *= 2
        return await platform.who(asked, since=since)

    async def _earlier(self, entry: Entry, collections: Set[str], *, alone: bool) -> tuple[Turn, ...]:
        """The conversation so far, without answers that drew on what may not be read here now; with what the
        asker alone saw only where they are `alone` again."""
        earlier = await self._inbox.conversation(entry.asked.conversation, before=entry.number, limit=EARLIER)
        turns: list[Turn] = []
        for one in earlier:
            answer = one.reply.answer if one.reply else None
            if answer is None or (one.asked.private and not (alone and one.asked.user == entry.asked.user)):
                continue
            if self._access.drawn(answer) <= collections:
                turns += [Turn("user", one.asked.text), Turn("assistant", answer.text)]
        if turns:
            return tuple(turns)
        try:
            return await self._platforms[entry.asked.platform].before(entry.asked)
        except DeliveryFailed:
            return ()

    async def _deliver(
        self, delivery: Delivery, entry: Entry, reply: Reply, *, judged_at: float | None
    ) -> None:
        """Tries until the reply is visible, can never be, or has taken too long; one that has waited since
        it was judged, or came from an earlier process, is judged again before each try."""
        began, pause = time.monotonic(), 0.5
        while True:
            try:
                if judged_at is None or time.monotonic() - judged_at > JUDGED_FOR_S:
                    reply, judged_at = await self._still(entry, reply), time.monotonic()
                await delivery.finish(reply)
            except Undeliverable as error:
                log.warning("question %s cannot be delivered: %s", reply.id, error)
                return await self._finish(reply.id, "undeliverable")
            except DeliveryFailed as error:
                if time.monotonic() - began > self._settings.deliver_for_s:
                    log.error("question %s was not delivered in time: %s", reply.id, error)
                    return await self._finish(reply.id, "undeliverable")
                await asyncio.sleep(min(max(pause, error.after_s), self._settings.longest_pause_s))
                pause = min(pause * 2, self._settings.longest_pause_s) * random.uniform(0.8, 1.2)  # noqa: S311
            else:
                return await self._finish(reply.id, outcome_of(reply))

    async def _still(self, entry: Entry, reply: Reply) -> Reply:
        """`reply`, or the notice that takes its place because it may be seen no more."""
        if reply.answer is None:
            return reply
        notices = Notices(entry.asked.text)
        now = await self._checked(entry, reply.answer, notices)
        if now != reply:
            await self._retry(functools.partial(self._inbox.note_reply, entry.id, now))
        return now

    async def _finish(self, id: str, outcome: Outcome) -> None:
        await self._retry(lambda: self._inbox.finish(id, outcome))
        self.counts[outcome] += 1
        log.info("question %s: %s", id, outcome)


async def _begin(delivery: Delivery) -> None:
    # Whatever keeps the first sign from being shown, the reply itself will meet and report.
    with contextlib.suppress(DeliveryFailed, Undeliverable):
        await delivery.begin()


def _audience(person: Person, place: Place, collections: Set[str], *, private: bool) -> str:
    seen_by = person.id if private or place.direct else ",".join(sorted(place.ids))
    return f"{seen_by} {','.join(sorted(collections))}"
