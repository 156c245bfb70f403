"""Evaluations: what they must be of to count, what they name, and what they never hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.answer import Answer, Timings
from bot.config_sections import ModelSection
from bot.errors import Failed
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.golden import GoldenQuestion, GoldenResult
from bot.gate import Item, compare
from bot.lora_evaluation import (
    COMPARISON,
    Evaluation,
    Setting,
    Way,
    base_of,
    contents_of,
    evaluation,
    evaluation_for,
    golden_items,
    keep,
    kept,
    setting_of,
    squad_item,
    without_changed,
)
from bot.registry import Registry, text_sha256
from knowledge.catalogue import Catalogue, Changes, IndexState, KnownDocument
from knowledge.database import Database
from models.engine.generator import ModelIdentity

LORA, ACTIVE = "a" * 64, "b" * 64
SETTING = Setting("base", "golden", "index", "prompt")
ITEMS = (Item("1", "d", must=True, values={"right": 1.0}, ms=7),)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield database
    database.close()


def made(setting: Setting = SETTING, *, active: str | None = None) -> Evaluation:
    return evaluation(setting, Way(LORA, ITEMS), Way(active, ITEMS))


def test_evaluation_is_read_as_it_was_kept_with_what_it_was_made_from(database: Database) -> None:
    registry, one = Registry(database), made(active=ACTIVE)
    sha256 = keep(registry, one)
    ((artefact, found),) = kept(registry, COMPARISON)
    assert (artefact.sha256, found) == (sha256, one)
    assert artefact.manifest.made_from["lora"] == LORA
    assert artefact.manifest.made_from["active"] == ACTIVE


@pytest.mark.parametrize(
    ("setting", "active", "told"),
    [
        (replace(SETTING, base="older"), None, "on another base"),
        (replace(SETTING, golden="other"), None, "with other golden questions"),
        (replace(SETTING, prompt="other"), None, "with another prompt"),
        (SETTING, ACTIVE, "against bbbbbbbbbbbb, while no LoRA is active"),
    ],
)
def test_evaluation_of_another_case_does_not_count(
    database: Database, setting: Setting, active: str | None, told: str
) -> None:
    registry = Registry(database)
    wanted = {"base": "base", "prompt": "prompt", "active": None, "golden": "golden"}
    with pytest.raises(Failed, match="was never evaluated here"):
        evaluation_for(registry, LORA, **wanted)  # type: ignore[arg-type]
    keep(registry, made(setting, active=active))
    with pytest.raises(Failed, match=told):
        evaluation_for(registry, LORA, **wanted)  # type: ignore[arg-type]
    sha256 = keep(registry, made(replace(SETTING, index="a later one")))
    assert evaluation_for(registry, LORA, **wanted)[0].sha256 == sha256  # type: ignore[arg-type]


def test_setting_changes_with_questions_prompt_and_base_and_with_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    registry, catalogue, golden = Registry(database), Catalogue(database), tmp_path / "golden.toml"
    golden.write_text("one")
    base = base_of(ModelSection(kind="server", url="http://127.0.0.1:1"), lambda: pytest.fail("not asked"))

    def now(persona: str = "", base: ModelIdentity = base) -> Setting:
        return setting_of(registry, catalogue, base, golden, persona=persona)

    first = now()
    assert now() == first
    assert now("Be kind.").prompt != first.prompt
    assert now(base=ModelIdentity("another", "")).base != first.base
    golden.write_text("two")
    assert now() == replace(first, golden=now().golden)
    assert now().golden != first.golden


def test_items_hold_what_became_of_questions_and_no_words(database: Database) -> None:
    asked = GoldenQuestion("q", "How long is leave?", True, (("25",),), ("secret/plan.md",), must=True)  # noqa: FBT003
    answer = Answer(asked.ask, "Secret: 25.", "answered", "en", "model", timings=Timings(total_ms=9))
    result = GoldenResult(asked, answer, facts=True, cited=True, retrieved=True, dangling=0)
    refusal = replace(result, answer=replace(answer, status="refused"))
    right, wrong = golden_items([result, refusal])
    assert right.values == {"right": 1, "right_answers": 1, "false_refusals": 0, "citations_resolved": 1}
    assert wrong.values == {"right": 0, "right_answers": 0, "false_refusals": 1, "citations_resolved": 1}
    assert (right.must, right.ms) == (True, 9)
    keep(Registry(database), evaluation(SETTING, Way(None, (right,)), None))
    (artefact,) = Registry(database).artefacts("evaluation")
    assert artefact.body is not None
    assert not {"Secret", "secret", "leave"} & set(artefact.body.replace('"', " ").replace("/", " ").split())


def test_squad_questions_count_by_f1_and_refusals() -> None:
    known, unknown = ReferenceQuestion("Who?", ("Ada Lovelace",), "t/0"), ReferenceQuestion("Why?", (), "t/1")
    said = Answer("Who?", "Ada Lovelace wrote it [1].", "answered", "en", "model")
    refused = replace(said, text="", status="refused")
    first, second, third = (
        squad_item(f"dev:{n}", *pair, document="t")
        for n, pair in enumerate([(known, said), (known, refused), (unknown, refused)], 1)
    )
    assert first.values == {"squad_f1": pytest.approx(2 / 3), "squad_false_refusals": 0}
    assert second.values == {"squad_f1": 0, "squad_false_refusals": 1}
    assert third.values == {"squad_f1": 1, "squad_refusals": 1}


def test_questions_about_paragraphs_of_one_article_are_about_one_document() -> None:
    known = ReferenceQuestion("Who?", ("Ada Lovelace",), "t/0")
    said = Answer("Who?", "Ada Lovelace [1].", "answered", "en", "model")
    wrong = replace(said, text="Nobody knows [1].")
    questions = [replace(known, text=f"t/{paragraph}") for paragraph in range(6)]
    better, worse = (
        [squad_item(f"dev:{n}", question, answer, document="t") for n, question in enumerate(questions)]
        for answer in (said, wrong)
    )
    found = next(one for one in compare(better, worse) if one.measure == "squad_f1")
    assert (found.n, found.documents, found.won, found.is_better) == (6, 1, 6, False)


def test_questions_about_documents_that_have_changed_are_left_out_both_ways() -> None:
    items = tuple(
        Item(name, about, must=False, values={"right": 1.0}, ms=1)
        for name, about in (("1", "same"), ("2", "edited"), ("3", "deleted"), ("4", "question:4"))
    )
    held = {"same": "a", "edited": "b", "deleted": "c", "asked by nobody": "d"}
    found = evaluation(SETTING, Way(LORA, items), Way(None, items), held)
    assert sorted(found.contents) == ["deleted", "edited", "same"]
    left, changed = without_changed(found, {**held, "edited": "x", "deleted": ""})
    assert left.active is not None
    assert [[item.id for item in way.items] for way in (left.candidate, left.active)] == [["1", "4"]] * 2
    assert changed == 2
    assert without_changed(made(), {}) == (made(), 0)


def test_what_a_document_holds_is_told_by_its_bytes_and_by_how_it_is_cut_and_embedded(
    database: Database,
) -> None:
    catalogue = Catalogue(database)
    document = KnownDocument(
        *("wiki:a", "wiki", "a", "main", "A", None, "bytes", "fingerprint", None, (), b"", datetime.now(UTC))
    )
    told = []
    for content, chunker in (
        ("bytes", "lines-1"),
        ("bytes", "lines-1"),
        ("other", "lines-1"),
        ("bytes", "lines-2"),
    ):
        catalogue.set_index(IndexState("words", 16, chunker, 1))
        changes = Changes("wiki", [replace(document, content_hash=content)], [], [], None, datetime.now(UTC))
        catalogue.record(changes, index_version=1)
        told.append(contents_of(catalogue))
    assert [list(one) for one in told] == [[text_sha256("wiki:a")[:12]]] * 4
    assert [one == told[0] for one in told] == [True, True, False, False]
    assert "wiki" not in str(told)
