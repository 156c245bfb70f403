"""The invented organisations: every answer stands word for word on a page that is named, and no question is asked twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.evaluation.golden import holds, load_golden
from tests.conftest import ROOT

FOLDER = ROOT / "examples" / "organisations"
FILES = sorted(FOLDER.glob("*.toml"))
ORGANISATIONS = [file for file in FILES if file.with_suffix("").is_dir()]


def test_there_are_as_many_as_the_readme_says() -> None:
    assert len(ORGANISATIONS) == 99
    assert {file.stem for file in FILES} - {file.stem for file in ORGANISATIONS} == {
        "sourcegraph-pages",
        "discord-docs",
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_question_is_asked_twice(file: Path) -> None:
    questions = load_golden(file)
    assert len({one.id for one in questions}) == len(questions)
    assert len({" ".join(one.ask.lower().split()) for one in questions}) == len(questions)
    assert {one.id[0] for one in questions if not one.answerable} <= {"n", "o"}
    assert {one.id[0] for one in questions if one.answerable} == {"a"}


@pytest.mark.parametrize("file", ORGANISATIONS, ids=lambda file: file.stem)
def test_answers_stand_on_the_pages_that_are_named(file: Path) -> None:
    pages = {
        f"{file.stem}:{page.name}": page.read_text(encoding="utf-8")
        for page in file.with_suffix("").iterdir()
    }
    questions = load_golden(file)
    assert len(pages) == 10
    assert sum(one.answerable for one in questions) == 60
    assert sum(bool(one.documents) for one in questions if not one.answerable) == 50
    for one in questions:
        assert set(one.documents) <= set(pages), one.id
        for group in one.facts:
            assert any(holds(pages[name], form) for name in one.documents for form in group), one.id
            assert not any(holds(one.ask, form) for form in group), one.id
