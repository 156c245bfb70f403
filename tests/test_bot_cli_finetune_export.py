"""`groundling finetune export` as people run it: a merged file is asked what the LoRA is asked, and nothing is left
of a file that is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli.merge_score import Compared, compare_golden, compare_squad
from bot.errors import Failed
from bot.lora_audience import audience_of
from bot.registry import Manifest
from bot.wiring import Project
from models.finetune.export import export
from models.finetune.rows import write_rows
from models.finetune.training import train
from models.gguf import read_header
from models.weights import sha256_of
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.test_bot_cli_finetune import squad
from tests.test_bot_finetuning_prepare import TITLES
from tests.test_models_finetune_tokens import row
from tests.test_models_finetune_training import QUESTIONS, quiet, recipe
from tests.tiny_base import write_tiny_base

NAMED = ("--name", "House", "--licence", "CC0-1.0")


@pytest.fixture
def trained(here: Path) -> str:
    write_tiny_base(here / "tiny.gguf")
    write_rows(here / "rows.jsonl", [row(*one) for one in QUESTIONS])
    (here / "groundling.toml").write_text('[model]\npath = "tiny.gguf"\n\n[retrieval]\njudge = false\n')
    return str(train(recipe(here, "run", learning_rate=0.02, epochs=1), quiet))


def test_a_merged_file_is_asked_the_same_questions_as_the_lora(run: Run, here: Path, trained: str) -> None:
    squad(here / "questions.json", TITLES[:2])
    (here / "answers.json").write_text('{"overall_f1": 0.5}')
    (here / "README.md").write_text("# Ours\n")
    code, out, error = run(
        *("finetune", "export", trained, "--out", "merged.gguf", *NAMED, "--merged", "f16", "--json"),
        *("--rows", "rows.jsonl", "--squad", "questions.json", "--limit", "2"),
        *("--evaluation", "answers.json"),
    )
    assert code == 0, error
    told = json.loads(out)
    assert told["parity"]["cosine"] > 0.99
    assert told["compared"]["questions"] == 2
    assert told["compared"]["lora_f1"] - told["compared"]["merged_f1"] <= 0.01
    difference = told["compared"]["difference"]
    assert difference["low"] <= difference["mean"] <= difference["high"]
    assert read_header(here / "merged.gguf").name == "House"
    assert (here / "README.md").read_text() == "# Ours\n"
    assert "base_model_relation: merge" in (here / "merged.README.md").read_text()
    assert json.loads((here / "merged.cdx.json").read_text())["specVersion"] == "1.6"
    assert list(here.glob("*.unchecked")) == []
    (here / "merged.toml").write_text('[model]\npath = "merged.gguf"\n')
    for config, trained_into_it in (("merged.toml", True), ("groundling.toml", False)):
        with Project.open(Path(config), None) as project:
            assert project.answer_settings(project.generator()).trained is trained_into_it


def test_what_is_refused_leaves_nothing_and_says_why_in_one_line(run: Run, here: Path, trained: str) -> None:
    (here / "bad.json").write_text("[")
    before = sorted(here.rglob("*"))
    for options, code, says in (
        (("--golden", "bad.json"), 2, "add --merged q8_0 or f16"),
        (("--merged", "f16", "--golden", "bad.json"), 2, "cannot be read as golden questions"),
        (("--merged", "f16", "--squad", "bad.json"), 2, "is not a SQuAD file"),
        (("--merged", "q4_1"), 2, "'q4_1' is not one of"),
        (("--merged", "q8_0", "--evaluation", "bad.json"), 1, "is no evaluation"),
        (("--rows", "bad.json"), 1, "bad.json line 1"),
    ):
        found, out, error = run("finetune", "export", trained, "--out", "no.gguf", *NAMED, *options)
        assert (found, out) == (code, "")
        assert says in error.splitlines()[-1]
        assert sorted(path for path in here.rglob("*") if "data" not in path.parts) == before
    code, _, error = run("finetune", "export", trained, "--out", "tiny.gguf", *NAMED)
    assert (code, "is the project's model itself" in error) == (2, True)


@pytest.mark.parametrize(
    ("compared", "worse"),
    [
        (Compared(100, lora_f1=0.50, merged_f1=0.491), False),
        (Compared(100, lora_f1=0.50, merged_f1=0.489), True),
        (Compared(100, lora_f1=0.50, merged_f1=0.60), False),
        (Compared(50, lora_right=40, merged_right=40), False),
        (Compared(50, lora_right=40, merged_right=39), True),
    ],
)
def test_a_point_of_f1_or_a_golden_question_less_is_too_much(compared: Compared, worse: bool) -> None:
    assert (compared.worse is not None) is worse
    assert str(compared.questions) in str(compared)


def test_where_a_model_cannot_be_used_nothing_was_compared(here: Path, trained: str) -> None:
    squad(here / "questions.json", TITLES[:2])
    (here / "documents").mkdir()
    (here / "documents/page.md").write_text("# Barrier\n\nThe barrier closes at 21:30 every evening.\n")
    (here / "golden.toml").write_text(
        '[[question]]\nid = "close"\nask = "When does the barrier close?"\n'
        'facts = [["21:30"]]\ndocuments = ["house:page.md"]\n'
    )
    with (here / "groundling.toml").open("a") as config:
        config.write('\n[[source]]\nname = "house"\nkind = "folder"\npath = "documents"\n')
    base, lora, merged = here / "tiny.gguf", here / "lora.gguf", here / "merged.gguf"
    export(Path(trained), base, lora, name="House", licence="CC0-1.0")
    merged.write_bytes(base.read_bytes()[:-4096])
    both = {"base": base, "lora": lora, "merged": merged}
    with Project.open(here / "groundling.toml", None) as project:
        with pytest.raises(
            Failed, match=r"were not compared, the model failed at .*merged\.gguf is truncated"
        ):
            compare_squad(project, **both, file=here / "questions.json", limit=1, seed=0, say=lambda *_: None)
        project.sync(allow_shrink=False, progress=None).run(project.sources())
        with pytest.raises(Failed, match=r"were not compared, the model failed at 'close'"):
            compare_golden(project, **both, file=here / "golden.toml", say=lambda *_: None)


def test_exported_lora_is_listed_with_what_it_was_made_from(run: Run, here: Path, trained: str) -> None:
    told = []
    for name in ("one.gguf", "two.gguf"):
        code, out, error = run("finetune", "export", trained, "--out", name, *NAMED, "--json")
        assert code == 0, error
        told.append(json.loads(out)["sha256"])
        assert (here / "data").exists() == (name == "two.gguf")
        with Project.open(here / "groundling.toml", None) as project:
            known = [one.sha256 for one in project.registry.artefacts("lora")]
            rows = Manifest("rows.jsonl", notes={"rows": 8, "sources": "index"})
            project.registry.record("rows", sha256_of(here / "rows.jsonl"), rows)
        assert known == ([] if name == "one.gguf" else [told[0]])

    assert told[0] == told[1]  # the same training gives the same file
    code, out, _ = run("finetune", "list")
    (line,) = (line for line in out.splitlines() if "comes from" in line)
    rows_sha256 = sha256_of(here / "rows.jsonl")[:12]
    assert line.startswith(f"House {told[0][:12]} comes from base tiny ")
    assert f"rows rows.jsonl {rows_sha256} (8 rows of index)" in line
    ((listed,), made) = (
        json.loads(run("finetune", "list", "--json")[1])["loras"],
        ("base", "recipe", "rows rows.jsonl"),
    )
    assert sorted(listed["made_from"]) == sorted(made)
    code, _, error = run("finetune", "activate", "House", "--golden", "rows.jsonl")
    assert (code, len(error.splitlines())) == (1, 1)
    assert "evaluate its file again to bring it back" in error


def test_a_lora_of_a_closed_collection_is_to_be_named_there(run: Run, here: Path) -> None:
    write_tiny_base(here / "tiny.gguf")
    write_rows(here / "rows.jsonl", [replace(row(*one), audience="hr") for one in QUESTIONS])
    (here / "groundling.toml").write_text(
        '[model]\npath = "tiny.gguf"\n\n[[collection]]\nname = "main"\nreaders = ["everyone"]\n'
    )
    trained = str(train(recipe(here, "run", learning_rate=0.02, epochs=1), quiet))
    code, out, error = run("finetune", "export", trained, "--out", "house.gguf", *NAMED)
    assert code == 0, error
    assert (
        '[[lora]]\nname = "House"\npath = "house.gguf"\n\n[[collection]]\nname = "hr"\nlora = "House"\n'
        in out
    )
    assert "[model]" not in out
    assert "**Not for everyone**" in (here / "README.md").read_text()
    assert audience_of(here / "house.gguf") == {"hr"}
