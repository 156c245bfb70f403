"""`groundling eval answers` and `eval arms` over a small file, and one line for what cannot be measured."""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from bot.evaluation.questions import questions_of
from bot.evaluation.split import is_test, unseen
from models.lora_folder import shipped_lora
from models.weights import sha256_of
from tests.lora_files import write_lora
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.test_bot_cli_finetune import squad
from tests.test_bot_cli_lora_registry import project as project

THERE = "How many days of annual leave does every employee have?"
NOT_THERE = "Who was the first person on the moon?"
TITLES = [f"Workshop {n}" for n in range(400)]
UNSEEN = next(title for title in TITLES if unseen(title))
LEARNED = next(title for title in TITLES if not is_test(title))
JUDGED = next(title for title in TITLES if is_test(title) and not unseen(title))


def test_a_document_is_unseen_only_where_neither_lora_nor_judge_may_learn_from_it() -> None:
    assert [is_test(title) for title in (UNSEEN, JUDGED, LEARNED)] == [True, True, False]
    assert [unseen(title) for title in (UNSEEN, JUDGED, LEARNED)] == [True, False, False]


def test_questions_are_asked_of_unseen_documents_and_searched_in_all(tmp_path: Path) -> None:
    squad(tmp_path / "q.json", [UNSEEN, JUDGED, LEARNED])
    texts, chosen = questions_of([tmp_path / "q.json"], limit=None, seed=0, test_fifth=True)
    assert {text.title for text in texts} == {UNSEEN, JUDGED, LEARNED}
    assert {question.text for question in chosen} == {f"{UNSEEN}/0"}
    assert len(chosen) == 3


def test_files_with_the_same_articles_stay_apart_and_no_question_is_asked_twice(tmp_path: Path) -> None:
    squad(tmp_path / "a.json", [LEARNED])
    squad(tmp_path / "b.json", [LEARNED, "Other"])
    texts, chosen = questions_of(
        [tmp_path / "a.json", tmp_path / "b.json"], limit=None, seed=0, test_fifth=False
    )
    assert len({text.name for text in texts}) == len(texts) == 3
    assert len({question.ask for question in chosen}) == len(chosen) == 6
    assert {question.text for question in chosen} <= {text.name for text in texts}


