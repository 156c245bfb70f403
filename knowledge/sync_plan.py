"""What there is to do for one source, told from its listing and the catalogue alone.

Rule: nothing is read and nothing is changed here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from knowledge.catalogue import Catalogue, Failure, KnownDocument
from knowledge.sources.source import Entry, Source

_FOLDERS_OWN = {"index", "_index", "readme"}


@dataclass(frozen=True, slots=True)
class SyncRules:
    """When a sync holds back.

    A source that loses more than `shrink_share` of its documents, and more than `shrink_documents` of
    them, keeps them all unless `allow_shrink`. A document that failed `tries` times is not read again
    until it changes, or what reading it may cost.
    """

    shrink_share: float = 0.5
    shrink_documents: int = 10
    allow_shrink: bool = False
    tries: int = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """`read` are entries to look into.

    Indexed even if they have not changed are `again`, known documents whose chunks are to be made anew, and
    `moved`, those that belong to another collection or have another address now. `removed` are ids of
    documents that are gone, `failures` what is known to fail without a new try. `listed` is False where the
    source could not be listed.
    """

    source: str
    known: Mapping[str, KnownDocument]
    read: Sequence[Entry]
    again: Collection[str]
    moved: Collection[str]
    removed: Sequence[str]
    failures: Sequence[Failure]
    unchanged: int
    held_back: str | None
    listed: bool = True


def document_id(source: str, path: str) -> str:
    """The id of a document: "handbook:policies/leave.md"."""
    return f"{source}:{path}"


def name_of(path: str) -> str:
    """What a document without a title is called: its file's name, or its folder's where the file's says nothing."""
    file = PurePosixPath(path)
    name = file.parent.name if file.stem.casefold() in _FOLDERS_OWN and file.parent.name else file.stem
    return unicodedata.normalize("NFC", name)


def attempt(entry: Entry, limits: str) -> str:
    """The fingerprint of a failure: the document as it is, read within the reader's `limits`."""
    return f"{entry.fingerprint} {limits}"


def plan(
    source: Source,
    catalogue: Catalogue,
    *,
    again: Collection[str] | None,
    strays: Collection[str],
    rules: SyncRules,
    limits: str,
) -> Plan:
    """Lists `source`; documents with another collection or address now are indexed anew.

    `again` are ids that must be indexed anew, None for all. `strays` are ids in the index that the
    catalogue does not know, `limits` those of the reader. Raises `SourceUnavailable`.
    """
    known = {document.id: document for document in catalogue.documents(source.name)}
    failed = {failure.document_id: failure for failure in catalogue.failures(source.name)}
    listed: dict[str, Entry] = {}
    for entry in source.entries():
        listed.setdefault(document_id(source.name, entry.path), entry)
    moved = _moved(source, known, listed)
    read: list[Entry] = []
    failures: list[Failure] = []
    unchanged = 0
    for key, entry in listed.items():
        before = known.get(key)
        if again is None or key in again or key in moved:
            read.append(entry)
        elif (failure := failed.get(key)) and _given_up(failure, attempt(entry, limits), rules):
            failures.append(failure)
        elif before is None or before.fingerprint != entry.fingerprint or key in failed:
            read.append(entry)
        else:
            unchanged += 1
    unlisted = source.unlisted()
    failures += [
        Failure(document_id(source.name, path), source.name, "", reason, 0, datetime.now(UTC))
        for path, reason in sorted(unlisted.items())
    ]
    refused = _refused(source, known)
    missing = [
        key for key in known.keys() - listed.keys() - set(refused) if not _below(known[key].path, unlisted)
    ]
    held_back = _too_many(missing, known, rules)
    mine = [key for key in strays if key.startswith(f"{source.name}:")]
    return Plan(
        source=source.name,
        known=known,
        read=read,
        again=_again(known, again),
        moved=moved,
        removed=[*mine, *refused, *([] if held_back else sorted(missing))],
        failures=failures,
        unchanged=unchanged,
        held_back=held_back,
    )


def plan_unlisted(
    source: Source, catalogue: Catalogue, *, again: Collection[str] | None, reason: str
) -> Plan:
    """What there is to do for a source that cannot be listed for `reason`: its documents move with it, unread, and
    those go that the configuration leaves out."""
    known = {document.id: document for document in catalogue.documents(source.name)}
    return Plan(
        source=source.name,
        known=known,
        read=(),
        again=_again(known, again),
        moved=_moved(source, known, {}),
        removed=_refused(source, known),
        failures=catalogue.failures(source.name),
        unchanged=0,
        held_back=reason,
        listed=False,
    )


def _again(known: Mapping[str, KnownDocument], again: Collection[str] | None) -> set[str]:
    return set(known) if again is None else known.keys() & set(again)


def _moved(source: Source, known: Mapping[str, KnownDocument], listed: Mapping[str, Entry]) -> frozenset[str]:
    """Other readers at once: no document waits for its next edit, or for being listed, to change its collection."""
    return frozenset(
        key
        for key, before in known.items()
        if before.collection != source.collection or (key in listed and listed[key].url != before.url)
    )


def _refused(source: Source, known: Mapping[str, KnownDocument]) -> list[str]:
    """What the configuration leaves out goes at once, however much it is, and whether the source can be listed or not."""
    return [key for key, document in known.items() if not source.wanted(document.path)]


def _given_up(failure: Failure, attempt: str, rules: SyncRules) -> bool:
    return failure.fingerprint == attempt and failure.tries >= rules.tries


def _below(path: str, unlisted: Mapping[str, str]) -> bool:
    return any(path == hidden or path.startswith(f"{hidden}/") for hidden in unlisted)


def _too_many(missing: Sequence[str], known: Mapping[str, KnownDocument], rules: SyncRules) -> str | None:
    if rules.allow_shrink or len(missing) <= rules.shrink_documents:
        return None
    if len(missing) <= rules.shrink_share * len(known):
        return None
    return (
        f"{len(missing)} of {len(known)} documents would be removed; "
        "nothing was: if that is meant, run: groundling sync --allow-shrink"
    )
