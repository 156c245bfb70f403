"""The scheduler: what was missed is made up for once, syncs never overlap, failures wait their turn."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.errors import ConfigError, Failed
from bot.schedule import LONGEST_RETRY_S, Plan, retry_after_s
from bot.scheduler import ALL, LOOK_S, Scheduler, trigger_of
from knowledge.database import Database

HOUR = 3600.0


@dataclass
class Syncs:
    """Takes the place of the syncs: notes each, waits for `gate`, fails for the names in `broken`."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    tidied: int = 0
    at_once: int = 0
    most_at_once: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, name: str) -> None:
        self.begun.append(name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.changed.set()
        try:
            await self.gate.wait()
            if name in self.broken:
                raise Failed("the folder cannot be listed")
            self.ended.append(name)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.at_once -= 1
            self.changed.set()

    async def tidy(self) -> None:
        self.tidied += 1
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.open(tmp_path / "data" / "groundling.sqlite")
    yield made
    made.close()


@asynccontextmanager
async def scheduled(
    database: Database,
    *plans: Plan,
    syncs: Syncs,
    shut: bool = False,
    retry_after: Callable[[int], float] = lambda _failures: HOUR,
    ignore: Path | None = None,
    clock: Callable[[], float] = time.time,
    look_s: float = LOOK_S,
) -> AsyncIterator[Scheduler]:
    if not shut:
        syncs.gate.set()
    scheduler = Scheduler(
        database,
        plans,
        syncs.run,
        tidy=syncs.tidy,
        retry_after=retry_after,
        ignore=ignore,
        clock=clock,
        look_s=look_s,
    )
    await scheduler.start()
    try:
        yield scheduler
    finally:
        await scheduler.stop()


def due(database: Database, job: str, at: float) -> None:
    with database.transaction() as connection:
        connection.execute(
            text("INSERT INTO due_times (job, due_at) VALUES (:job, :at)"), {"job": job, "at": at}
        )


def due_times(database: Database) -> dict[str, float]:
    with database.reading() as connection:
        rows = connection.execute(text("SELECT job, due_at FROM due_times")).all()
    return {row[0]: row[1] for row in rows}


async def recorded(database: Database, job: str, after: float) -> float:
    """The due time of `job` as soon as it is later than `after`."""
    async with asyncio.timeout(60):
        while (at := (await asyncio.to_thread(due_times, database)).get(job, 0.0)) <= after:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return at


def test_source_that_was_never_synced_is_synced_at_once(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), Plan("b", every_s=HOUR), syncs=syncs):
            await syncs.until(lambda: len(syncs.ended) == 2)
        assert sorted(syncs.ended) == ["a", "b"]

    asyncio.run(run())


def test_many_missed_runs_are_made_up_for_exactly_once(database: Database) -> None:
    async def run() -> None:
        due(database, "sync:a", time.time() - 100 * HOUR)
        syncs = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), Plan("b", every_s=HOUR), syncs=syncs):
            later = await recorded(database, "sync:a", time.time())
            await recorded(database, "sync:b", time.time())
        assert sorted(syncs.begun) == ["a", "b"]
        assert later <= time.time() + HOUR

        again = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), Plan("c", every_s=HOUR), syncs=again):
            await again.until(lambda: again.ended == ["c"])
        assert again.begun == ["c"]

    asyncio.run(run())


def test_run_that_is_due_later_waits_and_one_that_is_now_due_sooner_does_not_wait_longer(
    database: Database,
) -> None:
    async def run() -> None:
        due(database, "sync:a", time.time() + 24 * HOUR)
        due(database, "sync:b", time.time() + 24 * HOUR)
        syncs = Syncs()
        plans = (Plan("a", every_s=48 * HOUR), Plan("b", every_s=HOUR), Plan("c", every_s=72 * HOUR))
        async with scheduled(database, *plans, syncs=syncs) as scheduler:
            await syncs.until(lambda: syncs.ended == ["c"])
            assert scheduler.next_due is not None
            assert scheduler.next_due.timestamp() <= time.time() + HOUR
        assert syncs.begun == ["c"]

    asyncio.run(run())