def test_arms_come_out_as_json_and_as_a_report(run: Run, here: Path) -> None:
    squad(here / "q.json", [LEARNED, "Other"])
    write_lora(here / "skill.gguf", scale=0.0)

    code, out, err = run(
        *("eval", "arms", "--squad", "q.json", "--limit", "2", "--lora", "skill.gguf", "--quote", "never"),
        *("--out", "out", "--json"),
    )

    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told["arms"]) == ["base", "base+retrieval", "LoRA", "LoRA+retrieval"]
    assert told["lora_sha256"] == sha256_of(here / "skill.gguf")
    # This LoRA adds nothing, so the model says alone what it says without it.
    assert told["arms"]["base"]["overall_f1"] == told["arms"]["LoRA"]["overall_f1"]
    assert {one["against"] for one in told["comparisons"]} == {"base", "base+retrieval", "LoRA"}
    assert json.loads((here / "out" / "report.json").read_text()) == told
    rows = [json.loads(line) for line in (here / "out" / "questions.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    assert "sha256" in (here / "out" / "report.md").read_text()


def test_a_bound_that_is_not_kept_fails_and_is_told_in_the_report(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text('[model]\nkind = "none"\n')
    squad(here / "q.json", [LEARNED, "Other"])

    code, out, err = run(
        *("eval", "answers", "--squad", "q.json", "--out", "out", "--json"),
        *("--least", "exact=0", "--least", "f1=0.99"),
    )
    assert (code, out) == (2, "")
    assert "no such figure" in err

    assert not (here / "out").exists()

    code, out, err = run(
        *("eval", "answers", "--squad", "q.json", "--out", "out", "--json"),
        *("--least", "f1=0.99", "--most", "false_refusals=1"),
    )
    assert code == 1
    assert "f1 is 0." in err
    assert err.count("\n") == 1
    told = json.loads(out)
    assert told["answerable"]["n"] == 4
    assert told["unanswerable"]["n"] == 2
    suite = Xml.fromstring((here / "out" / "report.xml").read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_golden_questions_fail_where_a_model_was_wanted_and_could_not_be_used(
    run: Run, project: Path
) -> None:
    configuration = (project / "groundling.toml").read_text()
    command = ("eval", "golden", "golden.toml", "--json", "--out", "out")
    for model, lost in (('path = "nowhere.gguf"', 1), ('kind = "none"', 0)):
        (project / "groundling.toml").write_text(f"{configuration}\n[model]\n{model}\n")
        code, out, err = run(*command)
        told = json.loads(out)
        assert (code, told["without_model"]) == (bool(lost), lost)
        assert "lora_sha256" not in told
        assert (told["answerable"]["right"], told["unanswerable"]["refused"]) == (1, 1)
        said = "1 of 2 questions were answered without the model: The language model could not be used ("
        assert (said in err) is bool(lost)
        assert (said in (project / "out" / "report.xml").read_text()) is bool(lost)
        assert (
            f"| without the model, which failed | {lost} | 2 |" in (project / "out" / "report.md").read_text()
        )


@pytest.mark.parametrize(("refused", "code"), [(7, 0), (6, 1)])
def test_a_share_that_is_reached_exactly_passes_the_gate(
    run: Run, project: Path, refused: int, code: int
) -> None:
    (project / "groundling.toml").write_text(
        (project / "groundling.toml").read_text() + '\n[model]\nkind = "none"\n'
    )
    asks = [NOT_THERE] * refused + [THERE] * (25 - refused)
    rows = (f'[[question]]\nask = "{ask}"\nanswerable = false\n' for ask in asks)
    (project / "many.toml").write_text("".join(rows))
    # 0.28 * 25 is more than 7.
    done, out, _ = run("eval", "golden", "many.toml", "--least-refusals", "0.28", "--json")
    assert json.loads(out)["unanswerable"] == {"n": 25, "refused": refused}
    assert done == code


def test_questions_of_one_kind_have_no_auc_and_no_curve(run: Run, project: Path) -> None:
    (project / "one.toml").write_text(f'[[question]]\nask = "{NOT_THERE}"\nanswerable = false\n')
    code, out, _ = run("eval", "refusals", "one.toml", "--json")
    told = json.loads(out)
    assert (code, told["auc"], told["slope"], told["offset"]) == (0, None, None, None)
    code, out, _ = run("eval", "refusals", "one.toml")
    assert (code, out.splitlines()[0]) == (
        0,
        "0 answerable, 1 not; no AUC and no curve without both kinds",
    )
    code, out, _ = run("eval", "refusals", "golden.toml")
    assert (code, out.splitlines()[0]) == (0, "1 answerable, 1 not; AUC 1.000")


def test_the_lora_that_answered_golden_questions_is_named_for_its_card(run: Run, project: Path) -> None:
    code, out, _ = run("eval", "golden", "golden.toml", "--json")
    told = json.loads(out)
    assert (code, told["lora_sha256"], told["without_model"]) == (0, sha256_of(shipped_lora()), 0)


def test_every_question_is_one_to_refuse_when_its_answer_is_taken_out(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text('[model]\nkind = "none"\n')
    squad(here / "q.json", [LEARNED, "Other"])

    code, out, _ = run("eval", "answers", "--squad", "q.json", "--taken-out", "--json", "--out", "out")

    assert code == 0
    told = json.loads(out)
    assert (told["answerable"]["n"], told["unanswerable"]["n"]) == (0, 6)
    rows = [json.loads(line) for line in (here / "out" / "questions.jsonl").read_text().splitlines()]
    assert not any(row["answering"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("arms", "--squad", "q.json", "--config", "bare.toml"),
            "there is no LoRA to compare with; name one: --lora FILE.gguf",
        ),
        (
            ("arms", "--squad", "q.json", "--lora", "nowhere"),
            "--lora nowhere is neither a file nor a [[lora]]",
        ),
        (("arms", "--squad", "q.json", "--lora", "q.json"), "q.json"),
        (("arms", "--squad", "broken.json", "--lora", "q.json"), "broken.json is not a SQuAD file"),
        (("answers", "--squad", "q.json", "--test-fifth"), "no question about a document that no training"),
        (("answers", "--squad", "q.json", "--taken-out", "--oracle"), "--taken-out takes away what"),
        (("answers", "--squad", "empty.json"), "there is no question in empty.json"),
        (
            ("answers", "--squad", "q.json", "--least", "f1=high"),
            "--least f1=high is not a figure and its bound",
        ),
        (("answers", "--squad", "q.json", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("answers", "--squad", "q.json", "--most", "f1"), "--most f1 is not a figure and its bound"),
        (
            ("answers", "--squad", "q.json", "--support-model", "."),
            "--support-model . holds no cross-encoder",
        ),
        (("answers", "--squad", "q.json", "--out", "q.json/out"), "no report can be written to q.json/out"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(
    run: Run, here: Path, arguments: tuple[str, ...], line: str
) -> None:
    squad(here / "q.json", [LEARNED])
    (here / "broken.json").write_text('{"data": [{"title": 3}]}')
    (here / "empty.json").write_text('{"data": []}')
    (here / "bare.toml").write_text('[model]\nlora = "none"\n')

    code, out, err = run("eval", *arguments)

    assert code in {1, 2}
    assert out == ""
    assert line in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_model_that_is_none_has_no_arms(run: Run, here: Path) -> None:
    (here / "groundling.toml").write_text('[model]\nkind = "none"\n')
    squad(here / "q.json", [LEARNED])
    write_lora(here / "skill.gguf")
    code, _, err = run("eval", "arms", "--squad", "q.json", "--lora", "skill.gguf")
    assert code == 2
    assert "takes a file only where" in err
