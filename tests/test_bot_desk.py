"""What the desk lets whom do about reviewed answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from pathlib import Path

import pytest

from bot.access import Access, AccessRules
from bot.answering import Answering
from bot.asked import Asked, Person, Place
from bot.channel_store import ChannelStore
from bot.curated import CuratedAnswers
from bot.desk import Desk
from bot.errors import Failed, Gone, WrongUse
from bot.inbox import Inbox
from bot.journal import Journal
from bot.platform import Reply
from knowledge.database import Database
from tests.slack_stage import Answers, Books, answer_of, passage

ADA = Person("slack:user:UADA", "member")
BEN = Person("slack:user:UBEN", "member")
GUEST = Person("slack:user:UGUEST", "guest")
HERE = Place(frozenset({"slack:channel:C1"}))
FULL = Place(HERE.ids, viewers=(ADA, BEN))
THERE = Place(frozenset({"slack:channel:C2"}))
RULES = AccessRules(
    readers={"main": {"everyone"}, "board": {BEN.id}, "room": {"slack:channel:C1"}},
    admins=frozenset({ADA.id, GUEST.id}),
)


@pytest.fixture
def curated(tmp_path: Path) -> Iterator[CuratedAnswers]:
    database = Database.open(tmp_path / "groundling.sqlite")
    clock = iter(range(1, 1000))
    yield CuratedAnswers(database, None, clock=lambda: float(next(clock)))
    database.close()


@pytest.fixture
def access() -> Access:
    return Access(RULES, {"handbook": "main"})


@pytest.fixture
def gone() -> set[str]:
    """The documents that are there no more."""
    return set()


@pytest.fixture
def desk(curated: CuratedAnswers, access: Access, gone: set[str]) -> Desk:
    def gone_of(documents: Collection[str]) -> Set[str]:
        return gone.intersection(documents)

    database = curated._database
    inbox = Inbox(database)
    channels = ChannelStore(database, {}, collections=frozenset(), loras=frozenset())
    answering = Answering(inbox, Answers(), access, gone=gone_of)
    return Desk(inbox, answering, access, Journal(database), Books(), channels, curated)


async def proposed(desk: Desk, question: str = "Where is it?", collection: str = "main") -> str:
    pair = await desk.propose(question, "There.", BEN, HERE, collection=collection)
    assert pair is not None
    return pair.id


async def test_an_answer_is_proposed_only_for_what_its_person_may_read(desk: Desk) -> None:
    for person, place, collection in (
        (ADA, HERE, "board"),
        (GUEST, HERE, "main"),
        (ADA, THERE, "room"),
        (ADA, HERE, "nothing"),
        (Person("slack:user:U9"), HERE, "main"),
    ):
        assert await desk.propose("Where?", "There.", person, place, collection=collection) is None
    for collection in ("main", "board", "room"):
        await proposed(desk, collection=collection)


async def test_a_pair_that_could_not_be_served_is_no_proposal(desk: Desk) -> None:
    with pytest.raises(WrongUse, match="there is no answer"):
        await desk.propose("Where?", " [1] ", BEN, HERE, collection="main")


async def test_proposals_are_for_administrators_who_may_read_them_newest_first(desk: Desk) -> None:
    first, second = await proposed(desk, "A?"), await proposed(desk, "B?")
    await proposed(desk, "C?", "board")
    room = await proposed(desk, "D?", "room")

    def ids(pairs: list[object] | None) -> list[str]:
        return [pair.id for pair in pairs or []]  # type: ignore[attr-defined]

    assert ids(await desk.proposals(ADA, HERE)) == [room, second, first]  # type: ignore[arg-type]
    assert ids(await desk.proposals(ADA, THERE)) == [second, first]  # type: ignore[arg-type]
    assert await desk.proposals(BEN, HERE) is None
    assert await desk.proposals(GUEST, HERE) is None, "whoever is not answered decides nothing"


async def test_only_what_waits_is_decided_about_and_once(desk: Desk, curated: CuratedAnswers) -> None:
    one, two, secret = (
        await proposed(desk, "A?"),
        await proposed(desk, "B?"),
        await proposed(desk, "C?", "board"),
    )
    assert await desk.approve(BEN, HERE, one) is None
    assert await desk.discard(GUEST, HERE, one) is None
    approved = await desk.approve(ADA, HERE, one)
    assert approved is not None
    assert (approved.state, approved.proposed_by, approved.approved_by) == ("approved", BEN.id, ADA.id)
    assert await desk.discard(ADA, HERE, two) is not None
    for id_ in (one, two, secret, "nothing"):
        with pytest.raises(Gone):
            await desk.discard(ADA, HERE, id_)
        with pytest.raises(Gone):
            await desk.approve(ADA, HERE, id_)
    assert {pair.id: pair.state for pair in await curated.pairs()} == {one: "approved", secret: "proposed"}


async def test_a_question_that_is_answered_already_is_not_approved_again(desk: Desk) -> None:
    one = await proposed(desk)
    pair = await desk.propose("where is it", "Elsewhere.", BEN, HERE, collection="main")
    assert pair is not None
    await desk.approve(ADA, HERE, one)
    with pytest.raises(Failed, match="is a question of the pair"):
        await desk.approve(ADA, HERE, pair.id)


async def test_of_two_who_decide_at_once_one_does(desk: Desk, curated: CuratedAnswers) -> None:
    """Another process may decide between the look and the deed."""
    one = await proposed(desk)
    await curated.approve(one, "Anna")
    with pytest.raises(Gone):
        await curated.remove(one, ADA.id, only="proposed")
    with pytest.raises(Gone):
        await curated.approve(one, ADA.id, only="proposed")
    (pair,) = await curated.pairs()
    assert pair.approved_by == "Anna"


async def answered(desk: Desk) -> str:
    """What Ben asked in a channel, and was answered out of the source "handbook" while it was open to everyone."""
    asked = Asked("slack", "T", "C1", "UBEN", "How long?", "mention", at=1.0, message="1")
    id_ = await desk._inbox.add(asked, ["1"])
    assert id_ is not None
    answer = answer_of("How long?", "One week. [1]", passage(1, collection="main"))
    await desk._inbox.note_reply(id_, Reply(id_, "answer", answer.text, answer))
    await desk._inbox.finish(id_, "answered")
    return id_


async def seen(desk: Desk, id: str, person: Person) -> tuple[bool, bool, bool]:
    """Whether its passage, its text and (for everyone in the channel) all of it is shown to `person`."""
    return (
        await desk.passage(id, 1, person, HERE) is not None,
        await desk.readable(id, person, HERE) is not None,
        await desk.may_share(id, person, FULL),
    )


async def test_an_answer_of_earlier_belongs_to_where_its_sources_are_now(desk: Desk, access: Access) -> None:
    id_ = await answered(desk)
    assert await seen(desk, id_, BEN) == (True, True, True)
    assert await seen(desk, id_, ADA) == (True, True, False)
    access.sources = {"handbook": "board"}
    assert await seen(desk, id_, BEN) == (True, True, False), "who reads the board, alone"
    assert await seen(desk, id_, ADA) == (False, False, False)
    access.sources = {"other": "main"}
    assert await seen(desk, id_, BEN) == (False, False, False), "what no source gives any more is nobody's"


async def test_an_answer_out_of_a_document_that_is_gone_shows_nothing(desk: Desk, gone: set[str]) -> None:
    id_ = await answered(desk)
    gone.add("handbook:1.md")
    assert await seen(desk, id_, BEN) == (False, False, False)
