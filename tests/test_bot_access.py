"""Who may see what: the rules one by one, and random worlds through the whole bot."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.access import EVERYONE, READER, Access, AccessRules
from bot.answer import Answer
from bot.answering import Answering, AnsweringSettings
from bot.asked import Asked, Person, Place, Standing
from bot.assistant import AnswerSettings, Assistant, Show, Wait
from bot.channel_store import ChannelStore
from bot.channels import ChannelSettings
from bot.curated import CuratedAnswers
from bot.curated_draft import Draft
from bot.desk import Desk
from bot.inbox import Inbox
from bot.journal import Journal
from bot.platform import Reply
from bot.question import Question
from knowledge.database import Database
from knowledge.documents import Passage
from knowledge.retrieval import Retriever
from knowledge.store import Readable
from models.embedding.word_vectors import WordVectors
from models.engine.generator import Turn
from models.engine.scripted import ScriptedGenerator
from tests.access_cases import (
    COLLECTIONS,
    PAIR,
    PEOPLE,
    QUESTION,
    ROOMS,
    World,
    allowed,
    filled_store,
    may_see,
    reviewed,
    rules,
    run_directly,
    traces,
    who,
)
from tests.fakes.platform import FakePlatform

MEMBER = Person("slack:user:U01", "member", frozenset({"slack:team:T01"}))
OTHER = Person("slack:user:U02", "member", frozenset({"slack:team:T01", "slack:group:S01"}))
GUEST = Person("slack:user:U03", "guest", frozenset({"slack:team:T01"}))
STRANGER = Person("slack:user:U04", "external")
NOBODY = Person("slack:user:U05", "unknown", frozenset({"slack:team:T01"}))
DIRECT = Place(frozenset({"slack:channel:D01"}), direct=True)


def access(*readers: str, admins: Sequence[str] = (), guests: bool = False, external: bool = False) -> Access:
    return Access(
        AccessRules({"docs": frozenset(readers)}, frozenset(admins), guests=guests, external=external)
    )


def place(*viewers: Person) -> Place:
    return Place(frozenset({"slack:channel:C01"}), viewers=viewers)


def reads(one: Access, asker: Person, where: Place, *, private: bool = False) -> bool:
    return one.readable(asker, where, private=private) == {"docs"}


def test_a_collection_without_readers_is_read_by_nobody() -> None:
    for readers in ({}, {"docs": frozenset[str]()}):
        one = Access(AccessRules(readers))
        assert one.readable(MEMBER, DIRECT) == frozenset()
        assert one.readable(MEMBER, place(MEMBER), private=True) == frozenset()


def test_everyone_is_every_member_and_neither_guests_nor_others() -> None:
    one = access(EVERYONE, guests=True, external=True)

    assert reads(one, MEMBER, DIRECT)
    for person in (GUEST, STRANGER, NOBODY):
        assert not reads(one, person, DIRECT)


def test_guests_and_people_of_other_organisations_are_answered_only_where_the_configuration_says_so() -> None:
    for person, others in ((GUEST, {"guests": True}), (STRANGER, {"external": True})):
        assert not access(person.id).admits(person)
        assert not reads(access(person.id), person, DIRECT)
        assert reads(access(person.id, **others), person, DIRECT)  # type: ignore[arg-type]


def test_letting_guests_in_lets_no_strangers_in() -> None:
    assert not access(guests=True).admits(STRANGER)
    assert not access(external=True).admits(GUEST)


def test_somebody_whose_standing_is_not_known_gets_nothing_even_by_name_or_group() -> None:
    one = access(NOBODY.id, "slack:team:T01", EVERYONE, guests=True, external=True)

    assert not one.admits(NOBODY)
    assert not reads(one, NOBODY, DIRECT)
    assert not reads(one, NOBODY, place(NOBODY), private=True)


def test_somebody_whose_standing_is_not_known_gets_nothing_in_a_channel_that_reads() -> None:
    assert not reads(access("slack:channel:C01"), NOBODY, place(MEMBER))


def test_an_answer_in_a_channel_needs_everyone_there_to_be_a_reader() -> None:
    one = access(MEMBER.id, OTHER.id)

    assert reads(one, MEMBER, place(MEMBER, OTHER))
    assert not reads(one, MEMBER, place(MEMBER, OTHER, GUEST))


def test_one_guest_who_looks_on_closes_what_everyone_reads() -> None:
    one = access(EVERYONE, guests=True)

    assert reads(one, MEMBER, place(MEMBER, OTHER))
    assert not reads(one, MEMBER, place(MEMBER, OTHER, GUEST))


@pytest.mark.parametrize("viewers", [None, ()])
def test_where_nobody_knows_who_can_see_nothing_is_readable(viewers: tuple[Person, ...] | None) -> None:
    where = Place(frozenset({"slack:channel:C01"}), viewers=viewers)

    assert not reads(access(EVERYONE, MEMBER.id), MEMBER, where)


def test_a_viewer_whose_standing_is_not_known_closes_the_place() -> None:
    one = access(EVERYONE, "slack:team:T01", NOBODY.id)

    assert not reads(one, MEMBER, place(MEMBER, NOBODY))


def test_a_channel_that_is_a_reader_reads_whoever_sees_it() -> None:
    one = access("slack:channel:C01")

    assert reads(one, MEMBER, place(MEMBER, GUEST, NOBODY))
    assert reads(one, MEMBER, replace(place(), viewers=None))
    assert not reads(one, MEMBER, Place(frozenset({"slack:channel:C02"}), viewers=(MEMBER,)))
    assert not reads(one, MEMBER, DIRECT)


def test_a_thread_reads_what_its_channel_reads() -> None:
    thread = Place(frozenset({"discord:channel:8", "discord:channel:7"}), viewers=None)

    assert reads(access("discord:channel:7"), MEMBER, thread)
    assert not reads(access("discord:channel:9"), MEMBER, thread)


def test_a_talk_with_the_bot_alone_has_no_viewers_to_ask_for() -> None:
    assert reads(access(MEMBER.id), MEMBER, DIRECT)
    assert not reads(access(OTHER.id), MEMBER, DIRECT)


def test_a_private_answer_in_a_public_channel_needs_its_asker_alone_to_be_a_reader() -> None:
    one = access(MEMBER.id)

    assert not reads(one, MEMBER, place(MEMBER, OTHER))
    assert reads(one, MEMBER, place(MEMBER, OTHER), private=True)
    assert not reads(one, OTHER, place(MEMBER, OTHER), private=True)


def test_what_the_channel_reads_is_no_way_in_for_a_viewer_elsewhere() -> None:
    assert not reads(access("slack:channel:C01"), OTHER, DIRECT, private=True)


def test_a_group_reads_for_each_of_its_people() -> None:
    one = access("slack:group:S01")

    assert reads(one, OTHER, DIRECT)
    assert not reads(one, MEMBER, DIRECT)
    assert not reads(one, OTHER, place(OTHER, MEMBER))


def test_a_guest_reads_by_name_or_group_but_never_as_everyone() -> None:
    assert reads(access("slack:team:T01", guests=True), GUEST, DIRECT)
    assert not reads(access(EVERYONE, guests=True), GUEST, DIRECT)


def test_an_administrator_is_named_by_user_and_never_by_group() -> None:
    assert access(admins=[MEMBER.id]).is_admin(MEMBER)
    assert not access(admins=["slack:team:T01", "slack:group:S01", EVERYONE]).is_admin(OTHER)
    assert not access(admins=[GUEST.id]).is_admin(GUEST)
    assert not access(admins=[NOBODY.id], guests=True, external=True).is_admin(NOBODY)


def test_an_administrator_reads_no_more_than_others() -> None:
    assert not reads(access(OTHER.id, admins=[MEMBER.id]), MEMBER, DIRECT)


def test_exchanged_rules_hold_at_once() -> None:
    one = access(EVERYONE)
    assert reads(one, MEMBER, DIRECT)
    one.rules = AccessRules()
    assert not reads(one, MEMBER, DIRECT)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("everyone", True),
        ("slack:channel:C01", True),
        ("slack:group:S01", True),
        ("discord:role:118", True),
        ("discord:user:1\n", False),
        ("discord:role:abc", False),
        ("slack:channel:general", False),
        ("slack:channel:", False),
        ("", False),
    ],
)
def test_the_name_of_a_reader_is_of_a_known_form(name: str, valid: bool) -> None:
    assert (READER.fullmatch(name) is not None) == valid


# Random worlds through the whole bot


class WorldPlatform(FakePlatform):
    """Tells of people and rooms as `world` has them; `later` happens before the second judgement."""

    def __init__(self, world: World, access_: Access) -> None:
        super().__init__()
        self.world = world
        self.access = access_
        self.later: Callable[[World], None] | None = None

    async def who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        if since is not None and self.later is not None:
            self.later(self.world)
            self.later = None
        self.access.rules = rules(self.world)
        return who(self.world, asked.user, asked.channel)


class OpenedAnswers:
    """Real assistants that answer or, by turns of `refusing`, refuse; `questions` are all they were asked."""

    def __init__(self, answering: Assistant, refusing: Assistant) -> None:
        self._answering = answering
        self._refusing = refusing
        self.refusing = False
        self.questions: list[Question] = []

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        self.questions.append(question)
        one = self._refusing if self.refusing else self._answering
        return await one.answer(question, show=show, waiting=waiting)


class Shelf:
    """The library of a desk: only its search is used here."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def search(self, query: str, *, limit: int, readable: Readable) -> list[Passage]:
        return self._retriever.search(query, limit=limit, readable=readable)

    def sources(self) -> list[object]:
        return []

    async def sync(self, source: str | None) -> str:
        return ""

    def status(self) -> str:
        return ""


