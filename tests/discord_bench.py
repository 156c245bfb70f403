"""A desk of real parts between a Discord on this machine and answers of the test's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.discord import Discord
from adapters.discord_settings import DiscordSettings
from adapters.discord_state import State
from bot.access import Access, AccessRules
from bot.answer import Answer, Citation
from bot.answering import Answering, AnsweringSettings
from bot.asked import Place
from bot.assistant import Show, Wait
from bot.channel_store import ChannelStore
from bot.channels import ChannelSettings
from bot.curated import CuratedAnswers
from bot.desk import Desk, SourceLine
from bot.inbox import Entry, Inbox
from bot.journal import Journal
from bot.question import Question
from knowledge.database import Database
from knowledge.documents import Chunk, Passage
from knowledge.store import Readable
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_world import Channel, Interaction, Message, User

URL = "https://wiki.example.org/leave"


def passage(collection: str = "main", text: str = "Up to five days may be carried over.") -> Passage:
    chunk = Chunk("handbook:leave.md", 0, ("Carrying over",), None, text)
    return Passage(chunk, "Leave", URL, 0.9, None, None, "handbook", collection)


class Answers:
    """Answers with `text` out of `collection`, piece by piece, when `gate` is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.pieces: tuple[str, ...] = ()
        self.text: Callable[[Question], str] = lambda question: f"On {question.text}: five days. [1]"
        self.collection = "main"
        self.url: str | None = URL
        self.sources = 1
        self.asked: list[Question] = []
        self.work: Callable[[], None] | None = None

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        self.asked.append(question)
        if self.work is not None:
            await asyncio.to_thread(self.work)
        for piece in self.pieces:
            if show is not None:
                show(piece)
            await asyncio.sleep(0.01)
        await self.gate.wait()
        numbers = range(1, self.sources + 1)
        found = [replace(passage(self.collection), url=self.url) for _ in numbers]
        cited = [
            Citation(
                number, "handbook:leave.md", "Leave", "Carrying over", self.url, "five days", None,
                "handbook", self.collection,
            )
            for number in numbers
        ]  # fmt: skip
        text = self.text(question)
        return Answer(
            question.text, text, "answered", "en", "model", citations=tuple(cited), passages=tuple(found)
        )


class Shelf:
    """Two sources, one of them secret; `synced` are the syncs that were begun."""

    def __init__(self) -> None:
        self.synced: list[str | None] = []

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        names = readable.collections or frozenset()
        return [replace(passage(name), title=f"{name} on {query}") for name in sorted(names)][:limit]

    def sources(self) -> Sequence[SourceLine]:
        return [SourceLine("handbook", "main", 12, 1_790_000_000.0), SourceLine("vault", "secret", 3, None)]

    async def sync(self, source: str | None) -> str:
        self.synced.append(source)
        return f"Syncing {source or 'everything'}."

    def status(self) -> str:
        return "Two sources, 15 documents.\nNothing waits."


@dataclass
class Bench:
    """What a test works with. `discord` is where people are, `platform` the adapter."""

    discord: FakeDiscord
    platform: Discord
    answering: Answering
    inbox: Inbox
    journal: Journal
    access: Access
    answers: Answers
    shelf: Shelf
    desk: Desk
    channels: ChannelStore
    curated: CuratedAnswers
    serving: asyncio.Task[None]
    killed: bool = False
    """Set it to end as a killed process does: nothing more is said in Discord."""

    async def until(self, predicate: Callable[[], object], seconds: float = 60.0) -> None:
        await self.discord.until(predicate, seconds)

    async def done(self, count: int = 1, seconds: float = 60.0) -> None:
        """Waits until `count` questions were heard, and all have their outcome."""
        counts = self.answering.counts
        await self.discord.until(
            lambda: counts["received"] - counts["duplicates"] >= count and not self.answering.busy_with,
            seconds,
        )

    async def entries(self) -> list[Entry]:
        return await self.inbox._do(self.inbox._entries)

    def alone(self, user: User) -> list[str]:
        """What only `user` sees."""
        return [message.text for message in self.discord.seen_by(user)]

    def thread_of(self, message: Message) -> Channel:
        """The thread at a message."""
        return self.discord.world.channels[message.id]

    def answers_to(self, message: Message) -> list[Message]:
        """The bot's messages in the thread at a message, or in its channel where it has none."""
        place = self.discord.world.channels.get(message.id, message.channel)
        return [one for one in self.discord.visible(place) if one.author is self.discord.bot]

    async def shown(self, interaction: Interaction, part: str = "", seconds: float = 60.0) -> Message:
        """The first response to an interaction, once it has `part` in its text."""
        await self.discord.until(
            lambda: (
                interaction.original is not None
                and not interaction.original.loading
                and part in interaction.original.text
            ),
            seconds,
        )
        assert interaction.original is not None
        return interaction.original


def settings(discord: FakeDiscord, **changes: object) -> DiscordSettings:
    chosen = DiscordSettings(
        guilds=(str(discord.guild.id),), edit_pause_s=0.05, servers_wait_s=0.1, sessions_apart_s=0.1
    )
    return replace(chosen, **changes)  # type: ignore[arg-type]


def commands_set(folder: Path) -> bool:
    """Whether Discord has taken the commands from the process with this folder."""
    return bool(State(folder / "discord.json").commands)


@asynccontextmanager
async def bench(
    folder: Path,
    discord: FakeDiscord,
    *,
    readers: dict[str, set[str]] | None = None,
    chosen: DiscordSettings | None = None,
    configured: dict[str, ChannelSettings] | None = None,
    token: str | None = None,
    wait: bool = True,
    answers: Answers | None = None,
    drain_s: float = 0.0,
    answering_settings: AnsweringSettings = AnsweringSettings(longest_pause_s=0.2),
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Bench]:
    """A process with the data folder `folder`, connected to `discord`."""
    database = Database.open(folder / "groundling.sqlite")
    inbox, journal = Inbox(database, clock=clock), Journal(database)
    rules = AccessRules(
        readers=readers or {"main": {"everyone"}, "secret": {f"discord:user:{discord.ada.id}"}},
        admins=frozenset({f"discord:user:{discord.ada.id}"}),
    )
    access = Access(rules)
    channels = ChannelStore(
        database, configured or {}, collections=frozenset({"main", "secret"}), loras=frozenset()
    )
    answers = answers or Answers()
    shelf, curated = Shelf(), CuratedAnswers(database, None)

    def settings_of(place: Place) -> ChannelSettings:
        return channels.of(place.ids)

    answering = Answering(
        inbox,
        answers,
        access,
        settings_of=settings_of,
        curated=curated,
        gone=curated.gone,
        settings=answering_settings,
        clock=clock,
    )
    desk = Desk(inbox, answering, access, journal, shelf, channels, curated)
    platform = Discord(
        desk,
        token=token or discord.token,
        settings=chosen or settings(discord),
        state=folder / "discord.json",
        api_url=discord.api_url,
        gateway_url=discord.gateway_url,
    )
    serving = asyncio.create_task(platform.serve())
    await answering.start({"discord": platform})
    made = Bench(
        discord,
        platform,
        answering,
        inbox,
        journal,
        access,
        answers,
        shelf,
        desk,
        channels,
        curated,
        serving,
    )
    try:
        if wait:
            await discord.until(lambda: platform.connected or serving.done())
            await discord.until(
                lambda: (
                    discord.called("PUT /applications/{}/commands")
                    or serving.done()
                    or (folder / "discord.json").exists()
                )
            )
        yield made
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        if made.killed:
            await platform.close()
        await answering.drain(drain_s)
        await platform.close()
        await inbox.close()
        database.close()
