"""What every chat platform promises; each implementation subclasses the contract with a stage of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.answer import Answer, Citation
from bot.asked import Asked
from bot.platform import Delivery, Handle, Platform, Reply
from tests.fakes.platform import FakePlatform

ID = "abcdefgh23456723"
CITED = Citation(
    1, "handbook:leave.md", "Leave", "Carrying over", None, "five days", None, "handbook", "main"
)
REPLY = Reply(
    ID,
    "answer",
    "Five days may be carried over. [1]",
    Answer("How many?", "Five days may be carried over. [1]", "answered", "en", "model", citations=(CITED,)),
)


@dataclass
class Stage:
    """A platform with a question that somebody really asked there; `texts` are the bot's visible posts."""

    platform: Platform
    asked: Asked
    texts: Callable[[], list[str]]
    handle: Handle | None = None

    async def note(self, handle: Handle) -> None:
        self.handle = handle

    def delivery(self, *, known: bool = True) -> Delivery:
        """The delivery as a new process would make it; not `known` is one that died before it noted anything."""
        return self.platform.delivery(ID, self.asked, self.handle if known else None, self.note)


class PlatformContract:
    """Subclass this as `Test<Kind>` and give `stage`."""

    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        raise NotImplementedError
        yield

    async def test_the_reply_takes_the_place_of_the_first_sign(self, tmp_path: Path) -> None:
        async with self.stage(tmp_path) as stage:
            delivery = stage.delivery()
            await delivery.begin()
            delivery.phase("searching")
            await delivery.finish(REPLY)
            (text,) = stage.texts()
            assert "Five days may be carried over." in text
            assert "[1]" in text

    async def test_a_reply_needs_no_first_sign(self, tmp_path: Path) -> None:
        async with self.stage(tmp_path) as stage:
            await stage.delivery().finish(REPLY)
            assert len(stage.texts()) == 1

    async def test_a_new_process_goes_on_in_the_same_post(self, tmp_path: Path) -> None:
        async with self.stage(tmp_path) as stage:
            await stage.delivery().begin()
            for known in (True, False):
                delivery = stage.delivery(known=known)
                await delivery.begin()
                await delivery.finish(REPLY)
                assert len(stage.texts()) == 1
            assert "Five days" in stage.texts()[0]

    async def test_what_was_shown_on_the_way_is_no_part_of_the_end(self, tmp_path: Path) -> None:
        async with self.stage(tmp_path) as stage:
            delivery = stage.delivery()
            await delivery.begin()
            delivery.show("Five days may ")
            delivery.show("Five days may be carried over. [1] ")
            await delivery.finish(REPLY)
            (text,) = stage.texts()
            assert text.count("Five days may") == 1

    async def test_a_withdrawn_question_leaves_no_answer(self, tmp_path: Path) -> None:
        async with self.stage(tmp_path) as stage:
            delivery = stage.delivery()
            await delivery.begin()
            delivery.show("Five days may be carried over. [1] ")
            await delivery.withdraw()
            assert not any("Five days" in text for text in stage.texts())

    async def test_after_an_interruption_the_answer_comes_in_the_same_post(self, tmp_path: Path) -> None:
        async with self.stage(tmp_path) as stage:
            first = stage.delivery()
            await first.begin()
            await first.interrupt()
            second = stage.delivery()
            await second.begin()
            await second.finish(REPLY)
            (text,) = stage.texts()
            assert "Five days" in text


class TestFakePlatform(PlatformContract):
    @asynccontextmanager
    async def stage(self, folder: Path) -> AsyncIterator[Stage]:
        platform = FakePlatform()
        asked = Asked("fake", "t", "hall", "anna", "How many?", "mention", at=1000.0, message="m")
        yield Stage(platform, asked, lambda: [post.text for post in platform.posts if not post.withdrawn])
