"""From the inbox to a delivered answer, with restarts and faults in between."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.access import Access, AccessRules
from bot.answer import Answer, Citation
from bot.answering import Answering, AnsweringSettings
from bot.asked import Asked, Person, Place
from bot.assistant import Show, Wait
from bot.channels import ChannelSettings
from bot.inbox import Entry, Inbox
from bot.platform import Undeliverable
from bot.question import Question
from knowledge.database import Database
from models.engine.generator import Turn, Waiting
from tests.fakes.platform import ANNA, HALL, FakePlatform, failing

RULES = AccessRules(readers={"main": {"everyone"}, "secret": {"fake:user:boss"}})
FAST = AnsweringSettings(longest_pause_s=0.01)


@dataclass
class Answers:
    """Answers with the question itself, out of `collection`, when `gate` is open."""

    collection: str = "main"
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Question] = field(default_factory=list)
    pieces: tuple[str, ...] = ()
    error: Exception | None = None
    during: Callable[[], None] | None = None
    at_once: int = 0
    most_at_once: int = 0

    async def answer(
        self, question: Question, *, show: Show | None = None, waiting: Wait | None = None
    ) -> Answer:
        self.asked.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if waiting:
                waiting(Waiting(3, 9.0))
            for piece in self.pieces:
                if show:
                    show(piece)
            await self.gate.wait()
            if self.during:
                self.during()
            if self.error:
                raise self.error
            cited = Citation(1, "handbook:a.md", "A", "", None, "q", None, "handbook", self.collection)
            text = f"On {question.text} [1]"
            return Answer(question.text, text, "answered", "en", "model", citations=(cited,))
        finally:
            self.at_once -= 1


@dataclass
class Bench:
    """Everything between a question and its post."""

    inbox: Inbox
    answering: Answering
    platform: FakePlatform
    answers: Answers

    async def ask(self, text: str = "How long is leave?", *, key: str = "", **others: object) -> str:
        asked = Asked("fake", "t", "hall", "anna", text, "mention", at=1000.0, message=key or text)
        asked = replace(asked, **others)  # type: ignore[arg-type]
        id_ = await self.inbox.add(asked, [key or text])
        assert id_ is not None
        self.answering.take(id_, asked)
        return id_

    async def done(self, id: str) -> Entry:
        async with asyncio.timeout(60):
            while (entry := await self.inbox.entry(id)) is None or entry.outcome is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return entry


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    platform: FakePlatform | None = None,
    rules: AccessRules = RULES,
    settings: AnsweringSettings = FAST,
    opened: bool = True,
    channel: ChannelSettings = ChannelSettings(),
    gone: Callable[[object], Set[str]] = lambda _documents: frozenset(),
    now: float = 1001.0,
) -> AsyncIterator[Bench]:
    database = Database.open(folder / "groundling.sqlite")
    inbox = Inbox(database)
    answers = Answers()
    if opened:
        answers.gate.set()
    answering = Answering(
        inbox,
        answers,
        Access(rules),
        settings=settings,
        settings_of=lambda _place: channel,
        gone=gone,
        clock=lambda: now,
    )
    platform = platform or FakePlatform()
    await answering.start({"fake": platform})
    try:
        yield Bench(inbox, answering, platform, answers)
    finally:
        await answering.drain(0.0)
        await inbox.close()
        database.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (nothing signals it)
            await asyncio.sleep(0.005)


async def test_a_question_gets_its_answer_in_one_post(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.answers.pieces = ("On ", "it")
        id_ = await b.ask()
        entry = await b.done(id_)
        post = b.platform.post_of(id_)
        assert (entry.outcome, post.text) == ("answered", "On How long is leave? [1]")
        assert post.history == ["…", "On ", "On it", "On How long is leave? [1]"]
        assert b.platform.phases == [(id_, "searching"), (id_, "writing")]
        assert b.platform.places_told == [3]
        assert b.answers.asked[0].asker == "fake:user:anna"


async def test_what_a_process_left_at_any_step_the_next_one_ends_in_the_same_post(tmp_path: Path) -> None:
    """F1, F5."""
    platform = FakePlatform()
    steps = ("add", "begun", "posted")
    ids = []
    for step in steps:
        async with bench(tmp_path, platform=platform, opened=False) as b:
            if step == "add":
                asked = Asked("fake", "t", "hall", "anna", step, "mention", at=1000.0)
                ids.append(await b.inbox.add(asked, [step]))
                continue
            if step == "posted":
                platform.after_fault = True  # the reply is visible, and the process dies before it knows
                platform.faults = [None, *failing(1, after_s=60)]
                b.answers.gate.set()
            id_ = await b.ask(step)
            ids.append(id_)
            await platform.until(lambda id_=id_: any(post.id == id_ for post in platform.posts))  # type: ignore[misc]
            if step == "posted":
                await platform.until(lambda id_=id_: platform.post_of(id_).reply is not None)  # type: ignore[misc]
                platform.after_fault = False
    async with bench(tmp_path, platform=platform) as b:
        for id_, step in zip(ids, steps, strict=True):
            assert id_
            entry = await b.done(id_)
            assert entry.outcome == "answered"
            assert platform.post_of(id_).text == f"On {step} [1]"


async def test_a_reply_that_was_made_is_not_made_again(tmp_path: Path) -> None:
    platform = FakePlatform()
    async with bench(tmp_path, platform=platform) as b:
        platform.faults = [None, *failing(200, after_s=0.005)]
        id_ = await b.ask()
        await until(lambda: len(platform.faults) < 195)  # the reply is made, and met its first faults
    platform.faults = []
    async with bench(tmp_path, platform=platform, opened=False) as b:
        await b.done(id_)
        assert b.answers.asked == []
        assert platform.post_of(id_).text == "On How long is leave? [1]"


async def test_a_question_that_ends_every_process_is_given_up_with_a_reference(tmp_path: Path) -> None:
    """F32."""
    platform = FakePlatform()
    async with bench(tmp_path, platform=platform, opened=False) as b:
        id_ = await b.ask()
        await until(lambda: bool(b.answers.asked))
        for _ in range(FAST.most_tries - 1):
            await b.inbox.begin(id_)
        await b.inbox.begin(id_)  # the one that the drain of this test takes back
    async with bench(tmp_path, platform=platform) as b:
        entry = await b.done(id_)
        assert entry.outcome == "failed"
        assert id_[:8] in platform.post_of(id_).text
        assert b.answers.asked == []


async def test_processes_that_end_count_against_one_question_and_not_against_all(tmp_path: Path) -> None:
    """F32."""
    platform = FakePlatform()
    ids: list[str] = []
    for process in range(FAST.most_tries + 3):
        async with bench(tmp_path, platform=platform, opened=False) as b:
            if not ids:
                ids = [await b.ask(f"Question {number}?", message=str(number)) for number in range(8)]
            # After two deaths each is answered alone.
            at_once = len(ids) if process < FAST.suspected_after else 1
            await until(lambda: len(b.answers.asked) == at_once)  # noqa: B023
            begun = [entry.id for entry in await b.inbox.open() if b.answering._work[entry.id].begun]
            assert len(begun) == at_once
            for id_ in begun:
                await b.inbox.begin(id_)  # the drain of this test takes one back, which a death does not
    async with bench(tmp_path, platform=platform) as b:
        assert {(await b.done(id_)).outcome for id_ in ids} == {"answered"}


async def test_an_unexpected_error_is_a_failure_with_a_reference_and_no_trace(tmp_path: Path) -> None:
    """R09."""
    async with bench(tmp_path) as b:
        b.answers.error = RuntimeError("secret detail")
        id_ = await b.ask()
        assert (await b.done(id_)).outcome == "failed"
        text = b.platform.post_of(id_).text
        assert id_[:8] in text
        assert "secret detail" not in text


async def test_a_platform_that_is_away_gets_the_reply_when_it_is_back(tmp_path: Path) -> None:
    """F6."""
    async with bench(tmp_path) as b:
        b.platform.faults = [*failing(7)]
        id_ = await b.ask()
        assert (await b.done(id_)).outcome == "answered"
        assert b.platform.post_of(id_).text.startswith("On")


async def test_a_platform_that_takes_it_and_fails_all_the_same_shows_it_once(tmp_path: Path) -> None:
    """F6."""
    async with bench(tmp_path) as b:
        b.platform.after_fault = True
        b.platform.faults = [*failing(5)]
        id_ = await b.ask()
        assert (await b.done(id_)).outcome == "answered"
        assert b.platform.post_of(id_).text.startswith("On")


async def test_what_can_never_be_delivered_is_not_tried_for_ever(tmp_path: Path) -> None:
    """S27."""
    async with bench(tmp_path) as b:
        b.platform.faults = [Undeliverable("channel_not_found"), Undeliverable("channel_not_found")]
        id_ = await b.ask()
        assert (await b.done(id_)).outcome == "undeliverable"


async def test_questions_of_one_conversation_come_one_after_the_other(tmp_path: Path) -> None:
    """S05."""
    async with bench(tmp_path, opened=False) as b:
        ids = [await b.ask(f"q{n}", thread="root") for n in range(3)]
        other = await b.ask("elsewhere")
        await until(lambda: len(b.answers.asked) == 2)
        assert sorted(question.text for question in b.answers.asked) == ["elsewhere", "q0"]
        b.answers.gate.set()
        for id_ in [*ids, other]:
            await b.done(id_)
        assert b.answers.most_at_once == 2
        assert [q.text for q in b.answers.asked if q.text.startswith("q")] == ["q0", "q1", "q2"]
        last = b.answers.asked[-1].earlier
        assert [turn.text for turn in last] == ["q0", "On q0 [1]", "q1", "On q1 [1]"]


async def test_what_people_said_before_the_bot_came_is_known(tmp_path: Path) -> None:
    """X05."""
    async with bench(tmp_path) as b:
        b.platform.threads["root"] = (Turn("user", "Ben: leave was 20 days"),)
        await b.done(await b.ask("is that so?", thread="root"))
        assert b.answers.asked[0].earlier == (Turn("user", "Ben: leave was 20 days"),)


async def test_earlier_answers_out_of_what_is_closed_now_are_not_told(tmp_path: Path) -> None:
    async with bench(tmp_path, rules=AccessRules(readers={"main": {"everyone"}, "open": {"everyone"}})) as b:
        b.answers.collection = "open"
        await b.done(await b.ask("first", thread="root"))
        b.answering._access.rules = RULES
        b.answers.collection = "main"
        await b.done(await b.ask("second", thread="root"))
        assert b.answers.asked[1].earlier == ()


async def test_an_edited_question_is_answered_once_by_its_new_text(tmp_path: Path) -> None:
    """X01."""
    async with bench(tmp_path, opened=False) as b:
        id_ = await b.ask("old", key="k")
        await until(lambda: bool(b.answers.asked))
        assert await b.inbox.revise(id_, "new")
        b.answering.again(id_)
        b.answers.gate.set()
        await b.done(id_)
        assert b.platform.post_of(id_).text == "On new [1]"


async def test_a_deleted_question_leaves_nothing(tmp_path: Path) -> None:
    """X02."""
    async with bench(tmp_path, opened=False) as b:
        id_ = await b.ask()
        await b.platform.until(lambda: bool(b.platform.posts))
        assert b.answering.stop(id_, withdrawn=True)
        assert (await b.done(id_)).outcome == "withdrawn"
        assert b.platform.post_of(id_).withdrawn


async def test_a_stopped_answer_keeps_what_was_written(tmp_path: Path) -> None:
    """S25."""
    async with bench(tmp_path, opened=False) as b:
        b.answers.pieces = ("Half of it. [1] ",)
        id_ = await b.ask()
        await b.platform.until(lambda: bool(b.platform.posts) and "Half" in b.platform.posts[0].text)
        assert b.answering.stop(id_)
        assert (await b.done(id_)).outcome == "stopped"
        post = b.platform.post_of(id_)
        assert post.text == "Half of it. [1] "
        assert post.reply
        assert post.reply.kind == "stopped"


async def test_whoever_is_not_known_gets_nothing_out_of_the_documents(tmp_path: Path) -> None:
    """X07."""
    async with bench(tmp_path) as b:
        for user, person in (
            ("guest", Person("fake:user:guest", "guest")),
            ("other", Person("fake:user:other", "external")),
            ("nobody", Person("fake:user:nobody")),
        ):
            b.platform.people[user] = person
            id_ = await b.ask("q", key=user, user=user)
            assert (await b.done(id_)).outcome == "notice"
        assert b.answers.asked == []


async def test_a_place_with_unknown_viewers_gets_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        id_ = await b.ask(channel="unknown")
        assert (await b.done(id_)).outcome == "notice"
        private = await b.ask("again", channel="unknown", private=True)
        assert (await b.done(private)).outcome == "answered"


async def test_rights_that_end_while_the_answer_is_written_keep_it_from_being_shown(tmp_path: Path) -> None:
    """S5 of the threats, R08."""
    async with bench(tmp_path) as b:
        b.answers.during = lambda: b.platform.fresh_people.update(
            anna=Person("fake:user:anna", "guest", frozenset())
        )
        id_ = await b.ask()
        assert (await b.done(id_)).outcome == "notice"
        assert "On " not in b.platform.post_of(id_).text


async def test_a_document_that_is_removed_while_the_answer_is_written_is_not_shown(tmp_path: Path) -> None:
    """R08."""
    async with bench(tmp_path, gone=lambda _documents: {"handbook:a.md"}) as b:
        id_ = await b.ask()
        assert (await b.done(id_)).outcome == "notice"
        assert "On " not in b.platform.post_of(id_).text


async def test_a_source_that_is_closed_while_the_answer_is_written_keeps_it_from_being_shown(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        b.answering._access.sources = {"handbook": "main"}
        await b.done(await b.ask("before", thread="root"))
        b.answers.during = lambda: setattr(b.answering._access, "sources", {"handbook": "board"})
        id_ = await b.ask("after", thread="root")
        assert (await b.done(id_)).outcome == "notice"
        assert "On " not in b.platform.post_of(id_).text
        await b.done(await b.ask("later", thread="root"))
        assert b.answers.asked[1].earlier != ()
        assert b.answers.asked[2].earlier == (), "nor is what was answered before told again"


async def test_a_channel_narrows_and_never_widens(tmp_path: Path) -> None:
    channel = ChannelSettings(
        collections=("main", "secret"), persona="Be brief.", language="de", private=True
    )
    async with bench(tmp_path, channel=channel) as b:
        id_ = await b.ask(private=True)
        await b.done(id_)
        (question,) = b.answers.asked
        assert question.readable.collections == {"main"}
        assert (question.persona, question.language) == ("Be brief.", "de")
        reply = b.platform.post_of(id_).reply
        assert reply
        assert reply.shareable


async def test_a_conversation_is_answered_with_one_of_the_loras_that_its_channel_compares(
    tmp_path: Path,
) -> None:
    channel = ChannelSettings(loras=("house", "none"))
    async with bench(tmp_path, channel=channel) as b:
        for number in range(8):
            await b.done(await b.ask(f"Question {number}?", key=str(number), message=f"m{number % 4}"))
        found = [question.lora for question in b.answers.asked]
        assert set(found) == {"house", "none"}
        assert found[:4] == found[4:]


async def test_questions_that_make_no_sense_get_a_word_and_no_search(tmp_path: Path) -> None:
    """X08, F9."""
    async with bench(tmp_path) as b:
        ids = [
            await b.ask("  ", key="1"),
            await b.ask("x" * 40_000, key="2"),
            await b.ask("old", key="3", at=1000.0 - 86400),
        ]
        texts = []
        for id_ in ids:
            assert (await b.done(id_)).outcome == "notice"
            texts.append(b.platform.post_of(id_).text)
        assert "Ask me" in texts[0]
        assert "40,000" in texts[1]
        assert "ask again" in texts[2]
        assert b.answers.asked == []


async def test_a_drain_ends_what_it_can_and_tells_the_others(tmp_path: Path) -> None:
    """S12, F10."""
    platform = FakePlatform()
    async with bench(tmp_path, platform=platform, opened=False) as b:
        id_ = await b.ask()
        await platform.until(lambda: bool(platform.posts))
        assert b.answering.under_way == {id_}
        await b.answering.drain(0.05)
        assert platform.post_of(id_).text == "restarting"
        late = await b.ask("late")
        assert b.answering.busy_with == 0
    async with bench(tmp_path, platform=platform) as b:
        for one in (id_, late):
            assert (await b.done(one)).outcome == "answered"
            assert platform.post_of(one).text.startswith("On")


async def test_random_faults_and_restarts_lose_and_double_nothing(tmp_path: Path) -> None:
    """F1, F2, F6."""
    chance = random.Random(11)
    platform = FakePlatform()
    texts = [f"question {n}" for n in range(60)]
    deliveries = [text for text in texts for _ in range(chance.randint(1, 3))]
    chance.shuffle(deliveries)
    while deliveries:
        async with bench(tmp_path, platform=platform) as b:
            for text in [deliveries.pop() for _ in range(min(len(deliveries), chance.randint(1, 12)))]:
                asked = Asked("fake", "t", "hall", "anna", text, "mention", at=1000.0, message=text)
                id_ = await b.inbox.add(asked, [text])
                if id_ is not None:
                    b.answering.take(id_, asked)
                platform.after_fault = chance.random() < 0.5
                platform.faults = [f if chance.random() < 0.3 else None for f in failing(4)]
                await asyncio.sleep(chance.random() * 0.01)
    platform.faults = []
    async with bench(tmp_path, platform=platform, settings=replace(FAST, most_tries=100)) as b:
        for entry in await b.inbox.open():
            await b.done(entry.id)
    shown = sorted(post.text for post in platform.posts)
    outcomes = [post.text for post in platform.posts if not post.text.startswith("On question")]
    assert len(shown) == len(texts), "one post a question"
    assert all("reference" in text for text in outcomes), outcomes
    assert len(set(shown)) == len(texts)


def full(folder: Path, when: str) -> None:
    """From now on there is no room for changes of questions `when`; "" for room again."""
    with closing(sqlite3.connect(folder / "groundling.sqlite")) as disk:
        disk.execute("DROP TRIGGER IF EXISTS full")
        if when:
            disk.execute(
                f"CREATE TRIGGER full BEFORE UPDATE ON questions WHEN {when} "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        disk.commit()


STEPS = ("new.state = 'answering'", "new.handle IS NOT NULL", "new.reply IS NOT NULL", "new.state = 'done'")


@pytest.mark.parametrize("step", STEPS)
async def test_a_question_that_the_disk_did_not_take_on_is_answered_once_when_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    async with bench(tmp_path) as b:
        full(tmp_path, step)
        id_ = await b.ask()
        await until(lambda: "waits for the database: there is no room on the disk" in caplog.text)
        full(tmp_path, "")
        entry = await b.done(id_)
        assert (entry.outcome, entry.tries) == ("answered", 1)
        assert len(b.answers.asked) == 1
        assert b.platform.post_of(id_).history == ["…", "On How long is leave? [1]"]
        await until(lambda: not b.answering.busy_with)


@pytest.mark.parametrize("step", STEPS)
async def test_a_full_disk_keeps_no_process_from_ending_and_the_next_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    platform = FakePlatform()
    async with bench(tmp_path, platform=platform) as b:
        full(tmp_path, step)
        id_ = await b.ask()
        await until(lambda: "waits for the database" in caplog.text)
    full(tmp_path, "")
    async with bench(tmp_path, platform=platform) as b:
        assert (await b.done(id_)).outcome == "answered"
        assert platform.post_of(id_).text == "On How long is leave? [1]"


async def test_what_was_answered_privately_is_no_part_of_a_public_question(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.done(await b.ask("Is my boss fair?", key="1", thread="T", private=True))
        await b.done(await b.ask("And how long does it take?", key="2", thread="T"))
        assert b.answers.asked[-1].earlier == ()
        await b.done(await b.ask("Alone again?", key="3", thread="T", private=True))
        earlier = [turn.text for turn in b.answers.asked[-1].earlier if turn.role == "user"]
        assert earlier == ["Is my boss fair?", "And how long does it take?"]


async def test_an_answer_to_what_a_question_said_before_its_edit_is_never_shown(tmp_path: Path) -> None:
    for turn in range(12):
        folder = tmp_path / str(turn)
        folder.mkdir()
        async with bench(folder, opened=False) as b:
            id_ = await b.ask("old text")
            await until(lambda b=b: bool(b.answers.asked))  # type: ignore[misc]
            edit = asyncio.create_task(b.inbox.revise(id_, "new text"))
            for _ in range(turn):  # the answer is ready while the edit is being written
                await asyncio.sleep(0.0003)
            b.answers.gate.set()
            if await edit:
                b.answering.again(id_)
            entry = await b.done(id_)
            assert entry.asked.text in b.platform.post_of(id_).text


async def test_edits_count_as_no_tries(tmp_path: Path) -> None:
    async with bench(tmp_path, opened=False) as b:
        id_ = await b.ask("version 0")
        for number in range(1, FAST.most_tries + 2):
            await until(lambda number=number: len(b.answers.asked) >= number)  # type: ignore[misc]
            assert await b.inbox.revise(id_, f"version {number}")
            b.answering.again(id_)
        b.answers.gate.set()
        assert (await b.done(id_)).outcome == "answered"
        assert b.platform.post_of(id_).text == f"On version {FAST.most_tries + 1} [1]"


async def test_a_sign_that_is_slow_to_be_shown_keeps_its_turn(tmp_path: Path) -> None:
    platform = FakePlatform()
    async with bench(tmp_path, platform=platform, opened=False) as b:
        ids = [await b.ask("first", key="1", thread="T")]
        await until(lambda: bool(b.answers.asked))
        platform.slow_s["second"] = 0.1
        ids += [await b.ask(text, key=text, thread="T") for text in ("second", "third")]
        await until(lambda: any(post.id == ids[2] for post in platform.posts))
        b.answers.gate.set()
        for id_ in ids:
            await b.done(id_)
        assert [question.text for question in b.answers.asked] == ["first", "second", "third"]
        assert [turn.text for turn in b.answers.asked[2].earlier if turn.role == "user"] == [
            "first",
            "second",
        ]


async def test_alone_with_the_bot_nothing_of_the_conversation_is_left_out(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.platform.places["hall"] = Place(frozenset({"fake:channel:hall"}), direct=True, viewers=(ANNA,))
        await b.done(await b.ask("First?", key="1", thread="T", private=True))
        await b.done(await b.ask("Second?", key="2", thread="T"))
        assert b.answers.asked[-1].earlier[0].text == "First?"


__all__ = ["ANNA", "HALL", "Place"]
