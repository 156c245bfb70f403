"""The command line as people meet it: one line and an exit code for every mistake, and nothing slow for nothing."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.__main__ import main
from tests.conftest import ROOT, Groundling

SLOW = {"torch", "sentence_transformers", "transformers", "lancedb", "llama_cpp"}
SOURCE = '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that commands are run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The program in this process: exit code, standard output, standard error."""
    mask, stop = os.umask(0o077), signal.getsignal(signal.SIGINT)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["groundling", *arguments])
        capfd.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        told = capfd.readouterr()
        assert isinstance(code, int)
        return code, told.out, told.err

    yield call
    os.umask(mask)
    signal.signal(signal.SIGINT, stop)


def modules_after(*arguments: str, cwd: Path) -> set[str]:
    """What the real program has imported when the command ends."""
    script = (
        "import sys\nsys.argv = ['groundling', *sys.argv[1:]]\nfrom bot.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('|'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in done.stderr.splitlines()[-1].split("|")}


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"], ["ask", "--help"], ["--version"]])
def test_help_imports_nothing_slow(arguments: list[str], tmp_path: Path) -> None:
    loaded = modules_after(*arguments, cwd=tmp_path)
    assert not loaded & (SLOW | {"numpy", "pydantic", "sqlalchemy"})


@pytest.mark.parametrize("command", ["sources", "documents"])
def test_listing_what_is_known_imports_nothing_slow(command: str, synced: Path) -> None:
    assert not modules_after(command, cwd=synced) & SLOW


def test_every_command_of_the_help_has_help_of_its_own(run: Run) -> None:
    from bot.cli.reference import commands

    code, out, _ = run("--help")
    assert code == 0
    for name in commands():
        assert name.split()[0] in out
        code, page, _ = run(*name.split(), "--help")
        assert code == 0
        assert f"Usage: groundling {name}" in page


MISTAKES: list[tuple[list[str], int, str]] = [
    (["documnts"], 2, "no command 'documnts'; did you mean 'documents'?"),
    (["qqq"], 2, "there are init, sync,"),
    (["models", "pul"], 2, "No such command 'pul'"),
    (["search"], 2, "Missing argument 'QUERY'; see: groundling search --help"),
    (["sources", "--jsn"], 2, "No such option '--jsn'"),
    (["search", "x", "--limit", "0"], 2, "0 is not in the range"),
    (["sync", "--dry-run", "--rebuild"], 2, "do not go together"),
    (["sync", "--accept", "--rebuild"], 2, "--accept syncs nothing, so nothing else goes with it"),
    (["sync", "--accept", "handbook"], 2, "nothing else goes with it"),
    (["sync", "--accept"], 2, "[schedule] hold is not true, so no index is held back"),
    (["sync", "handbok"], 2, "no source is called 'handbok'; did you mean 'handbook'?"),
    (["documents", "--source", "zzz"], 2, "no source is called 'zzz'; there are: handbook"),
    (["ask", "x", "--collection", "man"], 2, "no collection is called 'man'; did you mean 'main'?"),
    (["search", "x", "--source", "q"], 2, "no source is called 'q'"),
    (["ask", ""], 2, "the question is empty"),
    (["ask", " \t "], 2, "the question is empty"),
    (["ask", "x" * 40_000], 2, "the question has 40,000 characters, at most 4,000 are read"),
    (["search", "x" * 40_000], 2, "40,000 characters"),
    (["search", "leave"], 1, "there is no index in"),
    (["ask", "leave"], 1, "make it with: groundling sync"),
    (["sync", "--dry-run"], 1, "documents cannot be listed: No such file or directory"),
    (["models", "verify", "nope"], 1, "there is no model 'nope'"),
    (["models", "use", "nope"], 1, "there is no model 'nope'"),
    (["models", "import", "nope.gguf"], 1, "nope.gguf is missing"),
    (["models", "import", "groundling.toml"], 1, "groundling.toml is not a GGUF file"),
    (["sources", "--data", "groundling.toml"], 2, "is a file"),
    (["search", "x", "--data", "groundling.toml/data"], 1, "Not a directory"),
    (["sync", "--config", "none.toml"], 2, "none.toml does not exist; make one with: groundling init"),
    (["sync", "--config", "."], 2, "is a directory"),
    (["init", "--force", "--source", "~nosuchuser/x"], 2, "nobody's home folder is known here"),
]
WITH_JSON = {"search", "ask", "sources", "documents"}


def named(value: object) -> str:
    return " ".join(value)[:40] if isinstance(value, list) else ""


@pytest.mark.parametrize(("arguments", "code", "said"), MISTAKES, ids=named)
def test_mistake_is_one_line_and_an_exit_code(
    here: Path, run: Run, arguments: list[str], code: int, said: str
) -> None:
    here.joinpath("groundling.toml").write_text(SOURCE)
    found, _, err = run(*arguments)
    assert found == code
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(arguments, code) for arguments, code, _ in MISTAKES if arguments[0] in WITH_JSON],
    ids=named,
)
def test_mistake_writes_nothing_where_json_is_read(
    here: Path, run: Run, arguments: list[str], code: int
) -> None:
    here.joinpath("groundling.toml").write_text(SOURCE)
    assert run(*arguments, "--json")[:2] == (code, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the configuration names no source; add one"),
        ("[[source]\n", "groundling.toml is not valid TOML"),
        (SOURCE + "[retreival]\n", "unknown key 'retreival'; did you mean 'retrieval'?"),
        (SOURCE + SOURCE, "two [[source]] are called 'handbook'"),
    ],
)
def test_wrong_configuration_is_one_line_and_exit_2(here: Path, run: Run, text: str, said: str) -> None:
    here.joinpath("groundling.toml").write_text(text)
    code, out, err = run("sync", "--json")
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_group_without_a_command_shows_its_help(run: Run) -> None:
    code, _, err = run("models")
    assert code == 2
    assert "import" in err


