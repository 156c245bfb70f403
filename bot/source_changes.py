"""Finds the sources that the configuration describes otherwise than when they were synced, and has them synced.

Rule: whoever syncs notes how the source was described; one of which that is not known counts as changed, so that
nobody goes on reading what was taken from them until the source is due.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from sqlalchemy import Column, Table, Text, delete, insert, select

from bot.config import Config
from knowledge.catalogue import Catalogue
from knowledge.database import Database, metadata
from knowledge.errors import KnowledgeError

log = logging.getLogger(__name__)

_descriptions = Table(
    "source_descriptions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)

ONLY_WHEN = {"name", "every", "cron", "watch"}
"""The keys of a source that say when it is synced; the others say what of it is read, and by whom."""


class SourceChanges:
    """Has what changed synced by `begin` (None for all sources), as `config` describes it.

    Paths of the configuration begin at `root`; the index is in `data`. Belongs to one event loop.
    """

    def __init__(
        self,
        database: Database,
        config: Config,
        *,
        root: Path,
        data: Path,
        begin: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._database = database
        self._config = config
        self._root = root
        self._data = data
        self._begin = begin
        self._told = asyncio.Event()
        self._told.set()

    def take(self, config: Config) -> None:
        """From now on `config` describes the sources."""
        self._config = config
        self._told.set()

    async def watch(self) -> None:
        """Looks at once, and after every `take`; goes on until it is cancelled."""
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                names = await asyncio.to_thread(
                    changed, self._database, self._config, root=self._root, data=self._data
                )
            except KnowledgeError as error:
                log.warning("whether sources are described otherwise than before is not known: %s", error)
                continue
            for name in names:
                log.info("%s was synced under another configuration", name or "a source that is gone")
                await self._begin(name)


def changed(database: Database, config: Config, *, root: Path, data: Path) -> list[str | None]:
    """What was synced before and is described otherwise now; None stands for all, where one is gone from `config`."""
    synced = {state.source for state in Catalogue(database).sources()}
    now = _digests(config, root, data)
    if synced - now.keys():
        return [None] if now else []
    with database.reading() as connection:
        before = {str(name): str(digest) for name, digest in connection.execute(select(_descriptions))}
    return [name for name, digest in now.items() if name in synced and before.get(name) != digest]


def note_synced(
    database: Database, config: Config, names: Collection[str], *, root: Path, data: Path
) -> None:
    """Notes that the sources `names` were synced as `config` describes them."""
    now = _digests(config, root, data)
    rows = [{"source": name, "digest": digest} for name, digest in now.items() if name in names]
    with database.transaction() as connection:
        connection.execute(delete(_descriptions).where(_descriptions.c.source.in_(names)))
        if rows:
            connection.execute(insert(_descriptions), rows)


def _digests(config: Config, root: Path, data: Path) -> dict[str, str]:
    """For each source by its name a digest of what decides which documents it has, and who reads them."""
    found = {}
    for section in config.source:
        said = section.model_dump(mode="json", exclude=ONLY_WHEN)
        # Seen from the index: what moves together with it stays the same.
        said["path"] = os.path.relpath(root / Path(section.path).expanduser(), data)
        found[section.name] = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return found
