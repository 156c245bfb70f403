"""What chats may know of the documents: passages, sources, their syncs, and how everything is.

Rule: whatever reads the disk is done in a thread; what the event loop asks for is remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from bot.assistant import PassageSearch
from bot.desk import SourceLine
from knowledge.catalogue import Catalogue
from knowledge.documents import Passage
from knowledge.retrieval import EVERYTHING
from knowledge.store import Readable


class LateSearch:
    """A search that is opened by its first use, and again by the next one as long as that fails.

    So the bot can be asked before there is an index, and finds it as soon as there is one. `open` gives
    the search and what tells the index's version. `collections` are those that the sources belong to now, by
    the sources' names, and may be exchanged at any time: whoever may read some collections finds nothing of a
    source that has left them, though the index does not know that yet. Used from threads; raises what `open`
    raises.
    """

    def __init__(
        self,
        open: Callable[[], tuple[PassageSearch, Callable[[], int]]],
        collections: Mapping[str, str],
    ) -> None:
        self._open = open
        self.collections = collections
        self._lock = threading.Lock()
        self._opened: tuple[PassageSearch, Callable[[], int]] | None = None
        self.version: int | None = None

    def search(self, query: str, *, limit: int = 5, readable: Readable = EVERYTHING) -> list[Passage]:
        """The best passages of the newest index."""
        searching, version = self._ready()
        found = searching.search(query, limit=limit, readable=self._narrowed(readable))
        self.version = version()
        return found

    def look(self) -> int:
        """The version of the newest index, which `version` then is too."""
        self.version = self._ready()[1]()
        return self.version

    def _narrowed(self, readable: Readable) -> Readable:
        if readable.collections is None:
            return readable
        named = {source for source, of in self.collections.items() if of in readable.collections}
        return replace(
            readable, sources=frozenset(named if readable.sources is None else named & readable.sources)
        )

    def _ready(self) -> tuple[PassageSearch, Callable[[], int]]:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened


class DocumentLibrary:
    """`bot.desk.Library` over the catalogue and a search.

    `configured` are the sources as (name, collection) in the order of the configuration. `begin` begins a
    sync of one source or, for None, of all; `state` gives the lines for administrators.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        search: LateSearch,
        configured: Sequence[tuple[str, str]],
        *,
        begin: Callable[[str | None], Awaitable[None]],
        state: Callable[[], str],
    ) -> None:
        self._catalogue = catalogue
        self._search = search
        self._configured = tuple(configured)
        self._begin = begin
        self._state = state
        self._lines: list[SourceLine] = [
            SourceLine(name, collection, 0, None) for name, collection in self._configured
        ]

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        """The best passages."""
        return self._search.search(query, limit=limit, readable=readable)

    def sources(self) -> Sequence[SourceLine]:
        """The sources as they were when they were looked at last."""
        return self._lines

    def look(self) -> None:
        """Looks at the catalogue anew; takes as long as reading it does."""
        synced = {state.source: state.synced_at for state in self._catalogue.sources()}
        counts: dict[str, int] = {}
        for document in self._catalogue.documents():
            counts[document.source] = counts.get(document.source, 0) + 1
        self._lines = [
            SourceLine(
                name, collection, counts.get(name, 0), at.timestamp() if (at := synced.get(name)) else None
            )
            for name, collection in self._configured
        ]

    def gone(self, documents: Collection[str]) -> set[str]:
        """Those of `documents` (ids) that are known no more."""
        return {document for document in documents if self._catalogue.document(document) is None}

    async def sync(self, source: str | None) -> str:
        """Begins a sync and says so; a name that is not configured begins nothing."""
        names = [name for name, _ in self._configured]
        if source is not None and source not in names:
            return f"There is no source called {source!r}; there is: {', '.join(names) or 'none'}."
        await self._begin(source)
        return f"Syncing {source or 'all sources'}. The state tells when it is done."

    def status(self) -> str:
        """How the bot is, in a few lines."""
        return self._state()
