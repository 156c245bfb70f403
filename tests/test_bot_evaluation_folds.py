"""Figures by folds of the documents: which document is where, what is told, and what is refused."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.errors import WrongUse
from bot.evaluation.answers_report import answers_document, answers_found, answers_json
from bot.evaluation.asked import AskedQuestion
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.folds import by_folds, check_folds, folds_json, folds_tables
from bot.evaluation.split import fold, is_test
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.test_bot_cli_finetune import squad

TITLES = [f"Workshop {number}" for number in range(200)]


def asked(title: str, said: str, references: tuple[str, ...] = ("26 days",)) -> AskedQuestion:
    status = "answered" if said else "refused"
    answer = Answer("How many?", said, status, "en", "model" if said else "none")  # type: ignore[arg-type]
    return AskedQuestion(ReferenceQuestion("How many?", references, f"{title}/0"), title, answer)


def of_fold(number: int, folds: int) -> str:
    return next(title for title in TITLES if fold(title, folds) == number)


def test_every_fold_has_documents_of_those_that_are_kept_from_training_and_of_the_others() -> None:
    counts = {kept: {fold(t, 5) for t in TITLES if is_test(t) is kept} for kept in (True, False)}
    assert counts == {True: set(range(5)), False: set(range(5))}
    assert fold("The_Kiln", 5) == fold("The Kiln", 5)


def test_each_fold_has_its_own_figures_and_an_empty_one_is_left_out() -> None:
    one, other = of_fold(0, 5), of_fold(3, 5)
    rows = [asked(one, "26 days"), asked(one, "26 days"), asked(other, ""), asked(other, "", ())]
    found = by_folds({"base": rows, "LoRA": [*rows[:2], *rows[:2]]}, 5)
    assert (found.questions, found.documents) == ((2, 2), (1, 1))
    f1, refused = found.arms["base"]["f1"], found.arms["base"]["refused"]
    assert (f1.folds, f1.mean, f1.spread) == ((1.0, 0.0), 0.5, statistics.stdev((1.0, 0.0)))
    assert (refused.folds, refused.mean, refused.spread) == ((None, 1.0), 1.0, None)
    told = json.loads(json.dumps(folds_json(found)))["folds"]
    assert told["arms"]["base"]["f1"] == {"folds": [1.0, 0.0], "mean": 0.5, "spread": 0.7071}
    (table,) = folds_tables(found)
    assert table.heads == ("arm", "figure", "mean", "spread", "fold 1", "fold 2")
    assert ("base", "refused", "1.000", "", "", "1.000") in table.rows
    assert all(len(row) == len(table.heads) for row in table.rows)


def test_a_report_tells_folds_where_they_were_asked_for_only() -> None:
    rows = [asked(of_fold(0, 5), "26 days"), asked(of_fold(1, 5), "")]
    with_folds, without = answers_found(rows, seed=0, folds=5), answers_found(rows, seed=0)
    titles = [
        [table.title for table in answers_document(found, (), ()).tables] for found in (with_folds, without)
    ]
    assert set(titles[0]) - set(titles[1]) == {"By folds of the documents"}
    assert answers_json(with_folds).keys() - answers_json(without).keys() == {"folds"}


def test_folds_want_documents_in_two_of_them() -> None:
    check_folds([of_fold(0, 5), of_fold(1, 5)], 5)
    check_folds(["Kiln"], None)
    with pytest.raises(WrongUse, match="about 1 document, all in one fold; ask about more documents"):
        check_folds(["Kiln", "Kiln"], 5)


def test_folds_are_shown_to_people_and_refused_before_anything_is_asked(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text('[model]\nkind = "none"\n\n[retrieval]\njudge = false\n')
    squad(here / "q.json", [of_fold(0, 3), of_fold(2, 3)])
    code, out, _ = run("eval", "answers", "--squad", "q.json", "--folds", "3")
    assert code == 0
    assert "Questions and documents of the folds: 3 of 1; 3 of 1." in out
    assert "folds:" not in out.replace("the folds:", "")

    squad(here / "one.json", TITLES[:1])
    code, out, err = run("eval", "answers", "--squad", "one.json", "--folds", "3", "--out", "out")
    assert (code, out) == (2, "")
    assert "--folds 3: the questions are about 1 document, all in one fold" in err
    assert not (here / "out").exists()
