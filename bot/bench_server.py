"""A server with the OpenAI protocol as a peer, llama-server above all.

Rule: it gets the very same messages; what only llama-server understands is sent to nothing else.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bot.bench_arms import Written
from bot.errors import Failed, WrongUse
from models.engine.generator import Turn

T = TypeVar("T")

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0
_LLAMA_SERVER: dict[str, object] = {"ignore_eos": True, "cache_prompt": True}


class ServerArm:
    """The server at `url` ("http://host:port", with or without "/v1").

    Raises WrongUse for what is no address of a server, Failed for a server that is not there or refuses.
    """

    def __init__(self, url: str, *, at_once: int) -> None:
        self.name = "server"
        self.pid: int | None = None
        self.warms_up = True
        self.slots: int | None = None
        self.context_tokens: int | None = None
        self._url = url
        self._address, self._secure, self._path = _parts(url)
        self._model = ""
        self._is_llama_server = False
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="bench")

    async def start(self) -> None:
        """Asks the server who it is."""
        await self._in_thread(self._look)

    async def ask(self, turns: Sequence[Turn], *, tokens: int, asker: str) -> Written:  # noqa: ARG002
        body: dict[str, object] = {
            "model": self._model,
            "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._is_llama_server:
            body |= {"n_predict": tokens, **_LLAMA_SERVER}
        return await self._in_thread(lambda: self._written(json.dumps(body).encode()))

    async def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _look(self) -> None:
        models = self._json("/v1/models")
        listed = models.get("data") if isinstance(models, dict) else None
        if not isinstance(listed, list) or not listed or not isinstance(listed[0], dict):
            raise Failed(f"{self._url} lists no model under /v1/models; give the address of a model's server")
        self._model = str(listed[0].get("id", ""))
        try:
            about = self._json("/props")
        except Failed:
            return  # another server
        if isinstance(about, dict) and isinstance(about.get("total_slots"), int):
            self._is_llama_server = True
            self.slots = about["total_slots"]
            context = about.get("default_generation_settings", {}).get("n_ctx")
            self.context_tokens = context if isinstance(context, int) else None

    def _json(self, path: str) -> Any:
        try:
            with (
                closing(self._connection(CONNECT_SECONDS)) as connection,
                self._reply(connection, "GET", path, None) as reply,
            ):
                return json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failed(f"{self._url}{path}: {_why(error)}; is the server running?") from None

    def _written(self, body: bytes) -> Written:
        try:
            with (
                closing(self._connection(ANSWER_SECONDS)) as connection,
                self._reply(connection, "POST", "/v1/chat/completions", body) as reply,
            ):
                return _followed(_events(reply), self._url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failed(f"{self._url}: {_why(error)} in the middle of the measurement") from None

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._address, timeout=seconds)

    def _reply(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> http.client.HTTPResponse:
        connection.request(method, self._path + path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            with reply:
                told = " ".join(reply.read(200).decode("utf-8", "replace").split())
            raise Failed(f"{self._url}{path} answers {reply.status}: {told}")
        return reply


def _parts(url: str) -> tuple[str, bool, str]:
    """Host with port, whether it is https, and the path before "/v1"."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.username or parts.query or parts.fragment:
        raise WrongUse(f"{url!r} is no address of a server; one looks like http://127.0.0.1:8080")
    return parts.netloc, parts.scheme == "https", parts.path.rstrip("/").removesuffix("/v1")


def _events(reply: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream of server-sent events."""
    while line := reply.readline():
        text = line.strip()
        if text == b"data: [DONE]":
            return
        if text.startswith(b"data:"):
            event = json.loads(text[5:])
            if isinstance(event, dict):
                yield event


def _followed(events: Iterator[dict[str, Any]], url: str) -> Written:
    """Reads an answer to its end; what the server does not count is counted in pieces of text."""
    first_at = None
    pieces = 0
    usage: dict[str, Any] = {}
    for event in events:
        if "error" in event:
            raise Failed(f"{url} gave up: {' '.join(str(event['error']).split())[:200]}")
        for choice in event.get("choices") or []:
            if (choice.get("delta") or {}).get("content"):
                first_at = first_at or time.perf_counter()
                pieces += 1
        usage = event.get("usage") or usage
    details = usage.get("prompt_tokens_details") or {}
    return Written(
        first_at or time.perf_counter(),
        usage.get("completion_tokens", pieces),
        usage.get("prompt_tokens"),
        details.get("cached_tokens"),
    )


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return "an answer that is not of this protocol" if isinstance(error, ValueError) else repr(error)
