"""The connections over which Slack tells what happens: opened, watched, replaced.

Rule: a connection that is down gets a new ticket, and tickets are asked for at a pace that Slack allows.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

import aiohttp
from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.slack_calls import SlackCalls, vendor_log
from adapters.slack_settings import SlackSettings

log = logging.getLogger(__name__)

NEW_CLIENT_S = 90.0
LOOK_S = 0.5
_LONGEST_WAIT_S = 15.0


class SlackSockets:
    """`settings.sockets` connections that hand everything they hear to `app`.

    `back` is called when something can be heard again after nothing could for `settings.gap_s`, and again until
    it gives True: what was missed is being read back.
    """

    def __init__(
        self,
        app: AsyncApp,
        calls: SlackCalls,
        settings: SlackSettings,
        *,
        back: Callable[[], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._settings = settings
        self._tickets = _Tickets(calls, at_once=3 * settings.sockets + 4)
        self._back = back
        self._sockets: list[_Socket] = []
        self._deaf_since: float | None = None

    @property
    def connected(self) -> bool:
        """Whether one of them is open."""
        return any(socket.up for socket in self._sockets)

    @property
    def listening(self) -> bool:
        """Whether one of them is open and nothing from before is left that `back` has not taken up."""
        return self.connected and self._deaf_since is None

    async def watch(self) -> None:
        """Opens the connections and keeps them open until it is cancelled; then closes them."""
        try:
            for _ in range(self._settings.sockets):
                self._sockets.append(self._opened())
            while True:
                await asyncio.sleep(LOOK_S)
                now = time.monotonic()
                for place, socket in enumerate(self._sockets):
                    if socket.look(now) > NEW_CLIENT_S:
                        log.warning("a connection to Slack has been down for %.0f s; a new one", NEW_CLIENT_S)
                        self._sockets[place] = self._opened()
                        await socket.close()
                await self._hear_on(now)
        finally:
            await asyncio.gather(*(socket.close() for socket in self._sockets), return_exceptions=True)

    async def _hear_on(self, now: float) -> None:
        """Notes since when nothing can be heard, and has the gap read back once something can."""
        if not self.connected:
            self._deaf_since = self._deaf_since or now
            return
        missed = self._deaf_since is not None and now - self._deaf_since > self._settings.gap_s
        if not missed or await self._back():
            self._deaf_since = None

    def _opened(self) -> _Socket:
        socket = _Socket(self._app, self._tickets, self._settings)
        socket.connecting = asyncio.create_task(socket.client.connect())  # type: ignore[no-untyped-call]
        return socket


class _Tickets:
    """Asks for new connections: `at_once` within a minute at once, then ever more slowly."""

    def __init__(self, calls: SlackCalls, *, at_once: int) -> None:
        self._calls = calls
        self._at_once = at_once
        self._asked: deque[float] = deque(maxlen=100)
        self._turn = asyncio.Lock()

    async def take(self) -> str:
        async with self._turn:
            now = time.monotonic()
            while self._asked and self._asked[0] < now - 60.0:
                self._asked.popleft()
            over = len(self._asked) - self._at_once
            if over >= 0:
                await asyncio.sleep(min(2.0 ** (over + 1), _LONGEST_WAIT_S))
            self._asked.append(time.monotonic())
            return await self._calls.open_socket()


class _Client(SocketModeClient):
    """The vendor's connection, with tickets at our pace."""

    def __init__(self, tickets: _Tickets, ping_s: float) -> None:
        super().__init__(app_token="", logger=vendor_log(), ping_interval=ping_s)
        self._tickets = tickets
        self.on_message_listeners.append(_say_why)
        self._sign: float | None = None
        self._sign_at = 0.0

    @property
    def silent_s(self) -> float:
        """How long nothing has come back, in seconds, by a clock that nobody sets; the library asks another."""
        if self.last_ping_pong_time != self._sign:
            self._sign, self._sign_at = self.last_ping_pong_time, time.monotonic()
        return 0.0 if self._sign is None else time.monotonic() - self._sign_at

    async def is_ping_pong_failing(self) -> bool:
        return self.silent_s >= 4 * self.ping_interval

    async def issue_new_wss_url(self) -> str:
        return await self._tickets.take()


class _Socket(AsyncBaseSocketModeHandler):
    client: _Client

    def __init__(self, app: AsyncApp, tickets: _Tickets, settings: SlackSettings) -> None:
        self.app = self._bolt = app
        self.client = _Client(tickets, settings.ping_s)
        self._ticket_s = settings.ticket_s
        self.client.socket_mode_request_listeners.append(self.handle)
        self.connecting: asyncio.Task[None] | None = None
        self._down_since = time.monotonic()
        self._ticket_taken_at = 0.0

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        began = time.time()
        await send_async_response(client, req, await run_async_bolt_app(self._bolt, req), began)

    @property
    def up(self) -> bool:
        client = self.client
        session = client.current_session
        open_ = session is not None and not session.closed
        return open_ and not client.closed and not client.stale and client.silent_s < 4 * client.ping_interval

    def look(self, now: float) -> float:
        """How long it has been down, in seconds; takes a ticket away that does not open it."""
        if self.up:
            self._down_since = now
            return 0.0
        down_s = now - self._down_since
        if down_s > self._ticket_s and now - self._ticket_taken_at > self._ticket_s:
            # The library tries a ticket that was refused for ever.
            self._ticket_taken_at = now
            self.client.wss_uri = None
        return down_s

    async def close(self) -> None:
        self.client.closed = True
        if self.connecting is not None:
            self.connecting.cancel()
        await self.client.close()  # type: ignore[no-untyped-call]


async def _say_why(message: aiohttp.WSMessage) -> None:
    if '"disconnect"' in message.data:
        said = json.loads(message.data)
        if said.get("type") == "disconnect":
            log.info("Slack renews a connection: %s", said.get("reason"))
