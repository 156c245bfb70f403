"""Which path is advised for whom, and that a reason without a measurement or a publication has no number."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.advise import RULES, Advice, Machine, Need, advise, half_width
from bot.measured_speed import measured_speed
from models.engine.generator import Delta, Turn
from models.engine.scripted import ScriptedGenerator
from tests.conftest import ROOT
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.tiny_base import write_tiny_base

PLAIN = Need(400, "weekly", "none", "none", 100, 300, 5.0)
LARGE = Machine("cpu", 8, 32 * 10**9, (), "large", 7 * 10**9, 800, 200.0, 20.0)
SMALL = Machine("cpu", 2, 8 * 10**9, (), "small", 135 * 10**6, 800, 400.0, 40.0)


def said(advice: Advice) -> list[str]:
    return [reason.says for reason in advice.reasons]


@pytest.mark.parametrize(
    ("need", "machine", "path"),
    [
        (PLAIN, LARGE, "retrieve"),
        (replace(PLAIN, tone="own"), LARGE, "both"),
        (replace(PLAIN, form="own"), LARGE, "both"),
        (PLAIN, SMALL, "both"),
        (replace(PLAIN, pairs=10), SMALL, "retrieve"),
        (replace(PLAIN, documents=0, tone="own"), LARGE, "fine-tune"),
        (replace(PLAIN, documents=0), LARGE, "neither"),
        (replace(PLAIN, documents=0, tone="own", pairs=3), LARGE, "neither"),
        (replace(PLAIN, documents=0, form="own", pairs=49), LARGE, "neither"),
    ],
)
def test_the_path_follows_from_what_is_there_and_wanted(need: Need, machine: Machine, path: str) -> None:
    assert advise(need, machine).path == path


def test_who_has_too_few_answers_is_told_so_and_only_who_would_train(tmp_path: Path) -> None:
    assert "not yet" in said(advise(replace(PLAIN, tone="own", pairs=49), LARGE))
    assert "not yet" not in said(advise(replace(PLAIN, pairs=0), LARGE))
    between = advise(replace(PLAIN, tone="own", pairs=100), LARGE)
    assert any("within 9 points" in reason.reason for reason in between.reasons)
    assert (round(half_width(100), 1), round(half_width(200), 1)) == (9.0, 6.4)


def test_a_slow_machine_and_many_questions_are_told_of() -> None:
    assert "faster" not in said(advise(PLAIN, LARGE))
    assert "faster" in said(advise(replace(PLAIN, first_token_s=1.0), LARGE))
    assert "faster" in said(advise(replace(PLAIN, questions_a_day=5000), LARGE))
    unmeasured = Machine("cpu", 2, 8 * 10**9, (), None, None)
    assert said(advise(replace(PLAIN, questions_a_day=5000), unmeasured)) == ["retrieve"] * 3


def test_a_larger_model_is_advised_where_there_is_time_or_a_gpu() -> None:
    assert not advise(PLAIN, SMALL).larger_model
    assert advise(replace(PLAIN, first_token_s=60.0), SMALL).larger_model
    assert not advise(replace(PLAIN, first_token_s=60.0), replace(SMALL, memory_free=10**9)).larger_model
    assert advise(PLAIN, replace(SMALL, gpus=("a GPU",), gpu_free=20 * 10**9)).larger_model
    assert not advise(PLAIN, replace(SMALL, gpus=("a full GPU",), gpu_free=10**9)).larger_model
    assert not advise(PLAIN, replace(LARGE, gpus=("a GPU",), gpu_free=20 * 10**9)).larger_model


@pytest.mark.parametrize(("keeps", "told"), [(False, True), (True, False)])
def test_a_cache_that_is_on_or_cannot_be_is_not_advised(*, keeps: bool, told: bool) -> None:
    advice = advise(replace(PLAIN, first_token_s=1.0), replace(LARGE, keeps_passages=keeps))
    assert said(advice).count("faster") == 1
    assert any("passage_cache" in reason.reason for reason in advice.reasons) is told


class Remembering(ScriptedGenerator):
    """Reads no prompt twice, as a server with a cache of prompts."""

    async def stream(self, turns: Sequence[Turn], **how: Any) -> AsyncGenerator[Delta, None]:
        seen = tuple(turns) in self.prompts
        async for delta in super().stream(turns, **how):
            yield replace(delta, reused_tokens=delta.prompt_tokens if seen else 0)


def test_a_server_that_remembers_is_measured_with_a_question_that_is_new_to_it() -> None:
    model = Remembering("Three words more.")
    first, second = (asyncio.run(measured_speed(model)) for _ in range(2))
    assert len(set(model.prompts)) == 4
    assert min(first.prompt_tokens, second.prompt_tokens) > 500


def test_a_model_that_writes_one_word_after_a_while_is_not_taken_for_a_quick_one() -> None:
    found = asyncio.run(measured_speed(ScriptedGenerator("Yes", pause_s=0.2)))
    assert found.written_a_second < 10


def test_every_figure_of_a_study_names_its_study() -> None:
    figures = [rule for rule in RULES if re.search(r"\d+\.\d|\d+ % with", rule.reason)]
    assert len(figures) >= 3
    assert all(rule.source for rule in figures)


def test_the_command_measures_the_model_that_is_configured(run: Run, here: Path) -> None:
    write_tiny_base(here / "tiny.gguf")
    (here / "groundling.toml").write_text('[model]\npath = "tiny.gguf"\n')
    asked = ("advise", "--documents", "40", "--pairs", "80", "--tone", "own", "--measure")
    code, out, _ = run(*asked, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["advice"]["path"] == "both"
    assert found["need"]["changes"] == "weekly"
    assert found["machine"]["prompt_tokens"] > 100
    assert min(found["machine"][f"{what}_a_second"] for what in ("read", "written", "trained")) > 0
    assert found["numbers"]["training_s"] > 0


def test_without_a_model_or_numbers_it_says_what_is_missing(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text('[model]\nkind = "none"\n')
    code, out, _ = run("advise", "--documents", "0", "--tone", "own")
    assert code == 0
    assert out.startswith("neither yet: there are no documents to look into, and too few pairs")
    assert out.endswith("next\n  groundling init\n  groundling curated add\n")
    code, out, _ = run("advise", "--documents", "40")
    assert code == 0
    assert "no model is configured" in out
    assert "training: not measured; add --measure" in out
    code, _, error = run("advise")
    assert (code, len(error.splitlines())) == (2, 1)
    assert "--documents N" in error
    code, _, error = run("advise", "--documents", "4", "--measure")
    assert (code, error.splitlines()[-1]) == (
        2,
        'groundling: --measure trains a GGUF, but [model] kind is "none"',
    )


def test_on_a_terminal_it_asks_what_was_not_given(tmp_path: Path) -> None:
    (tmp_path / "groundling.toml").write_text('[model]\nkind = "none"\n')
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "bot", "advise", "--pairs", "70"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, b"12\ndaily\nown\n\n\n\n")
    out, error = child.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert child.returncode == 0, error
    assert out.startswith("both: retrieve for knowledge")
    assert "How many documents are there:" in error
    assert error.count("]:") == 5
