"""Random worlds of people, rooms and collections, and a plain account of who may see what in them.

The account is written from the rules in words, not from `bot/access.py`, and knows nothing of `Person` and
`Place`. The normal tests run some worlds through the whole bot; a long run by hand takes the direct way
from access over the search to the prompt:

python tests/access_cases.py --cases 100000 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.access import EVERYONE, Access, AccessRules
from bot.asked import Person, Place, Standing
from bot.prompt import compose
from knowledge.documents import Chunk
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import Retriever
from knowledge.store import IndexedChunk, Readable
from models.embedding.word_vectors import WordVectors
from models.engine.scripted import ScriptedGenerator

COLLECTIONS = ("amber", "birch", "cobalt", "dahlia", "ember")
PEOPLE = ("p0", "p1", "p2", "p3", "p4", "p5")
ROOMS = ("hall", "yard", "cellar", "desk")
GROUPS = ("fake:group:staff", "fake:group:board", "fake:team:t")
HOUSE = "fake:channel:house"
STANDINGS: tuple[Standing, ...] = ("member", "member", "member", "guest", "external", "unknown")

QUESTION = "Which opening code has the archive of the office?"
PAIR = "What is the reviewed word?"

# Words that no other collection has, in the text, the title and the heading.
_WORDS = {name: f"{name}vault {name}quill {name}stone {name}lamp {name}ridge" for name in COLLECTIONS}


@dataclass
class Someone:
    """What the world knows of one person."""

    standing: Standing
    groups: set[str]


@dataclass
class Room:
    """A room: what it is a part of, whether it is one person's talk with the bot, who sees it, and whether
    the platform tells who does."""

    inside: str | None
    direct: bool
    members: set[str]
    told: bool


@dataclass
class World:
    """Everything that decides who may see what."""

    people: dict[str, Someone]
    rooms: dict[str, Room]
    readers: dict[str, set[str]]
    guests: bool = False
    external: bool = False
    log: list[str] = field(default_factory=list)

    @classmethod
    def random(cls, chance: random.Random) -> World:
        """A world in which most questions have something to read, and most something not to."""
        people = {name: _someone(chance) for name in PEOPLE}
        rooms = {name: _room(name, chance) for name in ROOMS}
        readers = {name: _readers(chance) for name in COLLECTIONS if chance.random() < 0.9}
        return cls(people, rooms, readers, guests=chance.random() < 0.4, external=chance.random() < 0.3)

    def change(self, chance: random.Random) -> None:
        """One thing becomes different."""
        person, room = chance.choice(PEOPLE), self.rooms[chance.choice(ROOMS)]
        match chance.randrange(7):
            case 0:
                self.people[person].standing = chance.choice(STANDINGS)
            case 1:
                self.people[person].groups ^= {chance.choice(GROUPS)}
            case 2 | 3 if not room.direct:
                room.members ^= {person}
            case 4:
                room.told = not room.told
            case 5:
                self.guests, self.external = chance.random() < 0.5, chance.random() < 0.5
            case _:
                self.readers[chance.choice(COLLECTIONS)] = _readers(chance)


def _someone(chance: random.Random) -> Someone:
    return Someone(chance.choice(STANDINGS), {name for name in GROUPS if chance.random() < 0.5})


def _room(name: str, chance: random.Random) -> Room:
    direct = name == "desk"
    members = set() if direct else {person for person in PEOPLE if chance.random() < 0.4}
    return Room(HOUSE if chance.random() < 0.4 else None, direct, members, chance.random() < 0.8)


def _readers(chance: random.Random) -> set[str]:
    names = [EVERYONE, EVERYONE, HOUSE, *GROUPS, *GROUPS]
    names += [f"fake:user:{person}" for person in PEOPLE] + [f"fake:channel:{room}" for room in ROOMS]
    return set(chance.sample(names, chance.randrange(4)))


# The account


def may_see(world: World, asker: str, room: str, collection: str, *, private: bool) -> bool:
    """Whether an answer to `asker` in `room` may draw on `collection`.

    Nobody whose standing does not let them be answered gets anything. Who asks must be a reader of the
    collection, or ask in a place that is one. An answer that others see too needs each of them to be a
    reader, or the place; where it is not told who sees it, or nobody is named, only the place can do.
    """
    someone, place = world.people[asker], world.rooms[room]
    answered = {"member": True, "guest": world.guests, "external": world.external, "unknown": False}
    if not answered[someone.standing]:
        return False
    readers = world.readers.get(collection, set())
    for name in (f"fake:channel:{room}", place.inside):
        if name is not None and name in readers:
            return True
    if not _is_reader(world, asker, readers):
        return False
    if private or place.direct:
        return True
    if not place.told or not place.members:
        return False
    return all(_is_reader(world, other, readers) for other in place.members)


def allowed(world: World, asker: str, room: str, *, private: bool) -> set[str]:
    """All collections that `may_see` allows."""
    return {name for name in COLLECTIONS if may_see(world, asker, room, name, private=private)}


def _is_reader(world: World, person: str, readers: set[str]) -> bool:
    someone = world.people[person]
    if someone.standing == "unknown":
        return False
    for reader in readers:
        if reader == "everyone":
            if someone.standing == "member":
                return True
        elif reader == "fake:user:" + person or reader in someone.groups:
            return True
    return False


# The world as the bot is told of it


def rules(world: World) -> AccessRules:
    """What the configuration of `world` says."""
    readers = {name: frozenset(found) for name, found in world.readers.items()}
    return AccessRules(readers, guests=world.guests, external=world.external)


def who(world: World, asker: str, room: str) -> tuple[Person, Place]:
    """What a platform tells of `asker` and `room`; people who are alike may stand for each other, without a name."""
    place = world.rooms[room]
    ids = frozenset(name for name in (f"fake:channel:{room}", place.inside) if name is not None)
    viewers: tuple[Person, ...] | None = None
    if place.told:
        viewers = tuple(_person(world, member) for member in sorted(place.members))
        named = {name for readers in world.readers.values() for name in readers}
        viewers = tuple(
            dict.fromkeys(
                viewer if viewer.id in named else Person("", viewer.standing, viewer.groups)
                for viewer in viewers
            )
        )
    return _person(world, asker), Place(ids, direct=place.direct, viewers=viewers)


def _person(world: World, name: str) -> Person:
    someone = world.people[name]
    return Person(f"fake:user:{name}", someone.standing, frozenset(someone.groups))


def filled_store(embedder: WordVectors) -> MemoryStore:
    """One document of every collection that the question finds, full of words that only it has."""
    store = MemoryStore(embedder.dimensions)
    for name in COLLECTIONS:
        own = _WORDS[name].split()
        text = f"The opening code of the archive {own[0]} in the office is {own[1]} {own[2]}. Ask {own[3]}."
        item = IndexedChunk(
            chunk=Chunk(f"{name}:code.md", 0, (own[4],), None, text),
            title=f"Codes of {own[0]}",
            url=f"https://docs.example/{own[1]}",
            updated_at=None,
            source=name,
            collection=name,
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
        )
        store.replace(name, [item.chunk.document_id], [([item], embedder.embed_documents([text]))])
    return store


def reviewed(collection: str) -> str:
    """The reviewed answer of `collection`."""
    return f"It is {_WORDS[collection]}."


def traces(texts: Iterable[str]) -> set[str]:
    """The collections whose own words stand in `texts`."""
    joined = " ".join(texts)
    return {name for name in COLLECTIONS if any(word in joined for word in _WORDS[name].split())}


async def run_directly(cases: int, seed: int) -> dict[str, object]:
    """Judges, searches and composes in `cases` random worlds; counts what stands in a prompt and must not,
    and what must be found and is not."""
    embedder = WordVectors()
    store = filled_store(embedder)
    retriever = Retriever(store, embedder)
    generator = ScriptedGenerator("")
    counts: Counter[str] = Counter()
    began = time.monotonic()
    for case in range(cases):
        chance = random.Random(f"{seed} {case}")
        world = World.random(chance)
        for _ in range(chance.randrange(3)):
            world.change(chance)
        asker, room, private = chance.choice(PEOPLE), chance.choice(ROOMS), chance.random() < 0.3
        person, place = who(world, asker, room)
        readable = Access(rules(world)).readable(person, place, private=private)
        passages = retriever.search(QUESTION, limit=8, readable=Readable(collections=readable))
        numbered = dict(enumerate(passages, 1))
        turns = await compose(QUESTION, numbered, generator, max_tokens=64, language="en")
        seen = traces(turn.text for turn in turns) | {passage.collection for passage in passages}
        right = allowed(world, asker, room, private=private)
        counts["leaks"] += bool(seen - right)
        counts["withheld"] += bool(right - seen)
        counts["with something to read"] += bool(right)
        counts["with something forbidden"] += len(right) < len(COLLECTIONS)
    return {"cases": cases, "seed": seed, **counts, "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    """Prints one line of JSON; exit 1 with a leak or something withheld."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    result = asyncio.run(run_directly(options.cases, options.seed))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.exit(1 if result["leaks"] or result["withheld"] else 0)


if __name__ == "__main__":
    main()