async def settled() -> None:
    """Every question has come to its end."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("question ")))


class House:
    """The whole bot over one random world; `settings` are those of every channel."""

    def __init__(self, database: Database, inbox: Inbox, case: int) -> None:
        self.chance = random.Random(case)
        self.case = case
        self.asked = 0
        self.world = World.random(self.chance)
        self.settings = ChannelSettings()
        self.model = ScriptedGenerator(self._says)
        embedder = WordVectors()
        retriever = Retriever(filled_store(embedder), embedder)
        quoting = self.chance.random() < 0.3
        self.answers = OpenedAnswers(
            Assistant(
                retriever,
                embedder,
                self.model,
                settings=AnswerSettings(refuse_below=0.0, quote="always" if quoting else "never"),
            ),
            Assistant(retriever, embedder, self.model, settings=AnswerSettings(refuse_below=1.1)),
        )
        self.access = Access(rules(self.world))
        self.platform = WorldPlatform(self.world, self.access)
        self.inbox = inbox
        self.curated = CuratedAnswers(database, embedder)
        self.answering = Answering(
            inbox,
            self.answers,
            self.access,
            settings_of=lambda _asked: self.settings,
            curated=self.curated,
            gone=self.curated.gone,
            settings=AnsweringSettings(longest_pause_s=0.01, oldest_s=1e12),
        )
        channels = ChannelStore(database, {}, collections=frozenset(COLLECTIONS), loras=frozenset())
        shelf = Shelf(retriever)
        self.desk = Desk(inbox, self.answering, self.access, Journal(database), shelf, channels, self.curated)  # type: ignore[arg-type]

    async def start(self) -> None:
        """Takes questions from here on."""
        await self.answering.start({"fake": self.platform})

    def _says(self, turns: Sequence[Turn]) -> str:
        """A sentence out of each source, as a model that repeats what it reads."""
        lines = turns[-1].text.splitlines()
        found = [line for line in lines if line.startswith("The opening code")]
        self.chance.shuffle(found)
        return " ".join(line.split(". ")[0] + " [1]." for line in found)

    async def ask(self) -> tuple[Asked, set[str], set[str], Reply]:
        """One question to its end; what was allowed when it was asked and when it was answered."""
        chance = self.chance
        self.asked += 1
        self.answers.refusing = chance.random() < 0.25
        some = tuple(chance.sample(COLLECTIONS, 3))
        self.settings = ChannelSettings(collections=some if chance.random() < 0.2 else None)
        asked = Asked(
            "fake",
            f"t{self.case}",
            chance.choice(ROOMS),
            chance.choice(PEOPLE),
            PAIR if chance.random() < 0.15 else QUESTION,
            "mention",
            at=1e9,
            message=f"m{self.asked}",
            thread="t",
            private=chance.random() < 0.3,
            collections=tuple(chance.sample(COLLECTIONS, 3)) if chance.random() < 0.1 else (),
        )
        before = self.allowed(asked)
        times = chance.choice((0, 0, 1, 4))
        self.platform.later = lambda world: [world.change(chance) for _ in range(times)] and None
        id_ = await self.desk.ask(asked, keys=[f"{self.case} {self.asked}"])
        assert id_ is not None
        await settled()
        reply = self.platform.post_of(id_).reply
        assert reply is not None
        return asked, before, self.allowed(asked), reply

    def allowed(self, asked: Asked) -> set[str]:
        private = asked.private
        found = allowed(self.world, asked.user, asked.channel, private=private)
        for narrowed in (self.settings.collections, asked.collections or None):
            found = found if narrowed is None else found & set(narrowed)
        return found


def check_reply(asked: Asked, before: set[str], after: set[str], reply: Reply) -> None:
    """The reply draws on nothing that was forbidden when it was asked, or when it was sent."""
    both = before & after
    assert traces([reply.text]) <= both
    if not before:
        assert reply.kind == "notice"
    if reply.answer is None:
        return
    answer = reply.answer
    assert {passage.collection for passage in answer.passages} <= both
    assert {citation.collection for citation in answer.citations} <= both
    shown = [answer.text, answer.note or ""]
    shown += [
        f"{passage.title} {passage.chunk.text} {passage.chunk.headings} {passage.url}"
        for passage in answer.passages
    ]
    shown += [
        f"{citation.title} {citation.quote} {citation.location} {citation.url}"
        for citation in answer.citations
    ]
    assert traces(shown) <= both
    assert asked.text == QUESTION or answer.voice == "curated"


async def check_desk(house: House, asked: Asked, reply: Reply) -> None:
    """Whoever comes to the desk afterwards gets nothing there that the world forbids them."""
    someone, room = house.chance.choice(PEOPLE), house.chance.choice(ROOMS)
    house.access.rules = rules(house.world)
    person, place_ = who(house.world, someone, room)
    alone = allowed(house.world, someone, room, private=True)
    for number in range(1, 4):
        passage = await house.desk.passage(reply.id, number, person, place_)
        if passage is not None:
            assert passage.collection in alone
            assert someone == asked.user or (room == asked.channel and not asked.private)
    found = await house.desk.search(QUESTION, person, place_)
    assert {passage.collection for passage in found} == alone
    if await house.desk.may_share(reply.id, person, place_):
        assert reply.answer is not None
        drawn = {passage.collection for passage in reply.answer.passages}
        assert someone == asked.user
        assert drawn <= allowed(house.world, someone, room, private=False)


async def check_house(house: House, questions: int) -> tuple[int, int, int]:
    """Asks in one world; how many questions were answered, refused, and answered too late."""
    answered = refused = changed = 0
    await house.start()
    for _ in range(questions):
        prompts, heard = len(house.model.prompts), len(house.answers.questions)
        asked, before, after, reply = await house.ask()
        check_reply(asked, before, after, reply)
        prompted = [turn.text for prompt in house.model.prompts[prompts:] for turn in prompt]
        earlier = [turn.text for one in house.answers.questions[heard:] for turn in one.earlier]
        assert traces(prompted) <= before
        assert traces(earlier) <= before
        assert traces(house.platform.post_of(reply.id).history) <= before
        if before and before <= after:
            assert reply.answer is not None
            drawn = {passage.collection for passage in reply.answer.passages}
            assert drawn == before if asked.text == QUESTION else len(drawn) == 1
        if reply.shareable:
            assert traces([reply.text]) <= allowed(house.world, asked.user, asked.channel, private=False)
        await check_desk(house, asked, reply)
        answered += reply.answer is not None and reply.answer.status == "answered"
        refused += reply.answer is not None and reply.answer.status == "refused"
        changed += bool(before) and reply.kind == "notice"
        if house.chance.random() < 0.4:
            house.world.change(house.chance)
    return answered, refused, changed


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Database, Inbox]]:
    database = Database.open(folder / "groundling.sqlite")
    inbox = Inbox(database)
    pairs = [Draft(PAIR, reviewed(name), name) for name in COLLECTIONS]
    await CuratedAnswers(database, None).save(pairs, "somebody")
    try:
        yield database, inbox
    finally:
        await inbox.close()
        database.close()


async def test_in_random_worlds_nothing_forbidden_is_read_written_or_shown(tmp_path: Path) -> None:
    outcomes = [0, 0, 0]
    async with opened(tmp_path) as (database, inbox):
        for case in range(70):
            for kind, count in enumerate(await check_house(House(database, inbox, case), 5)):
                outcomes[kind] += count

    assert min(outcomes) >= 5, "a run in which something never happens proves nothing of it"


async def test_straight_from_access_to_the_prompt_nothing_leaks_and_nothing_is_withheld() -> None:
    found = await run_directly(2000, seed=1)

    assert (found["leaks"], found["withheld"]) == (0, 0)
    assert found["with something to read"] > 400  # type: ignore[operator]
    assert found["with something forbidden"] > 400  # type: ignore[operator]


async def test_a_refusal_names_no_document_to_a_later_question_that_may_not_know_of_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (database, inbox):
        house = House(database, inbox, 1)
        house.answers.refusing = True
        world = house.world
        world.readers = {"amber": {"fake:user:p0"}, "birch": {EVERYONE}}
        for name, standing in (("p0", "member"), ("p1", "member")):
            world.people[name].standing = _standing(standing)
        world.rooms["hall"].members, world.rooms["hall"].told = {"p0"}, True
        alone = Asked("fake", "t", "hall", "p0", QUESTION, "mention", at=1e9, message="1", thread="t")
        await house.start()
        for asked in (alone, replace(alone, message="2", user="p1")):
            await house.desk.ask(asked, keys=[asked.message])
            await settled()
            world.rooms["hall"].members = {"p0", "p1"}

    first, second = house.answers.questions
    assert first.readable.collections == {"amber", "birch"}
    assert second.readable.collections == {"birch"}
    assert traces(post.text for post in house.platform.posts[:1]) == {"amber", "birch"}
    assert traces(turn.text for turn in second.earlier) == set()


async def test_an_answer_made_before_a_restart_is_judged_again_before_it_is_shown(tmp_path: Path) -> None:
    async with opened(tmp_path) as (database, inbox):
        house = House(database, inbox, 1)
        house.world.readers = {"amber": {"fake:user:p0"}}
        house.world.people["p0"].standing = "member"
        asked = Asked("fake", "t", "desk", "p0", QUESTION, "direct", at=1e9, message="1")
        id_ = await inbox.add(asked, ["1"])
        assert id_ is not None
        answer = await house.answers.answer(
            Question(QUESTION, readable=Readable(collections=frozenset({"amber"})))
        )
        await inbox.note_reply(id_, Reply(id_, "answer", answer.text, answer))
        house.world.people["p0"].standing = "guest"
        house.world.guests = True
        house.world.readers = {"amber": {EVERYONE}}
        await house.start()
        await settled()

    (post,) = house.platform.posts
    assert traces([answer.text]) == {"amber"}
    assert post.reply is not None
    assert traces(post.history) == set()


def _standing(name: str) -> Standing:
    return "member" if name == "member" else "unknown"


def test_the_account_of_the_tests_tells_private_from_public() -> None:
    world = World.random(random.Random(3))
    world.people["p0"].standing, world.readers = "member", {"amber": {"fake:user:p0"}}
    world.rooms["hall"].members, world.rooms["hall"].inside = {"p0", "p1"}, None

    assert may_see(world, "p0", "hall", "amber", private=True)
    assert not may_see(world, "p0", "hall", "amber", private=False)
    assert not may_see(copy.deepcopy(world), "p1", "hall", "amber", private=True)
