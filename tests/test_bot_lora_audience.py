"""Whom a LoRA is for: told by its file, and held against who may read what."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.lora_audience import audience_of, not_for_all
from models.lora_folder import shipped_lora
from tests.lora_files import write_lora

EVERYONE = frozenset({"everyone"})
TEAM, OTHERS = frozenset({"slack:group:SHR"}), frozenset({"slack:group:SHR", "slack:group:SIT"})


@pytest.mark.parametrize(
    ("audience", "readers", "names"),
    [
        ({"main"}, {}, []),
        (set(), {"main": EVERYONE, "hr": TEAM}, []),
        ({"main"}, {"main": EVERYONE, "hr": TEAM}, []),
        ({"hr"}, {"hr": TEAM}, []),
        ({"hr"}, {"hr": TEAM, "pay": TEAM}, []),
        ({"it"}, {"hr": TEAM, "it": OTHERS}, []),
        ({"hr"}, {"main": EVERYONE, "hr": TEAM}, ["hr"]),
        ({"hr"}, {"hr": TEAM, "it": OTHERS}, ["hr"]),
        ({"hr", "it"}, {"hr": TEAM, "it": OTHERS}, ["hr"]),
        ({"gone"}, {"hr": TEAM}, ["gone"]),
    ],
)
def test_a_collection_is_closed_to_whoever_reads_another_one_only(
    audience: set[str], readers: dict[str, frozenset[str]], names: list[str]
) -> None:
    assert not_for_all(audience, readers) == names


def test_a_file_says_whom_it_is_for(tmp_path: Path) -> None:
    file = tmp_path / "lora.gguf"
    assert audience_of(write_lora(file, rank=1, audience="hr, legal")) == {"hr", "legal"}
    assert audience_of(write_lora(file, rank=1, audience="everyone")) == set()
    assert audience_of(write_lora(file, rank=1)) == audience_of(shipped_lora()) == set()
