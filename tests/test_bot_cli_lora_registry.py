"""`groundling finetune evaluate`, `activate`, `rollback`, `list` and `votes` on the real model and a real index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.cli.lora_registry import UNFINISHED
from bot.gate import Item
from bot.lora_evaluation import Way, contents_of, evaluation, keep, record_lora, setting_of
from bot.registry import text_sha256
from bot.wiring import Project
from models.lora_folder import shipped_lora
from models.weights import sha256_of
from tests.conftest import ROOT
from tests.lora_files import gguf_bytes, lora_settings, pair, write_lora
from tests.test_bot_cli import Run
from tests.test_bot_cli import run as run

GOLDEN = """
[[question]]
id = "leave"
ask = "How many days of annual leave does every employee have?"
facts = [["25"]]
documents = ["handbook:leave.md"]

[[question]]
id = "moon"
ask = "Who was the first person on the moon?"
answerable = false
must = true
"""


@pytest.fixture
def project(synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(synced, folder)
    (folder / "golden.toml").write_text(GOLDEN)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.timeout(300)
def test_an_evaluation_that_was_killed_goes_on_and_one_of_something_else_begins_anew(
    run: Run, project: Path
) -> None:
    write_lora(project / "same.gguf", rank=1, scale=0.0)
    command = ("finetune", "evaluate", "same.gguf", "--golden", "golden.toml")
    kept = project / "data" / UNFINISHED
    with subprocess.Popen(
        [sys.executable, "-m", "bot", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as ended:
        while ended.poll() is None:
            if kept.exists() and kept.read_bytes().count(b"\n") >= 2:
                ended.kill()
            time.sleep(0.01)
    assert ended.returncode < 0
    asked = kept.read_bytes().count(b"\n") - 1
    assert b"25 days" not in kept.read_bytes()
    before = kept.read_bytes()

    code, out, error = run(*command, "--json")
    assert code == 0
    assert error.startswith(f"going on: {asked} questions were asked before\n")
    assert json.loads(out)["questions"] == 2
    assert not kept.exists()

    kept.write_bytes(before)
    with (project / "groundling.toml").open("a") as configuration:
        configuration.write("\n[retrieval]\npassages = 3\n")
    code, _, error = run(*command)
    assert code == 0
    assert "going on" not in error

    kept.write_bytes(before)
    (project / "golden.toml").write_text(GOLDEN.replace("employee", "worker"))
    code, _, error = run(*command)
    assert code == 0
    assert "going on" not in error


@pytest.mark.timeout(300)
def test_lora_goes_from_its_evaluation_to_answering_and_back(run: Run, project: Path) -> None:
    write_lora(project / "same.gguf", rank=1, scale=0.0)  # adds nothing; quotes tell what is right with any

    code, _, error = run("finetune", "activate", "same.gguf")
    assert (code, len(error.splitlines())) == (2, 1)
    assert "name a GGUF file or one of: none yet" in error

    code, out, _ = run("finetune", "evaluate", "same.gguf", "--golden", "golden.toml", "--json")
    told = json.loads(out)
    assert (code, told["questions"], told["active"]) == (0, 2, sha256_of(shipped_lora()))
    assert told["measures"]["right"]["difference"] == 0
    assert (
        "25 days"
        not in (project / "data" / "groundling.sqlite").read_bytes().decode("latin-1").split("comparison")[-1]
    )

    (project / "other.toml").write_text(GOLDEN.replace("employee", "worker"))
    for arguments, says in (
        (("same.gguf",), "right answers and right refusals"),
        (("Test LoRA", "--golden", "other.toml", "--equal-is-enough"), "with other golden questions"),
    ):
        code, _, error = run("finetune", "activate", *arguments)
        assert code == 1
        assert says in error
        assert json.loads(run("finetune", "list", "--json")[1])["history"] == []

    code, out, _ = run(
        *("finetune", "activate", told["lora"][:12], "--golden", "golden.toml", "--equal-is-enough"),
        *("--by", "ann", "--why", "to try it"),
    )
    assert code == 0
    assert "Test LoRA" in out
    asked = json.loads(run("ask", "--json", "How many days of annual leave are there?")[1])
    assert (asked["model"]["lora"], asked["model"]["lora_sha256"]) == ("Test LoRA", told["lora"])

    code, _, error = run("finetune", "activate", told["lora"][:12], "--equal-is-enough")
    assert (code, "is active already" in error) == (1, True)
    again = json.loads(run("finetune", "evaluate", "Test LoRA", "--golden", "golden.toml", "--json")[1])
    assert (again["lora"], again["active"], again["measures"]["right"]["n"]) == (told["lora"], None, 2)
    (project / "data" / "lora" / f"{told['lora']}.gguf").write_bytes(b"GGUF, once")
    code, out, _ = run("finetune", "list", "--json")
    listed = json.loads(out)
    assert (listed["answers"]["lora"], "is damaged" in listed["problem"]) == (None, True)
    assert [(move["who"], move["why"]) for move in listed["history"]] == [("ann", "to try it")]
    evaluations = {one["sha256"] for one in listed["loras"][0]["evaluations"]}
    assert evaluations == {told["evaluation"], again["evaluation"]}

    code, out, _ = run("finetune", "rollback", "--json")
    assert (code, json.loads(out)["move"]["sha256"]) == (0, None)
    code, _, error = run("finetune", "rollback")
    assert (code, len(error.splitlines())) == (1, 1)
    assert "nothing to roll back" in error


LEAVES = [f"leave{number}.md" for number in range(6)]


def evaluated_as_better(project: Path, lora: Path) -> None:
    """Keeps an evaluation in which `lora` is right in nine questions about `LEAVES`, and what ships in none."""
    with Project.open(project / "groundling.toml", None) as opened:
        base = opened.weights()
        sha256, header = opened.lora_choices.folder.take_in(lora, base)
        record_lora(opened.registry, sha256, header, lora, base)
        persona = opened.config.bot.persona
        file = project / "golden.toml"
        setting = setting_of(opened.registry, opened.catalogue, base.identity, file, persona=persona)
        about = [text_sha256(f"handbook:{leave}")[:12] for leave in LEAVES]
        ways = [
            Way(
                which,
                tuple(
                    Item(f"q{n}", about[n % 6], must=False, values={"right": right}, ms=1) for n in range(9)
                ),
            )
            for which, right in ((sha256, 1.0), (sha256_of(shipped_lora()), 0.0))
        ]
        keep(opened.registry, evaluation(setting, ways[0], ways[1], contents_of(opened.catalogue)))


@pytest.mark.timeout(300)
def test_a_model_that_cannot_be_used_is_never_evaluated_and_questions_are_asked_whole(
    run: Run, project: Path
) -> None:
    write_lora(project / "same.gguf", rank=1, scale=0.0)
    configuration = (project / "groundling.toml").read_text()
    command = ("finetune", "evaluate", "same.gguf", "--golden", "golden.toml", "--json")

    no_room = "\n[model]\ncontext_tokens = 512\nmax_answer_tokens = 500\n"
    (project / "groundling.toml").write_text(configuration + no_room)
    code, out, error = run(*command)
    assert (code, out, len(error.splitlines())) == (1, "", 1)
    assert "the evaluation ended at leave: The language model could not be used (" in error
    assert json.loads(run("finetune", "list", "--json")[1])["loras"][0]["evaluations"] == []

    (project / "groundling.toml").write_text(configuration + "\n[limits]\nquestion_characters = 100\n")
    before = (
        "I came here some time ago and wonder what is usual, so please tell me in a few words what holds: "
    )
    (project / "golden.toml").write_text(GOLDEN.replace('"How many', f'"{before} how many'))
    code, out, error = run(*command)
    assert (code, error) == (0, "")
    assert json.loads(out)["measures"]["right_answers"]["candidate"] == 1


def test_a_lora_of_a_closed_collection_is_not_activated_for_those_who_may_not_read_it(
    run: Run, project: Path
) -> None:
    write_lora(project / "closed.gguf", rank=1, audience="hr")
    for leave in LEAVES:
        (project / "documents" / leave).write_text("# Leave\n\nEmployees have 25 days of leave a year.\n")
    assert run("sync")[0] == 0
    evaluated_as_better(project, project / "closed.gguf")
    configuration = (project / "groundling.toml").read_text()
    command = ("finetune", "activate", "closed.gguf", "--golden", "golden.toml")

    everyone = '[[collection]]\nname = "main"\nreaders = ["everyone"]\n'
    closed = '[[collection]]\nname = "hr"\nreaders = ["slack:group:S0HR"]\n'
    (project / "groundling.toml").write_text(f"{configuration}\n{everyone}{closed}")
    code, _, error = run(*command)
    assert (code, len(error.splitlines())) == (1, 1)
    assert "it learned from hr, which not everybody whom it would answer may read" in error
    assert "name it in [[collection]] lora or [[channel]] lora, or add --for-everyone" in error
    listed = run("finetune", "list")[1].splitlines()
    assert any(line.startswith("Test LoRA ") and "is for readers of hr only" in line for line in listed)
    assert not any("activate Test LoRA" in line for line in listed)

    # All who are answered at all may read it, or nobody else is.
    both = closed + closed.replace("hr", "main", 1)
    for readers in (both, ""):
        (project / "groundling.toml").write_text(f"{configuration}\n{readers}")
        assert run(*command)[0] == 0
        assert run("finetune", "rollback")[0] == 0
    (project / "groundling.toml").write_text(f"{configuration}\n{everyone}{closed}")
    assert run(*command, "--for-everyone")[0] == 0


def test_what_was_won_on_documents_that_have_changed_since_does_not_count(run: Run, project: Path) -> None:
    write_lora(project / "better.gguf", rank=1)
    (project / "golden.toml").write_text(GOLDEN)
    leaves = [project / "documents" / leave for leave in LEAVES]
    before = "# Leave\n\nFull-time employees have 25 days of leave a year.\n"
    for leave in leaves:
        leave.write_text(before)
    assert run("sync")[0] == 0
    evaluated_as_better(project, project / "better.gguf")

    for leave in leaves:
        leave.write_text(before.replace("25 days", "31 days"))
    assert run("sync")[0] == 0
    code, _, error = run("finetune", "activate", "better.gguf", "--golden", "golden.toml")
    assert (code, len(error.splitlines())) == (1, 1)
    assert "9 questions are left out whose documents have changed" in error
    assert error.rstrip().endswith("run: groundling finetune evaluate again")

    for leave in leaves:
        leave.write_text(before)
    assert run("sync")[0] == 0
    code, out, _ = run("finetune", "activate", "better.gguf", "--golden", "golden.toml")
    assert (code, "Test LoRA" in out) == (0, True)


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        (
            "foreign.gguf",
            gguf_bytes(lora_settings(base_sha256="f" * 64), pair("blk.0.attn_q.weight", 576, 576, rank=1)),
            "was trained on the model with the sha256 ffffffffffff",
        ),
        ("cut.gguf", b"GGUF\x03\x00", "cut.gguf"),
        ("text.gguf", b"no LoRA at all", "text.gguf"),
    ],
)
def test_lora_that_cannot_be_is_refused_before_anything_is_asked(
    run: Run, project: Path, name: str, body: bytes, says: str
) -> None:
    (project / name).write_bytes(body)
    code, out, error = run("finetune", "evaluate", name, "--golden", "golden.toml")
    assert (code, out, len(error.splitlines())) == (1, "", 1)
    assert says in error
    assert not (project / "data" / "lora").exists()


def test_evaluation_needs_questions_and_a_model_of_its_own(run: Run, project: Path) -> None:
    write_lora(project / "a.gguf", rank=1)
    code, _, error = run("finetune", "evaluate", "a.gguf")
    assert (code, "give --golden FILE, or set [schedule] golden" in error) == (2, True)
    with (project / "groundling.toml").open("a") as file:
        file.write('[model]\nkind = "none"\n')
    code, _, error = run("finetune", "evaluate", "a.gguf", "--golden", "golden.toml")
    assert (code, 'only with [model] kind = "gguf"' in error) == (2, True)


def test_nothing_is_listed_and_no_vote_counted_where_there_is_none(run: Run, project: Path) -> None:
    code, out, _ = run("finetune", "list", "--json")
    assert (code, json.loads(out)["loras"], json.loads(out)["history"]) == (0, [], [])
    code, out, _ = run("finetune", "votes", "--json")
    assert (code, json.loads(out)) == (0, {"loras": [], "differences": []})
