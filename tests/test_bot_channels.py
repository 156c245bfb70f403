"""Settings of a channel: LoRAs compared, a conversation with one of them each, and what is typed to set them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bot.channel_store import KEYS, ChannelStore
from bot.channels import LENGTHS, ChannelSettings
from knowledge.database import Database

COMPARING = ChannelSettings(lora="formal", loras=("active", "house", "none"))


def test_conversation_keeps_to_its_lora() -> None:
    found = {COMPARING.lora_for("slack:T1:C1:1700000000.000100") for _ in range(20)}
    assert len(found) == 1


def test_conversations_are_shared_out_evenly() -> None:
    counts = Counter(COMPARING.lora_for(f"slack:T1:C1:{number}") for number in range(3000))
    assert set(counts) == {"formal", "house", "none"}
    assert all(900 < count < 1100 for count in counts.values())


def test_channel_that_compares_nothing_has_its_one_lora() -> None:
    assert ChannelSettings(lora="formal").lora_for("any") == "formal"
    assert ChannelSettings().lora_for("any") is None


def test_lora_that_is_set_in_the_chat_ends_the_comparison() -> None:
    assert COMPARING.changed({"lora": "house"}).lora_for("any") == "house"
    assert COMPARING.changed({"persona": "Be kind."}).loras == COMPARING.loras


@pytest.mark.parametrize(
    "settings",
    [
        ChannelSettings(),
        ChannelSettings(
            collections=("hr", "it"),
            persona="Be kind.",
            language="de",
            lora="house",
            max_answer_tokens=LENGTHS["short"],
            mention=False,
            private=True,
        ),
    ],
)
async def test_settings_are_told_as_they_are_typed(tmp_path: Path, settings: ChannelSettings) -> None:
    database = Database.open(tmp_path / "bot.sqlite3")
    try:
        store = ChannelStore(database, {}, collections={"hr", "it"}, loras={"house"})
        typed = settings.as_typed()
        assert tuple(key for key, _ in typed) == KEYS
        for key, value in typed:
            await store.change("slack:channel:C1", key, value, "slack:user:U1")
        assert store.settings("slack:channel:C1") == settings
    finally:
        database.close()
