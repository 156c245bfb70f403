"""`groundling judge` from a team's own questions to a judge that answers are held against, and one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.judge.file import CALIBRATION_KEY, note_of
from models.judge.judge import shipped
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.test_bot_judging import organisation


@pytest.fixture
def questions(here: Path) -> Path:
    """Questions of two organisations, one to learn from and one to calibrate on, with their pages."""
    folder = here / "questions"
    folder.mkdir()
    for name in ("bank", "council"):
        organisation(folder, name)
    return folder


def test_from_a_teams_questions_to_a_judge_that_answers_are_held_against(
    run: Run, here: Path, questions: Path
) -> None:
    (here / "data").mkdir()
    code, out, error = run("judge", "rows", "data", "rows", "--golden", "questions")
    assert code == 0
    assert "data has no qa/squad, qa/policyqa/dev.json" in error
    learned = [json.loads(line) for line in (here / "rows/learn.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in learned} >= {"golden", "golden sentence"}
    alone, *told = out.splitlines()
    assert alone.startswith(
        "the words of a golden question alone tell whether it has an answer with an AUC of 0."
    )
    assert told[0] == f"learn: {len(learned)} rows"
    assert (here / "rows/calibrate.jsonl").read_text()
    assert not (here / "rows/test.jsonl").read_text()

    base = SentenceTransformerEmbedder.from_package().folder
    (here / "judge.toml").write_text(
        f'base = "{base}"\nrows = "rows/learn.jsonl"\nout = "run"\nstart = "{shipped()}"\nepochs = 2.0\n'
    )
    assert run("judge", "train", "judge.toml")[0] == 0
    code, out, _ = run("judge", "merge", "mean.safetensors", "run/judge.safetensors", str(shipped()))
    assert (code, out) == (0, "mean.safetensors: the mean of 2\n")
    assert CALIBRATION_KEY not in note_of(here / "mean.safetensors")

    code, out, _ = run("judge", "report", "mean.safetensors", "rows/calibrate.jsonl")
    assert code == 0
    assert json.loads(out)

    (here / "groundling.toml").write_text(
        '[[source]]\nname = "council"\nkind = "folder"\npath = "questions/council"\n\n'
        '[model]\nkind = "none"\n\n[retrieval]\njudge = "mean.safetensors"\n'
    )
    assert run("sync")[0] == 0
    code, out, _ = run("judge", "calibrate", "mean.safetensors", "questions/council.toml")
    assert code == 0
    assert json.loads(out) == json.loads(note_of(here / "mean.safetensors")[CALIBRATION_KEY])
    code, out, _ = run("ask", "what may a night in a hotel in Paris cost?")
    assert code == 0
    assert "140" in out


def test_what_cannot_be_is_said_in_one_line(run: Run, here: Path, questions: Path) -> None:
    (here / "data").mkdir()
    (here / "broken.toml").write_text("[[question")
    (here / "bad.safetensors").write_bytes(b"x")
    (here / "bytes.jsonl").write_bytes(b"\xff\n")
    (here / "number.jsonl").write_text('{"question": 5, "passage": "x", "kind": "k", "document": "d"}\n')
    (here / "nothing.toml").write_text('base = "x"\nrows = "rows.jsonl"\n')
    asked = "questions/council.toml"
    for arguments, code, says in (
        (("rows", "nowhere", "rows"), 2, "Directory 'nowhere' does not exist"),
        (("rows", "data", "rows", "--golden", "nowhere"), 2, "Directory 'nowhere' does not exist"),
        (
            ("rows", "data", "rows", "--but", "broken.toml"),
            2,
            "broken.toml cannot be read as golden questions",
        ),
        (("rows", "data", "rows", "--hard", "bad.safetensors"), 1, "bad.safetensors holds no judge"),
        (("train", "broken.toml"), 1, "broken.toml is no recipe: "),
        (("train", "nothing.toml"), 1, "nothing.toml does not name its 'out'"),
        (("merge", "mean.safetensors", "bad.safetensors"), 1, "bad.safetensors holds no judge"),
        (("report", str(shipped()), "broken.toml"), 2, "broken.toml line 1 is no row"),
        (("report", str(shipped()), "bad.safetensors"), 2, "bad.safetensors line 1 is no row"),
        (("report", str(shipped()), "bytes.jsonl"), 2, "bytes.jsonl line 1 is no row"),
        (("report", str(shipped()), "number.jsonl"), 2, "number.jsonl line 1 is no row: a text in it"),
        (("report", str(shipped()), "number.jsonl", "--every", "0"), 2, "0 is not in the range x>=1"),
        (("calibrate", str(shipped()), asked), 2, "groundling.toml does not exist"),
    ):
        found, _, error = run("judge", *arguments)
        assert found == code, arguments
        assert says in error.splitlines()[-1]
    assert not (here / "mean.safetensors").exists()


def test_a_mistake_in_the_questions_is_told_before_any_row_is_made(
    run: Run, here: Path, questions: Path
) -> None:
    (here / "data").mkdir()
    (questions / "council.toml").write_text("[[question")
    code, out, error = run("judge", "rows", "data", "rows", "--golden", "questions")
    assert (code, out) == (2, "")
    assert error.startswith("groundling: questions/council.toml cannot be read as golden questions: ")
    (questions / "council.toml").unlink()
    (questions / "bank/rates.md").unlink()
    code, out, error = run("judge", "rows", "data", "rows", "--golden", "questions")
    assert (code, out) == (2, "")
    assert "the questions name bank:rates.md, which cannot be read" in error
    (questions / "bank.toml").unlink()
    code, _, error = run("judge", "rows", "data", "rows", "--golden", "questions")
    assert (code, error) == (2, "groundling: questions holds no golden questions, such as NAME.toml\n")
    assert not (here / "rows").exists()


def test_a_judge_that_is_not_there_is_told_by_its_key(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text(
        '[[source]]\nname = "house"\nkind = "folder"\npath = "."\n\n[retrieval]\njudge = "mine.safetensors"\n'
    )
    (here / "page.md").write_text("# Page\n\nThe barrier closes at 21:30.\n")
    assert run("sync")[0] == 0
    mend = "mine.safetensors is not there; set [retrieval] judge to the file of a judge, or to false"
    for command in (("ask", "When does the barrier close?"), ("search", "barrier")):
        code, _, error = run(*command)
        assert (code, error.splitlines()[-1].endswith(mend)) == (2, True), error
    code, out, _ = run("doctor")
    assert code == 1
    assert mend in out
