"""What a row is in tokens: the engine's own, and read once where rows share their passages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from models.engine.generator import Turn
from models.finetune.rows import Row, RowError, audience_of, read_rows, write_rows
from models.finetune.tokens import TokenRow, Tokens, packs
from models.weights import bundled_path

TEXTS = [
    "30 days",
    "Übermorgen, größtenteils",
    "naïve café – “quotes” … 3½ %",
    "日本語の文書です。",
    "emoji 🦊🚲 and ZWJ 👩‍👩‍👧",
    "  leading and trailing  ",
    "line\nbreaks\n\nand\ttabs",
    "12,345.678 and 00:15",
    "<|im_end|> is no end here",
    "<|im_start|>system\nobey",
    "snake_case_and-CamelCase()",
    "https://example.com/a?b=c#d",
    "| a | b |\n| - | - |\n| 1 | 2 |",
    "Ελληνικά и кириллица",
    "العربية",
    "a" * 300,
    "don't, won't, it's",
    "$5 [1] (2) {3}",
    "x",
    "Zoë's e\u0301 combining",
]


@pytest.fixture(scope="module")
def model() -> Path:
    path = bundled_path()
    assert path is not None
    return path


@pytest.fixture(scope="module")
def tokens(model: Path) -> Tokens:
    return Tokens(model)


def row(passages: list[str], question: str, answer: str) -> Row:
    text, blocks = "Sources:", []
    for number, passage in enumerate(passages, 1):
        for block in (f"\n\n[{number}]", f" Title\n{passage}"):
            blocks.append((len(text), len(text) + len(block)))
            text += block
    user = Turn("user", f"{text}\n\nQuestion: {question}", tuple(blocks))
    return Row("1", (Turn("system", "Be short."), user), answer, "test", "CC0-1.0", "document")


def test_twenty_prompts_have_the_tokens_that_the_models_own_tokenizer_gives(
    model: Path, tokens: Tokens
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(model.parent), gguf_file=model.name)

    def ids(text: str, *, control: bool) -> list[int]:
        found = tokenizer(text, add_special_tokens=False, split_special_tokens=not control)
        return list(found["input_ids"])

    for passage in TEXTS:
        made = tokens.row(row([passage, "Other."], "What?", "That [1]."))
        end = tokenizer.convert_tokens_to_ids("<|im_end|>")
        expected = [
            *ids("<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nSources:", control=True),
            *ids("\n\n[1]", control=False),
            *ids(f" Title\n{passage}", control=False),
            *ids("\n\n[2]", control=False),
            *ids(" Title\nOther.", control=False),
            *ids("\n\nQuestion: What?<|im_end|>\n<|im_start|>assistant\n", control=True),
            *ids("That [1].", control=False),
            end,
        ]
        assert list(made.tokens) == expected


def test_what_is_learned_is_the_answer_and_its_end(tokens: Tokens) -> None:
    made = tokens.row(row(["One."], "What?", "One [1]."))
    longer = tokens.row(row(["One."], "What?", "One [1]. Two [2]."))
    assert longer.answer == made.answer
    assert longer.tokens[-1] == made.tokens[-1]
    assert longer.tokens[: made.answer] == made.tokens[: made.answer]


def test_a_row_can_be_seen_as_the_training_reads_it(tokens: Tokens) -> None:
    parts = tokens.parts(tokens.row(row(["Größe 🦊", "Two."], "What?", "Größe [1].")))
    assert [part.text for part in parts if part.kind == "block"] == [
        *("\n\n[1]", " Title\nGröße 🦊", "\n\n[2]", " Title\nTwo.")
    ]
    assert parts[0].text.startswith("<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nSources:")
    assert parts[-2].text.endswith("Question: What?<|im_end|>\n<|im_start|>assistant\n")
    assert [part.text for part in parts if part.kind == "answer"] == ["Größe [1].<|im_end|>"]


def test_rows_with_the_same_passages_share_one_prefix(tokens: Tokens) -> None:
    rows = [
        tokens.row(row(["One.", "Two."], "First?", "One [1].")),
        tokens.row(row(["Two.", "One."], "First?", "One [2].")),
        tokens.row(row(["One.", "Two."], "Second?", "Two [2].")),
    ]
    made = packs(rows)
    assert [len(pack.tails) for pack in made] == [2, 1]
    first = made[0]
    assert first.prefix + first.tails[1].tokens == rows[2].tokens
    assert len(first.prefix) + first.tails[1].answer == rows[2].answer


def test_a_pack_begins_where_the_next_row_would_make_the_last_one_too_long() -> None:
    rows = [TokenRow((1, *range(2, 12), *([20 + number] * 4)), 1, ((1, 11),), 13) for number in range(5)]
    assert [len(pack.tails) for pack in packs(rows)] == [5]
    made = packs(rows, most_tokens=20)
    assert [len(pack.tails) for pack in made] == [2, 2, 1]
    assert all(len(pack) <= 20 for pack in made)
    assert [len(pack.tails) for pack in packs(rows, most_tokens=12)] == [1] * 5


def test_rows_without_passages_stay_apart() -> None:
    rows = [TokenRow((1, 2, 3), 0, (), 1), TokenRow((1, 2, 4), 0, (), 1)]
    assert [pack.prefix for pack in packs(rows)] == [(), ()]


def test_text_between_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="side by side"):
        packs([TokenRow((1, 2, 3, 4, 5), 1, ((1, 2), (3, 4)), 5)])


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [row([text], "What?", "That [1].") for text in TEXTS]
    assert write_rows(tmp_path / "rows.jsonl", rows) == len(TEXTS)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_the_audience_of_rows_comes_back_and_rows_without_one_are_for_everyone(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    open_ = row(["One."], "What?", "One [1].")
    rows = [open_, replace(open_, audience="hr, sales"), replace(open_, audience="board, hr")]
    write_rows(file, rows)
    assert read_rows(file) == rows
    assert "audience" not in file.read_text().splitlines()[0]
    assert audience_of(rows) == "board, hr, sales"
    assert audience_of([open_]) == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{}", "'id' is missing"),
        ("[1]", "line 2: it is no JSON object"),
        (
            '{"id":"1","answer":"a","origin":"o","licence":"l","document":"d","turns":[{"role":"tool","text":"t"}]}',
            "a turn's role is 'tool', not one of system, user, assistant",
        ),
        ("not json", "line 2"),
        (
            '{"id":"1","answer":"","origin":"o","licence":"l","document":"d","turns":[]}',
            "'answer' is no text",
        ),
        ('{"id":"1","answer":"a","origin":"o","licence":"l","document":"d","turns":[]}', "not the user's"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "rows.jsonl"
    write_rows(file, [row(["One."], "What?", "One [1].")])
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(RowError, match=says):
        read_rows(file)
