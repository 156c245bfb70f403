"""The sample handbook and its golden questions fit together, as the program's own readers see them."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from knowledge.documents import Reading
from knowledge.reading import ReaderProcess

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HANDBOOK = EXAMPLES / "handbook"
OFFICE = {".docx", ".pdf", ".pptx", ".xlsx"}

QUESTIONS = tomllib.loads((EXAMPLES / "golden.toml").read_text(encoding="utf-8"))["question"]
ANSWERABLE = [question for question in QUESTIONS if question.get("answerable", True)]


def words(reading: Reading) -> str:
    parts = [reading.title or ""]
    for section in reading.sections:
        parts += [*section.headings, *(block.text for block in section.blocks)]
    return " ".join(" ".join(parts).split()).casefold()


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    with ReaderProcess() as reader:
        return {
            f"handbook:{path.relative_to(HANDBOOK).as_posix()}": words(
                reader.read(path.read_bytes(), suffix=path.suffix)
            )
            for path in sorted(HANDBOOK.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def office_script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if importlib.util.find_spec("reportlab") is None:
        pytest.skip("reportlab is not installed; it is needed only for rewriting the sample handbook's PDFs")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    spec = importlib.util.spec_from_file_location("make_office_files", EXAMPLES / "make_office_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_handbook_has_documents_in_eight_formats() -> None:
    suffixes = [path.suffix for path in HANDBOOK.rglob("*") if path.is_file()]
    assert 25 <= len(suffixes) <= 30
    assert set(suffixes) == {".md", ".html", ".csv", ".eml", *OFFICE}


def test_golden_questions_are_thirty_five_answerable_and_fifteen_not() -> None:
    assert len(ANSWERABLE) == 35
    assert len(QUESTIONS) - len(ANSWERABLE) == 15


def test_golden_questions_have_unique_ids_and_wordings() -> None:
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["ask"] for question in QUESTIONS}) == len(QUESTIONS)


def test_unanswerable_questions_expect_neither_facts_nor_documents() -> None:
    for question in QUESTIONS:
        if question not in ANSWERABLE:
            assert set(question) == {"id", "ask", "answerable"}, question["id"]


def test_every_document_is_read_with_some_text(texts: dict[str, str]) -> None:
    assert [name for name, text in texts.items() if len(text) < 500] == []


def test_every_expected_document_exists(texts: dict[str, str]) -> None:
    named = {name for question in ANSWERABLE for name in question["documents"]}
    assert named <= texts.keys()


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_every_fact_stands_in_each_expected_document(question: dict[str, Any], texts: dict[str, str]) -> None:
    for name in question["documents"]:
        for alternatives in question["facts"]:
            assert any(fact.casefold() in texts[name] for fact in alternatives), (name, alternatives)


def test_office_files_say_what_their_sources_say(
    tmp_path: Path, texts: dict[str, str], office_script: ModuleType
) -> None:
    made = office_script.make_all(tmp_path)
    assert {path.suffix for path in made} == OFFICE
    with ReaderProcess() as reader:
        for path in made:
            name = f"handbook:{path.relative_to(tmp_path).as_posix()}"
            assert words(reader.read(path.read_bytes(), suffix=path.suffix)) == texts[name], name
