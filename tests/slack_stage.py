"""A desk of real parts with the Slack adapter before it, and a fake workspace behind that."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adapters.slack import Slack
from adapters.slack_settings import SlackSettings
from bot.access import Access, AccessRules
from bot.answer import Answer, Citation
from bot.answering import Answering, AnsweringSettings
from bot.assistant import Show, Wait
from bot.channel_store import ChannelStore
from bot.channels import ChannelSettings
from bot.curated import CuratedAnswers
from bot.desk import Desk, SourceLine
from bot.inbox import Entry, Inbox
from bot.journal import Journal, Vote
from bot.question import Question
from knowledge.database import Database
from knowledge.documents import Chunk, Passage
from knowledge.store import Readable
from tests.fakes.slack import ADA, BEN, TEAM, FakeSlack

RULES = AccessRules(readers={"main": {"everyone"}}, admins=frozenset({f"slack:user:{ADA}"}))
QUICK = SlackSettings(pause_s=0.05)
FAST = AnsweringSettings(longest_pause_s=2.5)


def passage(
    number: int, *, collection: str = "main", url: str | None = "https://wiki.acme.example/leave"
) -> Passage:
    chunk = Chunk(f"handbook:{number}.md", 0, ("Leave", "Notice"), None, f"The notice is {number} weeks.")
    return Passage(
        chunk,
        f"Leave <policy> {number}",
        url,
        1.0,
        0.9,
        datetime(2026, 3, 1, tzinfo=UTC),
        "handbook",
        collection,
    )


def answer_of(question: str, text: str, *passages: Passage, status: str = "answered") -> Answer:
    citations = tuple(
        Citation(
            n,
            one.chunk.document_id,
            one.title,
            one.chunk.location,
            one.url,
            one.chunk.text,
            one.updated_at,
            one.source,
            one.collection,
        )
        for n, one in enumerate(passages, 1)
    )
    if status == "refused":
        return Answer(question, text, "refused", "en", "none", passages=tuple(passages))
    return Answer(question, text, "answered", "en", "model", citations=citations, passages=tuple(passages))


@dataclass
class Answers:
    """Writes `pieces` with `pause_s` between them, then waits for `gate` and answers with all of them."""

    pieces: Sequence[str] = ("The notice is one week. [1]",)
    passages: Sequence[Passage] = (passage(1),)
    status: str = "answered"
    pause_s: float = 0.0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    during: Callable[[], None] | None = None
    asked: list[Question] = field(default_factory=list)
    cancelled: int = 0
    shows: bool = True
    at_once: int = 0
    most_at_once: int = 0

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        self.asked.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for piece in self.pieces:
                if show and self.shows:
                    show(piece)
                await asyncio.sleep(self.pause_s)
            await self.gate.wait()
            if self.during:
                self.during()
            return answer_of(question.text, "".join(self.pieces), *self.passages, status=self.status)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


class Books:
    """What is known of the documents."""

    def __init__(self) -> None:
        self.syncs: list[str | None] = []

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        return [passage(1)][:limit]

    def sources(self) -> Sequence[SourceLine]:
        return [SourceLine("handbook", "main", 12, 1_770_000_000.0)]

    async def sync(self, source: str | None) -> str:
        self.syncs.append(source)
        return f"Syncing {source or 'all sources'}."

    def status(self) -> str:
        return "answering: SmolLM2\nquestions waiting: 0"


@dataclass
class Stage:
    """Everything between a message and its answer."""

    fake: FakeSlack
    slack: Slack
    desk: Desk
    inbox: Inbox
    journal: Journal
    answering: Answering
    access: Access
    answers: Answers
    books: Books
    curated: CuratedAnswers
    serving: asyncio.Task[None]

    async def outcome(self, channel: str, ts: str, seconds: float = 60.0) -> Entry:
        """The question of that message, when it is done."""
        end = time.monotonic() + seconds
        while True:
            entry = await self.inbox.known(f"slack:{TEAM}:{channel}:{ts}")
            if entry is not None and entry.outcome is not None:
                return entry
            if time.monotonic() > end:
                raise TimeoutError(self.fake._story())
            await asyncio.sleep(0.01)

    async def voted(self, id: str, wanted: Callable[[Vote], bool] = lambda vote: True) -> Vote:
        """The vote about that answer, when there is one as wanted."""
        async with asyncio.timeout(60):
            while True:
                for vote in await self.journal.votes(id):
                    if wanted(vote):
                        return vote
                await asyncio.sleep(0.01)

    async def entries(self) -> list[Entry]:
        return await self.inbox._do(lambda: self.inbox._entries())


@functools.cache
def _empty_database() -> bytes:
    """A database as a first start makes it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "groundling.sqlite"
        Database.open(file).close()
        return file.read_bytes()


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    fake: FakeSlack,
    *,
    answers: Answers | None = None,
    rules: AccessRules = RULES,
    settings: SlackSettings = QUICK,
    answering_settings: AnsweringSettings = FAST,
    channels: dict[str, ChannelSettings] | None = None,
    opened: bool = True,
    connects: bool = True,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Stage]:
    """Serves the workspace `fake` with a bot whose state is in `folder`."""
    if not (folder / "groundling.sqlite").exists():
        (folder / "groundling.sqlite").write_bytes(_empty_database())
    database = Database.open(folder / "groundling.sqlite")
    inbox, journal, access, books = Inbox(database, clock=clock), Journal(database), Access(rules), Books()
    curated = CuratedAnswers(database, None)
    store = ChannelStore(database, channels or {}, collections={"main"}, loras=set())
    answers = answers or Answers()
    if opened:
        answers.gate.set()
    answering = Answering(
        inbox,
        answers,
        access,
        settings=answering_settings,
        settings_of=lambda place: store.of(place.ids),
        curated=curated,
        gone=curated.gone,
        clock=clock,
    )
    desk = Desk(inbox, answering, access, journal, books, store, curated)
    slack = Slack(
        desk, bot_token=fake.bot_token, app_token=fake.app_token, settings=settings, api_url=fake.url
    )
    await answering.start({"slack": slack})
    serving = asyncio.create_task(slack.serve())
    try:
        if connects:
            async with asyncio.timeout(60):
                while not slack.connected:
                    await asyncio.sleep(0.01)
                    if serving.done():
                        await serving
        yield Stage(fake, slack, desk, inbox, journal, answering, access, answers, books, curated, serving)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await answering.drain(0.0)
        await slack.close()
        await inbox.close()
        database.close()


__all__ = ["ADA", "BEN", "Answers", "Stage", "answer_of", "passage", "stage"]
