"""What a source was synced as is known: only a source that is another one now counts as changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.config import Config, parse
from bot.source_changes import changed, note_synced
from bot.wiring import Project
from knowledge.catalogue import Catalogue
from knowledge.database import Database

SOURCE = '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'
OTHER = '[[source]]\nname = "hand_book"\nkind = "folder"\npath = "others"\n'


class Home:
    """A configuration at `root` and what was synced into `root`/data."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root = root
        self.database = database

    def sync(self, text: str, *names: str) -> None:
        for name in names:
            Catalogue(self.database).note_unavailable(name, "known from now on", at=datetime.now(UTC))
        note_synced(self.database, self._config(text), names, root=self.root, data=self.root / "data")

    def changed(self, text: str) -> list[str | None]:
        return changed(self.database, self._config(text), root=self.root, data=self.root / "data")

    def _config(self, text: str) -> Config:
        return parse(text, "groundling.toml")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    database = Database.open(tmp_path / "data" / "groundling.sqlite")
    yield Home(tmp_path, database)
    database.close()


@pytest.mark.parametrize(
    "more",
    [
        'collection = "legal"\n',
        'include = ["*.md"]\n',
        'exclude = ["hr/"]\n',
        'url = "https://wiki.example.org/{path}"\n',
    ],
)
def test_another_description_is_a_change_until_it_was_synced_and_so_is_the_way_back(
    home: Home, more: str
) -> None:
    home.sync(SOURCE, "handbook")
    assert home.changed(SOURCE) == []
    assert home.changed(SOURCE + more) == ["handbook"]
    home.sync(SOURCE + more, "handbook")
    assert home.changed(SOURCE + more) == []
    assert home.changed(SOURCE) == ["handbook"]


def test_when_a_source_is_synced_is_no_change_of_it(home: Home) -> None:
    home.sync(SOURCE, "handbook")
    assert home.changed(SOURCE + 'every = "15m"\ncron = "30 6 * * *"\nwatch = false\n') == []


def test_another_folder_is_a_change_and_another_word_for_the_same_one_is_none(home: Home) -> None:
    home.sync(SOURCE, "handbook")
    assert home.changed(SOURCE.replace("documents", "elsewhere")) == ["handbook"]
    assert home.changed(SOURCE.replace("documents", str(home.root / "documents"))) == []


def test_source_that_was_never_synced_is_left_to_its_time_and_one_that_is_gone_means_all(home: Home) -> None:
    assert home.changed(SOURCE + OTHER) == []
    home.sync(SOURCE, "handbook")
    assert home.changed(SOURCE + OTHER) == []
    home.sync(SOURCE + OTHER, "hand_book")
    assert home.changed(SOURCE + OTHER) == []
    assert home.changed(OTHER) == [None]
    assert home.changed("") == []


def test_source_of_which_nobody_noted_how_it_was_synced_counts_as_changed(home: Home) -> None:
    home.sync(SOURCE)
    Catalogue(home.database).note_unavailable("handbook", "synced by an older program", at=datetime.now(UTC))
    assert home.changed(SOURCE) == ["handbook"]


def test_descriptions_are_taken_along_from_where_they_were_kept_before(tmp_path: Path) -> None:
    file = tmp_path / "data" / "groundling.sqlite"
    database = Database.open(file)
    Home(tmp_path, database).sync(SOURCE, "handbook")
    with database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO due_times (job, due_at) "
                "SELECT 'described:' || source || ':' || digest, 0 FROM source_descriptions UNION SELECT 'tidy', 5"
            )
        )
        connection.execute(text("DROP TABLE source_descriptions"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    database.close()
    database = Database.open(file)
    try:
        assert Home(tmp_path, database).changed(SOURCE) == []
        with database.reading() as connection:
            assert connection.execute(text("SELECT job FROM due_times")).scalars().all() == ["tidy"]
    finally:
        database.close()


def test_sync_notes_what_it_was_done_with_and_a_project_may_be_moved_as_a_whole(
    synced: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(synced, moved, ignore=shutil.ignore_patterns("serve.lock"))
    with Project.open(moved / "groundling.toml", None) as project:
        assert changed(project.database, project.config, root=project.root, data=project.data) == []
        elsewhere = tmp_path / "elsewhere"
        assert changed(project.database, project.config, root=elsewhere, data=project.data) == ["handbook"]