def test_init_writes_a_configuration_that_loads(here: Path, run: Run) -> None:
    here.joinpath("handbook").mkdir()
    code, out, err = run("init", "--yes")
    assert (code, err) == (0, "")
    assert "groundling sync" in out
    code, out, _ = run("sources", "--json")
    assert code == 0
    (row,) = json.loads(out)["sources"]
    assert (row["name"], row["kind"], row["documents"], row["synced_at"]) == ("handbook", "folder", 0, None)
    assert not here.joinpath("data").exists()


def test_init_keeps_what_is_there_unless_forced(here: Path, run: Run) -> None:
    file = here / "groundling.toml"
    file.write_text("mine")
    code, _, err = run("init", "--yes")
    assert code == 2
    assert "--force" in err
    assert file.read_text() == "mine"
    assert run("init", "--yes", "--force")[0] == 0
    assert "[[source]]" in file.read_text()


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("./a folder/", "a folder"),
        ("/srv/handbook", "/srv/handbook"),
        ("~/docs", "~/docs"),
        ('q"\\uote', 'q"\\uote'),
    ],
)
def test_init_writes_the_folder_so_that_it_is_found(here: Path, run: Run, given: str, written: str) -> None:
    from bot.config import load

    code, _, err = run("init", "--source", given)
    assert code == 0
    assert "There is no folder" in err
    assert load(here / "groundling.toml").source[0].path == written


def test_source_is_shown_with_its_numbers(synced: Path, run: Run) -> None:
    code, out, _ = run("sources", "--json", "--config", str(synced / "groundling.toml"))
    assert code == 0
    (row,) = json.loads(out)["sources"]
    assert (row["documents"], row["failures"], row["held_back"], row["configured"]) == (3, 1, None, True)
    assert row["chunks"] >= 3
    code, out, _ = run("sources", "--config", str(synced / "groundling.toml"))
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [["handbook", "folder", "3"]]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ([], ["leave.md", "parking.txt", "rates.csv"]),
        (["LEAVE"], ["leave.md"]),
        (["annual"], ["leave.md"]),
        (["handbook:*.csv"], ["rates.csv"]),
        (["handbook:?arking*"], ["parking.txt"]),
        (["[x]"], []),
    ],
)
def test_documents_are_listed_by_pattern(
    synced: Path, run: Run, pattern: list[str], found: list[str]
) -> None:
    code, out, _ = run("documents", *pattern, "--json", "--config", str(synced / "groundling.toml"))
    assert code == 0
    assert [row["id"] for row in json.loads(out)["documents"]] == [f"handbook:{name}" for name in found]


