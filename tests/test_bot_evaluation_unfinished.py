"""A measurement that was ended in the middle: what is kept, what is asked again, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bot.answer import Answer, Citation, Timings
from bot.errors import Failed
from bot.evaluation.arms import Parts, arms_of, ask_arms
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.report_folder import QUESTIONS as QUESTIONS_FILE
from bot.evaluation.unfinished import FILE, UnfinishedAnswers, forget
from knowledge.documents import Chunk, Passage
from models.embedding.word_vectors import WordVectors
from models.engine.generator import ModelIdentity
from models.engine.scripted import ScriptedGenerator
from tests.conftest import ROOT
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.test_bot_cli_finetune import squad
from tests.test_bot_evaluation_arms import QUESTIONS, SETTINGS, Words, reply
from tests.tiny_base import write_tiny_base

ARMS = arms_of("skill", oracle=False)
AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
EVERYTHING = AskedQuestion(
    question=ReferenceQuestion("What is \ud800?", ("one", "two"), "Kiln/0"),
    document="Kiln",
    answer=Answer(
        question="What is \ud800?",
        text="One. [1]\nZwei – 二. [1]",
        status="answered",
        language="de",
        voice="model",
        citations=(Citation(1, "s:k", "Kiln", "page 3", None, "One.", AT, "s", "c"),),
        passages=(
            Passage(Chunk("s:k", 2, ("A", "B"), "page 3", "One.", "table"), "Kiln", "u", 0.1, None, AT, "s", "c"),
        ),
        model=ModelIdentity("base", "a" * 64, "skill", "b" * 64),
        index_version=7,
        timings=Timings(queue_ms=1, first_token_ms=None, total_ms=9),
        note="The language model could not be used: it is gone",
    ),
    alone=True,
    read=(3, 1),
    confidence=1 / 3,
)  # fmt: skip


class EndedError(Exception):
    """Stands for whatever ends a measurement."""


def measured(folder: Path, model: ScriptedGenerator, *, most: int = 99) -> dict[str, list[AskedQuestion]]:
    """The arms of the questions with their answers kept in `folder`, ended when `most` were asked."""
    parts = Parts(model, WordVectors(), None, SETTINGS, {"found": Words()})  # type: ignore[arg-type]
    asked = [(one, one.text.split("/")[0]) for one in QUESTIONS]
    with UnfinishedAnswers.opened(folder, "this one") as kept:

        def done(number: int, answers: Mapping[str, AskedQuestion]) -> None:
            kept.add(answers)
            if number == most:
                raise EndedError

        return asyncio.run(ask_arms(asked, ARMS, parts, known=kept.known, done=done))


def without_times(rows: Mapping[str, list[AskedQuestion]]) -> dict[str, list[AskedQuestion]]:
    return {
        name: [replace(one, answer=replace(one.answer, timings=Timings())) for one in asked]
        for name, asked in rows.items()
    }


def lines(folder: Path) -> list[bytes]:
    return (folder / FILE).read_bytes().splitlines(keepends=True)


def test_a_measurement_that_was_ended_asks_its_last_question_and_those_that_were_left(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = ScriptedGenerator(reply)
    expected = measured(tmp_path / "whole", whole)

    with pytest.raises(EndedError):
        measured(tmp_path, ScriptedGenerator(reply), most=1)
    with pytest.raises(EndedError):
        measured(tmp_path, ScriptedGenerator(reply), most=2)
    assert len(lines(tmp_path)) == 1 + 2
    model = ScriptedGenerator(reply)
    rows = measured(tmp_path, model)

    assert without_times(rows) == without_times(expected)
    assert model.prompts == whole.prompts[len(whole.prompts) // 3 :]
    assert lines(tmp_path)[3:] != []


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    other = replace(EVERYTHING, confidence=float(np.float32(0.1)), read=())
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        kept.add({"base": EVERYTHING, "LoRA": other})
        kept.add({"base": replace(other, answer=replace(other.answer, model=None)), "LoRA": EVERYTHING})
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        first, second = kept.known
    assert first == {"base": EVERYTHING, "LoRA": other}
    assert second["base"].answer.model is None


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_line_that_was_not_written_to_its_end_does_not_count(tmp_path: Path, cut: int) -> None:
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        kept.add({"base": EVERYTHING})
        kept.add({"base": EVERYTHING})
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-cut])
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        assert kept.known == [{"base": EVERYTHING}]
        kept.add({"base": EVERYTHING})
    assert (tmp_path / FILE).read_bytes() == whole


def test_a_full_disk_ends_it_in_one_line_and_what_was_whole_is_kept(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        kept.add({"base": EVERYTHING})
        most = (tmp_path / FILE).stat().st_size + 100
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
            with pytest.raises(Failed, match=r"unfinished.jsonl cannot be written: File too large"):
                kept.add({"base": EVERYTHING})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / FILE).stat().st_size == most
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        assert kept.known == [{"base": EVERYTHING}]


@pytest.mark.parametrize("begun", [b"", b'{"meas'])
def test_a_measurement_that_was_ended_before_its_first_line_begins_anew(tmp_path: Path, begun: bytes) -> None:
    (tmp_path / FILE).write_bytes(begun)
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        assert kept.known == []
    assert json.loads(lines(tmp_path)[0]) == {"measurement": "this one"}


def test_answers_of_another_measurement_or_broken_ones_are_refused_and_left_alone(tmp_path: Path) -> None:
    with UnfinishedAnswers.opened(tmp_path, "this one") as kept:
        kept.add({"base": EVERYTHING})
        with (
            pytest.raises(Failed, match="another measurement is writing to"),
            UnfinishedAnswers.opened(tmp_path, "this one"),
        ):
            pass
    with pytest.raises(ConnectionError), UnfinishedAnswers.opened(tmp_path, "this one"):
        raise ConnectionError  # not the file's fault, and not told as such
    before = (tmp_path / FILE).read_bytes()
    with (
        pytest.raises(Failed, match="start that one again, or delete the file"),
        UnfinishedAnswers.opened(tmp_path, "another one"),
    ):
        pass
    assert (tmp_path / FILE).read_bytes() == before
    (tmp_path / FILE).write_bytes(before.replace(b'"references"', b'"referenced"'))
    with (
        pytest.raises(Failed, match=r"line 2 is broken; delete the file to begin anew"),
        UnfinishedAnswers.opened(tmp_path, "this one"),
    ):
        pass
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


def killed(folder: Path, *command: str) -> int:
    """How many questions `command` had asked when it was killed, once two answers were in `folder`."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", *command, "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    ) as ended:
        while ended.poll() is None:
            if (folder / FILE).exists() and len(lines(folder)) >= 3:
                ended.kill()
            time.sleep(0.01)
    assert ended.returncode < 0
    return len(lines(folder)) - 1


