"""Begins what is due: the syncs of the sources, by the clock and by what changes in folders, and the daily tidying.

Rule: one sync at a time; what was missed while nothing ran is made up for once; a source that fails is
tried again later and later, and keeps no other waiting.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]
from sqlalchemy import Column, Float, Table, Text, delete, insert, select
from watchfiles import awatch

from bot.errors import BotError, ConfigError
from bot.schedule import Plan, retry_after_s
from bot.tasks import log_failure
from knowledge.database import Database, metadata
from knowledge.errors import KnowledgeError

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How often it is seen to that a clock that was set holds nothing up, in seconds."""

ALL = ""
"""The name under which all sources are synced at once, and what is no longer configured is dropped."""

TIDY = "tidy"
DAY_S = 86400.0
QUIET_MS = 1_500
"""A folder is synced when nothing in it has changed for so long, or `LATEST_MS` after the first change."""
LATEST_MS = 15_000

Run = Callable[[str], Awaitable[None]]
"""Syncs one source, or `ALL`; raises `BotError` when that fails."""

_due = Table(
    "due_times",
    metadata,
    Column("job", Text, primary_key=True),
    Column("due_at", Float, nullable=False),
    Column("ran_at", Float),
)


class Scheduler:
    """Keeps to `plans` until `stop`. At most one may run on a data folder.

    Due times are kept in `database`, so that the next process knows what was missed; `ignore` is a
    folder whose changes mean nothing. `tidy` runs once a day. Raises `ConfigError` for a crontab that
    cannot be. Belongs to one event loop.
    """

    def __init__(
        self,
        database: Database,
        plans: Sequence[Plan],
        run: Run,
        *,
        tidy: Callable[[], Awaitable[None]],
        ignore: Path | None = None,
        clock: Callable[[], float] = time.time,
        retry_after: Callable[[int], float] = retry_after_s,
        look_s: float = LOOK_S,
    ) -> None:
        self._database = database
        self._plans = {plan.name: plan for plan in plans}
        self._triggers = {plan.name: trigger_of(plan) for plan in plans}
        self._run = run
        self._tidy = tidy
        self._ignore = ignore
        self._clock = clock
        self._retry_after = retry_after
        self._look_s = look_s
        self._failures: dict[str, int] = {}
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._running: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._jobs: AsyncIOScheduler | None = None

    async def start(self) -> None:
        """Begins, with what was missed first."""
        due = await asyncio.to_thread(self._load)
        jobs = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for name, trigger in self._triggers.items():
            if trigger is not None:
                first = due.get(self._job(name))
                jobs.add_job(
                    self._due_now, trigger, args=[name], id=name, next_run_time=self._first(trigger, first)
                )
        daily = IntervalTrigger(seconds=DAY_S, timezone=UTC)
        # A source may be called as the tidying is: sources' jobs go by another kind of name.
        jobs.add_job(self._tidy_now, daily, id=f"/{TIDY}", next_run_time=self._first(daily, due.get(TIDY)))
        self._jobs = jobs
        jobs.start()
        self._tasks += [
            asyncio.create_task(self._work(), name="syncs"),
            asyncio.create_task(self._keep_time(jobs), name="clock"),
        ]
        self._tasks += [
            asyncio.create_task(self._watch(plan.name, plan.watch), name=f"watch {plan.name}")
            for plan in self._plans.values()
            if plan.watch is not None
        ]
        for task in self._tasks:
            task.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Begins nothing more and ends the sync that is running."""
        if self._jobs is not None:
            self._jobs.shutdown(wait=False)
            self._jobs = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def now(self, source: str | None) -> None:
        """Puts a sync of one source, or of all, next in the line."""
        self._want(ALL if source is None else source)

    @property
    def running(self) -> str | None:
        """The source that is being synced; `ALL` for all, None for none."""
        return self._running

    @property
    def failing(self) -> Mapping[str, int]:
        """How often in a row the syncs of some sources have failed."""
        return dict(self._failures)

    @property
    def next_due(self) -> datetime | None:
        """When the next sync is due by the clock."""
        jobs = self._jobs.get_jobs() if self._jobs is not None else []
        times = [job.next_run_time for job in jobs if job.id in self._plans and job.next_run_time]
        return min(times, default=None)

    def _first(self, trigger: IntervalTrigger | CronTrigger, due: float | None) -> datetime:
        """When a job runs first: at once where that was missed or never was, else when it was due, or
        earlier where the configuration now says so."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        if due is None or due <= self._clock():
            return now
        regular: datetime = trigger.get_next_fire_time(None, now)
        return min(datetime.fromtimestamp(due, UTC), regular)

    def _job(self, name: str) -> str:
        """The name of a source's due time; another crontab is another one, which was never run."""
        plan = self._plans[name]
        return f"sync:{name}:{plan.cron}" if plan.cron else f"sync:{name}"

    async def _keep_time(self, jobs: AsyncIOScheduler) -> None:
        """Whoever sets the machine's clock back must not wait for the time that was lived already; whoever sets
        it ahead, not for a pause that was begun before."""
        while True:
            await asyncio.sleep(self._look_s)
            now = datetime.fromtimestamp(self._clock(), UTC)
            for job in jobs.get_jobs():
                pause = getattr(job.trigger, "interval", None)  # a crontab means the clock, and has none
                if pause is not None and job.next_run_time > now + pause:
                    job.modify(next_run_time=now + pause)
            jobs.wakeup()

    async def _due_now(self, name: str) -> None:
        self._want(name)

    def _want(self, name: str) -> None:
        self._wanted.setdefault(name)
        self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wanted:
                name = next(iter(self._wanted)) if ALL not in self._wanted else ALL
                if name == ALL:
                    self._wanted.clear()
                self._wanted.pop(name, None)
                await self._sync(name)

    async def _sync(self, name: str) -> None:
        self._running = name
        try:
            await self._run(name)
        except Exception as error:
            self._failures[name] = count = self._failures.get(name, 0) + 1
            after = self._retry_after(count)
            expected = isinstance(error, BotError)
            log.warning(
                "sync of %s failed, next try in %.0f s: %s",
                name or "all",
                after,
                error,
                exc_info=not expected,
            )
            asyncio.get_running_loop().call_later(after, self._want, name)
            return
        finally:
            self._running = None
        self._failures.pop(name, None)
        for one in self._plans if name == ALL else (name,):
            self._failures.pop(one, None)
            await self._note_run(self._job(one), one)

    async def _tidy_now(self) -> None:
        # A task of our own, which `stop` ends without a word from the library.
        self._tasks.append(asyncio.create_task(self._tidied(), name="tidying"))

    async def _tidied(self) -> None:
        try:
            await self._tidy()
        except Exception as error:
            log.warning("tidying failed, next try tomorrow: %s", error)
            return
        await self._note_run(TIDY, f"/{TIDY}")

    async def _note_run(self, job: str, id: str) -> None:
        """Notes when the job is due next; where that cannot be written, the next process may run it once more."""
        known = self._jobs.get_job(id) if self._jobs is not None else None
        if known is None or known.next_run_time is None:
            return
        try:
            await asyncio.to_thread(self._save, job, known.next_run_time.timestamp())
        except KnowledgeError as error:
            log.warning("that %s ran was not noted: %s", job, error)

    async def _watch(self, name: str, folder: Path) -> None:
        """Wants a sync whenever the folder changed; a folder that cannot be watched is looked for again."""
        failures = 0
        while True:
            try:
                async for changes in awatch(folder, debounce=LATEST_MS, step=QUIET_MS, rust_timeout=1_000):
                    if any(self._means_something(path) for _, path in changes):
                        log.info("source %s changed", name)
                        self._want(name)
                    failures = 0
            except (OSError, RuntimeError) as error:
                failures += 1
                after = self._retry_after(failures)
                log.warning("source %s cannot be watched, next try in %.0f s: %s", name, after, error)
                await asyncio.sleep(after)

    def _means_something(self, path: str) -> bool:
        return self._ignore is None or not Path(path).is_relative_to(self._ignore)

    def _load(self) -> dict[str, float]:
        """Every due time of what is still planned; the others are dropped."""
        jobs = [TIDY, *map(self._job, self._plans)]
        with self._database.transaction() as connection:
            connection.execute(delete(_due).where(_due.c.job.not_in(jobs)))
            rows = connection.execute(select(_due.c.job, _due.c.due_at)).all()
        return {str(job): float(at) for job, at in rows}

    def _save(self, job: str, due_at: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(delete(_due).where(_due.c.job == job))
            connection.execute(insert(_due).values(job=job, due_at=due_at, ran_at=self._clock()))


def trigger_of(plan: Plan) -> IntervalTrigger | CronTrigger | None:
    """When the plan is due by the clock, None for never; raises `ConfigError` for a crontab that cannot be."""
    if plan.cron is not None:
        *rest, weekday = plan.cron.split()
        try:
            return CronTrigger.from_crontab(" ".join([*rest, _named(weekday)]))
        except ValueError as error:
            raise ConfigError(f"[[source]] {plan.name}: cron = {plan.cron!r} cannot be: {error}") from None
    return IntervalTrigger(seconds=plan.every_s, timezone=UTC) if plan.every_s is not None else None


def _named(weekday: str) -> str:
    """Weekdays by their names: a crontab counts from Sunday, the library from Monday."""
    names = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")

    def days(part: str) -> str:
        if found := re.fullmatch(r"([0-7])-([0-7])", part):
            first, last = int(found[1]), int(found[2])
            if first <= last:
                return ",".join(dict.fromkeys(names[first : last + 1]))
        return names[int(part)] if re.fullmatch("[0-7]", part) else part

    return ",".join(dict.fromkeys(name for part in weekday.split(",") for name in days(part).split(",")))
