"""What was stored comes back as it was or not at all, within its limits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from models.engine.passage_cache import PassageCache

KEYS = [f"{number:040x}" for number in range(40)]


def test_state_comes_back_from_memory_and_from_disk(tmp_path: Path) -> None:
    cache = PassageCache(memory_bytes=1000, folder=tmp_path, disk_bytes=10_000)
    cache.put(KEYS[0], b"state")
    assert cache.get(KEYS[0]) == b"state"
    cache.close()
    assert PassageCache(memory_bytes=1000, folder=tmp_path, disk_bytes=10_000).get(KEYS[0]) == b"state"


def test_longest_unused_state_makes_room_in_memory() -> None:
    cache = PassageCache(memory_bytes=250)
    cache.put(KEYS[0], b"a" * 100)
    cache.put(KEYS[1], b"b" * 100)
    cache.get(KEYS[0])
    cache.put(KEYS[2], b"c" * 100)
    assert cache.get(KEYS[1]) is None
    assert cache.get(KEYS[0]) == b"a" * 100
    assert cache.get(KEYS[2]) == b"c" * 100


def test_state_larger_than_the_memory_is_not_held() -> None:
    cache = PassageCache(memory_bytes=50)
    cache.put(KEYS[0], b"a" * 100)
    assert cache.get(KEYS[0]) is None


def test_disk_stays_within_its_limit(tmp_path: Path) -> None:
    chance = random.Random(1)
    cache = PassageCache(memory_bytes=0, folder=tmp_path, disk_bytes=5000)
    for key in KEYS:
        cache.put(key, chance.randbytes(chance.randint(100, 900)))
    cache.close()
    assert 0 < sum(file.stat().st_size for file in tmp_path.rglob("*.kv")) <= 5000
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".kv"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "other name", "not ours"])
def test_damaged_file_is_deleted_and_never_believed(tmp_path: Path, damage: str) -> None:
    cache = PassageCache(memory_bytes=0, folder=tmp_path, disk_bytes=10_000)
    cache.put(KEYS[0], b"state" * 50)
    cache.close()
    (file,) = tmp_path.rglob("*.kv")
    whole = file.read_bytes()
    asked = KEYS[0]
    if damage == "flipped":
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 8]) + whole[-2:])
    elif damage == "cut":
        file.write_bytes(whole[:-1])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "other name":
        asked = KEYS[0][:-1] + "f"
        file.rename(file.with_name(f"{asked}.kv"))
    else:
        file.write_bytes(b"GGUF" + whole[4:])
    assert cache.get(asked) is None
    assert not list(tmp_path.rglob("*.kv"))


def test_disk_that_cannot_be_written_costs_nothing_but_reading_anew(tmp_path: Path) -> None:
    file = tmp_path / "in-the-way"
    file.write_text("x", encoding="utf-8")
    cache = PassageCache(memory_bytes=1000, folder=file / "passages", disk_bytes=1000)
    cache.put(KEYS[0], b"state")
    cache.close()
    assert cache.get(KEYS[0]) == b"state"
    assert cache.get(KEYS[1]) is None
