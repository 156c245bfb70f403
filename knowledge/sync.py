"""Brings catalogue and index level with the sources.

Rule: the index changes first, the catalogue after it, each in one step. Dying between the two leaves
versions that differ, and the next sync compares the contents and mends the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from knowledge import index_folder
from knowledge.catalogue import Catalogue, IndexState
from knowledge.errors import Busy, DiskFull, IndexDamaged, IndexMismatch, IndexMissing, SourceUnavailable
from knowledge.kept_index import KeptIndexes
from knowledge.lancedb import LanceStore
from knowledge.readers.formats import VERSION as READERS_VERSION
from knowledge.source_sync import (
    UNEVEN,
    Chunking,
    DocumentReader,
    Progress,
    SourceReport,
    SourceSync,
    forget_source,
    rehearse,
    rehearse_forgetting,
    unavailable,
)
from knowledge.sources.source import Source
from knowledge.store import Store
from knowledge.sync_lock import only_writer
from knowledge.sync_plan import Plan, SyncRules, plan, plan_unlisted
from models.embedding.embedder import Embedder

INDEX = index_folder.INDEX


@dataclass(frozen=True, slots=True)
class SyncReport:
    """`documents` and `chunks` count what is known after the sync; `notes` say what had to be mended."""

    sources: tuple[SourceReport, ...]
    index_version: int
    documents: int
    chunks: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Start:
    """`again` are documents to index anew (None for all), `strays` those only the index knows.

    `intact` says that what is indexed is right all the same, and can stay where it cannot be read again.
    """

    store: LanceStore
    again: Collection[str] | None
    strays: Collection[str]
    beside: bool
    notes: tuple[str, ...]
    intact: bool = False
    old: LanceStore | None = None

    @property
    def mending(self) -> bool:
        """Whether index and catalogue are known to differ until every source has been gone through."""
        return self.again is None or bool(self.again) or bool(self.strays)


class Sync:
    """Syncs sources into the index in the folder `data`.

    The embedder is asked for vectors only when there is new text, so that an unchanged source costs
    no model. `reader` is used by one thread at a time. With `copies`, copies of the index may stay beside
    it, without what was removed; else they go.
    """

    def __init__(
        self,
        data: Path,
        *,
        catalogue: Catalogue,
        embedder: Embedder,
        reader: DocumentReader,
        chunker: Chunking,
        rules: SyncRules | None = None,
        progress: Progress | None = None,
        copies: bool = False,
    ) -> None:
        self._data = data
        self._catalogue = catalogue
        self._embedder = embedder
        self._reader = reader
        self._chunker = chunker
        self._rules = rules or SyncRules()
        self._copies = copies
        self._progress: Progress = progress or (lambda _source, _done, _of: None)

    def run(
        self, sources: Sequence[Source], *, only: Collection[str] | None = None, rebuild: bool = False
    ) -> SyncReport:
        """Syncs `sources`, or those of them named in `only`; an index made anew takes all of them.

        `rebuild` makes the index anew beside the old one, which goes on serving until the end. Raises
        `Busy`, `IndexMismatch`, `DiskFull`, `DatabaseUnusable`; a source that cannot be listed is held
        back in the report, except in a rebuild, where it raises `SourceUnavailable` and nothing changes.
        """
        with only_writer(self._data):
            start = self._start(rebuild=rebuild)
            owed = self._catalogue.purge_owed()
            untidy = start.store.untidy or owed
            failing = self._failing()
            chosen = [source for source in sources if only is None or start.mending or source.name in only]
            reports = [self._source(source, start, must=rebuild) for source in chosen]
            if only is None or start.mending:
                reports += [
                    forget_source(name, catalogue=self._catalogue, store=start.store)
                    for name in self._others(sources)
                ]
            store = start.store
            self._drop_strays(start, {source.name for source in sources})
            if start.beside:
                store.activate()
            elif untidy or start.strays or any(report.chunks_removed for report in reports):
                store.purge()
            self._level_copies()
            left = self._purged(owed=owed or not failing <= self._failing() or any(map(_replaces, reports)))
            if not start.mending or self._all_mended(store, reports):
                self._made(store.version)
            elif start.beside:
                self._made(UNEVEN)
            documents = self._catalogue.documents()
            return SyncReport(
                sources=tuple(reports),
                index_version=store.version,
                documents=len(documents),
                chunks=store.count(),
                notes=(*start.notes, *store.notes, *left),
            )

    def dry_run(self, sources: Sequence[Source], *, only: Collection[str] | None = None) -> SyncReport:
        """What `run` would do, without doing it; needs no lock and no index."""
        state = self._catalogue.index()
        reports = []
        for source in sources:
            if only is None or source.name in only:
                try:
                    todo = self._plan(source, again=(), strays=())
                    reports.append(rehearse(source, todo))
                except SourceUnavailable as error:
                    reports.append(unavailable(source.name, error))
        if only is None:
            reports += [rehearse_forgetting(name, self._catalogue) for name in self._others(sources)]
        documents = self._catalogue.documents()
        return SyncReport(
            sources=tuple(reports),
            index_version=state.version if state else 0,
            documents=len(documents),
            chunks=sum(document.chunks for document in documents),
        )

    def _all_mended(self, store: Store, reports: Sequence[SourceReport]) -> bool:
        """Whether no source that has known documents was left out, and the index holds what is known.

        What could not be listed may be missing in an index made anew: the next sync has to look for it.
        """
        unseen = {report.name for report in reports if report.unavailable}
        if any(document.source in unseen for document in self._catalogue.documents()):
            return False
        return not any(differences(self._catalogue, store))

    def _others(self, sources: Sequence[Source]) -> list[str]:
        """Sources that are no longer configured: they go with everything that is known of them."""
        names = {source.name for source in sources}
        return [state.source for state in self._catalogue.sources() if state.source not in names]

    def _drop_strays(self, start: _Start, names: Collection[str]) -> None:
        """What only the index knows of sources that are not configured belongs to no source's sync."""
        for source in {stray.partition(":")[0] for stray in start.strays}.difference(names):
            gone = [stray for stray in start.strays if stray.startswith(f"{source}:")]
            self._catalogue.note_purge(owed=True)
            start.store.replace(source, gone, ())

    def _start(self, *, rebuild: bool) -> _Start:
        folder = self._data / INDEX
        state = self._catalogue.index()
        if rebuild:
            return self._anew((), old=_whole_index(folder))
        try:
            store = LanceStore.open(folder)
        except IndexMissing:
            after = state.version if state else 0
            store = LanceStore.create(folder, self._embedder.dimensions, after=after)
            self._made(UNEVEN)
            return _Start(store, None, (), beside=False, notes=())
        except IndexDamaged as error:
            return self._anew((str(error), _MADE_ANEW))
        if state is None or (self._made_by_another(state) and not store.count()):
            return self._anew(())
        if self._made_by_another(state):
            raise IndexMismatch(
                f"the index was made with {state.embedder} ({state.dimensions} numbers a vector), the "
                f"configuration names {self._embedder.name} ({self._embedder.dimensions}); "
                "run: groundling sync --rebuild"
            )
        uneven = state.version != store.version
        problems = store.check(deep=uneven)
        if problems:
            return self._anew((*store.notes, *problems, _MADE_ANEW))
        again, strays = differences(self._catalogue, store) if uneven else (set(), set())
        if state.chunker != self._cutting:
            return _Start(store, None, strays, beside=False, notes=(), intact=not uneven)
        return _Start(store, again, strays, beside=False, notes=())

    def _anew(self, notes: tuple[str, ...], *, old: LanceStore | None = None) -> _Start:
        state = self._catalogue.index()
        after = state.version if state else 0
        store = LanceStore.create(self._data / INDEX, self._embedder.dimensions, publish=False, after=after)
        return _Start(store, None, (), beside=True, notes=notes, old=old)

    def _made_by_another(self, state: IndexState) -> bool:
        return (state.embedder, state.dimensions) != (self._embedder.name, self._embedder.dimensions)

    @property
    def _cutting(self) -> str:
        """How documents become chunks: another value, and every document is read and cut again."""
        return f"{self._chunker.version} readers-{READERS_VERSION}"

    def _made(self, version: int) -> None:
        """Notes what the index is made with, and which version of it the catalogue is level with."""
        self._catalogue.set_index(
            IndexState(self._embedder.name, self._embedder.dimensions, self._cutting, version)
        )

    def _level_copies(self) -> None:
        copies = KeptIndexes(self._data, self._catalogue)
        if self._copies:
            copies.forget_removed()
        else:
            copies.drop()

    def _failing(self) -> set[str]:
        return {failure.document_id for failure in self._catalogue.failures()}

    def _purged(self, *, owed: bool) -> tuple[str, ...]:
        """Takes the names of what is gone off the disk where that is `owed`; a line where it is left to the next sync."""
        try:
            if owed:
                self._catalogue.purge()
        except (Busy, DiskFull) as error:
            return (f"names of documents that are gone may be on the disk until the next sync: {error}",)
        if self._catalogue.purge_owed():
            self._catalogue.note_purge(owed=False)
        return ()

    def _source(self, source: Source, start: _Start, *, must: bool) -> SourceReport:
        try:
            todo = self._plan(source, again=start.again, strays=start.strays)
            return self._done(source, todo, start)
        except SourceUnavailable as error:
            if must:
                raise
            todo = plan_unlisted(source, self._catalogue, again=start.again, reason=str(error))
            if todo.moved or todo.removed:
                return self._done(source, todo, start)
            self._catalogue.note_unavailable(source.name, str(error), at=datetime.now(UTC))
            return unavailable(source.name, error)

    def _plan(self, source: Source, *, again: Collection[str] | None, strays: Collection[str]) -> Plan:
        limits = self._reader.limits
        return plan(source, self._catalogue, again=again, strays=strays, rules=self._rules, limits=limits)

    def _done(self, source: Source, todo: Plan, start: _Start) -> SourceReport:
        return SourceSync(
            source,
            todo,
            catalogue=self._catalogue,
            store=start.store,
            embedder=self._embedder,
            reader=self._reader,
            chunker=self._chunker,
            progress=self._progress,
            level=not start.mending,
            intact=start.intact,
            old=start.old,
        ).run()


_MADE_ANEW = "the index was damaged and has been made anew from the sources"


def _replaces(report: SourceReport) -> bool:
    """Whether it took anything out of the catalogue."""
    return bool(report.removed or report.changed)


def _whole_index(folder: Path) -> LanceStore | None:
    """The index that is there, if every byte of it is what was written."""
    try:
        store = LanceStore.open(folder)
    except (IndexMissing, IndexDamaged):
        return None
    return None if store.check(deep=True) else store


def differences(catalogue: Catalogue, store: Store) -> tuple[set[str], set[str]]:
    """Documents whose chunks in the index are not those of the catalogue; documents only the index has.

    Reads every row of the index and computes its digest anew.
    """
    wanted = {
        document.id: {document.digests[at : at + 16] for at in range(0, len(document.digests), 16)}
        for document in catalogue.documents()
    }
    differing: set[str] = set()
    strays: set[str] = set()
    for document, _, digest in store.digests():
        left = wanted.get(document)
        if left is None:
            strays.add(document)
        elif (found := bytes.fromhex(digest)) in left:
            left.discard(found)
        else:
            differing.add(document)
    return differing | {document for document, left in wanted.items() if left}, strays
