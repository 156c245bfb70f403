"""`groundling finetune` from questions to the file of a LoRA, and one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import gguf

from models.lora import read_lora
from models.weights import sha256_of
from tests.test_bot_cli import Run
from tests.test_bot_cli import here as here
from tests.test_bot_cli import run as run
from tests.test_bot_finetuning_prepare import HELD_BACK, TITLES, asked
from tests.tiny_base import write_tiny_base


def squad(file: Path, titles: list[str]) -> None:
    made = asked(titles)
    articles = [
        {
            "title": text.title,
            "paragraphs": [
                {
                    "context": text.text,
                    "qas": [
                        {
                            "id": question.ask,
                            "question": question.ask,
                            "is_impossible": not question.references,
                            "answers": [{"text": reference} for reference in question.references],
                        }
                        for question in made.questions
                        if question.text == text.name
                    ],
                }
            ],
        }
        for text in made.texts
    ]
    file.write_text(json.dumps({"data": articles}))


def test_from_questions_to_a_lora_that_fits_its_base(run: Run, here: Path) -> None:
    base = write_tiny_base(here / "tiny.gguf")
    (here / "groundling.toml").write_text('[model]\npath = "tiny.gguf"\n')
    squad(here / "questions.json", [*TITLES, HELD_BACK])

    code, out, _ = run(
        *("finetune", "prepare", "--squad", "questions.json", "--licence", "CC0-1.0"),
        *("--refused", "0", "--out", "rows.jsonl"),
    )
    assert code == 0
    assert "20 rows in rows.jsonl" in out
    assert "next: groundling finetune train rows.toml" in out
    assert HELD_BACK not in (here / "rows.jsonl").read_text()
    assert (here / "rows.toml").exists()

    marked = [
        {**json.loads(line), "audience": "hr"} for line in (here / "rows.jsonl").read_text().splitlines()
    ]
    (here / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in marked))

    code, out, _ = run("finetune", "train", "rows.toml", "--json")
    assert code == 0
    saved = json.loads(out.splitlines()[-1])["saved"]

    code, out, _ = run(
        *("finetune", "export", saved, "--out", "house.gguf", "--name", "House", "--licence", "CC0-1.0"),
        *("--rows", "rows.jsonl", "--json"),
    )
    assert code == 0
    said = json.loads(out)
    header = read_lora(here / "house.gguf", base=base, base_sha256=sha256_of(base))
    assert said["file"]["rank"] == header.rank == 16
    told = gguf.GGUFReader(here / "house.gguf").fields["groundling.audience"].contents()
    assert told == "hr"
    assert said["parity"]["cosine"] > 0.999


def test_what_cannot_be_is_said_in_one_line(run: Run, here: Path) -> None:
    squad(here / "questions.json", [HELD_BACK])
    (here / "bad.toml").write_text("dora = true")
    (here / "lora.pt").write_bytes(b"no LoRA")
    for arguments, code, says in (
        (("prepare", "--out", "rows.jsonl"), 2, "give at least one source"),
        (
            ("prepare", "--squad", "questions.json", "--out", "rows.jsonl"),
            2,
            "name the licence of 'questions'",
        ),
        (("train", "bad.toml"), 1, "'dora', which no recipe has"),
        (
            ("export", "lora.pt", "--out", "x.gguf", "--name", "x", "--licence", "x"),
            1,
            "lora.pt is no trained LoRA",
        ),
    ):
        found, _, error = run("finetune", *arguments)
        assert found == code
        assert says in error.splitlines()[-1]
