"""The judge: what it reads, how it learns, and what it refuses to be made of."""

from __future__ import annotations

import json
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.errors import EmbedderUnavailable
from models.judge.calibration import Calibration
from models.judge.file import (
    BASE_KEY,
    CALIBRATION_KEY,
    base_of,
    load_weights,
    note_down,
    save_weights,
    weights_sha256,
)
from models.judge.judge import Judge, shipped
from models.judge.merging import merge
from models.judge.network import read, read_rows, tensors
from models.judge.pairs import MAX_TOKENS, QUESTION_TOKENS, PairTokens, shown
from models.judge.training import IGNORED, Recipe, load_examples, main, train

ROWS = [
    ("How many days of leave?", "Leave\nFull-time staff have 26 days.", 1, "26 days"),
    ("How many days of leave do contractors have?", "Leave\nFull-time staff have 26 days.", 0, ""),
    ("When does the barrier close?", "Parking\nThe barrier closes at 21:30.", 1, "21:30"),
    ("Who opens the barrier?", "Parking\nThe barrier closes at 21:30.", 0, ""),
]


@pytest.fixture(scope="module")
def base() -> Path:
    return SentenceTransformerEmbedder.from_package().folder


@pytest.fixture(scope="module")
def file(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that has learned nothing yet."""
    path = tmp_path_factory.mktemp("judge") / "judge.safetensors"
    save_weights(path, base_of(base).trained, note={BASE_KEY: weights_sha256(base)})
    return path


def _recipe(base: Path, folder: Path, **others: float) -> Recipe:
    rows = folder / "rows.jsonl"
    with rows.open("w", encoding="utf-8") as out:
        for question, passage, answers, answer in ROWS:
            begin = passage.index(answer) if answer else -1
            end = begin + len(answer) if answer else -1
            row = {"question": question, "passage": passage, "answers": answers, "supports": None}
            out.write(json.dumps({**row, "begin": begin, "end": end}) + "\n")
    settings = {"epochs": 3, "batch_tokens": 40, "warm_up": 0.0, "report_steps": 1, "minutes": 1e6, **others}
    return Recipe(str(base), str(rows), str(folder / "out"), **settings)  # type: ignore[arg-type]


def test_a_passage_is_shown_with_the_place_where_it_stands() -> None:
    assert shown("Travel", "Hotels › Rates", "120 a night") == "Travel › Hotels › Rates\n120 a night"
    assert shown("", "", "120 a night") == "120 a night"


def test_a_pair_is_cut_at_the_end_of_its_passage(base: Path) -> None:
    pair = PairTokens(base).pairs(["why " * 500], ["because " * 900])[0]
    assert len(pair.ids) == MAX_TOKENS
    assert pair.passage_from == QUESTION_TOKENS + 2
    assert pair.ids[0] != pair.ids[-1]


def test_any_string_can_be_judged(base: Path, file: Path) -> None:
    judge = Judge(base, file)
    texts = ["", "\ud800", "\0", "a" * 9000, "🙂 休暇は26日です。"]
    assert len(judge.scores("\ud800?", texts)) == len(texts)
    assert all(0 <= score <= 1 for score in judge.scores("", texts))
    assert judge.scores("anything", []) == []


def test_a_passage_is_judged_the_same_alone_and_among_others(base: Path, file: Path) -> None:
    judge = Judge(base, file)
    texts = [passage + " And so on." * (place * 9) for place, (_, passage, _, _) in enumerate(ROWS)]
    together = judge.answers([ROWS[0][0]] * len(texts), texts)
    alone = [judge.answers([ROWS[0][0]], [text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=0.02)


def test_rows_read_alone_are_those_of_the_whole_reading(base: Path) -> None:
    weights = load_weights(shipped(), base, torch.float32)
    asked = tensors(PairTokens(base).pairs([ROWS[0][0], "Why?"], [ROWS[0][1], ROWS[2][1] * 3]))
    rows = read_rows(weights, *asked)
    assert rows[0, 0] > rows[1, 0] + 1
    assert torch.allclose(rows, read(weights, *asked).rows, atol=1e-4)


def test_attention_spelled_out_for_learning_is_the_one_that_judges(base: Path) -> None:
    weights = {name: weight.float() for name, weight in base_of(base).frozen.items()} | base_of(base).trained
    ids, kinds, there = tensors(PairTokens(base).pairs([ROWS[0][0], "Why?"], [ROWS[0][1], ROWS[2][1] * 3]))
    learning = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    spelled = read(learning, ids, kinds, there)
    fused = read(weights, ids, kinds, there)
    assert torch.allclose(spelled.rows, fused.rows, atol=1e-4)
    assert torch.allclose(spelled.span, fused.span, atol=1e-3)


def test_the_answer_is_marked_at_its_tokens_and_its_absence_at_the_first(base: Path, tmp_path: Path) -> None:
    examples = load_examples(Path(_recipe(base, tmp_path).rows), PairTokens(base))
    pair, begin, end = examples[2].pair, examples[2].begin, examples[2].end
    low, high = pair.offsets[begin - pair.passage_from][0], pair.offsets[end - pair.passage_from][1]
    assert ROWS[2][1][low:high] == "21:30"
    assert (examples[1].begin, examples[1].end) == (0, 0)
    assert examples[0].rows == (1, IGNORED)


def test_what_is_learned_is_kept(base: Path, tmp_path: Path) -> None:
    judge = Judge(base, train(_recipe(base, tmp_path, epochs=40, rate=3e-4)))
    right = judge.answers([ROWS[0][0], ROWS[2][0]], [ROWS[0][1], ROWS[2][1]])
    wrong = judge.answers([ROWS[1][0], ROWS[3][0]], [ROWS[1][1], ROWS[3][1]])
    assert min(right) > max(wrong)


def test_training_goes_on_from_another_judge(base: Path, tmp_path: Path) -> None:
    first = train(_recipe(base, tmp_path, rate=1e-3))
    (tmp_path / "more").mkdir()
    recipe = replace(_recipe(base, tmp_path / "more", epochs=1), start=str(first), rate=0.0)
    more = train(recipe)
    assert all(torch.equal(one, load_file(more)[name]) for name, one in load_file(first).items())
    with pytest.raises(EmbedderUnavailable, match="holds no judge"):
        train(replace(recipe, start=str(tmp_path / "rows.jsonl"), out=str(tmp_path / "other")))


def test_judges_are_merged_by_the_mean_of_their_weights(base: Path, tmp_path: Path) -> None:
    files = []
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        files.append(train(replace(_recipe(base, tmp_path / str(seed), rate=1e-3), seed=seed)))
    merge(files, tmp_path / "both.safetensors")
    one, other, both = (load_file(file) for file in (*files, tmp_path / "both.safetensors"))
    name = "encoder.layer.5.output.dense.weight"
    assert not torch.equal(one[name], other[name])
    assert torch.allclose(both[name].float(), (one[name].float() + other[name].float()) / 2, atol=1e-3)
    assert Judge(base, tmp_path / "both.safetensors").calibration is None
    assert len(Judge(base, tmp_path / "both.safetensors").answers(["Why?"], ["So."])) == 1
    with pytest.raises(EmbedderUnavailable, match="cannot be written"):
        merge(files, tmp_path / "nowhere" / "both.safetensors")
    save_weights(tmp_path / "else.safetensors", base_of(base).trained, note={BASE_KEY: "another"})
    with pytest.raises(EmbedderUnavailable, match="different embedding models"):
        merge([files[0], tmp_path / "else.safetensors"], tmp_path / "none.safetensors")


def test_training_that_was_killed_goes_on_where_it_was(base: Path, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = torch.load(train(_recipe(base, tmp_path / "whole")).with_name("checkpoint.pt"), weights_only=True)
    recipe = _recipe(base, tmp_path / "parts", checkpoint_minutes=0.0)
    with pytest.raises(_Killed):
        train(recipe, say=_after_saving(tmp_path / "parts/out/checkpoint.pt"))
    train(recipe)
    parts = torch.load(tmp_path / "parts/out/checkpoint.pt", weights_only=True)
    assert parts["step"] == whole["step"]
    assert all(torch.equal(parts["weights"][name], weight) for name, weight in whole["weights"].items())


def test_a_run_that_cannot_begin_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("rate = 1e-4")
    assert main(recipe) == 1
    assert capsys.readouterr().err == f"{recipe} does not name its 'base'\n"


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('base = "b"\nrows = "r"\nout = "o"\nepoch = 3\n')
    with pytest.raises(ValueError, match=r"recipe\.toml.*epoch"):
        Recipe.from_file(tmp_path / "recipe.toml")


def test_nothing_to_learn_from_is_refused(base: Path, tmp_path: Path) -> None:
    recipe = _recipe(base, tmp_path)
    Path(recipe.rows).write_text("")
    with pytest.raises(ValueError, match="no rows"):
        train(recipe)


def test_a_rate_that_breaks_the_weights_ends_the_training(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ArithmeticError, match="rate"):
        train(_recipe(base, tmp_path, rate=1e30, epochs=20))
    assert not (tmp_path / "out/judge.safetensors").exists()


def test_a_judge_of_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    save_weights(path, base_of(base).trained, note={BASE_KEY: "0" * 64})
    with pytest.raises(EmbedderUnavailable, match="another embedding model"):
        Judge(base, path).scores("q", ["p"])


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 4000])
def test_a_broken_file_is_one_line(base: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "judge.safetensors"
    path.write_bytes(content)
    with pytest.raises(EmbedderUnavailable, match="holds no judge") as caught:
        Judge(base, path).scores("q", ["p"])
    assert "\n" not in str(caught.value)


def test_a_file_of_other_tensors_is_refused(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    save_weights(path, {"other": torch.zeros(3)})
    with pytest.raises(EmbedderUnavailable, match="missing"):
        load_weights(path, base, torch.float32)
    with pytest.raises(EmbedderUnavailable, match="no judge"):
        Judge(base, tmp_path / "absent").scores("q", ["p"])


class _Killed(Exception):
    pass


def _after_saving(checkpoint: Path):  # type: ignore[no-untyped-def]
    def say(line: str) -> None:
        if checkpoint.exists() and "step 3 " in line:
            raise _Killed

    return say


def test_a_calibration_lies_in_the_judges_own_file(base: Path, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    path.write_bytes(file.read_bytes())
    assert Judge(base, path).calibration is None
    one = Calibration(weight=0.25, slope=3.0, offset=-1.5, refuse_below=0.3)
    note_down(path, {CALIBRATION_KEY: one.written()})
    judge = Judge(base, path)
    assert judge.calibration == one
    assert judge.scores("q", ["p"]) == Judge(base, file).scores("q", ["p"])


def test_the_shipped_judge_points_at_words_of_the_passage_and_never_at_its_heading(base: Path) -> None:
    judge = Judge(base)
    passage = "When the barrier closes\nDogs wait outside. The barrier of the car park closes at 21:30."
    first, empty = judge.points("When does the barrier of the car park close?", [passage, "Heading alone"])
    assert passage[first.start : first.end] == "21:30"
    assert -3 < first.log_likelihood < 0
    assert passage.index("\n") < first.start
    (nothing,) = judge.points("When?", ["Heading\n"])
    assert nothing.start == nothing.end
    assert nothing.log_likelihood == -float("inf")
    assert empty.end <= len("Heading alone")


def test_a_run_is_never_gone_on_with_for_other_rows_or_another_recipe(base: Path, tmp_path: Path) -> None:
    recipe = _recipe(base, tmp_path, epochs=1)
    train(recipe)
    assert train(replace(recipe, epochs=2, minutes=1e5)).is_file()  # only its end is another
    with pytest.raises(ValueError, match=r"checkpoint\.pt belongs to another recipe"):
        train(replace(recipe, rate=1e-3))
    rows = Path(recipe.rows)
    rows.write_text(rows.read_text().replace("26", "28"))
    with pytest.raises(ValueError, match="other rows; choose another `out` or remove it"):
        train(recipe)


def test_a_damaged_checkpoint_is_refused_with_its_mend(base: Path, tmp_path: Path) -> None:
    recipe = _recipe(base, tmp_path, epochs=1)
    train(recipe)
    checkpoint = tmp_path / "out/checkpoint.pt"
    whole = checkpoint.read_bytes()
    for content in (b"", b"hi", whole[: len(whole) // 2]):
        checkpoint.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged; remove it to start again"):
            train(recipe)


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(base: Path, tmp_path: Path) -> None:
    recipe = _recipe(base, tmp_path, epochs=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        with pytest.raises(OSError, match="is the disk full"):
            train(recipe)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "line 2 is no row: Expecting"),
        (b'{"q": 1}', "line 2 is no row: 'question'"),
        (b'{"question": "a", "passage": 5}', "line 2 is no row: a text or a label"),
        (b'{"question": "a", "passage": "b", "answers": "yes"}', "line 2 is no row: a text or a label"),
        (b"\xff", "is not UTF-8 at byte"),
    ],
)
def test_a_line_that_is_no_row_is_named(base: Path, tmp_path: Path, line: bytes, says: str) -> None:
    rows = Path(_recipe(base, tmp_path).rows)
    rows.write_bytes(rows.read_bytes().splitlines(keepends=True)[0] + line)
    with pytest.raises(ValueError, match=r"rows\.jsonl") as caught:
        load_examples(rows, PairTokens(base))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ('epochs = "two"', "epochs must be a number, not 'two'"),
        ("minutes = 0", "minutes must be above 0, not 0"),
        ("batch_tokens = 1.5", "batch_tokens must be a number, not 1.5"),
        ("warm_up = 1", "warm_up must be below 1, not 1"),
        ("start = 3", "start must be a text, not 3"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(tmp_path: Path, key: str, says: str) -> None:
    (tmp_path / "recipe.toml").write_text(f'base = "b"\nrows = "r"\nout = "o"\n{key}\n')
    with pytest.raises(ValueError, match=r"recipe\.toml") as caught:
        Recipe.from_file(tmp_path / "recipe.toml")
    assert str(caught.value).endswith(says)


def test_a_judge_that_lacks_a_part_or_is_of_another_shape_is_refused(base: Path, tmp_path: Path) -> None:
    whole = base_of(base).trained
    parts = {
        "missing": {name: one for name, one in whole.items() if not name.startswith("head.span")},
        "of another shape": {**whole, "head.rows.weight": whole["head.rows.weight"][:1]},
    }
    for says, weights in parts.items():
        path = tmp_path / "judge.safetensors"
        save_weights(path, weights, note={BASE_KEY: weights_sha256(base)})
        with pytest.raises(EmbedderUnavailable, match=says):
            Judge(base, path).points("q", ["p\nq"])
        with pytest.raises(EmbedderUnavailable, match=says):
            merge([shipped(), path], tmp_path / "mean.safetensors")
