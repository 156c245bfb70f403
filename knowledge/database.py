"""The database that holds what must not be lost, brought to the newest schema when it is opened.

Rule: nothing here knows a table; every statement is SQLAlchemy Core, so that another database can
take SQLite's place. Vendor errors leave as `DatabaseUnusable`, `DiskFull` or `Busy`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from knowledge.errors import Busy, DatabaseUnusable, DiskFull

metadata = MetaData()
"""Every table of the program is declared on this."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_MS = 10_000
_LOOK_AGAIN_S = 0.1
_BEFORE = ".before-"


class Database:
    """Connections to one database. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, path: Path) -> Database:
        """The SQLite file at `path`, made (mode 0600) or migrated when needed.

        Before a migration the old file is copied to `<name>.before-<revision>`, until the next `purge`. Raises
        `DatabaseUnusable` for a file that is no database, or that a newer program wrote.
        """
        _make_private(path)
        engine = create_engine(URL.create("sqlite", database=str(path)), hide_parameters=True)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        database = cls(engine)
        database._migrate(path)
        return database

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Everything inside is committed as one, or not at all."""
        with _vendor_errors(), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of the committed state."""
        with _vendor_errors(), self._engine.connect() as connection:
            yield connection

    def check(self) -> list[str]:
        """What is wrong with the file, a line each."""
        with self.reading() as connection:
            if connection.dialect.name != "sqlite":
                return []
            lines = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(10)"))]
        return [f"database: {line}" for line in lines if line != "ok"]

    def purge(self) -> None:
        """Takes everything that was deleted or replaced off the disk, and with it the copies from before migrations.

        Raises `Busy` where somebody else reads the database for long, `DiskFull` where there is no room to write it
        anew; then some of it may be left.
        """
        file = Path(self._engine.url.database or "")
        for copy in [one for one in file.parent.iterdir() if one.name.startswith(f"{file.name}{_BEFORE}")]:
            copy.unlink(missing_ok=True)
        with _vendor_errors(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("COMMIT")  # begun by `_begin`; this wants none
                try:
                    _write_anew(connection)
                finally:
                    connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def _migrate(self, path: Path) -> None:
        newest = newest_revision()
        with self.reading() as connection:
            present = _revision(connection)
        if present == newest:
            return
        if present is not None and present > newest:
            raise DatabaseUnusable(
                f"{path.name} was written by a newer program (schema {present}, this one knows {newest}); "
                "install that program, or restore a backup"
            )
        if present is not None:
            _copy(path, path.with_name(f"{path.name}{_BEFORE}{newest}"))
        with self.transaction() as connection:
            _upgrade(connection)


def newest_revision() -> str:
    """The number of the last migration ("0001")."""
    return max(script.name[:4] for script in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _upgrade(connection: Connection) -> None:
    # Imported here: most openings have nothing to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseUnusable(f"the database cannot be brought to the newest schema: {error}") from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    # Left alone, pysqlite begins transactions late, and not at all for schema changes: see _begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS:d}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that began by reading could be refused it later on.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _write_anew(connection: Connection) -> None:
    # secure_delete overwrites a row where it is, and not what was left where it had been moved from inside the file.
    connection.exec_driver_sql("VACUUM")
    # The log still holds the pages from before. It is emptied at once or not at all, whatever the timeout is.
    until = time.monotonic() + int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar() or 0) / 1000
    while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar():
        if time.monotonic() >= until:
            raise Busy(
                "the database is being read by another process, so what was deleted is still in its log; try again"
            )
        time.sleep(_LOOK_AGAIN_S)


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_file() and os.access(path, os.R_OK | os.W_OK):
            # Not opened here: closing it would take the locks of this process's other connections away.
            return
        # SQLite gives its -wal and -shm files the mode of the file itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseUnusable(f"{path} cannot be written: {error.strerror}") from error


def _copy(path: Path, to: Path) -> None:
    _make_private(to)
    with contextlib.closing(sqlite3.connect(path)) as old, contextlib.closing(sqlite3.connect(to)) as new:
        old.backup(new)


@contextlib.contextmanager
def _vendor_errors() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        line = str(getattr(error, "orig", None) or error).splitlines()[0]
        if "is full" in line or "disk I/O error" in line:
            raise DiskFull(
                "there is no room on the disk for the database; free some and try again"
            ) from error
        if "locked" in line:
            raise Busy("the database is held by another process; try again") from error
        raise DatabaseUnusable(f"the database cannot be used: {line}; restore a backup") from error
