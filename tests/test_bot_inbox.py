"""The durable inbox."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.asked import Asked
from bot.inbox import KEYS_KEPT_S, Inbox
from bot.journal import Journal
from bot.platform import Reply
from bot.registry import Registry
from knowledge.database import Database
from knowledge.errors import KnowledgeError

ASKED = Asked("fake", "t", "hall", "anna", "How long is leave?", "mention", at=1000.0, message="m1")

DAY = 86400.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None) -> AsyncIterator[Inbox]:
    database = Database.open(folder / "groundling.sqlite")
    inbox = Inbox(database, clock=clock or Clock())
    try:
        yield inbox
    finally:
        await inbox.close()
        database.close()


def reply(id: str, text: str = "25 days [1].") -> Reply:
    return Reply(id, "answer", text, Answer("q", text, "answered", "en", "model"))


async def test_a_question_comes_out_as_it_went_in(tmp_path: Path) -> None:
    asked = Asked(
        "fake",
        "t",
        "c",
        "u",
        "a\u202eb \U0001f468‍\U0001f469",
        "command",
        at=5.5,
        reply={"url": "x"},
        collections=("main",),
    )
    async with opened(tmp_path) as inbox:
        id_ = await inbox.add(asked, ["k"])
    async with opened(tmp_path) as inbox:
        (entry,) = await inbox.open()
        assert (entry.id, entry.asked, entry.tries, entry.reply) == (id_, asked, 0, None)


async def test_a_lone_surrogate_in_a_question_is_no_reason_to_lose_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        await inbox.add(Asked("fake", "t", "c", "u", "a\ud800b\0c", "mention", at=1.0), ["k"])
        (entry,) = await inbox.open()
        assert entry.asked.text.startswith("a")
        assert entry.asked.text.endswith("c")


async def test_the_same_event_is_accepted_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        assert await inbox.add(ASKED, ["event:1", "message:1"])
        assert await inbox.add(ASKED, ["event:1", "message:1"]) is None
        assert await inbox.add(ASKED, ["event:2", "message:1"]) is None
        assert await inbox.add(ASKED, ["event:2", "message:9"]) is None, "known by its second event too"
        assert len(await inbox.open()) == 1


async def test_many_at_once_are_accepted_once_each(tmp_path: Path) -> None:
    chance = random.Random(3)
    deliveries = [number for number in range(40) for _ in range(chance.randint(1, 5))]
    chance.shuffle(deliveries)
    async with opened(tmp_path) as inbox:
        accepted = await asyncio.gather(*(inbox.add(ASKED, [f"e{n}"]) for n in deliveries))
        assert sum(id_ is not None for id_ in accepted) == 40
        assert len({entry.number for entry in await inbox.open()}) == 40


async def test_a_question_is_known_for_seven_days(tmp_path: Path) -> None:
    """O02."""
    clock = Clock()
    async with opened(tmp_path, clock) as inbox:
        first = await inbox.add(ASKED, ["k"])
        assert first
        await inbox.finish(first, "answered")
        clock.now += KEYS_KEPT_S - 1
        await inbox.tidy(keep_s=0)
        assert await inbox.add(ASKED, ["k"]) is None
        clock.now += 2
        await inbox.tidy(keep_s=0)
        assert await inbox.add(ASKED, ["k"])


async def test_each_step_is_found_by_the_next_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        id_ = await inbox.add(ASKED, ["k"])
        assert id_
        assert await inbox.begin(id_) == 1
        await inbox.note_handle(id_, {"ts": "1.2"})
    async with opened(tmp_path) as inbox:
        (entry,) = await inbox.open()
        assert (entry.tries, entry.handle) == (1, {"ts": "1.2"})
        assert await inbox.begin(id_) == 2
        await inbox.note_reply(id_, reply(id_))
    async with opened(tmp_path) as inbox:
        (entry,) = await inbox.open()
        assert entry.reply == reply(id_)
        await inbox.finish(id_, "answered")
    async with opened(tmp_path) as inbox:
        assert await inbox.open() == []
        done = await inbox.known("k")
        assert done
        assert done.outcome == "answered"


async def test_a_question_can_be_changed_until_its_reply_is_made(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        id_ = await inbox.add(ASKED, ["k"])
        assert id_
        assert not await inbox.revise(id_, ASKED.text)
        assert await inbox.revise(id_, "Another one?")
        assert (await inbox.open())[0].asked.text == "Another one?"
        await inbox.note_reply(id_, reply(id_))
        assert not await inbox.revise(id_, "Too late?")


async def test_a_conversation_gives_its_last_replies_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        for number in range(4):
            asked = Asked("fake", "t", "hall", "anna", f"q{number}", "thread", at=1.0, thread="root")
            id_ = await inbox.add(asked, [f"k{number}"])
            assert id_
            await inbox.note_reply(id_, reply(id_, f"a{number}"))
        other = await inbox.add(ASKED, ["other"])
        assert other
        await inbox.note_reply(other, reply(other, "elsewhere"))
        found = await inbox.conversation("fake:t:hall:root", before=4, limit=2)
        assert [entry.asked.text for entry in found] == ["q1", "q2"]
        assert await inbox.conversation("", before=9, limit=2) == []


async def test_only_an_open_answer_makes_a_conversation_engaged(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        private = Asked("fake", "t", "hall", "anna", "q", "command", at=1.0, thread="a", private=True)
        await inbox.add(private, ["1"])
        await inbox.add(Asked("fake", "t", "hall", "anna", "q", "mention", at=1.0, thread="b"), ["2"])
        assert not await inbox.engaged("fake:t:hall:a")
        assert await inbox.engaged("fake:t:hall:b")


async def test_marks_only_move_forward(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        await inbox.mark_seen("fake:t:hall", "99")
        await inbox.mark_seen("fake:t:hall", "100")
        await inbox.mark_seen("fake:t:hall", "98")
        await inbox.mark_seen("fake_t:hall", "7")
        assert await inbox.seen("fake:") == {"fake:t:hall": "100"}


async def test_what_a_person_asked_can_be_forgotten(tmp_path: Path) -> None:
    canary = "canary-7781"
    async with opened(tmp_path) as inbox:
        for user, text in (("anna", canary), ("ben", "keep me")):
            asked = Asked("fake", "t", "hall", user, text, "mention", at=1.0, reply={"url": text})
            id_ = await inbox.add(asked, [user])
            assert id_
            await inbox.note_reply(id_, reply(id_, f"answer to {text}"))
            await inbox.finish(id_, "answered")
        assert await inbox.forget("fake:user:anna") == 1
        ben = await inbox.known("ben")
        assert ben
        assert ben.reply is not None
        assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240


async def test_nothing_names_who_was_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        id_ = await inbox.add(Asked("fake", "t", "hall", "canary-7782", "q", "mention", at=1.0), ["k"])
        assert id_
        await inbox.finish(id_, "failed")
        await inbox.forget("fake:user:canary-7782")
        assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240


async def test_a_question_of_somebody_who_is_forgotten_meanwhile_goes_with_its_answer(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        asked = Asked("fake", "t", "hall", "anna", "canary-7783", "mention", at=1.0)
        id_ = await inbox.add(asked, ["k"])
        assert id_
        assert await inbox.forget("fake:user:anna") == 1
        entry = await inbox.entry(id_)
        assert entry
        assert entry.asked == asked  # it is still to be answered
        await inbox.note_reply(id_, reply(id_, "canary-7784"))
        await inbox.finish(id_, "answered")
        entry = await inbox.entry(id_)
        assert entry
        assert (entry.outcome, entry.reply, entry.asked.user) == ("answered", None, "")
        assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240


async def test_what_is_older_than_it_is_kept_is_taken_off_the_disk_with_its_votes(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock) as inbox:
        journal = Journal(inbox._database)
        kept: list[str] = []
        for age, word in ((91, "canary-3312"), (89, "kept-3312")):
            clock.now = 1e9 - age * DAY
            asked = Asked("fake", "t", "hall", "anna", word, "mention", at=clock.now)
            id_ = await inbox.add(asked, [word])
            assert id_
            await inbox.note_reply(id_, reply(id_, f"answer to {word}"))
            await inbox.finish(id_, "answered")
            await journal.vote(id_, f"fake:user:{word}", "down", f"not {word}")
            kept.append(id_)
        inbox._database.purge()
        clock.now = 1e9
        await inbox.tidy(keep_s=90 * DAY)
        assert [entry.id for entry in await inbox.answered()] == kept[1:]
        assert [vote.question for vote in await journal.votes()] == kept[1:]
        left = b"".join(file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240
        assert b"kept-3312" in left
        assert b"canary-3312" not in left


async def test_a_question_that_nobody_ended_is_kept_no_longer_than_others(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock) as inbox:
        ids = []
        for age in (91, 92, 89):
            clock.now = 1e9 - age * DAY
            asked = Asked("fake", "t", "hall", "anna", "canary-5150", "mention", at=clock.now)
            ids.append(await inbox.add(asked, [str(age)]))
        clock.now = 1e9
        under_way = ids[1]
        assert under_way
        await inbox.tidy(keep_s=90 * DAY, but=[under_way])
        assert [entry.id for entry in await inbox.open()] == ids[1:]


async def test_tidying_what_is_tidy_writes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        await inbox.add(ASKED, ["k"])
        before = {file.name: file.read_bytes() for file in tmp_path.glob("*.sqlite*")}  # noqa: ASYNC240
        assert before["groundling.sqlite-wal"]
        await inbox.tidy(keep_s=90 * DAY)
        assert (tmp_path / "groundling.sqlite-wal").read_bytes() == before["groundling.sqlite-wal"]


async def test_a_question_that_cannot_be_written_is_not_accepted(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        database = inbox._database
        with database.transaction() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(KnowledgeError):
            await inbox.add(ASKED, ["k"])
        assert await inbox.open() == []


async def test_rows_that_somebody_who_was_forgotten_asked_are_marked_in_the_same_step(tmp_path: Path) -> None:
    async with opened(tmp_path) as inbox:
        registry = Registry(inbox._database)
        names: dict[str, list[str]] = {"anna": [], "ben": []}
        for user in ("anna", "anna", "ben"):
            key = f"{user} {len(names[user])}"
            id_ = await inbox.add(Asked("fake", "t", "hall", user, "Who?", "mention", at=1.0), [key])
            assert id_
            await inbox.note_reply(id_, reply(id_, "Ada."))
            await inbox.finish(id_, "answered")
            names[user].append(id_)
        registry.keep_questions("a" * 64, names["anna"])
        registry.keep_questions("b" * 64, [names["anna"][1], *names["ben"]])
        registry.keep_questions("c" * 64, names["ben"])
        registry.keep_questions("d" * 64, [])
        assert await inbox.forget("fake:user:nobody") == 0
        assert registry.moves("rows") == []
        await inbox.forget("fake:user:anna")
        assert {move.sha256 for move in registry.moves("rows")} == {"a" * 64, "b" * 64}
        await inbox.forget("fake:user:anna")
        await inbox.forget("fake:user:ben")
        moves = registry.moves("rows")
        assert [(move.number, move.action) for move in moves] == [(1, "taint"), (2, "taint"), (3, "taint")]
        assert moves[2].sha256 == "c" * 64
        deeds = await Journal(inbox._database).deeds()
        assert [(deed.person, deed.action) for deed in deeds] == [("groundling", "rows taint")] * 3
        assert "somebody was forgotten" in deeds[0].detail
