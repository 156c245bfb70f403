"""The doctor: each kind of damage is named, with its mend, and a sound project is left alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bot.doctor import (
    Finding,
    check_database,
    check_documents,
    check_embedder,
    check_golden,
    check_index,
    check_judge,
    check_model,
    check_network,
    check_reranker,
    check_schedule,
    check_sources,
    examine,
)
from bot.doctor_place import check_data_folder, check_packages
from bot.gate import Item
from bot.golden_runs import golden_runs
from bot.index_hold import accept
from bot.lora_evaluation import Setting, Way, evaluation, keep, record_lora
from bot.registry import Manifest, taint
from bot.wiring import Project
from models.weights import sha256_of
from tests.lora_files import write_lora

ROOT = Path(__file__).resolve().parent.parent
SOURCE = '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'


@pytest.fixture
def damaged(synced: Path, tmp_path: Path) -> Path:
    """A copy of the synced project that may be broken."""
    return Path(shutil.copytree(synced, tmp_path / "copy"))


def opened(folder: Path, text: str | None = None) -> Project:
    file = folder / "groundling.toml"
    if text is not None:
        file.write_text(text)
    return Project.open(file, None)


def test_sound_project_has_nothing_broken(synced: Path) -> None:
    findings = list(examine(synced / "groundling.toml", None, deep=False))
    assert [finding for finding in findings if finding.state == "broken"] == []
    assert [finding.name for finding in findings if finding.state == "warning"] == ["documents"]
    assert {"python", "packages", "database", "embedding", "index", "would use", "network"} <= {
        finding.name for finding in findings
    }


def golden_lines(folder: Path, *, hold: bool = False) -> list[tuple[str, str]]:
    held = "hold = true\n" if hold else ""
    with opened(folder, f'[schedule]\ngolden = "golden.toml"\n{held}') as project:
        return [(finding.state, finding.line) for finding in check_golden(project)]


def test_golden_questions_of_the_schedule_are_told_with_what_became_of_them(damaged: Path) -> None:
    file = damaged / "golden.toml"
    ((state, line),) = golden_lines(damaged)
    assert (state, "golden.toml cannot be read" in line) == ("broken", True)
    file.write_text('[[question]]\nask = "Who?"\nanswerable = false\n')
    assert golden_lines(damaged) == [("ok", "1 of golden.toml; `serve` has not asked them yet")]
    setting = Setting("base", sha256_of(file), "index", "prompt")
    way = Way(None, (Item("1", "d", must=False, values={"right": 0.0}, ms=1),))
    with opened(damaged) as project:
        keep(project.registry, evaluation(setting, way, None), {"dropped": "right refusals: 0.0%"})
    ((state, line),) = golden_lines(damaged)
    assert state == "warning"
    assert "0 of 1 right, a drop: right refusals: 0.0%; see what was synced" in line
    with opened(damaged) as project:
        run = golden_runs(project.registry)[0][0].sha256
        project.registry.move("index", "hold", None, who="groundling", why="fewer right", evaluation=run)
    assert golden_lines(damaged) == [(state, line)]
    (_, (state, line)) = golden_lines(damaged, hold=True)
    assert (state, "to let it pass run: groundling sync --accept (fewer right)" in line) == ("warning", True)
    with opened(damaged) as project:
        accept(project.registry, who="ann")
    ((state, line),) = golden_lines(damaged, hold=True)
    assert (state, "a drop that was let pass: right refusals: 0.0%" in line) == ("ok", True)


def test_lora_that_answers_is_named_with_why(damaged: Path) -> None:
    said = [one.line for one in examine(damaged / "groundling.toml", None, deep=False) if one.name == "LoRA"]
    assert said[0].startswith("answers: ")
    assert said[0].endswith("; it ships with this model, and none was activated")
    write_lora(damaged / "house.gguf", rank=1)
    with opened(damaged) as project:
        base = project.weights()
        sha256, header = project.lora_choices.folder.take_in(damaged / "house.gguf", base)
        record_lora(project.registry, sha256, header, damaged / "house.gguf", base)
        project.registry.activate(sha256, after=0, who="ann", why="", evaluation="e" * 64)
    (line,) = (
        one.line for one in examine(damaged / "groundling.toml", None, deep=False) if one.name == "LoRA"
    )
    assert line.startswith("Test LoRA: ")
    assert line.endswith(f"sha256 {sha256[:12]}; activated by ann")
    (damaged / "data" / "lora" / f"{sha256}.gguf").unlink()
    warned = [one for one in examine(damaged / "groundling.toml", None, deep=False) if one.name == "LoRA"]
    assert [one.state for one in warned] == ["warning", "ok"]
    assert "evaluate its file again" in warned[0].line


def test_lora_that_answers_people_who_may_not_read_what_it_learned_from_is_told(damaged: Path) -> None:
    write_lora(damaged / "house.gguf", rank=1, audience="hr")
    with opened(damaged) as project:
        base = project.weights()
        sha256, header = project.lora_choices.folder.take_in(damaged / "house.gguf", base)
        record_lora(project.registry, sha256, header, damaged / "house.gguf", base)
        project.registry.activate(sha256, after=0, who="ann", why="", evaluation="e" * 64)
    (told,) = (one for one in examine(damaged / "groundling.toml", None, deep=False) if one.name == "LoRA")
    assert (told.state, ", for readers of hr only; activated" in told.line) == ("ok", True)
    with (damaged / "groundling.toml").open("a") as configuration:
        configuration.write('[[collection]]\nname = "main"\nreaders = ["everyone"]\n')
    told, _ = (one for one in examine(damaged / "groundling.toml", None, deep=False) if one.name == "LoRA")
    assert (told.state, told.line.split(";")[0]) == (
        "warning",
        "Test LoRA: it learned from hr, which not everybody whom it would answer may read",
    )


def test_lora_that_learned_from_somebody_who_was_forgotten_is_told(damaged: Path) -> None:
    write_lora(damaged / "house.gguf", rank=1)
    rows = "a" * 64
    with opened(damaged) as project:
        sha256, _ = project.lora_choices.folder.take_in(damaged / "house.gguf", project.weights())
        project.registry.record("lora", sha256, Manifest("house", {"rows rows.jsonl": rows}))
        project.registry.activate(sha256, after=0, who="ann", why="", evaluation="e" * 64)
        project.registry.keep_questions(rows, ["q1"])
        with project.database.transaction() as connection:
            taint(connection, ["q1"], at=10.5 * 86400.0)
    told = [one for one in examine(damaged / "groundling.toml", None, deep=False) if one.name == "LoRA"]
    assert [one.state for one in told] == ["warning", "ok"]
    assert told[0].line == (
        "house: somebody whose questions it learned from was forgotten on 1970-01-11; "
        "prepare its rows and train it again"
    )


def test_broken_configuration_is_told_and_ends_the_examination(tmp_path: Path) -> None:
    *_, last = examine(tmp_path / "groundling.toml", None, deep=False)
    assert last.name == "configuration"
    assert last.state == "broken"
    assert "groundling init" in last.line


def test_package_of_another_distribution_is_named(tmp_path: Path) -> None:
    intruder = tmp_path / "adapters"
    intruder.mkdir()
    intruder.joinpath("__init__.py").touch()
    finding = check_packages([str(tmp_path), str(ROOT)])
    assert finding.state == "broken"
    assert f"package 'adapters' is taken from {intruder}" in finding.line
    assert check_packages([str(ROOT)]).state == "ok"
    assert "'bot' is missing" in check_packages([str(tmp_path)]).line


def test_examining_a_project_that_was_never_synced_leaves_no_trace(tmp_path: Path) -> None:
    tmp_path.joinpath("documents").mkdir()
    tmp_path.joinpath("groundling.toml").write_text(SOURCE)
    findings = {one.name: one for one in examine(tmp_path / "groundling.toml", None, deep=False)}
    assert findings["index"] == Finding("index", "warning", "there is none yet; run: groundling sync")
    assert findings["source handbook"].state == "warning"
    assert [one.name for one in findings.values() if one.state == "broken"] == []
    assert {path.name for path in tmp_path.iterdir()} == {"documents", "groundling.toml"}


def test_missing_source_folder_is_broken(tmp_path: Path) -> None:
    (finding,) = check_sources(opened(tmp_path, SOURCE))
    assert finding.state == "broken"
    assert "cannot be listed: No such file" in finding.line


def test_configuration_without_a_source_is_broken(tmp_path: Path) -> None:
    (finding,) = check_sources(opened(tmp_path, ""))
    assert finding.state == "broken"


def test_data_folder_that_others_may_read_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert f"chmod 700 {tmp_path}" in check_data_folder(tmp_path).line
    tmp_path.chmod(0o700)
    assert check_data_folder(tmp_path).state == "ok"


def test_data_folder_below_a_file_is_broken(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    assert check_data_folder(tmp_path / "file" / "data").state == "broken"


def test_database_that_is_no_database_is_broken(damaged: Path) -> None:
    for file in damaged.joinpath("data").glob("groundling.sqlite*"):
        file.unlink()
    damaged.joinpath("data", "groundling.sqlite").write_bytes(b"no database" * 1000)
    with opened(damaged) as project:
        finding = check_database(project)
    assert finding.state == "broken"
    assert "restore a backup" in finding.line


def test_whole_examination_is_told_where_the_database_cannot_be_opened(damaged: Path) -> None:
    (damaged / "data" / "groundling.sqlite").write_bytes(b"something else altogether" * 1000)
    (damaged / "golden.toml").write_text('[[question]]\nask = "Who?"\nanswerable = false\n')
    file = damaged / "groundling.toml"
    file.write_text(file.read_text() + '\n[schedule]\ngolden = "golden.toml"\n')
    findings = list(examine(file, None, deep=False))
    assert [finding.name for finding in findings if finding.state == "broken"] == [
        "database",
        "LoRA",
        "golden run",
    ]
    assert findings[-1].name == "network"


def test_data_folder_that_cannot_be_reached_is_broken(damaged: Path) -> None:
    # A name that is too long is refused by whatever asks about it, as below a folder without rights.
    *_, told, last = examine(damaged / "groundling.toml", damaged / ("d" * 300), deep=False)
    assert (told.name, told.state, last.name) == ("data folder", "broken", "network")
    assert "cannot be reached: File name too long; give this user the right" in told.line


def test_crontab_that_cannot_be_is_broken(tmp_path: Path) -> None:
    (tmp_path / "groundling.toml").write_text(SOURCE + 'cron = "99 6 * * *"\n')
    found = examine(tmp_path / "groundling.toml", None, deep=False)
    (finding,) = (finding for finding in found if "cron = " in finding.line)
    assert (finding.name, finding.state) == ("source handbook", "broken")
    assert "cron = '99 6 * * *' cannot be" in finding.line
    assert list(check_schedule(opened(tmp_path, SOURCE + 'cron = "30 6 * * mon-fri"\n'))) == []


def test_missing_index_file_is_named_with_its_mend(damaged: Path) -> None:
    largest = max(damaged.glob("data/index.lance/*.lance/data/*"), key=lambda file: file.stat().st_size)
    largest.unlink()
    with opened(damaged) as project:
        finding = check_index(project, deep=False)
    assert finding.state == "broken"
    assert "groundling sync" in finding.line


def test_index_that_cannot_be_opened_is_told_with_one_mend(damaged: Path) -> None:
    for file in (damaged / "data" / "index.lance").rglob("part_*_tokens.lance"):
        os.truncate(file, 100)
    with opened(damaged) as project:
        finding = check_index(project, deep=False)
    assert finding.state == "broken"
    assert finding.line.count("run: groundling sync") == 1


def test_flipped_byte_in_the_index_is_found_by_the_deep_look(damaged: Path) -> None:
    victim = max(damaged.glob("data/index.lance/*.lance/data/*"), key=lambda file: file.stat().st_size)
    body = bytearray(victim.read_bytes())
    body[len(body) // 3] ^= 0xFF
    victim.write_bytes(body)
    with opened(damaged) as project:
        finding = check_index(project, deep=True)
    assert finding.state == "broken"
    assert "groundling sync" in finding.line


def test_catalogue_that_counts_otherwise_than_the_index_is_found(damaged: Path) -> None:
    with opened(damaged) as project:
        project.catalogue.forget_source("handbook")
        finding = check_index(project, deep=False)
    assert finding.state == "broken"
    assert "the catalogue counts 0 chunks" in finding.line


def test_index_of_another_embedder_is_found(damaged: Path) -> None:
    other = damaged / "embedder"
    with opened(damaged) as project:
        shutil.copytree(project.embedder.folder, other, copy_function=os.symlink)
    text = damaged.joinpath("groundling.toml").read_text() + '[embedding]\nmodel = "embedder"\n'
    with opened(damaged, text + 'query_prompt = "query: "\n') as project:
        finding = check_index(project, deep=False)
    assert finding.state == "broken"
    assert "run: groundling sync --rebuild" in finding.line


def test_embedder_without_its_files_is_broken(tmp_path: Path) -> None:
    tmp_path.joinpath("embedder").mkdir()
    project = opened(tmp_path, '[embedding]\nmodel = "embedder"\n')
    finding = check_embedder(project, deep=False)
    assert finding.state == "broken"
    assert "modules.json is missing" in finding.line


@pytest.mark.parametrize(
    ("written", "state", "said"),
    [
        ("true", "ok", "in English refuses below"),
        ("false", "ok", "none"),
        ('"nowhere.safetensors"', "broken", "set [retrieval] judge to the file of a judge, or to false"),
    ],
)
def test_judge_is_named_or_its_file_missed(tmp_path: Path, written: str, state: str, said: str) -> None:
    finding = check_judge(opened(tmp_path, f"[retrieval]\njudge = {written}\n"), deep=True)
    assert finding.state == state
    assert said in finding.line


def test_reranker_is_named_or_its_folder_missed(tmp_path: Path) -> None:
    assert not list(check_reranker(opened(tmp_path, ""), deep=True))
    tmp_path.joinpath("reranker").mkdir()
    project = opened(tmp_path, '[retrieval]\nreranker = "reranker"\n')
    (finding,) = check_reranker(project, deep=False)
    assert (finding.name, finding.state) == ("reranker", "broken")
    assert "set [retrieval] reranker to a model folder" in finding.line
    assert "reranker" in [finding.name for finding in examine(tmp_path / "groundling.toml", None, deep=False)]
    tmp_path.joinpath("reranker", "config.json").write_text("{}")
    assert [finding.state for finding in check_reranker(project, deep=False)] == ["ok"]


@pytest.mark.parametrize(
    ("body", "said"),
    [(None, "is missing"), (b"not a model", "is not a GGUF file"), (b"GGUF\x03\x00\x00\x00", "")],
)
def test_model_file_that_cannot_be_used_is_broken(tmp_path: Path, body: bytes | None, said: str) -> None:
    if body is not None:
        tmp_path.joinpath("m.gguf").write_bytes(body)
    *_, last = check_model(opened(tmp_path, '[model]\npath = "m.gguf"\n'), deep=False)
    assert (last.name, last.state) == ("model", "broken")
    assert said in last.line


def test_no_model_is_wanted_and_none_is_looked_for(tmp_path: Path) -> None:
    findings = list(check_model(opened(tmp_path, '[model]\nkind = "none"\n'), deep=False))
    assert [finding.state for finding in findings] == ["ok"] * len(findings)


def test_model_of_a_server_is_named_and_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = opened(tmp_path, '[model]\nkind = "server"\nurl = "http://127.0.0.1:9"\nname = "large"\n')
    *_, last = check_model(project, deep=True)
    assert last == Finding("model", "ok", "large of http://127.0.0.1:9, with no key; not asked")
    monkeypatch.setenv("GROUNDLING_MODEL_KEY", "hush")
    *_, last = check_model(project, deep=False)
    assert last.line == "large of http://127.0.0.1:9, with a key; not asked"
    monkeypatch.setenv("GROUNDLING_MODEL_KEY", "")
    *_, last = check_model(project, deep=False)
    assert (last.name, last.state) == ("model", "broken")


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("http://localhost:8080", "ok"),
        ("https://models.example.org", "ok"),
        ("http://models.example.org", "warning"),
    ],
)
def test_server_that_questions_are_sent_to_is_named(tmp_path: Path, url: str, state: str) -> None:
    told = check_network(opened(tmp_path, f'[model]\nkind = "server"\nurl = "{url}"\n'))
    assert told.state == state
    assert told.line.startswith(f"questions and the passages for them are sent to {url}")


def test_unread_files_are_a_warning_that_names_the_command(synced: Path) -> None:
    with opened(synced) as project:
        (finding,) = check_documents(project)
    assert finding == Finding(
        "documents", "warning", "1 file could not be read; see: groundling documents --failed"
    )


def test_allowed_download_is_told(tmp_path: Path) -> None:
    assert check_network(opened(tmp_path, "[embedding]\ndownload = true\n")).state == "warning"
    assert check_network(opened(tmp_path, "")).state == "ok"
