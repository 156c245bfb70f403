"""Copies of the index that go on answering while a newer one is held back.

Rule: a copy never gives a passage of a document that is known no more, or that belongs to other readers now:
a sync that takes documents away takes them off the copies too, and every search asks the catalogue again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from knowledge import index_folder
from knowledge.catalogue import Catalogue
from knowledge.errors import Busy, IndexDamaged, KnowledgeError
from knowledge.index_errors import index_errors
from knowledge.lancedb import LanceStore
from knowledge.store import Hit, Readable, Searchable
from knowledge.sync_lock import only_writer
from models.embedding.embedder import Vectors

FOLDER = "kept"
ABOUT = "about.json"
_KEPT = ".lance"
_TRIAL = ".trial"
_PART = ".part"
_NUMBER = re.compile(r"\d{6}")


@dataclass(frozen=True, slots=True)
class KeptIndex:
    """A copy in `folder`, `name` being what its maker calls its content; another one where documents have been
    taken out of it since. `documents` are its documents' ids with their collections."""

    folder: Path
    name: str
    embedder: str
    documents: Mapping[str, str]


class KeptIndexes:
    """The copies below the folder `data`: one that answers, and one that is on trial.

    Files are shared with the index as far as the disk allows it. A folder's name is never used twice, so that
    nobody who still reads an earlier copy takes another one for it.
    """

    def __init__(self, data: Path, catalogue: Catalogue) -> None:
        self._data = data
        self._folder = data / FOLDER
        self._catalogue = catalogue

    def kept(self) -> KeptIndex | None:
        """The copy that answers; None where there is none that fits what the index is made with now."""
        folder = self.kept_folder()
        found = None if folder is None else _read(folder)
        state = self._catalogue.index()
        return found if found is not None and state is not None and found.embedder == state.embedder else None

    def kept_folder(self) -> Path | None:
        """Where the copy that answers lies; cheap enough to ask before every search."""
        return max(self._folders(_KEPT), default=None)

    def trial(self, name: Callable[[], str]) -> KeptIndex:
        """A copy of the published index under what `name` gives, in place of an earlier trial.

        Raises `Busy` while a sync runs or one was broken off, `IndexMissing`, `IndexDamaged`, `DiskFull`.
        """
        with only_writer(self._data):
            index = self._data / index_folder.INDEX
            state, current = self._catalogue.index(), index_folder.published(index)
            if state is None or state.version != current.index_version:
                raise Busy("a sync was broken off; run: groundling sync")
            self._remove(self._folders(_TRIAL) + self._folders(_PART))
            documents = {known.id: known.collection for known in self._catalogue.documents()}
            part = self._folder / f"{self._next()}{_PART}"
            trial = KeptIndex(part.with_suffix(_TRIAL), name(), state.embedder, documents)
            try:
                with index_errors(), index_folder.private_files():
                    _copy(index, part, current.table)
                    _write(replace(trial, folder=part))
                    part.rename(trial.folder)
            finally:
                self._remove([part])
            return trial

    def keep(self, trial: KeptIndex) -> None:
        """Lets a trial answer from now on; what answered before goes. Raises `Busy`, `IndexDamaged`."""
        with only_writer(self._data):
            with index_errors():
                kept = trial.folder.rename(trial.folder.with_suffix(_KEPT))
            self._remove([folder for folder in self._folders(_KEPT) if folder != kept])

    def let_go(self, trial: KeptIndex) -> None:
        """Takes a trial off the disk."""
        self._remove([trial.folder])

    def drop(self) -> None:
        """Takes every copy off the disk."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def forget_removed(self) -> None:
        """Takes out of every copy what the catalogue does not know any more, or not in the same collection.

        Belongs to the end of a sync, under its lock. A copy that cannot be changed goes as a whole: what was
        taken away must not be found, whatever else is lost.
        """
        for folder in (*self._folders(_KEPT), *self._folders(_TRIAL)):
            about = _read(folder)
            now = {} if about is None else self._catalogue.collections(about.documents)
            gone = [] if about is None else [one for one, of in about.documents.items() if now.get(one) != of]
            try:
                if about is None:
                    raise IndexDamaged(f"{folder} does not say what is in it")
                if gone:
                    _take_out(about, gone)
            except (KnowledgeError, OSError):
                self._remove([folder])
        self._remove(self._folders(_PART))

    def open(self, kept: KeptIndex) -> LanceStore:
        """The index in a copy; search it through `KnownOnly`. Raises `IndexMissing`, `IndexDamaged`."""
        return LanceStore.open(kept.folder)

    def _folders(self, suffix: str) -> list[Path]:
        return sorted(self._folder.glob(f"*{suffix}"))

    def _next(self) -> str:
        # Numbered for the order; the rest keeps a name from being given again after everything was dropped.
        numbers = [int(found[0]) for path in self._folder.glob("*") if (found := _NUMBER.match(path.name))]
        return f"{max(numbers, default=0) + 1:06}-{secrets.token_hex(4)}"

    def _remove(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


class KnownOnly:
    """Searches `store` for what `catalogue` knows in the same collection now; the rest is not there."""

    def __init__(self, store: Searchable, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    def vectors(self, text_hashes: Iterable[str]) -> Mapping[str, Vectors]:
        return self._store.vectors(text_hashes)

    def search_vector(self, vector: Vectors, *, limit: int, readable: Readable) -> list[Hit]:
        return self._known(self._store.search_vector(vector, limit=limit, readable=readable))

    def search_keyword(self, query: str, *, limit: int, readable: Readable) -> list[Hit]:
        return self._known(self._store.search_keyword(query, limit=limit, readable=readable))

    def _known(self, hits: Sequence[Hit]) -> list[Hit]:
        now = self._catalogue.collections({hit.item.chunk.document_id for hit in hits})
        return [hit for hit in hits if now.get(hit.item.chunk.document_id) == hit.item.collection]


def _copy(index: Path, to: Path, table: str) -> None:
    """The published table. What never changes once it is written is shared, what may change is copied."""
    to.mkdir(parents=True)
    for name in (index_folder.CURRENT, index_folder.CHECKSUMS):
        shutil.copyfile(index / name, to / name)
    for path in index_folder.lasting_files(index, table):
        copy = to / path.relative_to(index)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, copy)
        except OSError:  # not every file system shares files
            shutil.copyfile(path, copy)


def _take_out(about: KeptIndex, gone: Sequence[str]) -> None:
    # Its name goes first: should this be broken off, nobody may take the rest for the whole.
    name = hashlib.sha256(f"{about.name} without {sorted(gone)}".encode()).hexdigest()
    _write(replace(about, name=name))
    store = LanceStore.open(about.folder)
    for source, ids in _by_source(gone).items():
        store.replace(source, ids, ())
    store.purge()
    left = {one: of for one, of in about.documents.items() if one not in set(gone)}
    _write(replace(about, name=name, documents=left))


def _by_source(documents: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for document in documents:
        found.setdefault(document.partition(":")[0], []).append(document)
    return found


def _read(folder: Path) -> KeptIndex | None:
    try:
        raw = json.loads((folder / ABOUT).read_text("utf-8"))
        documents = {str(one): str(of) for one, of in raw["documents"].items()}
        return KeptIndex(folder, str(raw["name"]), str(raw["embedder"]), documents)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(about: KeptIndex) -> None:
    fields = {"name": about.name, "embedder": about.embedder, "documents": dict(about.documents)}
    index_folder.write_whole(about.folder / ABOUT, json.dumps(fields))
