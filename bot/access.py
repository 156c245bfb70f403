"""Who may see what: the collections that an answer may draw on.

Rule: closed by default. An answer draws only on what its asker may read and all who will see it may
read too; whoever is not known, and wherever it is not known who can see, nothing is readable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from bot.answer import Answer
from bot.asked import Person, Place

EVERYONE = "everyone"
"""The reader that stands for every member of the team; guests and people of other organisations are none."""

READER = re.compile(
    r"everyone|slack:(?:team|channel|user|group):[A-Z0-9]{2,32}|discord:(?:guild|channel|user|role):[0-9]{1,20}"
)
"""What a reader of a collection, or an administrator, is called in the configuration."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """`readers` are the names that may read each collection; a collection that is not named is read by
    nobody. `guests` and `external` say whether such people are answered at all."""

    readers: Mapping[str, Set[str]] = field(default_factory=dict)
    admins: frozenset[str] = frozenset()
    guests: bool = False
    external: bool = False


class Access:
    """Judges by `rules` and `sources`, which may be exchanged at any time.

    `sources` are the collections that the sources belong to now, by the sources' names; None where that is not known.
    """

    def __init__(self, rules: AccessRules, sources: Mapping[str, str] | None = None) -> None:
        self.rules = rules
        self.sources = sources

    def admits(self, asker: Person) -> bool:
        """Whether `asker` is answered at all."""
        match asker.standing:
            case "member":
                return True
            case "guest":
                return self.rules.guests
            case "external":
                return self.rules.external
            case "unknown":
                return False

    def is_admin(self, person: Person) -> bool:
        """Whether `person` may change what the bot does; names of users alone count, never groups."""
        return self.admits(person) and person.id in self.rules.admins

    def readable(self, asker: Person, place: Place, *, private: bool = False) -> frozenset[str]:
        """The collections for an answer to `asker` that stands in `place`, or that the asker alone sees."""
        if not self.admits(asker):
            return frozenset()
        return frozenset(
            name
            for name, readers in self.rules.readers.items()
            if _asker_reads(asker, place, readers) and (private or place.direct or _all_read(place, readers))
        )

    def drawn(self, answer: Answer) -> frozenset[str]:
        """The collections that whoever sees `answer` must be allowed to read: of all that it tells of, those of
        then and those of now. A refusal cites nothing, but names the closest documents."""
        told = {(one.source, one.collection) for one in answer.passages}
        told |= {(one.source, one.collection) for one in answer.citations}
        then = frozenset(collection for _, collection in told)
        if self.sources is None or answer.voice == "curated":
            return then
        # What belongs to no collection any more is in one that nobody reads.
        return then | {self.sources.get(source, "") for source, _ in told}


def _asker_reads(asker: Person, place: Place, readers: Set[str]) -> bool:
    return _reads(asker, readers) or not readers.isdisjoint(place.ids)


def _all_read(place: Place, readers: Set[str]) -> bool:
    if not readers.isdisjoint(place.ids):
        return True
    # A list without anybody is one that could not be read: the asker at least sees the answer.
    return bool(place.viewers) and all(_reads(viewer, readers) for viewer in place.viewers or ())


def _reads(person: Person, readers: Set[str]) -> bool:
    if person.standing == "unknown":
        return False
    if EVERYONE in readers and person.standing == "member":
        return True
    return person.id in readers or not readers.isdisjoint(person.groups)
