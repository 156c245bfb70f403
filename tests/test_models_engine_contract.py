"""What every Generator promises; a new one subclasses GeneratorContract and gives `make`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar, cast

import pytest

from models.engine.generator import Delta, Generator, Sampling, Turn
from models.engine.process import LocalModel
from models.engine.scripted import ScriptedGenerator
from models.errors import PromptTooLong
from models.weights import bundled_path

T = TypeVar("T")
TURNS = (
    Turn("system", "You answer from the text."),
    Turn("user", "The office opens at nine and closes at six. When does the office open?"),
)
ODD_TEXTS = [
    "",
    "\x00\x00",
    "\ud800 lone \udfff",
    "مرحبا \u202eعالم",
    "<|im_end|>" * 5,
    "\U0001f600" * 20,
    "a" * 300,
]


async def deltas_of(stream: AsyncIterator[Delta]) -> list[Delta]:
    return [delta async for delta in stream]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


class GeneratorContract:
    """Subclasses give `make`; the answer to TURNS must have at least six tokens."""

    def make(self) -> Generator:
        raise NotImplementedError

    def with_generator(self, use: Callable[[Generator], Awaitable[T]]) -> T:
        async def run() -> T:
            generator = self.make()
            try:
                return await use(generator)
            finally:
                await generator.close()

        return asyncio.run(run())

    def test_only_the_last_delta_is_finished(self) -> None:
        deltas = self.with_generator(lambda g: deltas_of(g.stream(TURNS, max_tokens=64)))
        assert [delta.finished for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
        assert deltas[-1].finished in ("stop", "length")
        assert text_of(deltas).strip()
        assert deltas[-1].completion_tokens >= len(deltas) - 1

    def test_answer_ends_at_its_longest_length(self) -> None:
        deltas = self.with_generator(lambda g: deltas_of(g.stream(TURNS, max_tokens=3)))
        assert deltas[-1].finished == "length"
        assert deltas[-1].completion_tokens == 3

    def test_same_prompt_gives_the_same_answer_alone_or_among_others(self) -> None:
        async def use(generator: Generator) -> list[str]:
            streams = [generator.stream(TURNS, max_tokens=12) for _ in range(3)]
            return [text_of(deltas) for deltas in await asyncio.gather(*map(deltas_of, streams))]

        texts = self.with_generator(use)
        assert len(set(texts)) == 1

    def test_stop_text_ends_the_answer_and_is_no_part_of_it(self) -> None:
        async def use(generator: Generator) -> tuple[str, list[Delta]]:
            whole = text_of(await deltas_of(generator.stream(TURNS, max_tokens=12)))
            stop = whole.split()[2]
            return whole[: whole.index(stop)], await deltas_of(
                generator.stream(TURNS, max_tokens=12, stop=["never said", stop])
            )

        before, deltas = self.with_generator(use)
        assert text_of(deltas) == before
        assert deltas[-1].finished == "stop"

    def test_prompt_is_counted_as_it_is_read(self) -> None:
        async def use(generator: Generator) -> tuple[int, int]:
            deltas = await deltas_of(generator.stream(TURNS, max_tokens=2))
            return await generator.count_tokens(TURNS), deltas[-1].prompt_tokens

        counted, read = self.with_generator(use)
        assert counted == read > 0

    def test_prompt_that_leaves_no_room_is_refused_and_harms_nothing(self) -> None:
        async def use(generator: Generator) -> list[Delta]:
            room = generator.context_tokens - await generator.count_tokens(TURNS)
            with pytest.raises(PromptTooLong):
                await deltas_of(generator.stream(TURNS, max_tokens=room + 1))
            with pytest.raises(PromptTooLong):
                await deltas_of(generator.stream([Turn("user", "word " * 40_000)], max_tokens=1))
            return await deltas_of(generator.stream(TURNS, max_tokens=2))

        assert self.with_generator(use)[-1].finished == "length"

    def test_deadline_that_has_passed_ends_the_answer(self) -> None:
        deltas = self.with_generator(lambda g: deltas_of(g.stream(TURNS, max_tokens=64, deadline_s=0.0)))
        assert deltas[-1].finished == "deadline"

    def test_closing_the_stream_frees_the_model_for_the_next_answer(self) -> None:
        async def use(generator: Generator) -> list[Delta]:
            stream = cast("AsyncGenerator[Delta, None]", generator.stream(TURNS, max_tokens=500))
            async with contextlib.aclosing(stream):
                async for _ in stream:
                    break
            return await deltas_of(generator.stream(TURNS, max_tokens=3))

        assert self.with_generator(use)[-1].finished == "length"

    def test_odd_texts_are_read_and_answered_with_whole_characters(self) -> None:
        async def use(generator: Generator) -> list[list[Delta]]:
            return [
                await deltas_of(generator.stream([TURNS[0], Turn("user", text)], max_tokens=4))
                for text in ODD_TEXTS
            ]

        for deltas in self.with_generator(use):
            assert deltas[-1].finished in ("stop", "length")
            text_of(deltas).encode()

    def test_answer_of_no_tokens_is_refused(self) -> None:
        async def use(generator: Generator) -> None:
            with pytest.raises(ValueError, match="room for one token"):
                await deltas_of(generator.stream(TURNS, max_tokens=0))

        self.with_generator(use)

    def test_seed_decides_a_drawn_answer(self) -> None:
        async def use(generator: Generator) -> list[str]:
            drawn = Sampling(temperature=1.5, top_p=0.95, seed=7)
            return [
                text_of(await deltas_of(generator.stream(TURNS, max_tokens=8, sampling=drawn)))
                for _ in range(2)
            ]

        one, other = self.with_generator(use)
        assert one == other


class TestScriptedGenerator(GeneratorContract):
    def make(self) -> Generator:
        return ScriptedGenerator("The office opens at nine and it closes at six. [1]")


class TestLocalModel(GeneratorContract):
    """The real weights in their own process, one for each test."""

    def make(self) -> Generator:
        path = bundled_path()
        assert path is not None
        return LocalModel(path)
