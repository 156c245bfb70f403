"""The wiring: the configuration decides which parts there are, and only what is used is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest

from bot.config import SourceSection
from bot.errors import ConfigError
from bot.wiring import SOURCES, Project
from knowledge.errors import IndexMismatch, IndexMissing

SOURCE = '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'


def project(folder: Path, text: str = SOURCE) -> Project:
    file = folder / "groundling.toml"
    file.write_text(text)
    return Project.open(file, None)


def test_every_kind_of_source_can_be_made() -> None:
    kinds = get_args(SourceSection.model_fields["kind"].annotation)
    assert set(SOURCES) == set(kinds)


def test_opening_a_project_makes_nothing(tmp_path: Path) -> None:
    with project(tmp_path) as opened:
        assert not opened.has_catalogue
    assert [path.name for path in tmp_path.iterdir()] == ["groundling.toml"]


def test_data_folder_lies_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    inner.joinpath("groundling.toml").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    assert Project.open(Path("inner/groundling.toml"), None).data == inner / "data"
    assert Project.open(Path("inner/groundling.toml"), Path("other")).data == tmp_path / "other"


def test_source_is_read_from_a_path_relative_to_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("documents").mkdir()
    tmp_path.joinpath("documents", "a.md").write_text("# A\n")
    opened = project(tmp_path, SOURCE + 'url = "https://wiki/{path}"\ncollection = "open"\n')
    monkeypatch.chdir("/")
    (source,) = opened.sources()
    assert (source.name, source.collection) == ("handbook", "open")
    assert [(entry.path, entry.url) for entry in source.entries()] == [("a.md", "https://wiki/a.md")]


def test_tilde_in_a_path_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tmp_path.joinpath("docs").mkdir()
    tmp_path.joinpath("docs", "a.md").write_text("# A\n")
    (source,) = project(tmp_path, SOURCE.replace('"documents"', '"~/docs"')).sources()
    assert [entry.path for entry in source.entries()] == ["a.md"]


def test_configuration_without_a_source_says_how_to_add_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names no source; add one"):
        project(tmp_path, "").sources()


def test_missing_index_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with project(tmp_path) as opened, pytest.raises(IndexMissing, match="make it with: groundling sync"):
        _ = opened.store


def test_data_folder_is_private(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        with project(tmp_path) as opened:
            assert opened.catalogue.documents() == []
        assert tmp_path.joinpath("data").stat().st_mode & 0o777 == 0o700
        assert tmp_path.joinpath("data", "groundling.sqlite").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(mask)


def test_index_of_another_embedder_names_the_command_that_makes_it_anew(synced: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SOURCE)
    with Project.open(other, synced / "data") as opened:
        folder = opened.embedder.folder
    other.write_text(SOURCE + f'[embedding]\nmodel = "{folder}"\nquery_prompt = "query: "\n')
    with (
        Project.open(other, synced / "data") as opened,
        pytest.raises(IndexMismatch, match="run: groundling sync --rebuild"),
    ):
        _ = opened.store


def test_model_kind_none_makes_no_model(tmp_path: Path) -> None:
    assert project(tmp_path, '[model]\nkind = "none"\n').generator() is None


def test_engine_runs_as_the_configuration_says(tmp_path: Path) -> None:
    text = '[model]\nthreads = 3\ncontext_tokens = 2048\ngpu_layers = 0\nkv_type = "q8_0"\n'
    settings = project(tmp_path, text).engine_settings()
    assert (settings.threads, settings.context_tokens) == (3, 2048)
    assert (settings.gpu_layers, settings.kv_type) == (0, "q8_0")
