"""Begins what is due: the syncs of the sources, by the clock and by what changes in folders, and the daily tidying.

Rule: one sync at a time; what was missed while nothing ran is made up for once; a source that fails is
tried again later and later, and keeps no other waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]
from watchfiles import Change, awatch

from bot import due_times
from bot.due_times import TIDY
from bot.errors import BotError, ConfigError
from bot.schedule import Plan, retry_after_s
from bot.tasks import log_failure
from knowledge.database import Database
from knowledge.errors import KnowledgeError

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How often it is seen to that a clock that was set holds nothing up, in seconds."""

ALL = ""
"""The name under which all sources are synced at once, and what is no longer configured is dropped."""

DAY_S = 86400.0
QUIET_MS = 1_500
"""A folder is synced when nothing in it has changed for so long, or `LATEST_MS` after the first change."""
LATEST_MS = 15_000

STANDS_MS = 2_000
"""How often it is seen to, where nothing changes, that a watched folder still stands where it stood."""

AWAY_S = 2.0
"""How often a watched folder is looked for that does not stand there, in seconds."""

Run = Callable[[str], Awaitable[None]]
"""Syncs one source, or `ALL`; raises `BotError` when that fails."""


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
        self._retries: dict[str, asyncio.TimerHandle] = {}
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._running: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._jobs: AsyncIOScheduler | None = None

    async def start(self) -> None:
        """Begins, with what was missed first."""
        due = await asyncio.to_thread(due_times.load, self._database, [TIDY, *map(self._job, self._plans)])
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
        for name in list(self._retries):
            self._forget_retry(name)
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
        return due_times.sync_job(name, self._plans[name].cron)

    async def _keep_time(self, jobs: AsyncIOScheduler) -> None:
        """Whoever sets the machine's clock back must not wait for the time that was lived already; whoever sets
        it ahead, not for a pause that was begun before."""
        while True:
            await asyncio.sleep(self._look_s)
            now = datetime.fromtimestamp(self._clock(), UTC)
            for job in jobs.get_jobs():
                # A crontab means the clock, and has no pause.
                pause = getattr(job.trigger, "interval", None)
                latest = job.trigger.get_next_fire_time(None, now) if pause is None else now + pause
                if latest is not None and job.next_run_time > latest:
                    job.modify(next_run_time=latest)
            jobs.wakeup()

    async def _due_now(self, name: str) -> None:
        """What fails is tried again when its retry comes, however often it is due meanwhile."""
        fails_still = name in self._failures and self._running == name
        if name not in self._retries and not fails_still:
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

    def _retry(self, name: str) -> None:
        self._forget_retry(name)
        self._want(name)

    def _forget_retry(self, name: str) -> None:
        if (handle := self._retries.pop(name, None)) is not None:
            handle.cancel()

    async def _sync(self, name: str) -> None:
        self._forget_retry(name)
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
            self._retries[name] = asyncio.get_running_loop().call_later(after, self._retry, name)
            return
        finally:
            self._running = None
        self._failures.pop(name, None)
        for one in self._plans:
            if name in (ALL, one):
                self._failures.pop(one, None)
                self._forget_retry(one)
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
            await asyncio.to_thread(
                due_times.save,
                self._database,
                job,
                known.next_run_time.timestamp(),
                ran_at=self._clock(),
            )
        except KnowledgeError as error:
            log.warning("that %s ran was not noted: %s", job, error)

    async def _watch(self, name: str, folder: Path) -> None:
        """Wants a sync whenever something in the folder changed, or another one stands in its place; one that
        cannot be watched is looked for again."""
        failures, anew = 0, False
        while True:
            try:
                await self._watch_one(name, folder, anew=anew)
                failures, anew = 0, True
            except (OSError, RuntimeError) as error:
                failures, anew = failures + 1, True
                away = isinstance(error, FileNotFoundError)
                after = self._retry_after(failures)
                after = min(after, AWAY_S) if away else after
                if failures == 1 or not away:
                    log.warning("source %s cannot be watched, next try in %.0f s: %s", name, after, error)
                await asyncio.sleep(after)

    async def _watch_one(self, name: str, folder: Path, *, anew: bool) -> None:
        """Watches the folder that stands there now until it stands there no more; `anew` wants a sync at once."""
        stood = await asyncio.to_thread(_identity, folder)
        watched = awatch(
            folder, debounce=LATEST_MS, step=QUIET_MS, rust_timeout=STANDS_MS, yield_on_timeout=True
        )
        async with contextlib.aclosing(watched):
            async for changes in watched:
                # Where one was removed, the next one may have its number.
                removed = (Change.deleted, str(folder)) in changes
                if removed or await asyncio.to_thread(_identity, folder) != stood:
                    return
                # Not before it is watched, so that no change falls between the sync and the watch.
                if anew or any(self._means_something(path) for _, path in changes):
                    log.info("source %s changed", name)
                    self._want(name)
                anew = False

    def _means_something(self, path: str) -> bool:
        return self._ignore is None or not Path(path).is_relative_to(self._ignore)


def trigger_of(plan: Plan) -> IntervalTrigger | CronTrigger | None:
    """When the plan is due by the clock, None for never; raises `ConfigError` for a crontab that cannot be."""
    if plan.cron is not None:
        *rest, weekday = plan.cron.split()
        try:
            return CronTrigger.from_crontab(" ".join([*rest, _named(weekday)]))
        except ValueError as error:
            raise ConfigError(f"[[source]] {plan.name}: cron = {plan.cron!r} cannot be: {error}") from None
    return IntervalTrigger(seconds=plan.every_s, timezone=UTC) if plan.every_s is not None else None


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from the one that stood in its place before, links followed; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = rf"[0-7]|{'|'.join(_WEEKDAYS[:7])}"
_DAYS = re.compile(rf"(?:\*|({_DAY})(?:-({_DAY}))?)(?:/([1-7]))?", re.IGNORECASE)


def _named(weekday: str) -> str:
    """Weekdays by their names: a crontab counts from Sunday, the library from Monday."""
    return ",".join(dict.fromkeys(name for part in weekday.split(",") for name in _days(part)))


def _days(part: str) -> Sequence[str]:
    """The days of "5", "1-5", "fri-sun", "1-5/2" or "*/2"; anything else is for the library to judge."""
    found = _DAYS.fullmatch(part)
    if found is None or part == "*":
        return [part]
    first, last, step = found.groups()
    start = _number(first or "0")
    end = _number(last) if last else 7 if step else start
    if end == 0 < start:
        end = 7
    return _WEEKDAYS[start : end + 1 : int(step or 1)] or [part]


def _number(day: str) -> int:
    return int(day) if day.isdigit() else _WEEKDAYS.index(day.lower())
