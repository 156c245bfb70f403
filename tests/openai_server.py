"""A model server on a loopback socket that speaks the OpenAI protocol as llama-server, vLLM or Ollama do.

Rule: what it answers comes from a real Generator, over real HTTP; what it does wrong it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from models.engine.generator import Generator, Sampling, Turn
from models.errors import PromptTooLong

Program = Literal["llama-server", "vllm", "ollama"]
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; `connection` numbers the sockets."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int


Trick = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


class OpenAiServer:
    """Serves what `make` makes in a thread of its own while it is entered, under `names`.

    `tricks` are played in order in place of replies to the path they are listed under. `asked` holds
    every request, `came` is set with the first for an answer; `left` is set when a client hangs up in the middle of an answer. Where `key` is set, it
    is asked for. `told_context` is told as each program tells it.
    """

    def __init__(
        self,
        make: Callable[[], Generator],
        *,
        program: Program = "llama-server",
        names: tuple[str, ...] = ("tiny",),
        loras: tuple[str, ...] = (),
        key: str | None = None,
        told_context: int = 4096,
    ) -> None:
        self.program = program
        self.names = names
        self.loras = loras
        self.key = key
        self.told_context = told_context
        self.tricks: dict[str, deque[Trick]] = {}
        self.asked: list[Asked] = []
        self.came = threading.Event()
        self.left = threading.Event()
        self.url = ""
        self._make = make
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._connections = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._ending is not None
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(60)

    def play(self, *tricks: Trick, path: str = CHAT) -> None:
        """Puts `tricks` in place of the next replies to `path`."""
        self.tricks.setdefault(path, deque()).extend(tricks)

    def chats(self) -> list[Asked]:
        """The requests for answers."""
        return [asked for asked in self.asked if asked.path == CHAT]

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._generator = self._make()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._ending.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._generator.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        try:
            while (asked := await _request(reader, number)) is not None:
                self.asked.append(asked)
                if asked.path == CHAT:
                    self.came.set()
                replying = asyncio.create_task(self._reply(asked, writer))
                leaving = asyncio.create_task(reader.read(1))
                done, _ = await asyncio.wait({replying, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if replying not in done:
                    replying.cancel()
                    await asyncio.wait({replying})
                    self.left.set()
                    return
                leaving.cancel()
                await asyncio.wait({leaving})
                replying.result()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _reply(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if tricks := self.tricks.get(asked.path):
            await tricks.popleft()(asked, writer)
        elif self.key is not None and asked.headers.get("authorization") != f"Bearer {self.key}":
            await reply(writer, 401, {"error": {"message": "Invalid API Key"}})
        elif asked.method == "GET" and asked.path == "/v1/models":
            await reply(writer, 200, self._models())
        elif asked.path == CHAT:
            await self._chat(asked, writer)
        elif self.program == "llama-server" and asked.path in ("/props", "/apply-template", "/tokenize"):
            await self._llama(asked, writer)
        elif self.program == "vllm" and asked.path == "/tokenize":
            count = await self._generator.count_tokens(turns_of(asked.body["messages"]))
            told = {"count": count, "max_model_len": self.told_context, "tokens": [0] * count}
            await reply(writer, 200, told)
        else:
            await reply(writer, 404, {"detail": "Not Found"})

    def _models(self) -> object:
        rows: list[dict[str, object]] = []
        for name in self.names:
            row: dict[str, object] = {"id": name, "object": "model", "owned_by": "library"}
            if self.program == "llama-server":
                row |= {"owned_by": "llamacpp", "aliases": [name], "meta": {"n_ctx": self.told_context}}
            if self.program == "vllm":
                row |= {"owned_by": "vllm", "max_model_len": self.told_context, "parent": None}
            rows.append(row)
        rows += [{"id": name, "owned_by": "vllm", "parent": self.names[0]} for name in self.loras]
        return {"object": "list", "data": rows}

    async def _llama(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.path == "/props":
            await reply(writer, 200, {"default_generation_settings": {"n_ctx": self.told_context}})
        elif asked.path == "/apply-template":
            await reply(writer, 200, {"prompt": json.dumps(asked.body["messages"])})
        else:
            turns = turns_of(json.loads(asked.body["content"]))
            count = await self._generator.count_tokens(turns)
            await reply(writer, 200, {"tokens": [0] * count})

    async def _chat(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        body = asked.body
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            await reply(writer, 500, {"error": {"message": "parse error: surrogate"}})
            return
        sampling = Sampling(body["temperature"], body["top_p"], body["seed"], body.get("grammar"))
        stream = self._generator.stream(
            turns_of(body["messages"]),
            max_tokens=body["max_tokens"],
            stop=body.get("stop", ()),
            sampling=sampling,
        )
        try:
            async with contextlib.aclosing(stream):
                begun = False
                async for delta in stream:
                    if not begun:
                        begin_events(writer)
                        send_event(writer, _chunk({"role": "assistant", "content": None}))
                        begun = True
                    if delta.text:
                        send_event(writer, _chunk({"content": delta.text}))
                    if delta.finished is not None:
                        send_event(writer, _chunk({}, delta.finished))
                        usage = {
                            "prompt_tokens": delta.prompt_tokens,
                            "completion_tokens": delta.completion_tokens,
                            "prompt_tokens_details": {"cached_tokens": delta.reused_tokens},
                        }
                        send_event(writer, {"choices": [], "usage": usage})
                        send_event(writer, "[DONE]")
                    await writer.drain()
            end_events(writer)
            await writer.drain()
        except PromptTooLong as error:
            told = {"message": str(error), "type": "exceed_context_size_error", "code": 400}
            await reply(writer, 400, {"error": told})


def refuses(status: int, body: object = "", **headers: str) -> Trick:
    """A reply with `status`; "_" in a header's name stands for "-"."""

    async def play(_: Asked, writer: asyncio.StreamWriter) -> None:
        await reply(writer, status, body, {name.replace("_", "-"): text for name, text in headers.items()})

    return play


