"""The settings of the channels, configured and set in the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.channel_store import PERSONA_CHARACTERS, ChannelStore
from bot.channels import ChannelSettings
from bot.errors import WrongUse
from knowledge.database import Database

HALL, YARD = "slack:channel:C1", "slack:channel:C2"
ADMIN = "slack:user:U1"
CONFIGURED = {HALL: ChannelSettings(collections=("main",), persona="Be brief.", max_answer_tokens=480)}


@contextmanager
def opened(
    folder: Path,
    configured: Mapping[str, ChannelSettings] = CONFIGURED,
    *,
    loras: frozenset[str] = frozenset({"formal"}),
) -> Iterator[ChannelStore]:
    database = Database.open(folder / "groundling.sqlite")
    try:
        yield ChannelStore(database, configured, collections=frozenset({"main", "sales"}), loras=loras)
    finally:
        database.close()


def test_a_channel_that_is_not_named_has_the_settings_that_hold_everywhere(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.settings(YARD) == ChannelSettings()
        assert store.settings(HALL) == CONFIGURED[HALL]


async def test_what_is_set_replaces_one_key_of_one_channel_and_outlives_the_process(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert await store.change(HALL, "persona", "  Be polite. ", ADMIN) == "persona is now Be polite."

    with opened(tmp_path) as store:
        assert store.settings(HALL) == CONFIGURED[HALL].changed({"persona": "Be polite."})
        assert store.settings(YARD) == ChannelSettings()


@pytest.mark.parametrize(
    ("key", "value", "name", "found"),
    [
        ("collections", "main, sales main", "collections", ("main", "sales")),
        ("persona", "", "persona", ""),
        ("language", "de", "language", "de"),
        ("lora", "formal", "lora", "formal"),
        ("length", "short", "max_answer_tokens", 80),
        ("length", "normal", "max_answer_tokens", None),
        ("mention", "OFF", "mention", False),
        ("private", "on", "private", True),
    ],
)
async def test_every_setting_can_be_set_and_set_back(
    tmp_path: Path, key: str, value: str, name: str, found: object
) -> None:
    with opened(tmp_path) as store:
        await store.change(HALL, key, value, ADMIN)
        assert getattr(store.settings(HALL), name) == found
    with opened(tmp_path) as store:
        assert getattr(store.settings(HALL), name) == found
        await store.change(HALL, key, "Default", ADMIN)
        assert store.settings(HALL) == CONFIGURED[HALL]
    with opened(tmp_path) as store:
        assert store.settings(HALL) == CONFIGURED[HALL]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("colour", "red", "there is no setting 'colour'; there are: collections,"),
        ("max_answer_tokens", "9", "there is no setting"),
        ("collections", "main board", "collections is one of: main, sales; not 'board'"),
        ("collections", " , ", "names nothing; there are: main, sales"),
        ("persona", "x" * (PERSONA_CHARACTERS + 1), "at most 400 characters"),
        ("language", "klingon", "language is one of: ar, de"),
        ("lora", "rude", "lora is one of: formal; not 'rude'"),
        ("length", "9000", "length is one of: long, normal, short"),
        ("mention", "maybe", "mention is one of: off, on"),
    ],
)
async def test_a_value_that_cannot_be_is_refused_with_the_mend_and_changes_nothing(
    tmp_path: Path, key: str, value: str, told: str
) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(WrongUse) as refused:
            await store.change(HALL, key, value, ADMIN)
        assert told in str(refused.value)
        assert store.settings(HALL) == CONFIGURED[HALL]


async def test_changes_made_at_once_all_hold(tmp_path: Path) -> None:
    changes = {"persona": "Be kind.", "language": "de", "lora": "formal", "private": "on"}
    with opened(tmp_path) as store:
        await asyncio.gather(*(store.change(HALL, key, value, ADMIN) for key, value in changes.items()))
    with opened(tmp_path) as store:
        found = store.settings(HALL)

    assert (found.persona, found.language, found.lora, found.private) == ("Be kind.", "de", "formal", True)


@pytest.mark.parametrize(
    ("channel", "thread"),
    [("534567890123456789", "1234567890123456789"), ("1134567890123456789", "1234567890123456789")],
)
async def test_a_threads_own_settings_go_before_those_of_its_channel(
    tmp_path: Path, channel: str, thread: str
) -> None:
    outer, inner = f"discord:channel:{channel}", f"discord:channel:{thread}"
    with opened(tmp_path, {outer: ChannelSettings(language="de")}) as store:
        assert store.of({outer, inner}).language == "de"
        await store.change(inner, "language", "fr", ADMIN)
        assert store.of({outer, inner}).language == "fr"


async def test_an_exchanged_configuration_holds_below_what_was_set(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        await store.change(HALL, "language", "de", ADMIN)
        store.configured = {HALL: ChannelSettings(persona="Be quick.", language="fr")}

        assert store.settings(HALL) == ChannelSettings(persona="Be quick.", language="de")


async def test_a_lora_that_is_there_no_more_is_not_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        await store.change(YARD, "lora", "formal", ADMIN)
    with opened(tmp_path, loras=frozenset()) as store:
        assert store.settings(YARD).lora is None


async def test_a_collection_that_is_there_no_more_still_narrows(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        await store.change(YARD, "collections", "sales", ADMIN)
        store.collections = frozenset({"main"})

        assert store.settings(YARD).collections == ("sales",)


async def test_a_persona_may_hold_any_text(tmp_path: Path) -> None:
    text = "Sei nett \U0001f600 'quoted' \"so\" \ud83d"
    with opened(tmp_path) as store:
        await store.change(YARD, "persona", text, ADMIN)
    with opened(tmp_path) as store:
        assert store.settings(YARD).persona == text.replace("\ud83d", "\ufffd")
