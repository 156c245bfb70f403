"""Many answers at once from one real model: nothing is read twice, nothing leaks, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from models.engine.generator import Asking, Delta, Sampling, Turn
from models.engine.passage_cache import PassageCache
from models.engine.process import LocalModel
from models.engine.sequences import MOST_PREFIXES
from models.engine.settings import EngineSettings, Lora
from models.errors import ModelUnavailable, PromptTooLong
from models.weights import bundled_path, sha256_of
from tests.lora_files import write_lora

T = TypeVar("T")
SYSTEM = Turn("system", "You answer questions from numbered sources. Use only what the sources say.")
FACTS = [
    "The office in Lyon opens at nine in the morning and closes at six in the evening, Monday to Friday.",
    "Each employee may take twenty-five days of paid leave a year, and carry five of them over to March.",
    "A customer with the Critical plan gets a first reply within thirty minutes, on any day of the year.",
    "Expenses above two hundred euros need the approval of a manager before the money is spent.",
    "New laptops are ordered on the first of each month; a broken one is replaced within two days.",
]


def with_model(use: Callable[[LocalModel], Awaitable[T]], settings: EngineSettings | None = None) -> T:
    path = bundled_path()
    assert path is not None
    model = LocalModel(path, settings or EngineSettings(parallel=4, passage_cache=True))

    async def run() -> T:
        try:
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(run())


def asked(question: str, facts: Sequence[str], *, system: Turn = SYSTEM) -> tuple[Turn, ...]:
    text, blocks = "Sources:", []
    for number, fact in enumerate(facts, start=1):
        text += f"\n\n[{number}]"
        blocks.append((len(text), len(text) + len(fact) + 1))
        text += f" {fact}"
    return (system, Turn("user", f"{text}\n\nQuestion: {question}", tuple(blocks)))


async def answer(
    model: LocalModel, turns: Sequence[Turn], *, max_tokens: int = 8, asking: Asking | None = None
) -> list[Delta]:
    stream = model.stream(turns, max_tokens=max_tokens, asking=asking or Asking())
    return [delta async for delta in stream]


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("cache", [False, True])
def test_answers_that_are_written_at_once_each_have_their_own_passages(cache: bool) -> None:
    words = ["BLUE HERON 7", "GREEN OTTER 3", "RED FALCON 9", "GOLDEN TIGER 4", "SILVER WHALE 2"]
    prompts = [
        asked(
            "What is the guest network's password?",
            [f"The password of the guest network is {word}.", FACTS[number % 5]],
        )
        for number, word in enumerate(words)
    ]

    async def use(model: LocalModel) -> list[str]:
        return [
            text_of(deltas)
            for deltas in await asyncio.gather(*(answer(model, turns, max_tokens=24) for turns in prompts))
        ]

    texts = with_model(use, EngineSettings(parallel=4, passage_cache=cache))
    for text, word in zip(texts, words, strict=True):
        assert word in text.upper()
        assert not any(other in text.upper() for other in words if other != word)


def test_answers_come_side_by_side() -> None:
    async def use(model: LocalModel) -> list[int]:
        await model.start()
        order: list[int] = []

        async def one(number: int) -> None:
            async for delta in model.stream(asked("When?", FACTS[:1]), max_tokens=16):
                if delta.text:
                    order.append(number)

        await asyncio.gather(*(one(number) for number in range(3)))
        return order

    order = with_model(use)
    assert order != sorted(order)


def test_more_requests_than_places_are_all_answered() -> None:
    async def use(model: LocalModel) -> list[list[Delta]]:
        return await asyncio.gather(
            *(answer(model, asked(f"Number {number}?", FACTS[:1]), max_tokens=3) for number in range(12))
        )

    answers = with_model(use, EngineSettings(parallel=2, context_tokens=512))
    assert [deltas[-1].finished for deltas in answers] == ["length"] * 12


def test_passage_that_was_read_is_not_read_again_wherever_it_stands() -> None:
    async def use(model: LocalModel) -> tuple[Delta, Delta, Delta]:
        first = await answer(model, asked("When does it open?", FACTS[:2]))
        again = await answer(model, asked("How long is leave?", FACTS[1::-1]))
        mixed = await answer(model, asked("How long is leave?", [FACTS[1], FACTS[3], FACTS[0]]))
        return first[-1], again[-1], mixed[-1]

    first, again, mixed = with_model(use)
    assert first.reused_tokens == 0
    assert again.prompt_tokens - again.reused_tokens < 30
    assert again.reused_tokens < mixed.reused_tokens + 10
    assert 30 < mixed.prompt_tokens - mixed.reused_tokens < 70


def test_passage_that_was_moved_says_what_it_said() -> None:
    """The model reads a fact out of a restored passage, at its first place and at another."""

    async def use(model: LocalModel) -> list[str]:
        facts = ["The password of the guest network is BLUE HERON 7.", FACTS[0]]
        await answer(model, asked("Anything?", facts))
        orders = (facts, facts[::-1])
        return [
            text_of(await answer(model, asked("What is the guest network's password?", one), max_tokens=24))
            for one in orders
        ]

    for text in with_model(use):
        assert "BLUE HERON" in text.upper()


def test_without_the_cache_every_passage_is_read() -> None:
    async def use(model: LocalModel) -> tuple[Delta, Delta]:
        first = await answer(model, asked("When does it open?", FACTS[:2]))
        again = await answer(model, asked("How long is leave?", FACTS[1::-1]))
        return first[-1], again[-1]

    first, again = with_model(use, EngineSettings(parallel=2))
    assert (
        first.prompt_tokens == again.prompt_tokens + 1 or abs(first.prompt_tokens - again.prompt_tokens) < 9
    )
    assert 0 < again.reused_tokens < 30  # the system message


def test_prompt_has_the_same_tokens_with_and_without_the_cache() -> None:
    turns = asked("When does it open?", FACTS)

    async def count(model: LocalModel) -> tuple[int, int]:
        return await model.count_tokens(turns), (await answer(model, turns))[-1].prompt_tokens

    assert len({with_model(count), with_model(count, EngineSettings())}) == 1


def test_earlier_turns_of_a_conversation_are_not_read_again() -> None:
    async def use(model: LocalModel) -> tuple[Delta, Delta, Delta]:
        turns = asked("When does the office open?", FACTS[:2])
        asking = Asking("ann", "team")
        first = await answer(model, turns, asking=asking)
        longer = (*turns, Turn("assistant", text_of(first)), Turn("user", "And on Sundays?"))
        second = await answer(model, longer, asking=asking)
        other = await answer(model, longer, asking=Asking("bob", "board"))
        return first[-1], second[-1], other[-1]

    for cache in (False, True):
        first, second, other = with_model(use, EngineSettings(parallel=4, passage_cache=cache))
        assert second.reused_tokens >= first.prompt_tokens
        assert other.reused_tokens < second.reused_tokens


@pytest.mark.parametrize("cache", [False, True])
def test_nothing_of_one_audience_is_used_for_another(cache: bool) -> None:
    """A canary in the question of one audience: another one's same question is read in full."""

    async def use(model: LocalModel) -> tuple[Delta, Delta, Delta]:
        turns = (SYSTEM, Turn("user", "The canary is CRIMSON-WOMBAT-41. " * 4 + "What is the canary?"))
        first = await answer(model, turns, asking=Asking("ann", "board"))
        other = await answer(model, turns, asking=Asking("eve", "guests"))
        same = await answer(model, turns, asking=Asking("cy", "board"))
        return first[-1], other[-1], same[-1]

    first, other, same = with_model(use, EngineSettings(parallel=4, passage_cache=cache))
    head = 25
    assert first.reused_tokens == 0
    assert other.reused_tokens < head
    assert same.reused_tokens > other.reused_tokens + 40