def sends(raw: bytes) -> Trick:
    """These bytes, and then the end of the connection."""

    async def play(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return play


def says(*events: object, hangs: bool = False) -> Trick:
    """A stream of `events`, text as it stands, and then its end, or silence."""

    async def play(_: Asked, writer: asyncio.StreamWriter) -> None:
        begin_events(writer)
        for event in events:
            send_event(writer, event)
        if hangs:
            await writer.drain()
            await asyncio.Event().wait()
        end_events(writer)
        await writer.drain()

    return play


async def hangs(_: Asked, __: asyncio.StreamWriter) -> None:
    """Silence."""
    await asyncio.Event().wait()


def piece(text: str) -> dict[str, object]:
    """An event with a piece of an answer."""
    return _chunk({"content": text})


def ends(reason: str = "stop") -> dict[str, object]:
    """The event that ends an answer."""
    return _chunk({}, reason)


def turns_of(messages: list[dict[str, str]]) -> list[Turn]:
    return [Turn(row["role"], row["content"]) for row in messages]  # type: ignore[arg-type]


async def reply(
    writer: asyncio.StreamWriter, status: int, body: object, headers: dict[str, str] | None = None
) -> None:
    """A whole reply: text as HTML, anything else as JSON."""
    kind = "text/html" if isinstance(body, str) else "application/json"
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = {"content-type": kind, "content-length": str(len(content))} | (headers or {})
    head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    writer.write(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content)
    await writer.drain()


def begin_events(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )


def send_event(writer: asyncio.StreamWriter, event: object) -> None:
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    content = f"data: {text}\n\n".encode("utf-8", "surrogatepass")
    writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def end_events(writer: asyncio.StreamWriter) -> None:
    writer.write(b"0\r\n\r\n")


def _chunk(delta: dict[str, object], finished: str | None = None) -> dict[str, object]:
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finished}],
    }


async def _request(reader: asyncio.StreamReader, connection: int) -> Asked | None:
    """The next request of a connection; None where the client has ended it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("ascii").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {
        name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines if line)
    }
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    content.decode("ascii")
    return Asked(method, path, headers, json.loads(content) if content else None, connection)
