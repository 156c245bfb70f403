"""The queue before a model: fair turns, true places, bounds, and one end for everyone."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Sequence

import pytest

from models.engine.fair_queue import FIRST_GUESS_S, FairQueue
from models.engine.generator import Delta, Generator, Turn
from models.engine.scripted import ScriptedGenerator
from models.errors import ModelBusy, ModelUnavailable
from tests.callers import REPLY, Caller, Doors, finished, run, settle
from tests.test_models_engine_contract import GeneratorContract


class TestFairQueue(GeneratorContract):
    def make(self) -> Generator:
        return FairQueue(ScriptedGenerator("The office opens at nine and it closes at six. [1]"))


class TestFairQueueOfMany(GeneratorContract):
    def make(self) -> Generator:
        return FairQueue(ScriptedGenerator("The office opens at nine and it closes at six. [1]"), parallel=4)


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_nine_with_one_question_each_wait_their_share_beside_one_with_fifty(parallel: int) -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, parallel=parallel, most_of_one=50)
        callers = [Caller(queue, f"heavy {n}", "heavy") for n in range(50)]
        await settle()
        before = len(inner.begun)
        callers += [Caller(queue, f"light {n}", f"light {n}") for n in range(9)]
        await settle()
        await finished(inner, callers)

        waited = [inner.begun.index(f"light {n}") + 1 - before for n in range(9)]
        assert max(waited) <= 9
        assert inner.most_running == parallel
        assert len(inner.begun) == 59

    run(use)


def test_nine_who_ask_again_and_again_get_their_share_every_time() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, most_of_one=50)
        heavy = [Caller(queue, f"heavy {n}", "heavy") for n in range(50)]
        waited: list[int] = []

        async def light(number: int) -> None:
            for turn in range(5):
                before = len(inner.begun)
                name = f"light {number}.{turn}"
                await Caller(queue, name, f"light {number}").task
                waited.append(inner.begun.index(name) + 1 - before)

        lights = [asyncio.create_task(light(number)) for number in range(9)]
        await settle()
        await finished(inner, heavy)
        await asyncio.gather(*lights)

        assert len(waited) == 45
        assert max(waited) <= 1.2 * 10

    run(use)


def test_no_more_than_the_allowed_answers_are_written_at_once() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, parallel=3)
        callers = [Caller(queue, str(n), str(n)) for n in range(12)]
        await settle()
        assert inner.begun == ["0", "1", "2"]
        assert [caller.places for caller in callers[:4]] == [[], [], [], [1]]
        await finished(inner, callers)

        assert inner.most_running == 3
        assert all(caller.text == REPLY for caller in callers)

    run(use)


def test_places_are_told_at_once_and_whenever_they_change() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        first = Caller(queue, "a1", "a")
        callers = [Caller(queue, name, name[0]) for name in ("a2", "a3", "b1")]
        await settle()
        assert [caller.places for caller in callers] == [[1, 2], [2, 3], [1]]
        await finished(inner, [first, *callers])

        assert inner.begun == ["a1", "b1", "a2", "a3"]
        assert first.places == []
        assert [caller.places for caller in callers] == [[1, 2, 1], [2, 3, 2, 1], [1]]

    run(use)


def test_seconds_follow_the_last_answers_and_the_places() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, parallel=2)
        callers = [Caller(queue, str(n), str(n)) for n in range(4)]
        await settle()
        told = [d.waiting.seconds for caller in callers for d in caller.deltas if d.waiting is not None]
        assert told == [FIRST_GUESS_S / 2, FIRST_GUESS_S]
        await finished(inner, callers)

        later = callers[3].deltas[1].waiting
        assert later is not None
        assert 0 < later.seconds < FIRST_GUESS_S / 2

    run(use)


def test_places_told_are_the_order_in_which_answers_are_begun() -> None:
    async def use() -> None:
        chance = random.Random(3)
        for _ in range(40):
            inner = Doors()
            queue = FairQueue(inner, most_of_one=64)
            callers = [
                Caller(queue, str(chance.randrange(15)), chance.choice("abcd"))
                for _ in range(chance.randrange(2, 30))
            ]
            await settle()
            for caller in chance.sample(callers, len(callers) // 3):
                caller.task.cancel()
            await settle()
            waiting = [caller for caller in callers if caller.waits and caller.name not in inner.running]
            told = {caller.name: caller.places[-1] for caller in waiting}
            assert sorted(told.values()) == list(range(1, len(told) + 1))
            assert all(caller.places[-1] == told[caller.name] for caller in waiting)
            before = len(inner.begun)
            await finished(inner, callers)
            assert inner.begun[before:] == sorted(told, key=lambda name: told[name])

    run(use)


def test_more_than_may_wait_are_turned_away_with_their_place() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, most_waiting=3, most_of_one=2)
        callers = [Caller(queue, name, name[0]) for name in ("a1", "a2", "a3")]
        await settle()
        greedy = Caller(queue, "a4", "a")
        await settle()
        assert isinstance(greedy.error, ModelBusy)
        assert greedy.error.place == 3
        assert greedy.error.seconds == 3 * FIRST_GUESS_S

        callers.append(Caller(queue, "b1", "b"))
        await settle()
        late = Caller(queue, "c1", "c")
        await settle()
        assert isinstance(late.error, ModelBusy)
        assert late.error.place == 2  # b1, then c1 before a2 and a3
        assert late.deltas == []
        await finished(inner, callers)

        assert [caller.ends for caller in callers] == [["stop"]] * 4
        assert inner.begun == ["a1", "b1", "a2", "a3"]

    run(use)


def test_leaving_while_waiting_frees_the_place_at_once() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, most_waiting=2)
        callers = [Caller(queue, name, name) for name in "abc"]
        await settle()
        callers[1].task.cancel()
        await settle()
        assert callers[2].places == [2, 1]
        callers.append(Caller(queue, "d", "d"))
        await settle()
        assert callers[3].places == [2]
        await finished(inner, callers)

        assert inner.begun == ["a", "c", "d"]

    run(use)


def test_leaving_while_an_answer_is_written_closes_it_and_begins_the_next() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        callers = [Caller(queue, name, name) for name in "ab"]
        await settle()
        inner.open("a", pieces=3)
        await settle()
        assert callers[0].text == "The office opens"
        callers[0].task.cancel()
        await settle()
        assert inner.running == ["b"]
        await finished(inner, callers)

        assert callers[1].text == REPLY

    run(use)


def test_the_model_is_free_when_closing_the_stream_comes_back() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        inner.open("a", pieces=1)
        async with contextlib.aclosing(queue.stream([Turn("user", "a")], max_tokens=9)) as stream:
            assert (await anext(stream)).text == "The"
        assert inner.running == []

    run(use)


def test_a_deadline_that_passes_in_the_queue_ends_the_request_and_frees_its_place() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        first = Caller(queue, "a", "a")
        hasty = Caller(queue, "b", "b", deadline_s=0.01)
        patient = Caller(queue, "c", "c", deadline_s=3600)
        await hasty.task
        await settle()
        assert hasty.ends == ["deadline"]
        assert hasty.text == ""
        assert patient.places == [2, 1]
        await finished(inner, [first, patient])

        assert inner.begun == ["a", "c"]
        assert patient.text == REPLY

    run(use)


def test_a_deadline_that_has_passed_begins_nothing() -> None:
    async def use() -> None:
        inner = Doors()
        caller = Caller(FairQueue(inner), "a", deadline_s=0.0)
        await caller.task
        assert caller.ends == ["deadline"]
        assert inner.begun == []

    run(use)


def test_a_deadline_that_passes_while_the_answer_is_written_closes_it() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        inner.open("a", pieces=3)
        caller = Caller(queue, "a", deadline_s=0.3)
        await caller.task

        assert caller.ends == ["deadline"]
        assert caller.text == "The office opens"
        assert caller.deltas[-1].completion_tokens == 3
        assert inner.running == []

    run(use)


def test_a_model_without_an_end_is_an_error_for_those_who_wait_for_it() -> None:
    class Endless(ScriptedGenerator):
        async def stream(self, turns: Sequence[Turn], **_: object) -> AsyncGenerator[Delta, None]:
            yield Delta("The")

    async def use() -> None:
        caller = Caller(FairQueue(Endless()), "a")
        await caller.task
        assert isinstance(caller.error, ModelUnavailable)

    run(use)


def test_closing_ends_those_who_wait() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        callers = [Caller(queue, name, name) for name in "abc"]
        await settle()
        await queue.close()
        await settle()
        assert [caller.ends for caller in callers] == [[], ["error"], ["error"]]
        assert isinstance(callers[1].error, ModelUnavailable)
        await finished(inner, callers)

        assert inner.begun == ["a"]

    run(use)


def test_who_asks_again_after_an_answer_does_not_wait_for_its_own_end() -> None:
    async def use() -> None:
        queue = FairQueue(ScriptedGenerator(REPLY))
        for name in "abc":
            async for delta in queue.stream([Turn("user", name)], max_tokens=9):
                assert delta.waiting is None

    run(use)


def test_another_event_loop_finds_the_queue_empty() -> None:
    queue = FairQueue(ScriptedGenerator(REPLY, pause_s=0.01))
    kept: list[AsyncGenerator[Delta, None]] = []

    async def abandon() -> None:
        for name in "ab":
            kept.append(queue.stream([Turn("user", name)], max_tokens=9))
            await anext(kept[-1])

    asyncio.run(abandon())

    async def use() -> None:
        caller = Caller(queue, "c")
        await caller.task
        assert caller.places == []
        assert caller.text == REPLY

    run(use)


@pytest.mark.parametrize("seed", range(4))
def test_every_request_ends_once_whatever_happens(seed: int) -> None:
    async def use() -> None:
        chance = random.Random(seed)
        inner = Doors()
        parallel = chance.randrange(1, 5)
        queue = FairQueue(inner, parallel=parallel, most_waiting=12, most_of_one=4)
        callers: list[Caller] = []
        for _ in range(1500):
            live = [caller for caller in callers if not caller.task.done()]
            match chance.randrange(10):
                case 0 | 1 | 2 | 3:
                    deadline = chance.choice([None, None, 3600.0, 0.002, 0.0])
                    name, asker = str(chance.randrange(12)), chance.choice("abcdef")
                    audience = chance.choice(["", "", "others"])
                    callers.append(Caller(queue, name, asker, audience=audience, deadline_s=deadline))
                case 4 if live:
                    chance.choice(live).task.cancel()
                case 5 | 6 | 7 if inner.running:
                    inner.open(chance.choice(inner.running), pieces=chance.randrange(1, 12))
                case 8:
                    inner.failing ^= {str(chance.randrange(12))}
                case 9:
                    await asyncio.sleep(chance.choice([0, 0, 0, 0.001]))
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        await finished(inner, callers)

        assert inner.most_running == parallel
        assert inner.running == []
        callers = [caller for caller in callers if not caller.task.cancelled()]  # those who had begun to ask
        ends = [end for caller in callers for end in caller.ends]
        assert {"stop", "deadline", "error", "left"} <= set(ends)
        for caller in callers:
            assert len(caller.ends) == 1
            assert caller.ends != ["stop"] or caller.text == REPLY
            assert REPLY.startswith(caller.text)
        inner.failing.clear()
        last = [Caller(queue, f"last {n}", "last") for n in range(parallel)]
        await settle()
        await finished(inner, last)
        assert all(caller.places == [] and caller.ends == ["stop"] for caller in last)

    run(use)
