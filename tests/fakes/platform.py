"""A chat platform in memory: the fake behind the seam `bot/platform.py`.

Rule: its posts outlive the bot's process as a real platform's do, and are found again by the question's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bot.asked import Asked, Person, Place
from bot.platform import DeliveryFailed, Handle, NoteHandle, Phase, Reply, Undeliverable
from models.engine.generator import Turn, Waiting

ANNA = Person("fake:user:anna", "member", frozenset({"fake:team:t"}))
HALL = Place(frozenset({"fake:channel:hall"}), viewers=(ANNA,))


@dataclass
class Post:
    """What people see for one question; `history` are all the texts that stood there."""

    id: str
    text: str = ""
    reply: Reply | None = None
    history: list[str] = field(default_factory=list)
    withdrawn: bool = False

    def set(self, text: str) -> None:
        self.text = text
        self.history.append(text)


class FakePlatform:
    """Keeps `posts` in the order in which they appeared. `faults` are raised by the next posts and edits,
    None lets one pass; `after_fault` says that the platform had taken it all the same. The first sign of a question
    whose text is in `slow_s` takes so many seconds."""

    name = "fake"
    connected = True

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.faults: list[Exception | None] = []
        self.after_fault = False
        self.people: dict[str, Person] = {"anna": ANNA}
        self.places: dict[str, Place] = {"hall": HALL}
        self.fresh_people: dict[str, Person] = {}
        self.threads: dict[str, tuple[Turn, ...]] = {}
        self.phases: list[tuple[str, Phase]] = []
        self.places_told: list[int] = []
        self.slow_s: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def serve(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass

    async def who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        person = self.people.get(asked.user, Person(f"fake:user:{asked.user}"))
        if since is not None:
            person = self.fresh_people.get(asked.user, person)
        return person, self.places.get(asked.channel, Place(frozenset({f"fake:channel:{asked.channel}"})))

    async def before(self, asked: Asked) -> tuple[Turn, ...]:
        return self.threads.get(asked.thread, ())

    def delivery(self, id: str, asked: Asked, handle: Handle | None, note: NoteHandle) -> FakeDelivery:
        return FakeDelivery(self, id, handle, note, slow_s=self.slow_s.get(asked.text, 0.0))

    def post_of(self, id: str) -> Post:
        found = [post for post in self.posts if post.id == id]
        assert len(found) == 1, f"{len(found)} posts for {id}"
        return found[0]

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def do(self, work: Callable[[], None]) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is None or self.after_fault:
            work()
            self.changed.set()
        if fault is not None:
            raise fault


class FakeDelivery:
    """One question's post on a `FakePlatform`."""

    def __init__(
        self, platform: FakePlatform, id: str, handle: Handle | None, note: NoteHandle, *, slow_s: float = 0.0
    ) -> None:
        self.platform = platform
        self.id = id
        self.handle = handle
        self.note = note
        self.slow_s = slow_s

    def _post(self) -> Post | None:
        return next((post for post in self.platform.posts if post.id == self.id), None)

    async def begin(self) -> None:
        await asyncio.sleep(self.slow_s)
        if self._post() is None:
            self.platform.do(lambda: self.platform.posts.append(Post(self.id, "…", history=["…"])))
        await self.note({"post": self.id})

    def phase(self, phase: Phase, *, detail: str = "") -> None:
        self.platform.phases.append((self.id, phase))

    def wait(self, waiting: Waiting) -> None:
        self.platform.places_told.append(waiting.place)

    def show(self, text: str) -> None:
        post = self._post()
        if post is not None:
            post.set(text)
            self.platform.changed.set()

    async def finish(self, reply: Reply) -> None:
        await asyncio.sleep(0)

        def work() -> None:
            post = self._post()
            if post is None:
                post = Post(self.id)
                self.platform.posts.append(post)
            post.set(reply.text)
            post.reply = reply

        self.platform.do(work)

    async def withdraw(self) -> None:
        post = self._post()
        if post is not None:
            post.withdrawn = True
            post.set("")
        self.platform.changed.set()

    async def interrupt(self) -> None:
        post = self._post()
        if post is not None:
            post.set("restarting")


def failing(times: int, *, after_s: float = 0.0) -> Iterable[Exception]:
    """`times` faults that are worth another try."""
    return [DeliveryFailed("the fake is away", after_s=after_s) for _ in range(times)]


__all__ = ["ANNA", "HALL", "FakePlatform", "Post", "Undeliverable", "failing"]
