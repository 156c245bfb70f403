"""The settings of the channels: those of the configuration, and over them those that were set in the chat.

Rule: what is set in the chat is checked as the configuration is, and kept until it is set back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection, Mapping, Set

from sqlalchemy import Column, Float, Table, Text, delete, insert, select

from bot.channels import LENGTHS, ChannelSettings
from bot.errors import WrongUse
from bot.languages import NAMES
from knowledge.database import Database, metadata
from knowledge.store import valid_text

KEYS = ("collections", "persona", "language", "lora", "length", "mention", "private")
"""What can be set; "default" as a value sets a key back to the configuration."""

PERSONA_CHARACTERS = 400

_settings = Table(
    "channel_settings",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("settings", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("changed_at", Float, nullable=False),
)


class ChannelStore:
    """`configured` are the channels of the configuration, which may be exchanged at any time; `collections`
    and `loras` are the names that there are."""

    def __init__(
        self,
        database: Database,
        configured: Mapping[str, ChannelSettings],
        *,
        collections: Set[str],
        loras: Set[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self.configured = configured
        self.collections = collections
        self.loras = loras
        self._clock = clock
        self._changes = self._load()
        self._changing = asyncio.Lock()

    def settings(self, channel: str) -> ChannelSettings:
        """What holds in `channel`, such as "slack:channel:C1"."""
        configured = self.configured.get(channel, ChannelSettings())
        changes = dict(self._changes.get(channel, {}))
        if changes.get("lora") not in self.loras:
            changes.pop("lora", None)  # there is none of that name any more
        return configured.changed(changes)

    def of(self, ids: Set[str]) -> ChannelSettings:
        """What holds in a place with those names: a thread's own settings, else its channel's."""
        known = ids & (self.configured.keys() | self._changes.keys())
        # Discord's ids grow with time, and a thread is begun after its channel was made.
        return self.settings(max(known, key=lambda one: (len(one), one))) if known else ChannelSettings()

    async def change(self, channel: str, key: str, value: str, person: str) -> str:
        """Sets one of `KEYS`; gives the line to show. Raises `WrongUse` with the mend."""
        if key not in KEYS:
            raise WrongUse(f"there is no setting {key!r}; there are: {', '.join(KEYS)}")
        name = "max_answer_tokens" if key == "length" else key
        value = valid_text(value).strip()
        async with self._changing:
            changes = dict(self._changes.get(channel, {}))
            if value.lower() == "default":
                changes.pop(name, None)
            else:
                changes[name] = self._parsed(key, value)
            await asyncio.to_thread(self._save, channel, changes, person)
            self._changes[channel] = changes
        return f"{key} is now {value}"

    def _parsed(self, key: str, value: str) -> object:
        match key:
            case "collections":
                return _several(key, value, self.collections)
            case "persona":
                if len(value) > PERSONA_CHARACTERS:
                    raise WrongUse(f"a persona has at most {PERSONA_CHARACTERS} characters")
                return value
            case "language":
                return _one(key, value, NAMES)
            case "lora":
                return _one(key, value, self.loras)
            case "length":
                return LENGTHS[_one(key, value, LENGTHS)]
            case _:
                return _one(key, value.lower(), ("on", "off")) == "on"

    def _load(self) -> dict[str, dict[str, object]]:
        with self._database.reading() as connection:
            rows = connection.execute(select(_settings.c.channel, _settings.c.settings)).all()
        return {str(channel): _from_json(text) for channel, text in rows}

    def _save(self, channel: str, changes: Mapping[str, object], person: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(delete(_settings).where(_settings.c.channel == channel))
            if changes:
                connection.execute(
                    insert(_settings).values(
                        channel=channel, settings=json.dumps(changes), person=person, changed_at=self._clock()
                    )
                )


def _from_json(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text)
    if isinstance(found.get("collections"), list):
        found["collections"] = tuple(found["collections"])  # type: ignore[arg-type]
    return found


def _one(key: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise WrongUse(f"{key} is one of: {', '.join(sorted(known)) or 'none'}; not {value!r}")
    return value


def _several(key: str, value: str, known: Collection[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.replace(",", " ").split()))
    if not names:
        raise WrongUse(f"{key} names nothing; there are: {', '.join(sorted(known)) or 'none'}")
    for name in names:
        _one(key, name, known)
    return names
