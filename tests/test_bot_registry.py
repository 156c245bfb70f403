"""The registry: what is noted stays, the tag moves one step at a time, and going back is a step too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import Failed
from bot.journal import Journal
from bot.registry import Manifest, Registry, text_sha256
from knowledge.database import Database

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield database
    database.close()


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database)


def activated(registry: Registry, *loras: str) -> None:
    for lora in loras:
        registry.activate(lora, after=len(registry.moves()), who="ann", why="", evaluation=THREE)


def test_artefact_stays_as_it_was_noted_first(registry: Registry) -> None:
    registry.record("lora", ONE, Manifest("house", {"base": TWO}, {"rank": 16}))
    registry.record("lora", ONE, Manifest("another name"))
    found = registry.find(ONE)
    assert found is not None
    assert found.manifest == Manifest("house", {"base": TWO}, {"rank": 16})
    assert registry.find(TWO) is None


def test_text_is_kept_under_its_own_sha256(registry: Registry) -> None:
    sha256 = registry.keep("prompt", "Answer from the sources.", Manifest("prompt"))
    found = registry.find(sha256)
    assert found is not None
    assert found.body is not None
    assert text_sha256(found.body) == sha256


def test_lora_is_found_by_its_name_or_the_beginning_of_its_sha256(registry: Registry) -> None:
    registry.record("lora", ONE, Manifest("house"))
    registry.record("lora", TWO, Manifest("house"))
    registry.record("base", THREE, Manifest("model"))
    assert {one.sha256 for one in registry.named("lora", "house")} == {ONE, TWO}
    assert [one.sha256 for one in registry.named("lora", "2222")] == [TWO]
    assert registry.named("lora", "2") == registry.named("lora", "3333") == []


def test_rolling_back_goes_through_the_activations_to_none(registry: Registry) -> None:
    activated(registry, ONE, TWO)
    assert registry.roll_back(who="ann", why="it was rude").sha256 == ONE
    activated(registry, THREE)
    assert [registry.roll_back(who="ann", why="").sha256 for _ in range(2)] == [ONE, None]
    with pytest.raises(Failed, match="nothing to roll back"):
        registry.roll_back(who="ann", why="")
    assert [move.action for move in registry.moves()] == [
        *("activate", "activate", "rollback", "activate", "rollback", "rollback")
    ]


def test_nothing_can_be_rolled_back_before_anything_was_activated(registry: Registry) -> None:
    with pytest.raises(Failed, match="no LoRA was activated"):
        registry.roll_back(who="ann", why="")
    assert registry.moves() == []


def test_of_two_activations_at_once_one_is_refused_and_told_who_was_first(database: Database) -> None:
    told: list[str] = []
    ready = threading.Barrier(2)

    def activate(sha256: str, who: str) -> None:
        ready.wait()
        try:
            Registry(database).activate(sha256, after=0, who=who, why="", evaluation=THREE)
        except Failed as error:
            told.append(str(error))

    threads = [threading.Thread(target=activate, args=one) for one in ((ONE, "ann"), (TWO, "bob"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (move,) = Registry(database).moves()
    assert len(told) == 1
    assert f"{move.who} has moved the tag meanwhile" in told[0]


def test_every_move_is_in_the_audit_in_the_same_step(database: Database, registry: Registry) -> None:
    activated(registry, ONE)
    with pytest.raises(Failed):
        registry.activate(TWO, after=0, who="bob", why="", evaluation=THREE)
    registry.roll_back(who="ann", why="it was rude")
    deeds = asyncio.run(Journal(database).deeds())
    assert [(deed.person, deed.action) for deed in deeds] == [
        ("ann", "finetune rollback"),
        ("ann", "finetune activate"),
    ]
    assert deeds[0].detail == "none: it was rude"
    assert deeds[1].detail == f"{ONE}, evaluation {THREE}"


def test_registry_outlives_the_process(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database.open(tmp_path / "groundling.sqlite")
        activated(Registry(database), ONE)
        database.close()
    database = Database.open(tmp_path / "groundling.sqlite")
    assert [move.number for move in Registry(database).moves()] == [1, 2]
    database.close()