def test_documents_that_failed_are_listed_with_their_reason(synced: Path, run: Run) -> None:
    code, out, _ = run("documents", "--failed", "--json", "--config", str(synced / "groundling.toml"))
    assert code == 0
    (row,) = json.loads(out)["failed"]
    assert row["id"] == "handbook:broken.docx"
    assert row["reason"]
    assert row["older_version_kept"] is False
    _, out, _ = run("documents", "--failed", "--config", str(synced / "groundling.toml"))
    assert out.startswith("handbook:broken.docx  ")


def test_documents_before_the_first_sync_are_none_and_nothing_is_made(here: Path, run: Run) -> None:
    here.joinpath("groundling.toml").write_text(SOURCE)
    assert run("documents", "--json")[:2] == (0, '{"documents": []}\n')
    assert "run: groundling sync" in run("documents")[2]
    assert [path.name for path in here.iterdir()] == ["groundling.toml"]


def test_nothing_is_let_pass_where_nothing_was_held_back(
    run: Run, synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "groundling.toml").write_text(SOURCE + '[schedule]\ngolden = "golden.toml"\nhold = true\n')
    monkeypatch.chdir(tmp_path)
    code, _, error = run("sync", "--accept")
    assert (code, "nothing was synced in" in error, (tmp_path / "data").exists()) == (1, True, False)
    shutil.copytree(synced / "data", tmp_path / "data")
    code, _, error = run("sync", "--accept", "--json")
    assert (code, error.splitlines()) == (
        1,
        ["groundling: no index is held back, so there is none to let pass"],
    )


def test_dry_run_says_what_a_sync_would_do_and_changes_nothing(
    synced: Path, run: Run, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(synced, tmp_path / "copy"))
    folder.joinpath("documents", "new.md").write_text("# New\n\nSomething new.\n")
    for gone in ("leave.md", "broken.docx"):
        folder.joinpath("documents", gone).unlink()
    before = folder.joinpath("data", "index.lance", "current.json").read_bytes()
    code, out, _ = run("sync", "--dry-run", "--json", "--config", str(folder / "groundling.toml"))
    assert code == 0
    (row,) = json.loads(out)["sources"]
    assert (row["added"], row["changed"], row["removed"], row["unchanged"]) == (1, 0, 1, 2)
    assert folder.joinpath("data", "index.lance", "current.json").read_bytes() == before
    _, out, _ = run("documents", "new", "--json", "--config", str(folder / "groundling.toml"))
    assert json.loads(out) == {"documents": []}


def test_models_are_listed_and_chosen(synced: Path, run: Run, tmp_path: Path) -> None:
    from models.weights import BUNDLED, bundled_path

    config = ("--config", str(synced / "groundling.toml"), "--data", str(tmp_path))
    code, out, _ = run("models", "list", "--json", *config)
    assert code == 0
    assert [row["name"] for row in json.loads(out)["models"]] == [BUNDLED]
    assert run("models", "import", str(bundled_path()), "--name", "office", *config)[0] == 0
    assert run("models", "use", "office", *config)[0] == 0
    assert json.loads(run("models", "list", "--json", *config)[1])["active"] == "office"
    assert run("models", "verify", *config)[0] == 0
    weights = tmp_path / "models" / "office.gguf"
    with weights.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"flipped")
    code, _, err = run("models", "verify", "office", *config)
    assert code == 1
    assert "is not the file that was taken in" in err
    mend = "import it again with groundling models import FILE --name office"
    assert mend in err
    weights.unlink()
    code, out, err = run("models", "list", *config)
    assert (code, "*" in out) == (0, False)
    assert err == f"No model answers: the file of the model 'office' is missing; {mend}\n"
    assert json.loads(run("models", "list", "--json", *config)[1])["problem"] in err
    code, _, err = run("models", "verify", *config)
    assert (code, mend in err) == (1, True)


