"""The folder source: what counts, what never leaves the root, what cannot be read."""

from __future__ import annotations

import os
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from knowledge.errors import SourceUnavailable, Unreadable
from knowledge.sources.folder import FolderSource
from knowledge.sources.source import Entry, Source

Form = Literal["NFC", "NFD"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    for path in ("b.md", "a.md", "policies/leave.md", "policies/old/2019.md", ".git/config", "drafts/x.md"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def paths(source: Source) -> list[str]:
    return [entry.path for entry in source.entries()]


def entry_of(path: str) -> Entry:
    return Entry(path, "", "", 0, None)


def test_files_come_in_one_order_without_hidden_ones(root: Path) -> None:
    source = FolderSource("docs", root)
    assert paths(source) == ["a.md", "b.md", "drafts/x.md", "policies/leave.md", "policies/old/2019.md"]
    assert source.unlisted() == {}
    assert ".git/config" in paths(FolderSource("docs", root, hidden=True))


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["policies/"], [], ["policies/leave.md", "policies/old/2019.md"]),
        (["*.md"], ["drafts/", "old/"], ["a.md", "b.md", "policies/leave.md"]),
        (["/*.md"], [], ["a.md", "b.md"]),
        (["**/old/*.md"], [], ["policies/old/2019.md"]),
        ([], ["*.md", "!b.md"], ["b.md"]),
        (["*.pdf"], [], []),
    ],
)
def test_patterns_read_like_a_gitignore_file(
    root: Path, include: list[str], exclude: list[str], expected: list[str]
) -> None:
    assert paths(FolderSource("docs", root, include=include, exclude=exclude)) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_folder_is_left_out_however_its_name_is_composed(root: Path, form: Form) -> None:
    name = unicodedata.normalize(form, "Gehälter")
    (root / name).mkdir()
    (root / name / "liste.md").write_text("secret")
    for written in ("NFC", "NFD"):
        exclude = unicodedata.normalize(written, "Gehälter/")
        assert len(paths(FolderSource("docs", root, exclude=[exclude]))) == 5
    assert f"{name}/liste.md" in paths(FolderSource("docs", root))


def test_entry_tells_size_time_and_address(root: Path) -> None:
    path = root / "policies" / "sick leave & more.MD"
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    source = FolderSource("docs", root, url="https://wiki.example/{path}?v=1")
    entry = next(entry for entry in source.entries() if entry.size == 5 and entry.suffix == ".md")
    assert entry.path == "policies/sick leave & more.MD"
    assert entry.url == "https://wiki.example/policies/sick%20leave%20%26%20more.MD?v=1"
    assert entry.updated_at is not None
    assert entry.updated_at.replace(microsecond=0) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    before = entry.fingerprint
    os.utime(path, ns=(0, 1_700_000_000_123_456_790))
    assert before not in {entry.fingerprint for entry in source.entries()}
    assert source.read(entry) == b"12345"


def test_symbolic_links_are_never_followed(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    (root / "link.md").symlink_to(secret)
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "policies")
    (root / "loop").symlink_to(root)
    source = FolderSource("docs", root)
    assert not [path for path in paths(source) if path.startswith(("link", "out", "in/", "loop"))]
    for path in (
        "link.md",
        "out/secret.md",
        "in/leave.md",
        "../secret.md",
        "policies/../../secret.md",
        "/etc/passwd",
    ):
        with pytest.raises(Unreadable):
            source.read(entry_of(path))


def test_file_swapped_for_a_link_after_listing_is_not_read(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "leave.md").write_text("secret")
    source = FolderSource("docs", root)
    entries = list(source.entries())
    (root / "policies").rename(tmp_path / "moved")
    (root / "policies").symlink_to(secret)
    (root / "a.md").unlink()
    (root / "a.md").symlink_to(secret / "leave.md")
    for entry in entries:
        if entry.path == "a.md" or entry.path.startswith("policies"):
            with pytest.raises(Unreadable):
                source.read(entry)


def test_only_regular_files_are_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.md")
    source = FolderSource("docs", root)
    assert "pipe.md" not in paths(source)
    with pytest.raises(Unreadable, match="not a regular file"):
        source.read(entry_of("pipe.md"))
    with pytest.raises(Unreadable):
        source.read(entry_of("policies"))


def test_root_may_be_a_link_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(root)
    assert len(paths(FolderSource("docs", tmp_path / "current"))) == 5


def test_file_that_vanished_is_unreadable(root: Path) -> None:
    source = FolderSource("docs", root)
    entry = next(iter(source.entries()))
    (root / entry.path).unlink()
    with pytest.raises(Unreadable, match="no longer there"):
        source.read(entry)


def test_missing_root_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="nowhere"):
        paths(FolderSource("docs", tmp_path / "nowhere"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(SourceUnavailable):
        paths(FolderSource("docs", tmp_path / "file"))


def test_what_is_the_programs_own_is_no_part_of_the_folder(root: Path, tmp_path: Path) -> None:
    for path in ("state/cache/words.json", "policies/data/note.md", "settings.toml"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (tmp_path / "data").symlink_to(root / "state")
    own = [tmp_path / "data", root / "settings.toml", root / "nowhere"]
    source = FolderSource("docs", root, hidden=True, without=own)
    whole = paths(FolderSource("docs", root, hidden=True))
    assert set(whole) - set(paths(source)) == {"state/cache/words.json", "settings.toml"}
    assert source.unlisted() == {}
    (root / "state").rename(root / "moved")
    (tmp_path / "data").unlink()
    (tmp_path / "data").symlink_to(root / "moved")
    assert "moved/cache/words.json" not in paths(source)


def test_folder_of_the_programs_own_files_is_no_source(root: Path) -> None:
    with pytest.raises(SourceUnavailable, match="own files"):
        paths(FolderSource("docs", root, without=[root]))
    assert paths(FolderSource("docs", root / "policies", without=[root])) == ["leave.md", "old/2019.md"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for the superuser")
def test_unreadable_folder_is_told_apart_from_an_empty_one(root: Path) -> None:
    (root / "policies").chmod(0)
    source = FolderSource("docs", root)
    try:
        assert not [path for path in paths(source) if path.startswith("policies")]
        assert list(source.unlisted()) == ["policies"]
    finally:
        (root / "policies").chmod(0o700)


def test_folders_too_deep_are_told(root: Path) -> None:
    deep = root / "/".join(["d"] * 120)
    deep.mkdir(parents=True)
    (deep / "x.md").write_text("x")
    source = FolderSource("docs", root)
    assert len(paths(source)) == 5
    assert any("deeper" in reason for reason in source.unlisted().values())


def test_names_of_any_kind_are_read_back(root: Path) -> None:
    names = [b"caf\xe9 100%.md", "日本 語.md".encode(), b"line\nbreak.md", b"100%25.md", b"quote'\".md"]
    for name in names:
        (root / os.fsdecode(name)).write_bytes(name)
    source = FolderSource("docs", root)
    found = {source.read(entry): entry.path for entry in source.entries()}
    assert found[names[0]] == "caf%E9%20100%25.md"
    assert set(names) <= set(found)
    for path in found.values():
        path.encode("utf-8")