def test_cache_on_disk_outlives_the_process_and_keeps_its_limit(tmp_path: Path) -> None:
    settings = EngineSettings(parallel=2, passage_cache=True, passages=tmp_path, passage_disk_mb=1)

    async def use(model: LocalModel) -> Delta:
        return (await answer(model, asked("When does it open?", FACTS[:1])))[-1]

    async def many(model: LocalModel) -> None:
        for number in range(6):
            await answer(model, asked("When?", [f"{number} {FACTS[1]}"]), max_tokens=2)

    first = with_model(use, settings)
    assert first.reused_tokens == 0
    assert with_model(use, settings).reused_tokens > 15
    with_model(many, settings)
    assert 0 < sum(file.stat().st_size for file in tmp_path.rglob("*.kv")) <= 2**20


def test_damaged_file_of_the_cache_is_dropped_and_read_anew(tmp_path: Path) -> None:
    settings = EngineSettings(parallel=2, passage_cache=True, passages=tmp_path)
    turns = asked("When does it open?", FACTS[:1])

    async def use(model: LocalModel) -> list[Delta]:
        return await answer(model, turns)

    whole = with_model(use, settings)
    (file,) = tmp_path.rglob("*.kv")
    stored = bytearray(file.read_bytes())
    stored[len(stored) // 2] ^= 1
    file.write_bytes(stored)
    again = with_model(use, settings)
    assert again[-1].reused_tokens == 0
    assert text_of(again) == text_of(whole)
    assert file.read_bytes() != bytes(stored)


def test_state_that_llama_cpp_refuses_is_dropped_and_read_anew(tmp_path: Path) -> None:
    settings = EngineSettings(parallel=2, passage_cache=True, passages=tmp_path)
    turns = asked("When does it open?", FACTS[:1])

    async def use(model: LocalModel) -> list[Delta]:
        return await answer(model, turns)

    whole = with_model(use, settings)
    (file,) = tmp_path.rglob("*.kv")
    stored = file.read_bytes()
    file.unlink()
    other = PassageCache(memory_bytes=0, folder=tmp_path, disk_bytes=2**24)
    other.put(file.stem, b"a state of another make")
    other.close()
    again = with_model(use, settings)
    assert again[-1].reused_tokens == 0
    assert text_of(again) == text_of(whole)
    assert file.stat().st_size == len(stored)


def test_more_short_passages_than_are_read_at_once_are_all_read() -> None:
    turns = asked("What is the fax?", [f"Fax {number}." for number in range(40)])

    async def use(model: LocalModel) -> tuple[str, Delta]:
        text = text_of(await answer(model, turns))
        return text, (await answer(model, (SYSTEM, replace(turns[1], text=turns[1].text + "!"))))[-1]

    text, again = with_model(use, EngineSettings(parallel=1, passage_cache=True))
    assert text
    assert again.prompt_tokens - again.reused_tokens < 60


@pytest.mark.parametrize("repeated", [1, 24])
def test_passages_fit_beside_the_copies_of_the_system_message_that_they_are_read_behind(
    repeated: int,
) -> None:
    system = Turn("system", SYSTEM.text * repeated)
    facts = [f"{number}. {fact[:60]}" for number, fact in enumerate(FACTS * 4)]

    async def use(model: LocalModel) -> tuple[int, Delta]:
        while (count := await model.count_tokens(asked("When?", facts, system=system))) > 512 - 8:
            facts.pop()
        return count, (await answer(model, asked("When?", facts, system=system)))[-1]

    settings = EngineSettings(parallel=1, passage_cache=True, context_tokens=512)
    count, last = with_model(use, settings)
    assert count > 450
    assert last.finished in ("length", "stop")


def test_prompt_that_does_not_fit_is_not_read_ahead() -> None:
    async def use(model: LocalModel) -> list[Delta]:
        with pytest.raises(PromptTooLong, match="the context holds 512"):
            async with asyncio.timeout(60):
                await model.prepare(asked("When?", FACTS * 6))
        return await answer(model, asked("When?", FACTS[:1]), max_tokens=3)

    assert with_model(use, EngineSettings(passage_cache=True, context_tokens=512))[-1].finished == "length"


def test_passages_are_read_ahead_when_there_is_nothing_else_to_do() -> None:
    turns = asked("Anything?", FACTS)

    async def use(model: LocalModel) -> tuple[int, Delta]:
        read = await model.prepare(turns)
        return read, (await answer(model, asked("When does it open?", FACTS[::-1])))[-1]

    read, last = with_model(use)
    assert read == len(FACTS)
    assert last.prompt_tokens - last.reused_tokens < 60


def test_cancelled_answers_leave_the_others_alone() -> None:
    async def use(model: LocalModel) -> tuple[str, str]:
        turns = asked("When does it open?", FACTS[:3])
        fresh = text_of(await answer(model, turns, max_tokens=24))
        kept = asyncio.create_task(answer(model, turns, max_tokens=24, asking=Asking("a", "x")))
        others = [
            asyncio.create_task(answer(model, asked(f"Number {number}?", FACTS * 4), max_tokens=200))
            for number in range(3)
        ]
        await asyncio.sleep(0.3)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return fresh, text_of(await kept)

    fresh, kept = with_model(use, EngineSettings(parallel=4))
    assert kept == fresh or kept[:20] == fresh[:20]


def test_requests_that_come_go_and_are_cancelled_at_random_all_end_once() -> None:
    chance = random.Random(7)
    texts = [asked(f"Question {number}?", chance.sample(FACTS, 3)) for number in range(40)]

    async def one(model: LocalModel, number: int) -> str:
        await asyncio.sleep(chance.random() * 2)
        deadline = chance.choice([None, None, 0.5])
        stream = model.stream(texts[number], max_tokens=chance.randint(1, 12), deadline_s=deadline)
        leave = chance.random() < 0.3
        finished = ""
        async for delta in stream:
            if delta.finished:
                assert not finished
                finished = delta.finished
            elif leave:
                await stream.aclose()
                return "left"
        return finished

    async def use(model: LocalModel) -> list[str]:
        await model.start()
        ends = await asyncio.gather(*(one(model, number) for number in range(40)))
        after = await answer(model, texts[0], max_tokens=3)
        return [*ends, str(after[-1].finished)]

    ends = with_model(use, EngineSettings(parallel=3, passage_cache=True, context_tokens=1024))
    assert set(ends) <= {"left", "length", "stop", "deadline"}
    assert ends[-1] in ("length", "stop")


def test_grammar_allows_only_its_own_answers() -> None:
    grammar = 'root ::= "{\\"answer\\": \\"" ("yes" | "no") "\\"}"'

    async def use(model: LocalModel) -> str:
        stream = model.stream(
            asked("Is it open on Sundays?", FACTS[:1]), max_tokens=32, sampling=Sampling(grammar=grammar)
        )
        return text_of([delta async for delta in stream])

    assert json.loads(with_model(use))["answer"] in ("yes", "no")


def test_grammar_that_is_none_is_one_line_and_harms_nothing() -> None:
    async def use(model: LocalModel) -> list[Delta]:
        with pytest.raises(ModelUnavailable, match="grammar"):
            async for _ in model.stream(
                asked("Open?", FACTS[:1]), max_tokens=4, sampling=Sampling(grammar="root ::= ((")
            ):
                pass
        return await answer(model, asked("Open?", FACTS[:1]), max_tokens=3)

    assert with_model(use)[-1].finished == "length"


def test_prompt_too_large_to_be_read_apart_is_read_in_line() -> None:
    async def use(model: LocalModel) -> list[Delta]:
        return await answer(model, asked("When?", FACTS * 3), max_tokens=8)

    deltas = with_model(use, EngineSettings(parallel=1, passage_cache=True, context_tokens=512))
    assert deltas[-1].finished in ("length", "stop")


def lora_settings(folder: Path, *, contexts: int = 2) -> EngineSettings:
    loras = []
    for number, (name, scale) in enumerate((("plain", 0.0), ("loud", 0.4), ("odd", 0.6))):
        file = write_lora(folder / f"{name}.gguf", seed=number, scale=scale)
        loras.append(Lora(name, str(file), sha256_of(file)))
    return EngineSettings(parallel=3, passage_cache=True, loras=tuple(loras), lora_contexts=contexts)


def test_lora_changes_the_answer_and_leaves_the_bare_model_as_it_was(tmp_path: Path) -> None:
    turns = asked("When does the office open?", FACTS[:2])

    async def use(model: LocalModel) -> dict[str, list[str]]:
        said: dict[str, list[str]] = {}
        for _ in range(2):
            for name in (None, "plain", "loud", None):
                deltas = await answer(model, turns, asking=Asking("ann", "team", name))
                said.setdefault(str(name), []).append(text_of(deltas))
        return said

    said = with_model(use, lora_settings(tmp_path))
    assert len(set(said["None"])) == 1
    assert set(said["plain"]) == set(said["None"])  # it adds nothing
    assert not set(said["loud"]) & set(said["None"])


def test_lora_that_is_offered_while_it_runs_answers_in_place_of_the_one_of_its_name(tmp_path: Path) -> None:
    turns = asked("When does the office open?", FACTS[:2])
    plain, loud, _ = lora_settings(tmp_path).loras

    async def use(model: LocalModel) -> list[str]:
        said = []
        for lora in (plain, replace(loud, name="plain"), plain):
            model.offer(lora)
            said.append(text_of(await answer(model, turns, asking=Asking("ann", "team", "plain"))))
        assert model.loras == {"plain": plain.sha256}
        return [text_of(await answer(model, turns)), *said]

    bare, first, other, again = with_model(use, EngineSettings(parallel=2))
    assert bare == first == again
    assert other != bare


def test_nothing_that_was_read_with_one_lora_is_used_with_another(tmp_path: Path) -> None:
    turns = asked("When does the office open?", FACTS[:3])

    async def use(model: LocalModel) -> list[int]:
        return [
            (await answer(model, turns, asking=Asking("ann", "team", name)))[-1].reused_tokens
            for name in (None, "loud", "odd", "loud", None)
        ]

    first, loud, odd, loud_again, bare_again = with_model(use, lora_settings(tmp_path))
    assert (first, loud, odd) == (0, 0, 0)
    assert min(loud_again, bare_again) > 80


def test_loras_take_turns_in_fewer_contexts_than_there_are(tmp_path: Path) -> None:
    async def use(model: LocalModel) -> list[str]:
        names = ["plain", "loud", "odd"] * 3
        answers = await asyncio.gather(
            *(
                answer(model, asked(f"Number {n}?", FACTS[:2]), asking=Asking("a", "b", name), max_tokens=3)
                for n, name in enumerate(names)
            )
        )
        return [str(deltas[-1].finished) for deltas in answers]

    assert set(with_model(use, lora_settings(tmp_path, contexts=1))) <= {"length", "stop"}


def test_lora_that_nobody_named_or_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no LoRA")
    settings = EngineSettings(loras=(Lora("broken", str(broken), "0" * 64),))

    async def use(model: LocalModel) -> list[Delta]:
        with pytest.raises(ModelUnavailable, match="grammar"):
            async for _ in model.stream(
                asked("Open?", FACTS[:1]), max_tokens=4, sampling=Sampling(grammar="root ::= ((")
            ):
                pass
        for name, said in (
            ("none", "no LoRA named 'none'"),
            ("broken", "cannot load the LoRA broken: (?!.*grammar)"),
        ):
            with pytest.raises(ModelUnavailable, match=said):
                await answer(model, asked("Open?", FACTS[:1]), asking=Asking(lora=name))
        return await answer(model, asked("Open?", FACTS[:1]), max_tokens=3)

    assert with_model(use, settings)[-1].finished == "length"


def test_who_comes_while_another_reads_goes_on_from_what_they_share_in_the_same_audience_only() -> None:
    """More than one batch has room for, and no memory for ended prompts: all three are being answered."""
    facts = [f"{fact} This is rule {number}." for number in range(6) for fact in FACTS]
    settings = EngineSettings(parallel=4, prompt_memory_mb=0)
    asked_by = {
        Asking("ann", "team"): asked("When does the office open?", facts),
        Asking("eve", "guests"): asked("When does the office open?", facts),
        Asking("bob", "team"): asked("Who approves expenses?", facts),
    }

    async def use(model: LocalModel) -> list[list[Delta]]:
        return await asyncio.gather(
            *(answer(model, turns, max_tokens=8, asking=asking) for asking, turns in asked_by.items())
        )

    async def alone(model: LocalModel) -> str:
        return text_of(await answer(model, asked_by[Asking("bob", "team")]))

    ann, eve, bob = with_model(use, settings)
    head = 25
    assert ann[-1].prompt_tokens > 700
    assert ann[-1].reused_tokens <= head
    assert eve[-1].reused_tokens <= head
    assert bob[-1].reused_tokens > bob[-1].prompt_tokens - 40
    assert text_of(bob) == with_model(alone, settings)


@pytest.mark.parametrize("cache", [False, True])
def test_what_begins_alike_is_not_read_again_though_others_came_between(cache: bool) -> None:
    """One place, so that each question takes the sequence of the one before. Only the passage cache has more of
    the prompt without it."""
    settings = EngineSettings(parallel=1, passage_cache=cache)
    first = asked("When does the office open?", FACTS[:2])
    longer = (*first, Turn("assistant", "At nine."), Turn("user", "And on Sundays?"))

    async def use(model: LocalModel) -> tuple[list[Delta], list[Delta], list[Delta]]:
        team = Asking("ann", "team")
        await answer(model, first, asking=team)
        for number in range(3):
            await answer(
                model, asked(f"Number {number}?", FACTS[number + 1 :]), asking=Asking("bob", "board")
            )
        again = await answer(model, longer, asking=team)
        other = await answer(model, longer, asking=Asking("eve", "guests"))
        return again, other, await answer(model, longer, asking=team)

    async def fresh(model: LocalModel) -> tuple[int, str]:
        count = await model.count_tokens(first)
        return count, text_of(await answer(model, longer))

    again, other, last = with_model(use, settings)
    without = with_model(use, replace(settings, prompt_memory_mb=0))[0]
    count, text = with_model(fresh, settings)
    assert again[-1].reused_tokens >= count - 8
    assert without[-1].reused_tokens < again[-1].reused_tokens - (5 if cache else 40)
    assert other[-1].reused_tokens < again[-1].reused_tokens
    assert text_of(again) == text_of(other) == text_of(last) == text


def test_conversation_goes_on_though_its_system_message_was_forgotten() -> None:
    """What the conversation read is still kept; its new block is read behind the system message."""
    hall = Asking("ann", "hall")

    async def use(model: LocalModel) -> list[Delta]:
        await answer(model, asked("Open?", FACTS[:1]), max_tokens=2, asking=hall)
        for number in range(MOST_PREFIXES):
            await answer(
                model,
                asked("Open?", FACTS[:1], system=Turn("system", f"{SYSTEM.text} You are number {number}.")),
                max_tokens=2,
                asking=Asking("bob", f"channel {number}"),
            )
        again = model.stream(asked("Leave?", FACTS[1:2]), max_tokens=2, asking=hall, deadline_s=60)
        return [delta async for delta in again]

    deltas = with_model(use, EngineSettings(parallel=1, passage_cache=True, context_tokens=512))
    assert deltas[-1].finished in ("stop", "length")