def test_answers_that_were_killed_come_to_the_same_report(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text('[model]\npath = "tiny.gguf"\n\n[retrieval]\njudge = false\n')
    write_tiny_base(here / "tiny.gguf")
    squad(here / "q.json", [f"Workshop {number}" for number in range(5)])
    command = ("eval", "answers", "--squad", "q.json", "--json")
    asked_before = killed(here / "killed", *command)
    assert not (here / "killed" / "report.json").exists()

    code, out, err = run(*command, "--limit", "5", "--out", "killed")
    assert (code, out) == (1, "")
    assert "with other questions, options or models; start that one again" in err.splitlines()[-1]

    code, out, err = run(*command, "--out", "killed")
    assert code == 0
    assert err.startswith(f"going on: {asked_before} of 15 questions were answered before\n")
    assert not (here / "killed" / FILE).exists()

    code, expected, _ = run(*command, "--out", "whole")
    assert code == 0
    assert json.loads(out) == json.loads(expected)
    for name in ("report.md", "report.html", "report.xml", "report.json"):
        assert (here / "killed" / name).read_bytes() == (here / "whole" / name).read_bytes()
    one, other = (
        [
            json.loads(line) | {"total_ms": 0}
            for line in (here / name / QUESTIONS_FILE).read_text().splitlines()
        ]
        for name in ("killed", "whole")
    )
    assert one == other


def test_golden_questions_that_were_killed_come_to_the_same_report(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text(
        '[[source]]\nname = "rules"\nkind = "folder"\npath = "rules"\n\n[model]\npath = "tiny.gguf"\n\n'
        "[retrieval]\njudge = false\n"
    )
    write_tiny_base(here / "tiny.gguf")
    (here / "rules").mkdir()
    places = ("kiln", "glaze", "mill", "wheel", "loft", "yard", "store", "press")
    (here / "rules" / "fees.md").write_text(
        "".join(
            f"## The {place}\n\nThe {place} costs {40 + number} euros a day.\n\n"
            for number, place in enumerate(places)
        )
    )
    (here / "golden.toml").write_text(
        "".join(
            f'[[question]]\nask = "What does the {place} cost?"\nfacts = ["{40 + number}"]\n'
            'documents = ["rules:fees.md"]\n'
            for number, place in enumerate(places)
        )
    )
    assert run("sync")[0] == 0
    command = ("eval", "golden", "golden.toml", "--json", "--least-answers", "0")
    asked_before = killed(here / "killed", *command)
    assert 2 <= asked_before < len(places)

    (here / "fewer.toml").write_text((here / "golden.toml").read_text().rpartition("[[question]]")[0])
    code, out, err = run("eval", "golden", "fewer.toml", *command[3:], "--out", "killed")
    assert (code, out) == (1, "")
    assert "with other questions, options or models; start that one again" in err.splitlines()[-1]

    code, out, err = run(*command, "--out", "killed")
    assert code == 0
    assert err.startswith(f"going on: {asked_before} of 8 questions were asked before\n")
    assert not (here / "killed" / FILE).exists()

    code, expected, _ = run(*command, "--out", "whole")
    assert code == 0
    assert json.loads(out) == json.loads(expected)
    for name in ("report.md", "report.html", "report.xml", "report.json"):
        assert (here / "killed" / name).read_bytes() == (here / "whole" / name).read_bytes()
