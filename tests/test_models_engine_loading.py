"""A model loads once, however many ask for it and leave, and only from the file that was seen first."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from models.engine.generator import Asking, Delta, Turn
from models.engine.process import LocalModel
from models.engine.settings import EngineSettings, Lora
from models.errors import BrokenWeights, ModelUnavailable
from models.weights import bundled_path, sha256_of
from tests.lora_files import write_lora

T = TypeVar("T")
QUESTION = (Turn("system", "You answer from the text."), Turn("user", "Count from one to ten."))


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


async def answer(model: LocalModel, *, lora: str | None = None) -> list[Delta]:
    return [delta async for delta in model.stream(QUESTION, max_tokens=3, asking=Asking(lora=lora))]


def children() -> set[str]:
    """The process ids of this process's children."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text(encoding="ascii").split())
    return found


async def loading_of(model: LocalModel) -> tuple[asyncio.Task[None], str]:
    """Someone who waits for the model, and the process that loads it for him."""
    before = children()
    asker = asyncio.create_task(model.start())
    while True:
        await asyncio.sleep(0.01)
        if begun := children() - before:
            return asker, begun.pop()


def test_model_loads_on_when_the_first_who_asked_for_it_leaves() -> None:
    async def use(model: LocalModel) -> tuple[str, int | None]:
        asker, loading = await loading_of(model)
        asker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asker
        await answer(model)
        return loading, model.pid

    loading, answering = with_model(use)
    assert str(answering) == loading


def test_all_who_wait_for_a_model_that_does_not_load_are_told_by_one_try(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(weights().read_bytes().replace(b"tokenizer.ggml.model", b"tokenizer.ggml.modex", 1))

    async def use(model: LocalModel) -> list[BaseException | list[Delta]]:
        return await asyncio.gather(*(answer(model) for _ in range(4)), return_exceptions=True)

    errors = with_model(use, path=broken)
    assert all(isinstance(error, BrokenWeights) for error in errors)
    assert len({id(error) for error in errors}) == 1


def test_closing_ends_a_process_that_still_loads_and_tells_who_waits() -> None:
    async def use(model: LocalModel) -> str:
        asker, loading = await loading_of(model)
        await model.close()
        with pytest.raises(ModelUnavailable, match="closed while it loaded"):
            await asker
        assert model.pid is None
        return loading

    assert with_model(use) not in children()


def test_lora_that_is_offered_while_the_model_loads_can_be_asked_for(tmp_path: Path) -> None:
    file = write_lora(tmp_path / "late.gguf", scale=0.0)
    late = Lora("late", str(file), sha256_of(file))

    async def use(model: LocalModel) -> list[Delta]:
        asker, _ = await loading_of(model)
        model.offer(late)
        await asker
        return await answer(model, lora="late")

    assert with_model(use)[-1].finished == "length"


def test_file_that_was_replaced_is_not_loaded_under_the_name_of_the_first(tmp_path: Path) -> None:
    path, other = tmp_path / "model.gguf", tmp_path / "other.gguf"
    shutil.copy(weights(), path)
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    other.write_bytes(changed)

    async def use(model: LocalModel) -> list[Delta]:
        first = await answer(model)
        os.utime(path)  # it is the same file still
        await killed(model)
        await answer(model)
        other.replace(path)
        await killed(model)
        with pytest.raises(
            BrokenWeights, match=r"model\.gguf is another file than before: .* start the program"
        ):
            await answer(model)
        return first

    assert with_model(use, path=path)[-1].finished == "length"


async def killed(model: LocalModel) -> None:
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    while True:
        await asyncio.sleep(0.01)
        if model.pid is None:
            return
