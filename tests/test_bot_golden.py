"""The whole way on real parts: the sample handbook synced, its golden questions asked, the gate passed."""

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, Groundling


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory, groundling: Groundling) -> Path:
    folder = tmp_path_factory.mktemp("handbook")
    folder.joinpath("groundling.toml").write_text(
        f'[[source]]\nname = "handbook"\nkind = "folder"\npath = "{ROOT / "examples" / "handbook"}"\n'
    )
    done = groundling("sync", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["sources"][0]["failed"] == []
    return folder


@pytest.mark.timeout(1200)
def test_the_golden_questions_of_the_sample_handbook_pass_the_gate(
    handbook: Path, groundling: Groundling
) -> None:
    # A little below what docs/measurements.md has, for processors that round otherwise.
    questions = str(ROOT / "examples" / "golden.toml")
    bounds = ("--least-answers", "0.88", "--least-refusals", "0.46")
    done = groundling("eval", "golden", questions, *bounds, "--json", cwd=handbook, seconds=2000)
    report = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr.decode()
    assert report["answerable"]["n"] == 35
    assert report["answerable"]["retrieved"] >= 34
    assert report["unresolved_citations"] == 0


@pytest.mark.timeout(600)
def test_a_conversation_is_answered_line_by_line_with_citations(
    handbook: Path, groundling: Groundling
) -> None:
    lines = "How many days of annual leave do full-time employees get?\nand apprentices?\n\nWho let the dogs out?\n"
    done = groundling("chat", "--json", cwd=handbook, stdin=lines.encode())
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())

    assert done.returncode == 0, done.stderr.decode()
    assert "26" in first["text"]
    assert first["citations"][0]["quote"] in {
        passage["text"][passage["text"].find(first["citations"][0]["quote"]) :][
            : len(first["citations"][0]["quote"])
        ]
        for passage in first["passages"]
    }
    assert "28" in second["text"]
    assert third["status"] == "refused"
    assert first["timings"]["first_token_ms"] is not None
    assert first["model"]["sha256"]
