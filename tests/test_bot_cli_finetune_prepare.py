"""`groundling finetune prepare` over a real index: every source, the files it writes, and what it refuses."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from bot.answer import Answer, Citation
from bot.asked import Asked
from bot.cli.lora_origins import trace
from bot.cli.root import root
from bot.config import Config
from bot.errors import Failed
from bot.evaluation.split import is_test
from bot.inbox import Inbox
from bot.journal import Journal
from bot.lora_origins import taint_of
from bot.platform import Reply
from bot.registry import Manifest
from bot.wiring import Project
from models.finetune.rows import read_rows
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.tiny_base import write_tiny_base

TOPICS = {
    "Lathe": ("weighs 4 tons", "blue"),
    "Kiln": ("burns at 900 degrees", "red"),
    "Loom": ("weaves 3 metres an hour", "green"),
    "Anvil": ("was cast in Oslo", "black"),
    "Press": ("bends 12 sheets an hour", "grey"),
    "Forge": ("is lit at six", "brown"),
    "Crane": ("lifts 9 tons", "yellow"),
    "Pump": ("moves 80 litres a minute", "white"),
}
HELD = next(name for name in (f"Saw {n}" for n in range(50)) if is_test(name))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synced project about machines, one of them of the test fifth."""
    folder = tmp_path_factory.mktemp("workshop")
    documents = folder / "documents"
    documents.mkdir()
    names = [next(f"{name} {n}" for n in range(50) if not is_test(f"{name} {n}")) for name in TOPICS]
    for name, (fact, colour) in zip(
        [*names, HELD], [*TOPICS.values(), ("cuts 7 boards", "pink")], strict=True
    ):
        thing = name.split()[0].lower()
        (documents / f"{name}.md").write_text(
            f"# {name}\n\n## What the {thing} does\n\nThe {thing} of our workshop {fact} every day.\n\n"
            f"## Colour of the {thing}\n\nThe {thing} is the one machine that was painted {colour} last year.\n"
        )
    write_tiny_base(folder / "tiny.gguf")
    (folder / "groundling.toml").write_text(
        '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'
        '[[collection]]\nname = "main"\nreaders = ["everyone"]\n'
        '[model]\npath = "tiny.gguf"\n[retrieval]\njudge = false\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        root.main(["sync"], standalone_mode=False)
    return folder


@pytest.fixture
def inside(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workshop)
    return workshop


def test_the_index_alone_gives_rows_test_rows_recipe_and_card(run: Run, inside: Path, tmp_path: Path) -> None:
    made = [tmp_path / "one" / "rows.jsonl", tmp_path / "two" / "rows.jsonl"]
    made[1].parent.mkdir()
    made[1].with_name("rows.jsonl.part").write_text('{"id": "torn')  # as a run that was killed leaves it
    for out in made:
        code, said, error = run(
            "finetune", "prepare", "--index", "--licence", "own", "--out", str(out), "--json"
        )
        assert code == 0, error
        report = json.loads(said)
    first, second = ({file.name: file.read_bytes() for file in out.parent.iterdir()} for out in made)
    assert sorted(first) == ["README.md", "rows.jsonl", "rows.test.jsonl", "rows.toml"]
    assert first == second
    rows, test = read_rows(made[0]), read_rows(made[0].with_name("rows.test.jsonl"))
    assert len(rows) == report["rows"] >= 20
    assert {row.document for row in test} == {HELD}
    assert not any(HELD in turn.text for row in rows for turn in row.turns)
    assert report["audience"] == "everyone"
    assert report["sha256"] == hashlib.sha256(first["rows.jsonl"]).hexdigest()
    with Project.open(inside / "groundling.toml", None) as project:
        noted = project.registry.find(report["sha256"])
        assert noted is not None
        assert (noted.kind, noted.manifest.name) == ("rows", "rows.jsonl")
        assert noted.manifest.made_from == {"base": project.weights().sha256}
        told = {"rows": len(rows), "sources": "index", "licences": "own", "audience": "everyone"}
        assert noted.manifest.notes == told
    card = first["README.md"].decode()
    assert report["sha256"] in card
    assert card.startswith("---\npretty_name: ")
    assert "| index | own |" in card


def test_people_see_sources_checks_and_the_rows_as_the_training_reads_them(
    run: Run, inside: Path, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "question,answer\nWhat does the kiln of our workshop do?,The kiln burns at 900 degrees every day.\n"
        "What does the kiln cost?,The kiln costs 12 EUR.\n"
    )
    (tmp_path / "README.md").write_text("mine")
    code, out, error = run(
        *("finetune", "prepare", "--index", "--reviewed", str(pairs), "--licence", "MIT", "--licence", "own"),
        *("--out", str(tmp_path / "rows.jsonl"), "--preview", "1"),
    )
    assert code == 0, error
    assert "1 not supported by the index" in out
    assert "conflicting answers" in out
    assert "<|im_start|>system\nYou answer questions from numbered sources." in out
    assert "{{\n\n[1]}}" in out
    assert ">>>The kiln burns at 900 degrees every day [" in out
    assert "<|im_end|><<<" in out
    assert (tmp_path / "README.md").read_text() == "mine"
    assert "| pairs | MIT | 2 |" in (tmp_path / "rows.README.md").read_text()
    assert {row.licence for row in read_rows(tmp_path / "rows.jsonl")} == {"MIT", "own"}


def test_every_golden_question_is_a_row_or_counted_and_few_refuse_where_few_may(
    run: Run, inside: Path, tmp_path: Path
) -> None:
    (kiln,) = (inside / "documents").glob("Kiln*.md")
    known = f'documents = ["handbook:{kiln.name}"]\n'
    questions = [
        *(
            f'ask = "Who bought the {thing.lower()} of our workshop?"\nanswerable = false\n'
            for thing in TOPICS
        ),
        f'ask = "What does the kiln of our workshop do?"\nfacts = [["900 degrees"]]\n{known}',
        f'ask = "How old is the kiln?"\nfacts = [["80 years"]]\n{known}',
    ]
    (tmp_path / "golden.toml").write_text("".join(f"[[question]]\n{one}" for one in questions))
    code, out, error = run(
        *("finetune", "prepare", "--index", "--golden", str(tmp_path / "golden.toml"), "--json"),
        *("--licence", "own", "--licence", "own", "--refused", "0.05", "--out", str(tmp_path / "rows.jsonl")),
    )
    assert code == 0, error
    report = json.loads(out)
    assert report["rows"] >= 20
    assert report["refusals"] <= 0.05 + 1 / report["rows"]
    golden = next(source for source in report["sources"] if source["name"] == "golden")
    assert golden["left_out"].keys() == {"not supported by the index", "refusals enough"}
    assert golden["left_out"]["not supported by the index"] == 1
    assert golden["rows"] + golden["test_rows"] + sum(golden["left_out"].values()) == len(questions)


def test_what_cannot_be_prepared_is_said_in_one_line_and_nothing_is_written(
    run: Run, inside: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.csv"
    few.write_text("question,answer\nWhat does the kiln do?,The kiln of our workshop burns at 900 degrees.\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    twice = tmp_path / "other"
    twice.mkdir()
    (twice / "few.csv").write_text(few.read_text())
    for arguments, says in (
        (("--transcripts", str(few), "--licence", "own"), "1 rows came out, and 20 are wanted at least"),
        (("--transcripts", str(empty), "--licence", "own"), "empty.csv holds no rows"),
        (("--index", "--licence", "own", "--refused", "nan"), "--refused nan is no share"),
        (("--index",), "name the licence of 'index'"),
        (("--index", "--licence", "CC BY-ND 4.0"), "forbids to change the work"),
        (("--reviewed", str(few), "--reviewed", str(twice / "few.csv"), "--licence", "x"), "called 'few'"),
        (("--transcripts", str(tmp_path), "--licence", "own"), "is no unpacked Slack export"),
    ):
        code, _, error = run("finetune", "prepare", *arguments, "--out", str(tmp_path / "out" / "rows.jsonl"))
        assert code == 2
        assert says in error.splitlines()[-1]
        assert "Traceback" not in error
        assert not (tmp_path / "out").exists()


def test_rows_never_take_the_place_of_what_they_are_made_of(
    run: Run, inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("asked.jsonl").write_text(
        '{"question": "What does the kiln do?", "answer": "It burns every day."}\n'
    )
    shutil.copyfile("asked.jsonl", "new.test.jsonl")
    Path("golden.toml").write_text(
        '[[question]]\nid = "moon"\nask = "Who was first on the moon?"\nanswerable = false\n'
    )
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    asked, golden = ("--transcripts", "asked.jsonl"), ("--golden", "golden.toml")
    config = ("--config", str(inside / "groundling.toml"))
    for source, out, says in (
        (asked, "asked.jsonl", "would have its rows in asked.jsonl"),
        (("--transcripts", "new.test.jsonl"), "new.jsonl", "would have its test rows in new.test.jsonl"),
        (golden, "golden.jsonl", "would have its recipe in golden.toml, which is read here"),
        (asked, str(inside / "groundling.jsonl"), "groundling.toml, which is read here; choose another name"),
        (asked, "rows.toml", "is the name of its recipe; choose another, such as rows.jsonl"),
    ):
        licences = ("--licence", "own", "--licence", "own")
        code, _, error = run("finetune", "prepare", "--index", *source, *licences, "--out", out, *config)
        assert (code, len(error.splitlines())) == (2, 1), error
        assert says in error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_own_answers_are_wanted_of_a_project_that_has_some(run: Run, here: Path) -> None:
    code, _, error = run("finetune", "prepare", "--curated", "--licence", "own", "--out", "rows.jsonl")
    assert code == 1
    assert "nothing was asked or approved in" in error


async def voted_up(project: Project, questions: dict[str, tuple[str, str]]) -> None:
    """Each person of `questions` has asked something, and the answer, a sentence of a document, was liked."""
    inbox, journal = Inbox(project.database), Journal(project.database)
    for person, (ask, said) in zip(questions, questions.values(), strict=True):
        id_ = await inbox.add(Asked("slack", "T", f"C {person}", person, ask, "mention", 1.0), [ask])
        assert id_ is not None
        citation = Citation(1, "handbook:a", "A", "", None, said, None, "handbook", "main")
        answer = Answer(ask, f"{said} [1]", "answered", "en", "model", citations=(citation,))
        await inbox.note_reply(id_, Reply(id_, "answer", answer.text, answer))
        await inbox.finish(id_, "answered")
        await journal.vote(id_, "slack:user:UBOSS", "up")
    await inbox.close()


def test_lora_is_to_be_trained_again_when_somebody_is_forgotten_whose_question_it_learned_from(
    run: Run, workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(workshop, folder)
    monkeypatch.chdir(folder)
    asked = {
        "UADA": (
            "What does the kiln of our workshop do?",
            "The kiln of our workshop burns at 900 degrees every day.",
        ),
        "UBEN": ("What was cast in Oslo?", "The workshop has no such thing."),
    }
    with Project.open(folder / "groundling.toml", None) as project:
        asyncio.run(voted_up(project, asked))
    options = (
        "--index",
        "--journal",
        "--licence",
        "own",
        "--licence",
        "own",
        "--out",
        "rows.jsonl",
        "--json",
    )
    code, out, error = run("finetune", "prepare", *options)
    assert code == 0, error
    assert "UADA" not in (folder / "rows.jsonl").read_text()
    lora = "1" * 64
    with Project.open(folder / "groundling.toml", None) as project:
        registry, inbox = project.registry, Inbox(project.database)
        registry.record("lora", lora, Manifest("house", {"rows rows.jsonl": json.loads(out)["sha256"]}))
        asyncio.run(inbox.forget("slack:user:UBEN"))  # whose answer no passage carried, so it is in no row
        assert taint_of(registry, lora) is None
        assert "forgotten" not in run("finetune", "list")[1]
        asyncio.run(inbox.forget("slack:user:UADA"))
        asyncio.run(inbox.close())
        assert "prepare its rows and train it again" in (taint_of(registry, lora) or "")
    said = run("finetune", "list")[1]
    assert "house 111111111111: somebody whose questions it learned from was forgotten on" in said
    assert json.loads(run("finetune", "list", "--json")[1])["loras"][0]["tainted_since"] is not None


async def test_rows_are_not_written_when_somebody_is_forgotten_meanwhile(tmp_path: Path) -> None:
    with Project(Config(), root=tmp_path, data=tmp_path / "data") as project:
        await voted_up(project, {"UADA": ("Who?", "Ada.")})
        inbox = Inbox(project.database)
        questions = {entry.id for entry in await inbox.answered()}
        await trace(project, "a" * 64, questions)
        assert project.registry.moves("rows") == []
        await inbox.forget("slack:user:UADA")
        await inbox.close()
        with pytest.raises(Failed, match="was forgotten while the rows were made"):
            await trace(project, "b" * 64, questions)
