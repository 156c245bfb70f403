"""The one way to Slack's Web API.

Rule: nothing is ever sent twice here, and every failure says whether the call may have been carried out.
Every post goes through `call` or `respond`, which switch link previews off.
"""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platform_clock import PlatformClock
from bot.platform import DeliveryFailed

Json = Mapping[str, Any]
"""JSON as Slack sends it; it is read in the modules named slack_..., and goes no further."""

API_URL = "https://slack.com/api/"

A_MINUTE = {
    "agents.sessions.setStatus": 50,
    "assistant.threads.setStatus": 60,
    "chat.appendStream": 100,
    "chat.startStream": 20,
    "chat.update": 50,
}
"""Calls a minute that Slack grants a workspace, for those that are made to show progress."""

_AGAIN = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})
_SECRET = re.compile(r"\bx(?:ox[a-z]|app)-[\w-]+|(?<=ticket=)[^&\s'\"]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in which workspace; `scopes` are None where Slack does not tell."""

    team: str
    user: str
    bot_id: str
    scopes: frozenset[str] | None = None


class SlackRefused(Exception):
    """Slack said no, and will say no again; `code` is its word for why, `needed` a scope that is missing."""

    def __init__(self, method: str, code: str, needed: str = "") -> None:
        super().__init__(f"{method}: {code}" + (f" ({needed})" if needed else ""))
        self.code = code
        self.needed = needed


class SlackBusy(DeliveryFailed):
    """Slack did not do it, and may be asked again after `after_s`."""


class SlackUnsure(DeliveryFailed):
    """Slack may have done it, and could not say so."""


class WithoutSecrets(logging.Filter):
    """Takes tokens and tickets out of what the vendor's library logs, and what means nothing here."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "`token` will be unused" in record.getMessage():
            # It read SLACK_BOT_TOKEN by itself, and need not.
            return False
        record.msg, record.args = _SECRET.sub("…", record.getMessage()), None
        if record.exc_info and record.levelno < logging.CRITICAL:
            record.exc_info = None
        return True


def vendor_log() -> logging.Logger:
    """Where the vendor's library logs: warnings and worse, without secrets and without traces."""
    logger = logging.getLogger("adapters.slack.vendor")
    logger.setLevel(logging.WARNING)
    if not logger.filters:
        logger.addFilter(WithoutSecrets())
    return logger


class SlackCalls:
    """Calls Slack as the bot that `bot_token` is of; a call may take `timeout_s`. `clock` is Slack's, as its
    answers tell. Belongs to one event loop."""

    def __init__(
        self, bot_token: str, app_token: str, *, api_url: str | None = None, timeout_s: float = 20.0
    ) -> None:
        self._bot_token = bot_token
        self._app_token = app_token
        self._url = api_url or API_URL
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s / 2)
        self.clock = PlatformClock()
        self._identity: Identity | None = None
        self._ticket: str | None = None
        self._closed = False
        self._session: aiohttp.ClientSession | None = None
        self._closed_until: dict[str, float] = {}
        self._made: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=200))

    def client(self, *, token: str | None = None) -> AsyncWebClient:
        """A client of the vendor's library that never sends anything twice; needs a running loop."""
        if self._closed:
            raise SlackBusy("the connections to Slack are closed")
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return AsyncWebClient(
            token=token, base_url=self._url, session=self._session, logger=vendor_log(), retry_handlers=[]
        )

    async def call(self, method: str, **arguments: object) -> Json:
        """Calls `method`; arguments that are None are left out.

        Raises `SlackRefused`, `SlackBusy` when it was surely not done, `SlackUnsure` when it may have been.
        """
        if method == "chat.postMessage":
            arguments |= {"unfurl_links": False, "unfurl_media": False}
        given = {name: value for name, value in arguments.items() if value is not None}
        return await self._send(method, given, reading=False)

    async def read(self, method: str, **arguments: object) -> Json:
        """As `call`, for methods that only read."""
        return await self._send(method, {k: v for k, v in arguments.items() if v is not None}, reading=True)

    async def pages(self, method: str, rows: str, **arguments: object) -> AsyncIterator[Json]:
        """Every row of every page. Raises as `call`."""
        cursor: str | None = None
        while True:
            page = await self.read(method, cursor=cursor, **arguments)
            for row in page.get(rows, []):
                yield row if isinstance(row, Mapping) else {"id": row}
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return

    async def respond(self, url: str, message: Json) -> None:
        """Posts to an interaction's response_url; raises as `call`."""
        proxy = self.client().proxy
        assert self._session is not None
        quiet = {"unfurl_links": False, "unfurl_media": False}
        try:
            async with self._session.post(url, json={**message, **quiet}, proxy=proxy) as answer:
                text = await answer.text()
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise SlackBusy(f"response_url: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackUnsure(f"response_url: {type(error).__name__}") from None
        if answer.status == 429:
            raise SlackBusy("response_url: ratelimited", after_s=_wait(answer.headers))
        if answer.status >= 500:
            raise SlackUnsure(f"response_url: HTTP {answer.status}")
        if answer.status != 200 or '"ok":false' in text.replace(" ", ""):
            raise SlackRefused("response_url", _code(text, answer.status))

    async def check_app_token(self) -> None:
        """Asks for a connection and keeps its ticket for the first one. Raises as `call`."""
        self._ticket = await self.open_socket()

    async def open_socket(self) -> str:
        """The address of a new Socket Mode connection; raises as `call`."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            return ticket
        answer = await self._send("apps.connections.open", {}, reading=False, token=self._app_token)
        return str(answer["url"])

    async def identity(self, *, fresh: bool = False) -> Identity:
        """Who the bot is; unless `fresh`, Slack is asked once. Raises as `call`."""
        if self._identity is None or fresh:
            answer = await self._send("auth.test", {}, reading=False)
            told = answer["x-oauth-scopes"]
            self._identity = Identity(
                team=str(answer["team_id"]),
                user=str(answer["user_id"]),
                bot_id=str(answer.get("bot_id") or ""),
                scopes=None if told is None else frozenset(told.replace(" ", "").split(",")),
            )
        return self._identity

    def room(self, method: str, *, share: float = 0.8) -> bool:
        """Whether a call that is only to show progress leaves enough of the minute's calls for others."""
        made, now = self._made[method], time.monotonic()
        while made and made[0] < now - 60.0:
            made.popleft()
        return len(made) < share * A_MINUTE.get(method, 50) and now >= self._closed_until.get(method, 0.0)

    async def close(self) -> None:
        """Ends the connections; a later call raises `SlackBusy`."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, method: str, arguments: dict[str, Any], *, reading: bool, token: str | None = None
    ) -> Json:
        place = f"{method} {arguments['channel']}" if method == "chat.postMessage" else method
        closed_s = self._closed_until.get(place, 0.0) - time.monotonic()
        if closed_s > 0:
            raise SlackBusy(f"{method}: ratelimited", after_s=closed_s)
        self._made[method].append(time.monotonic())
        client = self.client(token=token or self._bot_token)
        try:
            if reading:
                answer = await client.api_call(method, http_verb="GET", params=arguments)
            elif arguments:
                answer = await client.api_call(method, json=arguments)
            else:
                answer = await client.api_call(method)
        except SlackApiError as error:
            raise self._failure(method, place, error) from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise SlackBusy(f"{method}: {type(error).__name__}") from None
        except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError) as error:
            raise SlackUnsure(f"{method}: {type(error).__name__}") from None
        self.clock.told(answer.headers.get("Date", ""))
        found = answer.data
        if not isinstance(found, dict):
            raise SlackUnsure(f"{method}: not JSON")
        if method == "auth.test":
            found["x-oauth-scopes"] = answer.headers.get("x-oauth-scopes")
        return found

    def _failure(self, method: str, place: str, error: SlackApiError) -> Exception:
        response: Any = error.response
        status = getattr(response, "status_code", None) or getattr(response, "status", 0)
        body = getattr(response, "data", None)
        said = body if isinstance(body, dict) else {}
        code = str(said.get("error") or "")
        if status == 429 or code in ("ratelimited", "rate_limited"):
            wait = _wait(getattr(response, "headers", {}))
            self._closed_until[place] = time.monotonic() + wait
            return SlackBusy(f"{method}: ratelimited", after_s=wait)
        if status != 200 or not code or code in _AGAIN:
            return SlackUnsure(f"{method}: {code or f'HTTP {status}, not an answer'}")
        return SlackRefused(method, code, str(said.get("needed") or ""))


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds of the header Retry-After; 1 where it is missing or no number."""
    try:
        return min(max(float(headers.get("Retry-After", "1")), 0.1), 300.0)
    except ValueError:
        return 1.0


def _code(text: str, status: int) -> str:
    """The word for why, as JSON has it or as it stands there alone."""
    found = re.search(r'"error"\s*:\s*"(\w+)"', text) or re.fullmatch(r"\s*(\w{3,60})\s*", text)
    return found[1] if found else f"HTTP {status}"
