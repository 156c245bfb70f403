"""The high-level `llama_cpp.Llama` as a peer: one question after the other, in a process of its own.

Rule: used as its own first example does it, with the same threads and context; the process reads one
question a line and waits without work between them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.bench_arms import Written
from bot.errors import Failed
from models.engine.generator import Turn
from models.engine.settings import EnginePlan

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from bot.bench_library import main; main()"
_ROOT = Path(__file__).resolve().parents[1]


class LibraryArm:
    """`Llama` with the model, threads and context of `plan`; raises Failed when its process ends."""

    def __init__(self, plan: EnginePlan) -> None:
        self.name = "library"
        self.warms_up = False  # it keeps its last prompt only
        self._plan = plan
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._ids = itertools.count(1)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working folder may hold a package of the same name
            "-c",
            _PROGRAM,
            str(_ROOT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"GOMP_SPINCOUNT": "20000", **os.environ},  # as our own engine has it
        )
        plan = self._plan
        self._say(
            {
                "path": plan.path,
                "context_tokens": plan.context_tokens,
                "threads": plan.threads,
                "gpu_layers": plan.gpu_layers,
                "repack": plan.repack,
            }
        )
        await self._heard()

    async def ask(self, turns: Sequence[Turn], *, tokens: int, asker: str) -> Written:  # noqa: ARG002
        async with self._turn:
            self._say(
                {"turns": [{"role": turn.role, "content": turn.text} for turn in turns], "tokens": tokens}
            )
            await self._heard()
            first_at = time.perf_counter()
            end = await self._heard()
        return Written(first_at, int(end["completion_tokens"]))

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    def _say(self, value: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")

    async def _heard(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        heard = json.loads(line) if line else {"error": "its process ended"}
        if "error" in heard:
            raise Failed(f"llama_cpp.Llama cannot answer: {heard['error']}")
        assert isinstance(heard, dict)
        return heard


def main() -> None:
    """The peer's process: loads what the first line names, then answers a line at a time until they end."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # native code that prints must not break the lines

    def say(value: object) -> None:
        replies.write(json.dumps(value).encode() + b"\n")

    try:
        llama = _loaded(json.loads(sys.stdin.readline()))
        say({"ready": True})
        for line in sys.stdin:
            wanted = json.loads(line)
            _answer(llama, wanted["turns"], int(wanted["tokens"]), say)
    except Exception as error:  # whatever it is, the other side gets one line
        say({"error": " ".join(str(error).split())[:200] or type(error).__name__})


def _loaded(plan: dict[str, Any]) -> Any:
    from llama_cpp import Llama

    class Unpacked(Llama):
        """Keeps the weights as they are in the file, for which Llama has no parameter."""

        @property
        def model_params(self) -> Any:
            return self._model_params

        @model_params.setter
        def model_params(self, params: Any) -> None:
            params.use_extra_bufts = False
            self._model_params = params

    return (Llama if plan["repack"] else Unpacked)(
        plan["path"],
        n_ctx=plan["context_tokens"],
        n_threads=plan["threads"],
        n_threads_batch=plan["threads"],
        n_gpu_layers=plan["gpu_layers"],
        verbose=False,
    )


def _answer(llama: Any, turns: list[dict[str, str]], tokens: int, say: Any) -> None:
    """Says when the first text comes, and at the end how many tokens were written."""
    pieces = 0
    finished = None
    for piece in llama.create_chat_completion(turns, max_tokens=tokens, temperature=0.0, stream=True):
        choice = piece["choices"][0]
        finished = choice["finish_reason"] or finished
        if choice["delta"].get("content"):
            pieces += 1
            if pieces == 1:
                say({"first": True})
    if pieces == 0:
        say({"first": True})
    # A character of several tokens comes as one piece, so pieces count only an answer that ended early.
    say({"completion_tokens": tokens if finished == "length" else pieces})
