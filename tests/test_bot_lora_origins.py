"""Where a LoRA comes from: every file of rows is found again, through whatever it began with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.lora_choice import loras_called
from bot.lora_origins import origin, rows_manifest, rows_of
from bot.registry import Artefact, Manifest, Registry
from knowledge.database import Database
from models.lora_folder import LoraFolder

ONE, TWO, BASE, RECIPE, ROWS, MORE = (sign * 64 for sign in "123456")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield Registry(database)
    database.close()


def lora(registry: Registry, sha256: str, **made_from: str) -> Artefact:
    roles = {role.replace("_", " "): of for role, of in made_from.items()}
    registry.record("lora", sha256, Manifest(f"house {sha256[0]}", {"base": BASE, **roles}))
    found = registry.find(sha256)
    assert found is not None
    return found


def test_rows_of_the_lora_that_it_began_with_count_too(registry: Registry) -> None:
    lora(registry, ONE, rows_old=ROWS, recipe=RECIPE, start=TWO)
    second = lora(registry, TWO, rows_new=MORE, rows_other=BASE, start=ONE)
    assert rows_of(registry, second) == {ROWS, MORE, BASE}


def test_origin_names_what_the_registry_knows_and_hashes_else(registry: Registry) -> None:
    counts = {"journal": 3, "index": 5, "empty": 0}
    manifest = rows_manifest(
        "a.jsonl", base=BASE, counts=counts, licences=["own", "own", "MIT"], audience="hr"
    )
    assert manifest.notes == {
        "rows": 8,
        "sources": "journal, index",
        "licences": "own, MIT",
        "audience": "hr",
    }
    registry.record("rows", ROWS, manifest)
    lora(registry, ONE)
    made = lora(registry, TWO, rows_a=ROWS, rows_b=MORE, recipe=RECIPE, start=ONE)
    assert origin(registry, made) == (
        f"base {BASE[:12]}, rows a {ROWS[:12]} (8 rows of journal, index), rows b {MORE[:12]}, "
        f"recipe {RECIPE[:12]}, start house 1 {ONE[:12]}"
    )
    bare = registry.find(ONE)
    assert bare is not None
    assert origin(registry, bare) is None


def test_of_several_loras_of_a_name_the_one_that_was_evaluated_is_meant(
    registry: Registry, tmp_path: Path
) -> None:
    folder = LoraFolder(tmp_path / "lora")
    for sha256 in (ONE, TWO):
        registry.record("lora", sha256, Manifest("house"))
    assert {one.sha256 for one in loras_called("house", registry, folder)} == {ONE, TWO}
    folder.path(TWO).parent.mkdir()
    folder.path(TWO).touch()
    assert [one.sha256 for one in loras_called("house", registry, folder)] == [TWO]
    assert [one.sha256 for one in loras_called("1111", registry, folder)] == [ONE]
