"""Equal requests in the queue before a model share one answer."""

from __future__ import annotations

import asyncio

import pytest

from models.engine.fair_queue import FairQueue
from models.engine.generator import Asking, Sampling, Turn
from models.engine.scripted import ScriptedGenerator
from models.errors import ModelUnavailable
from tests.callers import REPLY, Caller, Doors, finished, run, settle


def test_equal_requests_are_written_once_and_told_to_all() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        early = [Caller(queue, "a", asker) for asker in "xyz"]
        await settle()
        inner.open("a", pieces=4)
        await settle()
        late = Caller(queue, "a", "late")
        await settle()
        assert [delta.text for delta in late.deltas] == ["The office opens at"]
        assert late.deltas[0].completion_tokens == 4
        await finished(inner, [*early, late])

        assert inner.begun == ["a"]
        for caller in [*early, late]:
            assert caller.text == REPLY
            assert caller.ends == ["stop"]
            assert caller.places == []
        assert late.deltas[1].text == " nine"

    run(use)


def test_an_answer_that_has_ended_is_not_given_again() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        for _ in range(2):
            await finished(inner, [Caller(queue, "a")])
        assert inner.begun == ["a", "a"]

    run(use)


@pytest.mark.parametrize(
    "other",
    [
        {"audience": "others"},
        {"sampling": Sampling(temperature=1.0)},
        {"sampling": Sampling(grammar='root ::= "x"')},
    ],
)
def test_requests_of_another_audience_or_sampling_are_never_shared(other: dict[str, object]) -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, parallel=2)
        callers = [Caller(queue, "a"), Caller(queue, "a", **other)]  # type: ignore[arg-type]
        await settle()
        assert inner.begun == ["a", "a"]
        await finished(inner, callers)

    run(use)


def test_a_lora_length_or_stop_text_of_its_own_makes_another_answer() -> None:
    async def use() -> None:
        inner = ScriptedGenerator(REPLY)
        queue = FairQueue(inner, parallel=5)
        turns = [Turn("user", "a")]
        streams = [
            queue.stream(turns, max_tokens=9),
            queue.stream(turns, max_tokens=9, asking=Asking("me")),
            queue.stream(turns, max_tokens=8),
            queue.stream(turns, max_tokens=9, stop=["nine"]),
            queue.stream(turns, max_tokens=9, asking=Asking(lora="terse")),
        ]
        pieces = await asyncio.gather(*(anext(stream) for stream in streams))
        assert all(piece.text == "The" for piece in pieces)
        assert len(inner.prompts) == 4
        for stream in streams:
            await stream.aclose()

    run(use)


def test_a_shared_answer_goes_on_until_the_last_one_leaves() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        callers = [Caller(queue, "a", asker) for asker in "xyz"]
        await settle()
        inner.open("a", pieces=2)
        await settle()
        for caller in callers[:2]:
            caller.task.cancel()
            await settle()
            assert inner.running == ["a"]
        callers[2].task.cancel()
        await settle()

        assert inner.running == []
        assert [caller.ends for caller in callers] == [["left"]] * 3

    run(use)


def test_an_answer_that_its_last_reader_left_is_begun_anew() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner, parallel=2)
        first = Caller(queue, "a", "x")
        await settle()
        first.task.cancel()
        second = Caller(queue, "a", "y")
        await settle()
        third = Caller(queue, "a", "z")
        await settle()
        assert inner.begun == ["a", "a"]
        assert inner.running == ["a"]
        await finished(inner, [second, third])

        assert [caller.ends for caller in (first, second, third)] == [["left"], ["stop"], ["stop"]]

    run(use)


def test_a_shared_answer_keeps_the_earliest_place_of_those_who_ask_for_it() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        callers = [Caller(queue, name, asker) for name, asker in ("0h", "1h", "2h", "3h", "4l")]
        await settle()
        assert callers[3].places[-1] == 4
        joined = Caller(queue, "3", "x")
        await settle()
        assert callers[3].places[-1] == joined.places[-1] == 2
        joined.task.cancel()
        await settle()
        assert callers[3].places[-1] == 2
        await finished(inner, callers)

        assert inner.begun == ["0", "4", "3", "1", "2"]

    run(use)


def test_those_who_share_end_by_their_own_deadlines() -> None:
    async def use() -> None:
        inner = Doors()
        queue = FairQueue(inner)
        inner.open("a", pieces=2)
        hasty = Caller(queue, "a", "x", deadline_s=0.01)
        patient = Caller(queue, "a", "y", deadline_s=3600)
        await hasty.task
        assert hasty.ends == ["deadline"]
        assert inner.running == ["a"]
        await finished(inner, [patient])

        assert inner.begun == ["a"]
        assert patient.text == REPLY
        assert patient.ends == ["stop"]

    run(use)


def test_a_failure_reaches_everyone_who_shares_once_and_the_next_is_begun() -> None:
    async def use() -> None:
        inner = Doors()
        inner.failing.add("a")
        queue = FairQueue(inner)
        sharing = [Caller(queue, "a", asker) for asker in "xyz"]
        following = Caller(queue, "b", "x")
        await settle()
        await finished(inner, [*sharing, following])

        for caller in sharing:
            assert isinstance(caller.error, ModelUnavailable)
            assert caller.ends == ["error"]
            assert caller.text == "The"
        assert following.ends == ["stop"]

    run(use)
