"""Votes, and what administrators did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.journal import REASON_CHARACTERS, Deed, Journal, Vote
from knowledge.database import Database

ANNA, BEN = "slack:user:U01", "slack:user:U02"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened(folder: Path, clock: Clock | None = None) -> Iterator[Journal]:
    database = Database.open(folder / "groundling.sqlite")
    try:
        yield Journal(database, clock=clock or Clock())
    finally:
        database.close()


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_the_last_vote_of_a_person_on_an_answer_is_the_one_that_counts(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.vote("q1", ANNA, "up")
        await journal.vote("q1", ANNA, "down", "wrong year")

    with opened(tmp_path) as journal:
        assert await journal.votes() == [Vote("q1", ANNA, "down", "wrong year")]


async def test_people_and_answers_have_votes_of_their_own(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as journal:
        for question, person in (("q1", ANNA), ("q1", BEN), ("q2", ANNA)):
            clock.now += 1
            await journal.vote(question, person, "up")

        assert [(vote.question, vote.person) for vote in await journal.votes()] == [
            ("q1", ANNA),
            ("q1", BEN),
            ("q2", ANNA),
        ]
        assert [vote.question for vote in await journal.votes("q2")] == ["q2"]


async def test_a_reason_given_later_joins_its_vote_and_outlives_a_second_press(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.vote("q1", ANNA, "down")
        await journal.vote("q1", ANNA, "down", "outdated")
        await journal.vote("q1", ANNA, "down")

        assert await journal.votes() == [Vote("q1", ANNA, "down", "outdated")]


async def test_a_reason_goes_with_the_verdict_it_was_given_for(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.vote("q1", ANNA, "down", "outdated")
        await journal.vote("q1", ANNA, "up")

        assert await journal.votes() == [Vote("q1", ANNA, "up", "")]


async def test_a_reason_is_cut_where_it_is_too_long_and_mended_where_it_is_no_text(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.vote("q1", ANNA, "down", "x" * (REASON_CHARACTERS + 1))
        await journal.vote("q2", ANNA, "down", "half a sign: \ud83d")

        reasons = {vote.question: vote.reason for vote in await journal.votes()}
        assert reasons == {"q1": "x" * REASON_CHARACTERS, "q2": "half a sign: \ufffd"}


async def test_what_was_done_is_told_newest_first(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as journal:
        for number in range(5):
            clock.now = 1000.0 - number  # a clock that goes wrong changes no order
            await journal.note(ANNA, "sync", f"source {number}")

        assert await journal.deeds(2) == [
            Deed(996.0, ANNA, "sync", "source 4"),
            Deed(997.0, ANNA, "sync", "source 3"),
        ]
        assert len(await journal.deeds()) == 5


async def test_any_text_may_be_noted(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.note(ANNA, "channel", "persona = \ud83d; DROP TABLE audit --")

        assert (await journal.deeds())[0].detail == "persona = \ufffd; DROP TABLE audit --"


async def test_a_forgotten_person_leaves_verdicts_of_nobody(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        for question in ("q1", "q2"):
            await journal.vote(question, ANNA, "down", "because of Zwiebelfisch")
        await journal.vote("q1", BEN, "up", "fine")
        await journal.forget(ANNA)
        left = everything_in(tmp_path)

        votes = await journal.votes()
        assert sorted((vote.question, vote.verdict, vote.reason) for vote in votes) == [
            ("q1", "down", ""),
            ("q1", "up", "fine"),
            ("q2", "down", ""),
        ]
        assert [vote.person for vote in votes if vote.reason] == [BEN]
    assert b"fine" in left
    assert ANNA.encode() not in left
    assert b"Zwiebelfisch" not in left


async def test_people_who_voted_at_the_same_moment_can_all_be_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        for person in (ANNA, BEN):
            await journal.vote("q1", person, "up")
        await journal.forget(ANNA)
        await journal.forget(BEN)

        votes = await journal.votes()
        assert [vote.verdict for vote in votes] == ["up", "up"]
        assert not {ANNA, BEN} & {vote.person for vote in votes}


async def test_somebody_who_was_forgotten_may_vote_again(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.vote("q1", ANNA, "up")
        await journal.forget(ANNA)
        await journal.vote("q1", ANNA, "down")

        assert sorted(vote.verdict for vote in await journal.votes()) == ["down", "up"]


async def test_forgetting_a_stranger_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.vote("q1", ANNA, "up")
        await journal.forget(BEN)

        assert await journal.votes() == [Vote("q1", ANNA, "up", "")]
