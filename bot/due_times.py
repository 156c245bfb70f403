"""The table that keeps over restarts when jobs are due next.

Rule: a row's name tells everything that it depends on, so that what is to be done otherwise was never done.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Column, Float, Table, Text, delete, insert, select

from knowledge.database import Database, metadata

TIDY = "tidy"
_SYNC = "sync:"

_due = Table(
    "due_times",
    metadata,
    Column("job", Text, primary_key=True),
    Column("due_at", Float, nullable=False),
    Column("ran_at", Float),
)


def sync_job(source: str, cron: str | None) -> str:
    """The name of a source's due time; another crontab is another one, which was never run."""
    return f"{_SYNC}{source}:{cron}" if cron else f"{_SYNC}{source}"


def load(database: Database, jobs: Collection[str]) -> dict[str, float]:
    """Every due time of `jobs`, in seconds since 1970; those of other syncs are dropped."""
    others = _due.c.job.startswith(_SYNC, autoescape=True), _due.c.job.not_in(jobs)
    with database.transaction() as connection:
        connection.execute(delete(_due).where(*others))
        rows = connection.execute(select(_due.c.job, _due.c.due_at).where(_due.c.job.in_(jobs))).all()
    return {str(job): float(at) for job, at in rows}


def save(database: Database, job: str, due_at: float, *, ran_at: float) -> None:
    """Notes when a job ran, and when it is due next."""
    with database.transaction() as connection:
        connection.execute(delete(_due).where(_due.c.job == job))
        connection.execute(insert(_due).values(job=job, due_at=due_at, ran_at=ran_at))
