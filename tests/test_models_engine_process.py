"""Whatever becomes of the model's process, the parent lives and each request ends once."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from models.engine.generator import Delta, Sampling, Turn
from models.engine.process import LocalModel
from models.engine.settings import EngineSettings
from models.errors import BrokenWeights, ModelUnavailable
from models.weights import bundled_path

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
QUESTION = (Turn("system", "You answer from the text."), Turn("user", "Count from one to one hundred."))
LONG = (QUESTION[0], Turn("user", "The office opens at nine. " * 200))


def weights() -> Path:
    path = bundled_path()
    assert path is not None
    return path


def with_model(
    use: Callable[[LocalModel], Awaitable[T]],
    settings: EngineSettings | None = None,
    *,
    path: Path | None = None,
) -> T:
    async def run() -> T:
        model = LocalModel(path or weights(), settings)
        try:
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(run())


async def answer(
    model: LocalModel, turns: tuple[Turn, ...] = QUESTION, *, max_tokens: int = 8
) -> list[Delta]:
    return [delta async for delta in model.stream(turns, max_tokens=max_tokens)]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_answer_of_a_dead_process_goes_on_in_the_next_one(death: signal.Signals) -> None:
    turns = (QUESTION[0], Turn("user", "Say the whole alphabet in capital letters."))

    async def use(model: LocalModel) -> tuple[list[Delta], list[Delta]]:
        whole = await answer(model, turns, max_tokens=24)
        killed, deltas = False, []
        async for delta in model.stream(turns, max_tokens=24):
            deltas.append(delta)
            if delta.completion_tokens >= 6 and not killed:
                killed = True
                assert model.pid is not None
                os.kill(model.pid, death)
        return whole, deltas

    whole, deltas = with_model(use)
    assert deltas[-1].finished == whole[-1].finished
    assert deltas[-1].completion_tokens == whole[-1].completion_tokens
    assert text_of(deltas)[:30] == text_of(whole)[:30]


def test_requests_of_a_dead_process_are_answered_by_the_next_one() -> None:
    async def use(model: LocalModel) -> list[list[Delta]]:
        await model.start()
        waiting = [asyncio.create_task(answer(model, LONG)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        return await asyncio.gather(*waiting)

    answers = with_model(use, EngineSettings(parallel=3))
    assert [deltas[-1].finished for deltas in answers] == ["length"] * 3


def test_request_that_ended_two_processes_is_not_tried_again() -> None:
    async def use(model: LocalModel) -> tuple[object, int, list[Delta]]:
        killed: list[int] = []
        await model.start()
        poison = asyncio.create_task(answer(model, LONG, max_tokens=500))
        while not poison.done():
            await asyncio.sleep(0.05)
            if model.pid is not None and model.pid not in killed:
                killed.append(model.pid)
                os.kill(model.pid, signal.SIGKILL)
        return poison.exception(), len(killed), await answer(model)

    error, killed, deltas = with_model(use)
    assert killed == 2
    assert type(error) is ModelUnavailable
    assert "not tried again" in str(error)
    assert deltas[-1].finished == "length"


def test_process_that_hangs_is_ended_and_replaced() -> None:
    async def use(model: LocalModel) -> tuple[list[Delta], bool]:
        await model.start()
        first = model.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        return await answer(model), model.pid != first

    deltas, replaced = with_model(use, EngineSettings(silence_s=2.0))
    assert deltas[-1].finished == "length"
    assert replaced


def test_process_that_hangs_again_is_told_in_one_line() -> None:
    async def use(model: LocalModel) -> str:
        async def stopper() -> None:
            while True:
                await asyncio.sleep(0.02)
                if model.pid is not None:
                    os.kill(model.pid, signal.SIGSTOP)

        await model.start()
        stopping = asyncio.create_task(stopper())
        try:
            with pytest.raises(ModelUnavailable) as told:
                await answer(model, LONG)
            return str(told.value)
        finally:
            stopping.cancel()

    line = with_model(use, EngineSettings(silence_s=1.0, load_s=2.0))
    assert "silent" in line
    assert "\n" not in line


def test_idle_process_owes_no_sign_of_life() -> None:
    async def use(model: LocalModel) -> bool:
        await model.start()
        first = model.pid
        await asyncio.sleep(1.5)
        return model.pid == first

    assert with_model(use, EngineSettings(silence_s=0.5))


def test_process_ends_with_a_parent_that_was_killed() -> None:
    program = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from models.engine.process import LocalModel\n"
        "async def main():\n"
        "    model = LocalModel(Path(sys.argv[1]))\n"
        "    await model.start()\n"
        "    print(model.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(weights())], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    child = Path("/proc") / done.stdout.strip()
    for _ in range(100):
        if not child.exists() or "(zombie)" in (child / "status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the model's process outlived its parent")


def test_process_is_the_first_to_go_when_memory_runs_out_and_leaves_no_core() -> None:
    async def use(model: LocalModel) -> tuple[str, str]:
        await model.start()
        process = Path("/proc") / str(model.pid)
        return (process / "oom_score_adj").read_text().strip(), (process / "limits").read_text()

    score, limits = with_model(use)
    assert score == "1000"
    assert "Max core file size        0                    0" in limits


def test_start_works_from_any_folder_even_one_with_a_package_of_our_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('wrong package')\n")
    monkeypatch.chdir(tmp_path)
    assert with_model(answer)[-1].finished == "length"


def test_parent_never_loads_llama_cpp() -> None:
    program = "import sys, models.engine.process, models.hardware; print('llama_cpp' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_control_tokens_in_a_document_stay_text() -> None:
    async def use(model: LocalModel) -> tuple[int, int, int]:
        plain = await model.count_tokens([Turn("user", "a passage")])
        marked = await model.count_tokens([Turn("user", "a passage<|im_end|>")])
        turn = await model.count_tokens([Turn("user", "a passage"), Turn("user", "")])
        return plain, marked, turn

    plain, marked, turn = with_model(use)
    assert marked > plain + 3  # one control token would be one token more
    assert turn > plain


def test_reused_prefix_gives_the_same_answer_as_a_fresh_reading() -> None:
    system = Turn("system", "You answer from the text. " * 10)
    one = (system, Turn("user", "The office opens at nine. When does the office open?"))
    other = (system, Turn("user", "Sick leave lasts ten days. How long does sick leave last? " * 6))

    async def warm(model: LocalModel) -> tuple[list[Delta], list[Delta]]:
        await answer(model, one)
        return await answer(model, other, max_tokens=10), await answer(model, one, max_tokens=10)

    async def fresh(model: LocalModel) -> list[Delta]:
        return await answer(model, other, max_tokens=10)

    reused, again = with_model(warm)
    read = with_model(fresh)
    assert reused[-1].reused_tokens > 40
    assert again[-1].reused_tokens > 40
    assert read[-1].reused_tokens == 0
    assert text_of(reused) == text_of(read)


def test_deadline_ends_a_long_prompt_before_it_is_read() -> None:
    async def use(model: LocalModel) -> list[Delta]:
        await model.start()
        return [delta async for delta in model.stream(LONG, max_tokens=500, deadline_s=0.05)]

    deltas = with_model(use, EngineSettings(batch_tokens=32))
    assert deltas[-1].finished == "deadline"
    assert text_of(deltas) == ""


def test_prompt_given_up_in_the_middle_of_a_batch_leaves_nothing_behind() -> None:
    async def use(model: LocalModel) -> tuple[list[Delta], list[Delta], list[Delta]]:
        fresh = await answer(model)
        late = [delta async for delta in model.stream(LONG, max_tokens=500, deadline_s=0.1)]
        return fresh, late, await answer(model)

    fresh, late, again = with_model(use, EngineSettings(batch_tokens=2048))
    assert late[-1].finished == "deadline"
    assert text_of(again) == text_of(fresh)


def test_cancelled_prompt_leaves_nothing_behind() -> None:
    async def use(model: LocalModel) -> tuple[list[Delta], list[Delta]]:
        fresh = await answer(model)
        waiting = asyncio.create_task(answer(model, LONG, max_tokens=500))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return fresh, await answer(model)

    fresh, again = with_model(use, EngineSettings(batch_tokens=2048))
    assert text_of(again) == text_of(fresh)


def test_request_that_waits_is_counted_and_ended_by_its_own_deadline() -> None:
    async def use(model: LocalModel) -> tuple[list[Delta], int, bool]:
        await model.start()
        busy = asyncio.create_task(answer(model, LONG, max_tokens=200))
        await asyncio.sleep(0)
        late = [delta async for delta in model.stream(QUESTION, max_tokens=5, deadline_s=0.2)]
        counted = await model.count_tokens(QUESTION)
        still_busy = not busy.done()
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
        return late, counted, still_busy

    late, counted, still_busy = with_model(use, EngineSettings(batch_tokens=32))
    assert [delta.finished for delta in late] == ["deadline"]
    assert counted > 0
    assert still_busy


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BrokenWeights, match="missing"):
        with_model(answer, path=tmp_path / "none.gguf")


def test_truncated_file_is_one_line(tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    with weights().open("rb") as whole:
        short.write_bytes(whole.read(20_000_000))
    with pytest.raises(
        BrokenWeights, match=r"short\.gguf is truncated: needs 98,\d+,\d+ bytes, has 20,000,000"
    ):
        with_model(answer, path=short)


def test_second_event_loop_gets_a_process_of_its_own() -> None:
    model = LocalModel(weights())

    async def use() -> str:
        try:
            return text_of(await answer(model))
        finally:
            await model.close()

    assert asyncio.run(use()) == asyncio.run(use())


def test_event_loop_turns_while_the_model_loads_and_answers() -> None:
    async def use(model: LocalModel) -> int:
        turns = 0
        task = asyncio.create_task(answer(model, max_tokens=20))
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns

    assert with_model(use) > 20


def test_what_was_read_is_on_disk_when_the_process_is_ended_at_once(tmp_path: Path) -> None:
    texts = [
        f"Rule {number}: the gate of yard {number} closes at {number + 5} o'clock." for number in range(12)
    ]
    ends = list(itertools.accumulate(map(len, texts)))
    blocks = tuple(zip([0, *ends], ends, strict=False))
    turns = [Turn("system", "Answer."), Turn("user", "".join(texts), blocks)]
    settings = EngineSettings(passage_cache=True, passages=tmp_path)

    async def read_ahead(model: LocalModel) -> int:
        return await model.prepare(turns)

    assert with_model(read_ahead, settings) == len(texts)
    assert len(list(tmp_path.rglob("*.kv*"))) == len(texts)


def test_closing_tells_the_requests_in_flight() -> None:
    async def use(model: LocalModel) -> list[object]:
        await model.start()
        waiting = asyncio.create_task(answer(model, LONG, max_tokens=50))
        await asyncio.sleep(0.1)
        await model.close()
        return list(await asyncio.gather(waiting, return_exceptions=True))

    (end,) = with_model(use)
    assert isinstance(end, ModelUnavailable)
    assert "ended on request" in str(end)


def test_parent_that_was_busy_itself_does_not_blame_the_child() -> None:
    async def use(model: LocalModel) -> list[Delta]:
        await model.start()
        task = asyncio.create_task(answer(model, max_tokens=40))
        await asyncio.sleep(0.1)
        time.sleep(2.5)  # noqa: ASYNC251 - the event loop is blocked on purpose
        return await task

    assert with_model(use, EngineSettings(silence_s=2.0))[-1].finished is not None


def test_child_is_not_told_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")

    async def use(model: LocalModel) -> bytes:
        await model.start()
        return (Path("/proc") / str(model.pid) / "environ").read_bytes()

    environment = with_model(use)
    assert b"GOMP_SPINCOUNT=" in environment
    assert b"xoxb-secret" not in environment


@pytest.mark.parametrize("temperature", [0.0, 0.01])
def test_answer_does_not_begin_as_it_is_to_avoid_and_tells_how_likely_it_would_have(
    temperature: float,
) -> None:
    async def both(model: LocalModel) -> list[list[Delta]]:
        said: list[list[Delta]] = []
        for avoid in ("", None, "zebra"):
            sampling = Sampling(
                temperature=temperature, avoid=text_of(said[0]).lstrip() if avoid is None else avoid
            )
            said.append([delta async for delta in model.stream(QUESTION, max_tokens=8, sampling=sampling)])
        return said

    free, other, unlikely = with_model(both)
    assert [delta.avoided for delta in free] == [None] * len(free)
    assert text_of(free).split()[0] != text_of(other).split()[0]
    assert {delta.avoided for delta in other} == {other[0].avoided}  # told from the first piece on
    assert other[0].avoided is not None
    assert -3.0 < other[0].avoided < 0.0
    assert text_of(unlikely) == text_of(free)
    assert unlikely[0].avoided is not None
    assert unlikely[0].avoided < -5.0
