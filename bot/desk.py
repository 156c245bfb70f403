"""The front desk: everything that a chat platform may ask of the bot.

Rule: each call names who wants it, and whoever may not gets nothing, whatever their buttons say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from bot.access import Access
from bot.answer import Answer
from bot.answering import Answering
from bot.asked import Asked, Person, Place
from bot.channel_store import ChannelStore
from bot.channels import ChannelSettings
from bot.curated import CuratedAnswers, Pair
from bot.errors import Gone
from bot.inbox import Entry, Inbox
from bot.journal import Journal, Verdict
from knowledge.documents import Passage
from knowledge.store import Readable


class Library(Protocol):
    """What is known of the documents; the wiring makes it of catalogue, index and sources."""

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        """The best passages."""
        ...

    def sources(self) -> Sequence[SourceLine]:
        """The sources, in the order of the configuration."""
        ...

    async def sync(self, source: str | None) -> str:
        """Begins a sync of one source, or of all, and says so in one line."""
        ...

    def status(self) -> str:
        """How the bot is, in a few lines for an administrator."""
        ...


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source for people: its `documents`, and when it was last brought up to date (seconds since 1970)."""

    name: str
    collection: str
    documents: int
    synced_at: float | None


class Desk:
    """Takes questions in and answers what platforms ask beside them."""

    def __init__(
        self,
        inbox: Inbox,
        answering: Answering,
        access: Access,
        journal: Journal,
        library: Library,
        channels: ChannelStore,
        curated: CuratedAnswers,
    ) -> None:
        self._inbox = inbox
        self._answering = answering
        self._access = access
        self._journal = journal
        self._library = library
        self._channels = channels
        self._curated = curated

    # Questions

    async def ask(self, asked: Asked, *, keys: Sequence[str]) -> str | None:
        """Accepts a question; when this returns, it is on disk. None where it was accepted before.

        `keys` are names of the event and of the message, such as "slack:event:Ev1" and
        "slack:T1:C1:1700000000.000100"; what is heard again under one of them is the same question.
        Raises `KnowledgeError` when it cannot be written; then the platform must not be told that it was.
        """
        id_ = await self._inbox.add(asked, keys)
        self._answering.counts["received"] += 1
        if id_ is None:
            self._answering.counts["duplicates"] += 1
        else:
            self._answering.take(id_, asked)
        return id_

    async def revise(self, key: str, text: str) -> bool:
        """The message of a question was edited: while it has no answer yet, the new text is answered instead."""
        entry = await self._inbox.known(key)
        if entry is None or not await self._inbox.revise(entry.id, text):
            return False
        self._answering.again(entry.id)
        return True

    async def withdraw(self, key: str) -> bool:
        """The message of a question was deleted: its answer is stopped and taken away, if it is not done."""
        entry = await self._inbox.known(key)
        return entry is not None and self._answering.stop(entry.id, withdrawn=True)

    async def stop(self, id: str, person: Person) -> bool:
        """Stops an answer, for its asker or an administrator; what was written stays."""
        entry = await self._inbox.entry(id)
        if entry is None or not (self._is_asker(entry, person) or self._access.is_admin(person)):
            return False
        return self._answering.stop(id)

    async def stop_conversation(self, conversation: str) -> int:
        """Stops the answers of a conversation that is under way; how many."""
        open_ = [one for one in await self._inbox.open() if one.asked.conversation == conversation]
        return sum(self._answering.stop(one.id) for one in open_)

    async def engaged(self, conversation: str) -> bool:
        """Whether the bot has answered in that conversation, so that a follow-up needs no mention."""
        return bool(conversation) and await self._inbox.engaged(conversation)

    async def entry(self, id: str) -> Entry | None:
        """The question `id` as the inbox has it."""
        return await self._inbox.entry(id)

    async def known(self, key: str) -> Entry | None:
        """The question that is known by `key`."""
        return await self._inbox.known(key)

    async def mark_seen(self, channel: str, mark: str) -> None:
        """Notes the latest message that was heard in `channel`, such as "slack:T1:C1"."""
        await self._inbox.mark_seen(channel, mark)

    async def seen(self, prefix: str) -> dict[str, str]:
        """The latest heard message of each channel whose name begins with `prefix`, to read on from there."""
        return await self._inbox.seen(prefix)

    # Answers

    async def vote(
        self,
        id: str,
        person: Person,
        place: Place,
        verdict: Verdict,
        reason: str | None = None,
    ) -> bool:
        """Notes what `person` thinks of an answer; False where there is none, or they may not see it."""
        entry = await self._visible(id, person, place)
        if entry is None:
            return False
        await self._journal.vote(id, person.id, verdict, reason)
        return True

    async def passage(self, id: str, number: int, person: Person, place: Place) -> Passage | None:
        """The passage that citation `number` of an answer stands on, for somebody who may read it now."""
        entry = await self._visible(id, person, place)
        answer = entry.reply.answer if entry and entry.reply else None
        if answer is None or not 0 < number <= len(answer.passages):
            return None
        cited = tuple(citation for citation in answer.citations if citation.number == number)
        alone = replace(answer, passages=answer.passages[number - 1 : number], citations=cited)
        readable = self._access.readable(person, place, private=True)
        return alone.passages[0] if cited and await self._shown(alone, readable) else None

    async def readable(self, id: str, person: Person, place: Place) -> Entry | None:
        """The question with its reply, for somebody who may read now all that the answer was made from."""
        entry = await self._visible(id, person, place)
        if entry is None or entry.reply is None:
            return None
        readable = self._access.readable(person, place, private=True)
        answer = entry.reply.answer
        return entry if answer is None or await self._shown(answer, readable) else None

    async def may_share(self, id: str, person: Person, place: Place) -> bool:
        """Whether the asker may now show this private answer to everyone in `place`."""
        entry = await self._inbox.entry(id)
        answer = entry.reply.answer if entry and entry.reply else None
        if entry is None or answer is None or not self._is_asker(entry, person):
            return False
        return await self._shown(answer, self._access.readable(person, place))

    async def propose(
        self, question: str, answer: str, person: Person, place: Place, *, collection: str
    ) -> Pair | None:
        """Proposes a reviewed answer, which an administrator can approve; None where `person` may not read
        the collection. Raises `WrongUse` for a pair that could not be served."""
        if collection not in self._access.readable(person, place, private=True):
            return None
        return await self._curated.propose(question, answer, person.id, collection)

    # Beside questions

    def collections(self, person: Person, place: Place, *, private: bool = True) -> list[str]:
        """The names of the collections that `person` may use in `place`, sorted."""
        return sorted(self._access.readable(person, place, private=private))

    def sources(self, person: Person, place: Place, *, private: bool = True) -> list[SourceLine]:
        """The sources behind them."""
        readable = self._access.readable(person, place, private=private)
        return [line for line in self._library.sources() if line.collection in readable]

    async def search(
        self,
        query: str,
        person: Person,
        place: Place,
        *,
        private: bool = True,
        limit: int = 5,
        collections: Set[str] | None = None,
    ) -> list[Passage]:
        """The best passages for `query` that may be read; `collections` narrows where they may come from."""
        allowed = self._access.readable(person, place, private=private)
        readable = Readable(collections=allowed if collections is None else allowed & collections)
        return await asyncio.to_thread(self._library.search, query, limit=limit, readable=readable)

    async def forget(self, person: Person) -> int:
        """Takes the questions, answers and reasons of `person` off the disk, and their name off reviewed
        answers; how many questions."""
        # Should one break off, asking again ends what it left: the last always takes all off the disk.
        forgotten = await self._inbox.forget(person.id)
        await self._journal.forget(person.id)
        await self._curated.forget(person.id)
        return forgotten

    # Administrators

    def is_admin(self, person: Person) -> bool:
        """Whether `person` may use what follows."""
        return self._access.is_admin(person)

    async def sync(self, person: Person, source: str | None = None) -> str | None:
        """Begins a sync; the line to show, or None where `person` may not."""
        if not self.is_admin(person):
            return None
        await self._journal.note(person.id, "sync", source or "all sources")
        return await self._library.sync(source)

    async def status(self, person: Person) -> str | None:
        """How the bot is; None where `person` may not know."""
        if not self.is_admin(person):
            return None
        return await asyncio.to_thread(self._library.status)

    def channel(self, channel: str) -> ChannelSettings:
        """What is particular to `channel`, such as "slack:channel:C1"."""
        return self._channels.settings(channel)

    async def set_channel(self, person: Person, channel: str, key: str, value: str) -> str | None:
        """Changes one setting of a channel; the line to show, or None where `person` may not."""
        if not self.is_admin(person):
            return None
        line = await self._channels.change(channel, key, value, person.id)
        await self._journal.note(person.id, "channel", f"{channel} {key} = {value}")
        return line

    async def proposals(self, person: Person, place: Place) -> list[Pair] | None:
        """The reviewed answers that wait for approval, newest first, as far as `person` may read their
        collections in `place`; None for somebody who may not approve any."""
        if not self.is_admin(person):
            return None
        readable = self._access.readable(person, place, private=True)
        waiting = await self._curated.pairs(state="proposed")
        mine = (pair for pair in waiting if pair.collection in readable)
        return sorted(mine, key=lambda pair: pair.changed_at, reverse=True)

    async def approve(self, person: Person, place: Place, id: str) -> Pair | None:
        """Serves a proposal from now on; None where `person` may not. Raises `Gone` where it does not wait,
        `Failed` where another pair has its question."""
        if not await self._waits(id, person, place):
            return None
        return await self._curated.approve(id, person.id, only="proposed")

    async def discard(self, person: Person, place: Place, id: str) -> Pair | None:
        """Takes a proposal off the disk; None where `person` may not. Raises `Gone` where it does not wait."""
        if not await self._waits(id, person, place):
            return None
        return await self._curated.remove(id, person.id, only="proposed")

    async def _waits(self, id: str, person: Person, place: Place) -> bool:
        """Whether `person` may decide about proposals; raises `Gone` where this one is none of them."""
        waiting = await self.proposals(person, place)
        if waiting is not None and all(pair.id != id for pair in waiting):
            raise Gone(f"no proposal {id!r} waits for approval")
        return waiting is not None

    async def _visible(self, id: str, person: Person, place: Place) -> Entry | None:
        """The question, if `person` may see its answer: it is theirs, or it stands in a place they see."""
        entry = await self._inbox.entry(id)
        if entry is None or entry.reply is None or not self._access.admits(person):
            return None
        if self._is_asker(entry, person):
            return entry
        here = any(name.endswith(f":{entry.asked.channel}") for name in place.ids)
        return entry if here and not entry.asked.private else None

    async def _shown(self, answer: Answer, readable: Set[str]) -> bool:
        """Whether an answer of earlier may be shown to those who read `readable`: what it cites is still there, and
        belongs to nothing else by now."""
        if not self._access.drawn(answer) <= readable:
            return False
        cited: Collection[str] = [citation.document_id for citation in answer.citations]
        return not (cited and await asyncio.to_thread(self._answering.gone, cited))

    @staticmethod
    def _is_asker(entry: Entry, person: Person) -> bool:
        return person.id == f"{entry.asked.platform}:user:{entry.asked.user}"