def test_doctor_exits_1_when_something_is_broken(here: Path, run: Run) -> None:
    here.joinpath("groundling.toml").write_text(SOURCE)
    code, out, _ = run("doctor", "--json")
    report = json.loads(out)
    assert (code, report["broken"]) == (1, 1)
    assert [one["name"] for one in report["findings"] if one["state"] == "broken"] == ["source handbook"]
    code, out, err = run("doctor")
    assert (code, err) == (1, "")
    assert "BROKEN   source handbook" in out


def test_reader_that_goes_away_is_no_error(synced: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$0" -m bot documents | head -c 1; echo " ${PIPESTATUS[0]}"', sys.executable],
        cwd=synced,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.split()[1] in {"0", "1"}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["documents --json", "init --force", "--version"])
def test_stream_that_the_caller_closed_is_none_that_is_read_or_written(
    synced: Path, tmp_path: Path, closed: str, command: str
) -> None:
    for name in ("groundling.toml", "data"):
        tmp_path.joinpath(name).symlink_to(synced / name)
    done = subprocess.run(
        ["bash", "-c", f'"$0" -m bot {command} {closed}', sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_at_the_question_of_init_stops_quietly(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "bot", "init"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"]:" not in seen:
        seen += os.read(ours, 1024)
    # A signal in the instant before the line is read would be seen only after it.
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    try:
        while piece := os.read(ours, 1024):
            seen += piece
    except OSError:
        pass
    os.close(ours)
    assert b"Stopped." in seen
    assert b"Traceback" not in seen
    assert list(tmp_path.iterdir()) == []


def test_any_bytes_may_be_asked_in_lines(synced: Path, groundling: Groundling) -> None:
    lines = [
        b"How many days of annual leave are there?",
        b"",
        b"\xff\xfe\xc3 leave",
        b"what\x00about\x00NUL",
        "\u202eمتى يغلق موقف السيارات؟".encode(),
        b"x " * 20_000,
        b"When does the car park close?",
    ]
    done = groundling("ask", "-", "--json", cwd=synced, stdin=b"\n".join(lines) + b"\n")
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    answers = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    assert len(answers) == len(lines) - 1
    assert {answer["status"] for answer in answers} <= {"answered", "refused", "failed"}
    assert "25" in answers[0]["text"]
    assert answers[4]["status"] == "failed"
    assert (
        answers[4]["text"] == "Your question has 40,000 characters; I read at most 4,000. Please shorten it."
    )
    assert "21:30" in answers[-1]["text"]
    for answer in answers:
        assert {f"[{one['number']}]" for one in answer["citations"]} == {
            word for word in (f"[{n}]" for n in range(1, 21)) if word in answer["text"]
        }


def test_a_turn_that_is_too_long_is_told_so_and_leaves_the_conversation_as_it_was(
    synced: Path, tmp_path: Path, groundling: Groundling
) -> None:
    shutil.copytree(synced, tmp_path / "home")
    (tmp_path / "home" / "groundling.toml").write_text(SOURCE + '[model]\nkind = "none"\n')
    lines = ["How many days of annual leave are there?", "leave " * 700, "And when does the car park close?"]
    done = groundling("chat", cwd=tmp_path / "home", stdin="\n".join(lines).encode())
    assert done.returncode == 0, done.stderr.decode()
    told = done.stdout.decode().splitlines()
    assert told.count("Your question has 4,199 characters; I read at most 4,000. Please shorten it.") == 1
    assert any("21:30" in line for line in told)


def test_argument_that_is_not_utf8_is_searched_for(synced: Path, groundling: Groundling) -> None:
    done = groundling("search", b"\xff car park", "--mode", "keyword", "--json", cwd=synced)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout.decode("utf-8"))
    assert found["query"] == "\ufffd car park"
    assert found["passages"][0]["document_id"] == "handbook:parking.txt"


def test_answers_are_utf8_json_in_any_locale(synced: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "search", "été parking", "--mode", "keyword", "--json"],
        cwd=synced,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["query"] == "été parking"
