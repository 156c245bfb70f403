"""The wiring: the configuration decides which parts there are, and only what is used is made."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import get_args

import pytest

from bot.config import Config, parse
from bot.config_sections import ModelSection, SourceSection
from bot.errors import ConfigError
from bot.reload import Reload, needs_restart
from bot.wiring import MODELS, SOURCES, Project
from knowledge.errors import IndexMismatch, IndexMissing
from models.errors import BrokenWeights
from tests.lora_files import write_lora

SOURCE = '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'


def project(folder: Path, text: str = SOURCE) -> Project:
    file = folder / "groundling.toml"
    file.write_text(text)
    return Project.open(file, None)


def test_every_kind_of_source_can_be_made() -> None:
    kinds = get_args(SourceSection.model_fields["kind"].annotation)
    assert set(SOURCES) == set(kinds)


def test_every_kind_of_model_can_be_made() -> None:
    assert set(MODELS) == set(get_args(ModelSection.model_fields["kind"].annotation))


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


async def test_link_that_leads_to_another_configuration_is_a_changed_one(tmp_path: Path) -> None:
    for name, text in (("first", SOURCE), ("second", SOURCE + "[access]\nguests = true\n")):
        tmp_path.joinpath(name).mkdir()
        tmp_path.joinpath(name, "groundling.toml").write_text(text)
    link = tmp_path / "groundling.toml"
    link.symlink_to("first/groundling.toml")
    opened = Project.open(link, None)
    assert opened.data == tmp_path / "first" / "data"
    assert opened.file is not None
    taken: asyncio.Future[Config] = asyncio.get_running_loop().create_future()
    watching = asyncio.create_task(Reload(opened.file, opened.config, taken.set_result).watch())
    link.unlink()
    link.symlink_to("second/groundling.toml")
    try:
        assert (await asyncio.wait_for(taken, 30)).access.guests
    finally:
        watching.cancel()


async def test_what_was_changed_since_the_configuration_was_read_is_taken_over(tmp_path: Path) -> None:
    opened = project(tmp_path)
    assert opened.file is not None
    opened.file.write_text(SOURCE + "[access]\nguests = true\n")
    taken: asyncio.Future[Config] = asyncio.get_running_loop().create_future()
    watching = asyncio.create_task(Reload(opened.file, opened.config, taken.set_result).watch())
    try:
        assert (await asyncio.wait_for(taken, 30)).access.guests
    finally:
        watching.cancel()


@pytest.mark.parametrize(
    ("more", "late"),
    [
        ('collection = "legal"\nexclude = ["*.tmp"]\nurl = "https://wiki/{path}"\n', []),
        ('every = "5m"\n', ["source"]),
        (SOURCE.replace("handbook", "another"), ["source"]),
        ("[retrieval]\npassages = 3\n", ["retrieval"]),
    ],
)
def test_of_a_source_that_changed_only_its_times_wait_for_a_restart(more: str, late: list[str]) -> None:
    assert needs_restart(parse(SOURCE, "a"), parse(SOURCE + more, "b")) == late


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


def test_what_the_program_keeps_itself_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "leave.md").write_text("# Leave\n")
    with project(tmp_path, SOURCE.replace('"documents"', '"."')) as opened:
        (opened.data / "cache").mkdir(parents=True)
        (opened.data / "cache" / "embedders.json").write_text("{}")
        (source,) = opened.sources()
        assert [entry.path for entry in source.entries()] == ["leave.md"]


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
    assert (settings.parallel, settings.passage_cache) == (4, False)
    assert settings.passages == tmp_path / "data" / "cache" / "passages"


def test_engine_keeps_passages_as_the_configuration_says(tmp_path: Path) -> None:
    text = """[model]
parallel = 2
passage_cache = true
passage_memory_mb = 8
passage_disk_mb = 0
flash_attention = "off"
split = "row"
"""
    settings = project(tmp_path, text).engine_settings()
    assert (settings.parallel, settings.passage_cache) == (2, True)
    assert (settings.passage_memory_mb, settings.passage_disk_mb) == (8, 0)
    assert (settings.flash_attention, settings.split) == ("off", "row")


def test_lora_is_held_against_the_model_before_it_is_used(tmp_path: Path) -> None:
    write_lora(tmp_path / "voice.gguf")
    text = '[[lora]]\nname = "voice"\npath = "voice.gguf"\nscale = 0.5\n[model]\nlora = "voice"\n'
    opened = project(tmp_path, text)
    (lora,) = opened.loras(opened.weights())
    assert (lora.name, lora.scale) == ("voice", 0.5)
    (tmp_path / "voice.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(BrokenWeights, match=r"voice\.gguf"):
        opened.generator()


def test_lora_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no \\[\\[lora\\]\\] called 'voice'"):
        project(tmp_path, '[model]\nlora = "voice"\n')


SERVER = '[model]\nkind = "server"\nurl = "http://127.0.0.1:9/v1"\n'


def test_model_kind_server_makes_a_model_of_unknown_size(tmp_path: Path) -> None:
    model = project(tmp_path, SERVER + 'name = "large"\ncontext_tokens = 8192\n').generator()
    assert model is not None
    assert (model.parameters, model.context_tokens, model.identity.name) == (None, 8192, "large")


def test_key_of_the_server_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = project(tmp_path, SERVER)
    assert opened.model_key() is None
    file = tmp_path / "key"
    file.write_text("sk-from-file\n")
    monkeypatch.setenv("GROUNDLING_MODEL_KEY_FILE", str(file))
    key = opened.model_key()
    assert key is not None
    assert key.text == "sk-from-file"
    monkeypatch.setenv("GROUNDLING_MODEL_KEY", "sk-other")
    with pytest.raises(ConfigError, match="GROUNDLING_MODEL_KEY_FILE are both set"):
        opened.model_key()
    monkeypatch.delenv("GROUNDLING_MODEL_KEY_FILE")
    key = opened.model_key()
    assert key is not None
    assert key.text == "sk-other"


@pytest.mark.parametrize(
    ("text", "told"), [(" ", "is empty"), ("hush hush", "is no key"), ("hüsh", "is no key")]
)
def test_key_that_is_none_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.setenv("GROUNDLING_MODEL_KEY", text)
    with pytest.raises(ConfigError, match=told) as caught:
        project(tmp_path, SERVER).model_key()
    assert "hush" not in str(caught.value)


def test_key_file_may_begin_with_a_byte_order_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfsk-from-file\r\n")
    monkeypatch.setenv("GROUNDLING_MODEL_KEY_FILE", str(tmp_path / "key"))
    key = project(tmp_path, SERVER).model_key()
    assert key is not None
    assert key.text == "sk-from-file"


def test_key_file_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDLING_MODEL_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere, which cannot be read: No such file"):
        project(tmp_path, SERVER).model_key()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('kind = "server"', 'needs a url, such as "http://127.0.0.1:8080"'),
        ('url = "localhost:8080"', "should be like http://host:port"),
        ('url = "https://me:hush@models.example.org"', "take it out and set GROUNDLING_MODEL_KEY"),
        ('key = "hush"', "unknown key 'model.key'"),
    ],
)
def test_address_of_the_server_is_checked_without_being_shown(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project(tmp_path, f"[model]\n{text}\n")
    assert told in str(caught.value)
    assert "hush" not in str(caught.value)
