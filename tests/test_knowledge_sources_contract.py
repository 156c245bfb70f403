"""What every source promises, run against each of them.

Rule: a new source subclasses `SourceContract` and passes unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge.errors import SourceUnavailable, Unreadable
from knowledge.sources.folder import FolderSource
from knowledge.sources.memory import MemorySource
from knowledge.sources.source import Entry, Source

BODIES = {"a.md": b"# A", "deep/b c.MD": b"", "deep/ü.txt": b"\x00\xff"}

Make = Callable[[dict[str, bytes]], Source]


class SourceContract:
    """Subclasses give the fixture `make`: it makes a source whose documents are path -> body.

    Called again, it gives the same place with other documents in it. `lost` gives a source that
    cannot be listed.
    """

    def test_every_document_is_listed_with_its_path_and_suffix(self, make: Make) -> None:
        entries = {entry.path: entry for entry in make(BODIES).entries()}
        assert set(entries) == set(BODIES)
        assert {entry.suffix for entry in entries.values()} == {".md", ".txt"}

    def test_listing_is_the_same_each_time(self, make: Make) -> None:
        source = make(BODIES)
        assert list(source.entries()) == list(source.entries())
        assert source.unlisted() == {}

    def test_what_is_listed_is_wanted(self, make: Make) -> None:
        source = make(BODIES)
        assert all(source.wanted(entry.path) for entry in source.entries())

    def test_bodies_are_read_byte_for_byte(self, make: Make) -> None:
        source = make(BODIES)
        assert {entry.path: source.read(entry) for entry in source.entries()} == BODIES

    def test_changed_body_has_another_fingerprint(self, make: Make) -> None:
        before = {entry.path: entry.fingerprint for entry in make(BODIES).entries()}
        after = {
            entry.path: entry.fingerprint for entry in make({**BODIES, "a.md": b"# A, edited"}).entries()
        }
        assert {path for path in BODIES if before[path] != after[path]} == {"a.md"}

    def test_document_that_is_gone_is_unreadable(self, make: Make) -> None:
        source = make(BODIES)
        with pytest.raises(Unreadable):
            source.read(Entry("gone.md", "", ".md", 0, None))

    def test_source_that_cannot_be_listed_says_so(self, lost: Source) -> None:
        with pytest.raises(SourceUnavailable):
            list(lost.entries())

    def test_name_makes_a_document_id(self, make: Make) -> None:
        source = make(BODIES)
        assert re.fullmatch(r"[^:\s]+", source.name)
        assert source.collection


class TestMemorySource(SourceContract):
    @pytest.fixture
    def make(self) -> Make:
        return lambda bodies: MemorySource("docs", dict(bodies))

    @pytest.fixture
    def lost(self) -> Source:
        source = MemorySource("docs", {})
        source.down = "host down"
        return source


class TestFolderSource(SourceContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        def made(bodies: dict[str, bytes]) -> Source:
            for path, body in bodies.items():
                file = tmp_path / "docs" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                if not file.exists() or file.read_bytes() != body:
                    file.write_bytes(body)
            return FolderSource("docs", tmp_path / "docs")

        return made

    @pytest.fixture
    def lost(self, tmp_path: Path) -> Source:
        return FolderSource("docs", tmp_path / "lost")