def test_interval_comes_again_and_again(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a", every_s=1.0), syncs=syncs):
            await syncs.until(lambda: len(syncs.ended) >= 3)
        assert syncs.most_at_once == 1

    asyncio.run(run())


def test_missed_crontab_is_made_up_for_once_and_a_new_crontab_begins_at_once(database: Database) -> None:
    async def run() -> None:
        due(database, "sync:a:0 3 * * *", time.time() - 50 * HOUR)
        due(database, "sync:b:0 3 * * *", time.time() + HOUR / 2)
        syncs = Syncs()
        plans = (Plan("a", cron="0 3 * * *"), Plan("b", cron="0 4 * * *"))
        async with scheduled(database, *plans, syncs=syncs):
            await recorded(database, "sync:a:0 3 * * *", time.time())
            await recorded(database, "sync:b:0 4 * * *", time.time())
        assert sorted(syncs.begun) == ["a", "b"]
        assert "sync:b:0 3 * * *" not in due_times(database)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", {6}),
        ("7", {6}),
        ("1", {0}),
        ("5-7", {4, 5, 6}),
        ("0,3", {6, 2}),
        ("sat", {5}),
        ("mon-fri", None),
    ],
)
def test_weekdays_count_from_sunday_as_in_a_crontab(
    database: Database, weekday: str, days: set[int] | None
) -> None:
    async def run() -> None:
        due(database, f"sync:a:0 0 * * {weekday}", time.time() + 30 * 24 * HOUR)
        syncs = Syncs()
        async with scheduled(database, Plan("a", cron=f"0 0 * * {weekday}"), syncs=syncs) as scheduler:
            assert scheduler.next_due is not None
            assert scheduler.next_due.astimezone().weekday() in (days or {0, 1, 2, 3, 4})

    asyncio.run(run())


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("*/2", {6, 1, 3, 5}),
        ("*/3", {6, 2, 5}),
        ("1-5/2", {0, 2, 4}),
        ("0-6/3", {6, 2, 5}),
        ("mon-fri/2", {0, 2, 4}),
        ("1/2", {0, 2, 4, 6}),
        ("0-0", {6}),
        ("sun-thu", {6, 0, 1, 2, 3}),
        ("FRI-sun", {4, 5, 6}),
        ("*", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_ranges_and_steps_of_weekdays_are_those_of_a_crontab(weekday: str, days: set[int]) -> None:
    trigger = trigger_of(Plan("a", cron=f"0 0 * * {weekday}"))
    assert trigger is not None
    start = datetime(2026, 11, 1, tzinfo=UTC)
    found = [trigger.get_next_fire_time(None, start + timedelta(days=n)) for n in range(7)]
    assert {one.weekday() for one in found} == days


@pytest.mark.parametrize("cron", ["99 * * * *", "* * * * 6-1", "* * * * noday", "* 25 * * *", "*/0 * * * *"])
def test_crontab_that_cannot_be_is_told_with_the_source(database: Database, cron: str) -> None:
    syncs = Syncs()
    with pytest.raises(ConfigError, match=r"wiki: cron = .* cannot be"):
        Scheduler(database, [Plan("wiki", cron=cron)], syncs.run, tidy=syncs.tidy)


def test_syncs_never_overlap_and_what_is_wanted_during_one_comes_once_after_it(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a"), Plan("b"), syncs=syncs, shut=True) as scheduler:
            await scheduler.now("a")
            await syncs.until(lambda: syncs.begun == ["a"])
            assert scheduler.running == "a"
            for _ in range(5):
                await scheduler.now("a")
                await scheduler.now("b")
            syncs.gate.set()
            await syncs.until(lambda: len(syncs.ended) == 3)
            await scheduler.now("b")
            await syncs.until(lambda: len(syncs.ended) == 4)
        assert syncs.ended == ["a", "a", "b", "b"]
        assert syncs.most_at_once == 1

    asyncio.run(run())


def test_sync_of_all_takes_the_place_of_the_others(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a"), Plan("b"), syncs=syncs, shut=True) as scheduler:
            await scheduler.now("a")
            await syncs.until(lambda: syncs.begun == ["a"])
            for name in ("a", "b", None):
                await scheduler.now(name)
            syncs.gate.set()
            await syncs.until(lambda: len(syncs.ended) == 2)
            await scheduler.now("b")
            await syncs.until(lambda: len(syncs.ended) == 3)
        assert syncs.ended == ["a", ALL, "b"]

    asyncio.run(run())


def test_failing_source_is_tried_again_and_keeps_no_other_waiting(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs(broken={"a"})
        asked: list[int] = []

        def soon(failures: int) -> float:
            asked.append(failures)
            return 0.01

        plans = (Plan("a", every_s=HOUR), Plan("b", every_s=HOUR))
        async with scheduled(database, *plans, syncs=syncs, retry_after=soon) as scheduler:
            await syncs.until(lambda: syncs.begun.count("a") >= 3 and "b" in syncs.ended)
            assert scheduler.failing["a"] >= 2
            assert "sync:a" not in due_times(database)
            syncs.broken.clear()
            await recorded(database, "sync:a", time.time())
            assert scheduler.failing == {}
        assert asked == list(range(1, len(asked) + 1))
        assert syncs.ended.count("b") == 1

    asyncio.run(run())


def test_failing_source_is_not_tried_when_it_is_due_while_its_retry_waits(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs(broken={"a"})
        plans = (Plan("a", every_s=1.0), Plan("b", every_s=1.0))
        async with scheduled(database, *plans, syncs=syncs) as scheduler:
            await syncs.until(lambda: syncs.ended.count("b") >= 3)
            assert syncs.begun.count("a") == 1
            syncs.broken.clear()
            await scheduler.now("a")
            await syncs.until(lambda: syncs.ended.count("a") >= 2)

    asyncio.run(run())


@pytest.mark.parametrize("then", ["fails", "succeeds"])
def test_source_has_one_retry_however_often_it_was_tried_meanwhile(database: Database, then: str) -> None:
    async def run() -> None:
        waits = [1.0, 1.2, 1.4]
        syncs = Syncs(broken={"a"})
        async with scheduled(
            database, Plan("a"), syncs=syncs, retry_after=lambda _failures: waits.pop() if waits else HOUR
        ) as scheduler:
            for tries in range(1, 4):
                await scheduler.now("a")
                await syncs.until(lambda: scheduler.failing.get("a") == tries)  # noqa: B023
            if then == "succeeds":
                syncs.broken.clear()
                await scheduler.now("a")
                await syncs.until(lambda: syncs.ended == ["a"])
            await asyncio.sleep(1.5)
        assert len(syncs.begun) == 4

    asyncio.run(run())


def test_waits_between_failures_double_up_to_an_hour() -> None:
    waits = [retry_after_s(failures) for failures in range(1, 100)]
    assert waits[:3] == [60, 120, 240]
    assert max(waits) == LONGEST_RETRY_S
    assert waits == sorted(waits)


def test_change_in_a_watched_folder_syncs_its_source_and_the_data_folder_means_nothing(
    database: Database, tmp_path: Path
) -> None:
    data, beside = tmp_path / "home" / "data", tmp_path / "beside"
    data.mkdir(parents=True)
    beside.mkdir()

    async def run() -> None:
        syncs = Syncs()
        plans = (Plan("home", watch=data.parent), Plan("beside", watch=beside))
        async with scheduled(database, *plans, syncs=syncs, ignore=data):
            await watched(data.parent / "notes.md", syncs, {"home"})
            begun = len(syncs.begun)
            data.joinpath("noise").write_text("x")
            await watched(beside / "notes.md", syncs, {"beside"}, after=begun)
            assert "home" not in syncs.begun[begun:]

    asyncio.run(run())


async def watched(file: Path, syncs: Syncs, names: set[str], after: int = 0) -> None:
    """Writes `file` anew until every one of `names` was synced: the watch begins some time after its task.

    A write is waited for far longer than a watch gathers changes, so that none is still to come at the end.
    """

    def synced() -> bool:
        return names <= set(syncs.ended[after:])

    async with asyncio.timeout(60):
        count = 0
        await asyncio.sleep(0.5)
        while not synced():
            file.write_text(f"version {count}")  # noqa: ASYNC240
            count += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(8.0):
                    await syncs.until(synced)


def test_folder_that_is_not_there_yet_is_watched_as_soon_as_it_is(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        folder = tmp_path / "late"
        syncs = Syncs()
        async with scheduled(
            database, Plan("a", watch=folder), syncs=syncs, retry_after=lambda _failures: 0.05
        ):
            await asyncio.sleep(0.2)
            folder.mkdir()
            await watched(folder / "notes.md", syncs, {"a"})
        assert set(syncs.ended) == {"a"}

    asyncio.run(run())


@pytest.mark.parametrize("how", ["removed", "link"])
def test_folder_that_takes_the_place_of_a_watched_one_is_synced_and_watched(
    database: Database, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "documents"
    if how == "link":
        (tmp_path / "first").mkdir()
        (tmp_path / "second").mkdir()
        folder.symlink_to("first")
    else:
        folder.mkdir()

    def replace() -> None:
        if how == "removed":
            number = folder.stat().st_ino
            shutil.rmtree(folder)
            folder.mkdir()
            # Many file systems give the number of the one before to one of the next.
            for n in range(50):
                if folder.stat().st_ino != number:
                    folder.rename(tmp_path / f"{n}")
                    folder.mkdir()
        else:
            (tmp_path / "next").symlink_to("second")
            (tmp_path / "next").replace(folder)

    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a", watch=folder), syncs=syncs):
            await watched(folder / "notes.md", syncs, {"a"})
            before = len(syncs.ended)
            replace()
            await syncs.until(lambda: len(syncs.ended) > before)
            replaced = len(syncs.ended)
            await watched(folder / "later.md", syncs, {"a"}, after=replaced)
        assert set(syncs.ended) == {"a"}
        assert len(syncs.ended) > replaced > before

    asyncio.run(run())


def test_watched_folder_that_is_away_is_waited_for_and_synced_when_it_is_back(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()

    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a", watch=folder), syncs=syncs):
            await watched(folder / "notes.md", syncs, {"a"})
            before = len(syncs.ended)
            shutil.rmtree(folder)
            async with asyncio.timeout(60):
                while "source a cannot be watched" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert len(syncs.ended) == before, "what is away for a moment is not synced as if it were empty"
            folder.mkdir()
            await syncs.until(lambda: len(syncs.ended) > before)

    asyncio.run(run())
    assert caplog.text.count("source a cannot be watched") == 1


def test_stop_ends_the_sync_that_is_running_and_it_is_due_again(database: Database) -> None:
    async def run() -> None:
        syncs = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), syncs=syncs, shut=True):
            await syncs.until(lambda: syncs.begun == ["a"])
        assert syncs.cancelled == ["a"]

        again = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), syncs=again):
            await again.until(lambda: again.ended == ["a"])

    asyncio.run(run())


def test_tidying_is_done_at_the_first_start_and_then_once_a_day(database: Database) -> None:
    async def run() -> None:
        first = Syncs()
        async with scheduled(database, syncs=first):
            assert await recorded(database, "tidy", time.time()) > time.time() + 23 * HOUR
        assert first.tidied == 1

        second = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), syncs=second):
            await second.until(lambda: second.ended == ["a"])
        assert second.tidied == 0

    asyncio.run(run())


def test_run_that_cannot_be_noted_is_no_end_of_the_syncs(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        with database.transaction() as connection:
            connection.execute(
                text(
                    "CREATE TRIGGER full BEFORE INSERT ON due_times "
                    "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
                )
            )
        syncs = Syncs()
        async with scheduled(database, Plan("a", every_s=HOUR), syncs=syncs) as scheduler:
            await syncs.until(lambda: syncs.ended == ["a"])
            await scheduler.now("a")
            await syncs.until(lambda: syncs.ended == ["a", "a"])
            await scheduler.now(None)
            await syncs.until(lambda: syncs.ended == ["a", "a", ALL])
            assert scheduler.failing == {}
            assert not [task for task in scheduler._tasks if task.get_name() == "syncs" and task.done()]

    asyncio.run(run())
    assert "that sync:a ran was not noted: there is no room on the disk" in caplog.text
