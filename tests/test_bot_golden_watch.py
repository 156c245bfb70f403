"""Golden questions while the bot serves: asked when something has changed and nobody waits, and a drop is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.golden_runs import dropped, golden_runs
from bot.golden_watch import GoldenWatch
from bot.journal import Journal
from bot.lora_evaluation import Setting
from bot.question import Question
from bot.registry import Registry
from knowledge.database import Database
from knowledge.documents import Passage
from knowledge.store import Readable

GOLDEN = "".join(
    f'[[question]]\nid = "q{number}"\nask = "Question {number}?"\nanswerable = false\n' for number in range(4)
)


class Bot:
    """Refuses everything, or answers everything, and finds nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status: str = "refused"
        self.busy = False
        self.broken = False

    async def answer(self, question: Question) -> Answer:
        assert not self.busy
        self.asked.append(question.text)
        if self.broken:
            return Answer(question.text, "", "answered", "en", "quotes", note="The model failed.")
        return Answer(question.text, "", "refused" if self.status == "refused" else "answered", "en", "none")

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        return []


class Stage:
    """A watch over a real registry; `setting` may be changed by a test."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.bot, self.registry, self.journal = Bot(), Registry(database), Journal(database)
        self.setting = Setting("base", "golden", "index", "prompt")
        self.file = folder / "golden.toml"
        self.file.write_text(GOLDEN)
        self.watch = GoldenWatch(
            self.file,
            self.bot,
            self.bot,
            registry=self.registry,
            journal=self.journal,
            setting=lambda _file: self.setting,
            lora=lambda: None,
            idle=lambda: not self.bot.busy,
            look_s=0.01,
        )

    async def synced(self, index: str, *, status: str = "refused") -> None:
        """A sync that made another index; comes back when the questions were asked."""
        self.setting, self.bot.status = replace(self.setting, index=index), status
        count = len(self.runs)
        self.watch.look()
        async with asyncio.timeout(60):
            while len(self.runs) == count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)

    @property
    def runs(self) -> Sequence[object]:
        return golden_runs(self.registry)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield Stage(tmp_path, database)
    database.close()


async def test_drop_is_told_until_it_is_better_again(stage: Stage) -> None:
    running = asyncio.create_task(stage.watch.run())
    await stage.synced("first")
    assert stage.watch.drop is None
    await stage.synced("second", status="answered")
    assert stage.watch.drop is not None
    assert stage.watch.drop.startswith("right refusals: 0.0% against 100.0% of 4")
    (deed,) = await stage.journal.deeds()
    assert (deed.person, deed.action, deed.detail) == (
        "groundling",
        "golden run dropped",
        stage.watch.drop,
    )
    await stage.synced("third", status="answered")
    assert stage.watch.drop is not None  # as bad as before is not good
    await stage.synced("fourth")
    assert stage.watch.drop is None
    assert [dropped(run) is None for run, _ in golden_runs(stage.registry)] == [True, False, False, True]
    running.cancel()


async def test_nothing_is_asked_where_nothing_has_changed(stage: Stage) -> None:
    running = asyncio.create_task(stage.watch.run())
    await stage.synced("first")
    stage.watch.look()
    await asyncio.sleep(0.2)
    assert len(stage.bot.asked) == 4
    running.cancel()


async def test_questions_of_people_go_first(stage: Stage) -> None:
    stage.bot.busy = True
    running = asyncio.create_task(stage.watch.run())
    stage.watch.look()
    await asyncio.sleep(0.1)
    assert stage.bot.asked == []
    stage.bot.busy = False
    await stage.synced("first")
    assert len(stage.bot.asked) >= 4
    running.cancel()


async def test_questions_that_cannot_be_read_are_logged_and_asked_when_they_can(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.file.write_text("no [[questions")
    running = asyncio.create_task(stage.watch.run())
    stage.watch.look()
    async with asyncio.timeout(60):
        while "the golden questions were not asked" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stage.file.write_text(GOLDEN)
    await stage.synced("first")
    assert len(golden_runs(stage.registry)) == 1
    running.cancel()


async def test_a_run_whose_model_failed_measures_nothing_and_is_made_at_the_next_look(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    running = asyncio.create_task(stage.watch.run())
    await stage.synced("first", status="answered")
    stage.bot.asked.clear()
    stage.bot.broken, stage.setting = True, replace(stage.setting, index="second")
    stage.watch.look()
    async with asyncio.timeout(60):
        while "the golden questions were not asked: q0: The model failed." not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (len(stage.bot.asked), len(stage.runs), stage.watch.drop) == (1, 1, None)
    stage.bot.broken = False
    await stage.synced("second", status="answered")
    assert (len(stage.runs), stage.watch.drop) == (2, None)
    running.cancel()
