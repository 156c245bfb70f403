"""HTTP to a model server: short replies in JSON, and streams of events.

Rule: httpx2 is imported here only and its errors end here. Whatever a server does wrong becomes one
ServerError of one line, and the key stands in none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx2

from models.engine.address import server_address
from models.engine.chat_completions import complaint, one_line, words_of
from models.errors import ModelUnavailable

_REPLY_BYTES = 16 * 2**20  # tokens of a long prompt, as a list of numbers
_EVENT_BYTES = 2**20
_REFUSAL_BYTES = 2**16
_SHOWN = 200
_PASSING = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a server wants to see before it answers; no repr shows it.

    Raises ValueError for a text that cannot stand in an HTTP header.
    """

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.text or not all("!" <= sign <= "~" for sign in self.text):
            raise ValueError("a key is made of printable ASCII characters without spaces")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for, in seconds, and how often it is asked again.

    `connect_s` until it takes the connection, `reply_s` for a whole short reply, `first_s` until the
    first piece of an answer (it may queue, and reads the prompt), `silence_s` between two pieces.
    `attempts` in all, with `pause_s` before the second one, doubled before each further one; a server
    that asks for more than `longest_pause_s` is not asked again.
    """

    connect_s: float = 5.0
    reply_s: float = 30.0
    first_s: float = 120.0
    silence_s: float = 30.0
    attempts: int = 4
    pause_s: float = 0.5
    longest_pause_s: float = 60.0


class ServerError(ModelUnavailable):
    """The server cannot be reached, refuses, or speaks differently than it should.

    `passing` says whether asking again may help, at the earliest after `retry_after_s` where the server
    named a time. `status` is that of a refusal, and `said` the server's own words for it, if any.
    """

    def __init__(
        self,
        message: str,
        *,
        passing: bool = False,
        status: int | None = None,
        said: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.passing = passing
        self.status = status
        self.said = said
        self.retry_after_s = retry_after_s


class Connection:
    """Asks the server at `url`, which is given without "/v1".

    Follows no redirects, uses no proxy and takes no password from the environment. Belongs to one event
    loop at a time: used from another, it connects anew. Raises ModelUnavailable for an address that
    cannot be one.
    """

    def __init__(self, url: str, key: ApiKey | None, patience: Patience) -> None:
        try:
            self._url = server_address(url)
        except ValueError as error:
            raise ModelUnavailable(str(error)) from None
        self._key = key
        self._patience = patience
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"Connection({self._url!r})"

    @property
    def server(self) -> str:
        """The server as messages call it."""
        return f"the model server at {self._url}"

    @property
    def url(self) -> str:
        return self._url

    async def fetch(self, path: str, body: Mapping[str, object] | None = None) -> object:
        """The JSON at `path`, asked with POST where there is a `body`; raises ServerError.

        Waits for it as long as it takes.
        """
        async with self._reply(path, body) as response:
            text = await _start_of(response, _REPLY_BYTES + 1)
        if len(text) > _REPLY_BYTES:
            raise ServerError(f"{self.server} gave a reply of more than {_REPLY_BYTES >> 20} MiB to {path}")
        try:
            found: object = json.loads(text)
        except (ValueError, RecursionError):
            raise self._no_model_server(response, "JSON") from None
        self._raise_complaint(found)
        return found

    async def events(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[str, None]:
        """What the events say that the server sends to `body`, until it ends; raises ServerError.

        Waits for each as long as it takes. Closing it closes the connection, which tells the server to stop.
        """
        async with self._reply(path, body) as response:
            if _media_type(response) == "application/json":
                with contextlib.suppress(ValueError, RecursionError):
                    self._raise_complaint(json.loads(await _start_of(response, _REFUSAL_BYTES)))
            if _media_type(response) != "text/event-stream":
                raise self._no_model_server(response, "a stream of events")
            async for event in httpx2.EventSource(response, _EVENT_BYTES):
                if event.data:
                    yield event.data

    async def close(self) -> None:
        """Ends the connections; the next request connects anew. Who waits for a reply may wait on."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def _connected(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            headers = {"Accept-Encoding": "identity", "User-Agent": "groundling"}
            if self._key is not None:
                headers["Authorization"] = f"Bearer {self._key.text}"
            self._loop = loop
            self._client = httpx2.AsyncClient(
                headers=headers,
                follow_redirects=False,
                trust_env=False,
                verify=httpx2.create_ssl_context(),  # heeds SSL_CERT_FILE, for a company's own certificates
                limits=httpx2.Limits(max_keepalive_connections=8, keepalive_expiry=5.0),
                timeout=httpx2.Timeout(
                    connect=self._patience.connect_s, read=None, write=self._patience.silence_s, pool=None
                ),
            )
        return self._client

    @contextlib.asynccontextmanager
    async def _reply(self, path: str, body: Mapping[str, object] | None) -> AsyncIterator[httpx2.Response]:
        """The server's reply once its status says that it is one; vendor errors end here."""
        # Escapes alone, so that no text can be wrong in the bytes of the request.
        content = None if body is None else json.dumps(body, ensure_ascii=True).encode("ascii")
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._connected().stream(
                "GET" if body is None else "POST", self._url + path, content=content, headers=headers
            ) as response:
                if response.status_code != 200:
                    raise await self._refusal(response, path)
                yield response
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, UnicodeError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> ServerError:
        if isinstance(error, httpx2.ConnectTimeout):
            return ServerError(
                f"{self.server} took no connection within {self._patience.connect_s:g} s", passing=True
            )
        if isinstance(error, httpx2.ConnectError):
            reason = one_line(_root_of(error))
            untrusted = "certificate" in reason.lower()
            return ServerError(f"{self.server} cannot be reached ({reason})", passing=not untrusted)
        if isinstance(error, httpx2.SSEError):
            return ServerError(f"{self.server} sent an event of more than {_EVENT_BYTES >> 20} MiB")
        if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL | UnicodeError):
            return ServerError(f"{self._url} is no address of a model server")
        return ServerError(f"{self.server} broke the connection off, or speaks no HTTP", passing=True)

    async def _refusal(self, response: httpx2.Response, path: str) -> ServerError:
        """The error that a reply with another status than 200 stands for."""
        status = response.status_code
        if 300 <= status < 400:
            return ServerError(
                f"{self.server} redirects to another address, which is not followed; "
                "give the final one as its url",
                status=status,
            )
        try:
            async with asyncio.timeout(self._patience.reply_s):
                said = _said(await _start_of(response, _REFUSAL_BYTES))
        except (TimeoutError, httpx2.HTTPError):
            said = ""
        said = self._without_key(said)
        shown = f": {said[:_SHOWN]}" if said else ""
        what = f"{self.server} refused with {status}{shown}"
        if status in (401, 403):
            what = f"{self.server} {'refuses the key' if self._key else 'asks for a key'} ({status}){shown}"
        elif status == 404:
            what = f"{self.server} knows no {path}{shown}"
        return ServerError(
            what,
            passing=status in _PASSING,
            status=status,
            said=said,
            retry_after_s=_retry_after(response.headers.get("retry-after", "")),
        )

    def _raise_complaint(self, reply: object) -> None:
        """Some servers refuse with the status of success."""
        if (said := complaint(reply)) is not None:
            said = self._without_key(said)
            raise ServerError(f"{self.server} refused: {said[:_SHOWN]}", status=200, said=said)

    def _without_key(self, said: str) -> str:
        return said if self._key is None else said.replace(self._key.text, "***")

    def _no_model_server(self, response: httpx2.Response, due: str) -> ServerError:
        kind = one_line(_media_type(response))[:60] or "something else"
        return ServerError(
            f"{self.server} answered with {kind} where {due} was due; is it an OpenAI-compatible server?",
            status=response.status_code,
        )


def _root_of(error: BaseException) -> str:
    """What the system said at the beginning of the chain of causes, else what `error` says."""
    said, cause = str(error), error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            said = cause.strerror
            if cause.errno is not None and said.startswith("Connect call failed"):  # asyncio's own words
                said = os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return said


async def _start_of(response: httpx2.Response, most: int) -> bytes:
    """The first `most` bytes of the reply, or fewer."""
    found = bytearray()
    async for piece in response.aiter_bytes():
        found += piece
        if len(found) >= most:
            break
    return bytes(found[:most])


def _said(body: bytes) -> str:
    """The server's own words in the body of a refusal, in one line; "" for a web page."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        return "" if "<" in text[:200] else one_line(text)
    error = found.get("error", found) if isinstance(found, dict) else found
    return words_of(error)


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After asks for, given as seconds or as a date (RFC 9110, 10.2.3); else 0."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _media_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
