"""Comparing LoRAs in a channel: a conversation keeps to one of them, and over many each has its share."""

from __future__ import annotations

from collections import Counter

from bot.channels import ChannelSettings

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
