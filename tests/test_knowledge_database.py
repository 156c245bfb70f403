"""The database: how it is set up, migrated, and what it refuses."""

from __future__ import annotations

import random
import sqlite3
import stat
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

import bot.channel_store
import bot.curated
import bot.due_times
import bot.inbox
import bot.journal
import bot.registry
import bot.source_changes
import knowledge.catalogue
from knowledge.database import Database, metadata, newest_revision
from knowledge.errors import Busy, DatabaseUnusable, DiskFull


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data 1%" / "groundling.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.open(path)
    yield database
    database.close()


def test_connections_are_durable_and_keep_references_whole(database: Database) -> None:
    with database.reading() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_files_are_for_their_owner_alone(database: Database, path: Path) -> None:
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE x (y TEXT)"))
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_migrations_make_the_tables_that_the_code_declares(database: Database) -> None:
    for module in (
        bot.channel_store,
        bot.curated,
        bot.due_times,
        bot.inbox,
        bot.journal,
        bot.registry,
        bot.source_changes,
        knowledge.catalogue,
    ):
        assert module.metadata is metadata  # type: ignore[attr-defined]
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        missing = list(compare_metadata(context, metadata))
    unknown = [row for row in missing if row[:1] != ("remove_table",) or row[1].name != "alembic_version"]
    assert unknown == []


def test_opening_again_changes_nothing(database: Database, path: Path) -> None:
    database.close()
    again = Database.open(path)
    assert again.check() == []
    again.close()
    assert not list(path.parent.glob("*.before-*"))


def test_newer_database_is_refused_and_untouched(database: Database, path: Path) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DatabaseUnusable, match="newer program"):
        Database.open(path)


def test_older_database_is_copied_before_it_is_migrated(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE alembic_version (version_num TEXT)")
        old.execute("INSERT INTO alembic_version VALUES ('0000')")
    old.close()
    with pytest.raises(DatabaseUnusable, match="0000"):
        Database.open(path)
    assert path.with_name(f"{path.name}.before-{newest_revision()}").is_file()


def test_what_is_purged_is_in_no_copy_from_before_a_migration(path: Path) -> None:
    Database.open(path).close()
    with sqlite3.connect(path) as old:
        old.execute("DROP TABLE source_descriptions")
        old.execute("UPDATE alembic_version SET version_num = '0004'")
    old.close()
    database = Database.open(path)
    copy = path.with_name(f"{path.name}.before-{newest_revision()}")
    assert copy.is_file()
    other = path.with_name("backup.sqlite")
    other.touch()
    database.purge()
    assert (copy.exists(), other.exists()) == (False, True)
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM due_times")).scalar() == 0
    database.close()


def test_what_is_purged_is_nowhere_in_the_file(database: Database, path: Path) -> None:
    """Rows that grow and shrink make SQLite move their neighbours, and what stood there before stays in the page."""
    chance = random.Random(1)

    def do(statement: str, **values: str) -> None:
        with database.transaction() as connection:
            connection.execute(text(statement), values)

    do("CREATE TABLE x (id TEXT PRIMARY KEY, said TEXT)")
    for number in range(400):
        word = "canary " if number % 7 == 0 else "other "
        do("INSERT INTO x VALUES (:id, :said)", id=str(chance.random()), said=word * chance.randint(1, 120))
    others = "SELECT id FROM x WHERE said LIKE 'other%' ORDER BY id LIMIT 1 OFFSET :at"
    for _ in range(300):
        said = "other " * chance.randint(1, 300)
        do(f"UPDATE x SET said = :said WHERE id = ({others})", said=said, at=str(chance.randrange(300)))
    do("DELETE FROM x WHERE said LIKE 'canary%'")
    database.purge()
    assert [file.name for file in path.parent.iterdir() if b"canary" in file.read_bytes()] == []


def test_purge_says_so_when_a_reader_keeps_the_log(database: Database, path: Path) -> None:
    with sqlite3.connect(path) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM alembic_version").fetchall()
        with database.reading() as connection:
            connection.execute(text("PRAGMA busy_timeout = 1"))
        with pytest.raises(Busy, match="try again"):
            database.purge()
    reader.close()
    database.purge()


def test_file_that_is_no_database_is_refused_in_one_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseUnusable, match="cannot be used"):
        Database.open(path)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatabaseUnusable, match="file"):
        Database.open(tmp_path / "file" / "groundling.sqlite")


def test_half_a_transaction_is_nothing(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE x (y TEXT)"))

    def die_half_way() -> None:
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO x VALUES ('half')"))
            raise KeyError

    with pytest.raises(KeyError):
        die_half_way()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM x")).scalar() == 0


def test_database_held_by_another_is_busy(database: Database, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with database.reading() as connection:
        connection.execute(text("PRAGMA busy_timeout = 1"))
    with pytest.raises(Busy), database.transaction() as connection:
        connection.execute(text("CREATE TABLE x (y TEXT)"))
    other.close()


def test_second_opening_in_one_process_takes_no_lock_away_from_the_first(tmp_path: Path) -> None:
    file = tmp_path / "groundling.sqlite"
    first = Database.open(file)
    with first.transaction() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT)"))
    Database.open(file).close()
    # The last one to close takes the log of the others away, if it believes that there are none.
    script = (
        f"import sqlite3; c = sqlite3.connect({str(file)!r}); c.execute('SELECT 1 FROM words'); c.close()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert file.with_name("groundling.sqlite-wal").exists()
    first.close()


def test_what_is_written_stays_out_of_the_error_when_it_cannot_be(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE x (y TEXT)"))
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON x "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        )
    asked = "-".join(["what", "somebody", "asked"])  # an error shows lines of code, too
    with pytest.raises(DiskFull) as told, database.transaction() as connection:
        connection.execute(text("INSERT INTO x VALUES (:y)"), {"y": asked})
    assert asked not in "".join(traceback.format_exception(told.value))
