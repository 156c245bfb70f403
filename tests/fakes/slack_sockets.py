"""Socket Mode: tickets, connections, envelopes, their acknowledgement and redelivery.

Rule: each sending of an envelope goes to one connection; what stays unacknowledged is sent again as the
schedule says, and everything that was sent is remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import WSCloseCode, WSMsgType, web

from tests.fakes.slack_world import APP, Json

EnvelopeKind = Literal["events_api", "slash_commands", "interactive"]
Reason = Literal["warning", "refresh_requested", "too_many_websockets", "link_disabled"]

_ACK_S = 3.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One sending: on which connection, as which envelope, at which attempt."""

    socket: int
    envelope_id: str
    attempt: int
    at: float


@dataclass(slots=True, eq=False)
class Delivery:
    """What the app is to get once: an event, a command or an interaction, with all its sendings.

    `acked_after` are the seconds from the first sending; `lost` says that no connection was open and
    nothing was kept, `late` that a person has seen a failure because no acknowledgement came in time.
    """

    kind: EnvelopeKind
    payload: Json
    on_ack: Callable[[Json], None] | None = None
    sendings: list[Sending] = field(default_factory=list)
    acked_after: float | None = None
    ack: Json | None = None
    acked_on: int | None = None
    lost: bool = False
    late: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def event_id(self) -> str | None:
        return self.payload.get("event_id")


@dataclass(slots=True, eq=False)
class Connection:
    """One open websocket; a `frozen` one is half-open: it neither reads nor answers pings."""

    number: int
    ws: web.WebSocketResponse
    request: web.Request
    outbox: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    thawed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def open(self) -> bool:
        transport = self.request.transport
        return not self.ws.closed and transport is not None and not transport.is_closing()


class Sockets:
    """The app's connections; every setting may be changed at any time.

    `retry_after_s` are the seconds from each sending of an unacknowledged event to the next one;
    `retry_keeps_id` lets a redelivery keep its envelope_id; `when_closed` says what becomes of events
    while no connection is open. Commands and interactions are never kept nor sent again.
    """

    def __init__(self) -> None:
        self.retry_after_s: tuple[float, ...] = (3.0, 60.0, 300.0)
        self.retry_keeps_id = True
        self.when_closed: Literal["kept", "lost"] = "kept"
        self.most = 10
        self.ticket_s = 30.0
        self.refusals = 0
        self.opened = 0
        self.refused = 0
        self.deliveries: list[Delivery] = []
        self.acks: dict[str, float] = {}
        self.connections: list[Connection] = []
        self.url = ""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._tickets: dict[str, float] = {}
        self._kept: deque[Delivery] = deque()
        self._by_id: dict[str, Delivery] = {}
        self._turn = itertools.count()

    def ticket(self) -> str:
        """A websocket address that works once, and not for long."""
        ticket = uuid.uuid4().hex
        self._tickets[ticket] = time.monotonic()
        return f"{self.url}/link/?ticket={ticket}&app_id={APP}"

    def deliver(self, delivery: Delivery) -> Delivery:
        """Sends it as soon as the loop runs; callable from any thread."""
        self.deliveries.append(delivery)
        self.soon(lambda: self._send(delivery, attempt=0))
        return delivery

    def redeliver(self, delivery: Delivery, *, new_id: bool = False, reason: str = "timeout") -> None:
        """Sends it once more, acknowledged or not, to the connection whose turn it is."""

        def work() -> None:
            self._send(delivery, attempt=len(delivery.sendings), reason=reason, new_id=new_id)

        self.soon(work)

    def soon(self, work: Callable[[], None]) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(work)

    def disconnect(self, reason: Reason, *, closes_after: float | None = None) -> None:
        """Sends every connection a disconnect frame, and closes it after so many seconds."""
        frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake-1"}}

        def work() -> None:
            assert self.loop is not None
            for one in self.open():
                one.outbox.put_nowait(frame)
                if closes_after is not None:
                    self.loop.call_later(closes_after, lambda one=one: one.outbox.put_nowait({"close": 1000}))

        self.soon(work)

    def close(self, code: int = 1000) -> None:
        """Closes every connection, politely."""
        self.soon(lambda: [one.outbox.put_nowait({"close": code}) for one in self.open()] and None)

    def reset(self, number: int | None = None) -> None:
        """Ends connections by a TCP reset: all, or the one with this number."""

        def work() -> None:
            for one in self.open():
                if number in (None, one.number) and one.request.transport is not None:
                    raw = one.request.transport.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.request.transport.abort()

        self.soon(work)

    def freeze(self) -> None:
        """Makes the connections that are open now half-open."""
        self.soon(lambda: [one.thawed.clear() for one in self.connections] and None)

    def thaw(self) -> None:
        self.soon(lambda: [one.thawed.set() for one in self.connections] and None)

    def open(self) -> list[Connection]:
        return [one for one in self.connections if one.open]

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from its ticket to its end."""
        issued = self._tickets.pop(request.query.get("ticket", ""), None)
        if self.refusals > 0 or issued is None or time.monotonic() - issued > self.ticket_s:
            self.refusals = max(0, self.refusals - 1)
            self.refused += 1
            return web.Response(status=403)
        ws = web.WebSocketResponse(autoping=False, timeout=0.2)
        await ws.prepare(request)
        self.opened += 1
        connection = Connection(self.opened, ws, request)
        connection.thawed.set()
        crowded = len(self.open()) >= self.most
        hello = {
            "type": "hello",
            "num_connections": len(self.open()) + 1,
            "debug_info": {"host": "applink-fake-1", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": APP},
        }
        refusal = {
            "type": "disconnect",
            "reason": "too_many_websockets",
            "debug_info": {"host": "applink-fake-1"},
        }
        connection.outbox.put_nowait(refusal if crowded else hello)
        if crowded:
            connection.outbox.put_nowait({"close": 1000})
        writing = asyncio.ensure_future(self._write(connection))
        try:
            if not crowded:
                self.connections.append(connection)
                self._flush()
            await self._read(connection)
        finally:
            writing.cancel()
            if connection in self.connections:
                self.connections.remove(connection)
        return ws

    async def _read(self, connection: Connection) -> None:
        while not connection.ws.closed:
            message = await connection.ws.receive()
            await connection.thawed.wait()
            if message.type == WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await connection.ws.pong(message.data)
            elif message.type == WSMsgType.TEXT:
                self._acknowledge(connection, json.loads(message.data))
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                return

    async def _write(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                frame = await connection.outbox.get()
                if not connection.thawed.is_set():
                    continue
                if "close" in frame:
                    await connection.ws.close(code=frame["close"])
                    return
                await connection.ws.send_str(json.dumps(frame))

    def _send(self, delivery: Delivery, *, attempt: int, reason: str = "", new_id: bool = False) -> None:
        assert self.loop is not None
        ready = self.open()
        if not ready:
            delivery.lost = delivery.kind != "events_api" or self.when_closed == "lost"
            if not delivery.lost:
                self._kept.append(delivery)
            return
        connection = ready[next(self._turn) % len(ready)]
        fresh = new_id or not delivery.sendings
        ident = str(uuid.uuid4()) if fresh else delivery.sendings[-1].envelope_id
        self._by_id[ident] = delivery
        delivery.sendings.append(Sending(connection.number, ident, attempt, time.perf_counter()))
        envelope: Json = {"envelope_id": ident, "payload": delivery.payload, "type": delivery.kind}
        if delivery.kind == "events_api":
            envelope |= {"accepts_response_payload": False, "retry_attempt": attempt, "retry_reason": reason}
        else:
            envelope |= {"accepts_response_payload": True}
        connection.outbox.put_nowait(envelope)
        self._schedule(delivery, attempt)

    def _schedule(self, delivery: Delivery, attempt: int) -> None:
        assert self.loop is not None
        if delivery.timer is not None:
            delivery.timer.cancel()
        if delivery.acked_after is not None:
            return
        if delivery.kind != "events_api":
            delivery.timer = self.loop.call_later(_ACK_S, self._give_up, delivery)
        elif attempt < len(self.retry_after_s):
            delivery.timer = self.loop.call_later(
                self.retry_after_s[attempt], self._retry, delivery, attempt + 1
            )

    def _retry(self, delivery: Delivery, attempt: int) -> None:
        if delivery.acked_after is None:
            self._send(delivery, attempt=attempt, reason="timeout", new_id=not self.retry_keeps_id)

    def _give_up(self, delivery: Delivery) -> None:
        delivery.late = delivery.acked_after is None

    def _flush(self) -> None:
        """Sends what was kept, once the loop has let the connection say hello."""
        kept, self._kept = self._kept, deque()
        for delivery in kept:
            self._send(
                delivery, attempt=len(delivery.sendings), reason="timeout" if delivery.sendings else ""
            )

    def _acknowledge(self, connection: Connection, frame: Json) -> None:
        ident = frame.get("envelope_id")
        delivery = self._by_id.get(ident) if isinstance(ident, str) else None
        if delivery is None or not isinstance(ident, str):
            return
        seconds = time.perf_counter() - delivery.sendings[0].at
        self.acks.setdefault(ident, seconds)
        if delivery.acked_after is not None:
            return
        delivery.acked_after, delivery.acked_on = seconds, connection.number
        delivery.ack = frame.get("payload") or {}
        if delivery.timer is not None:
            delivery.timer.cancel()
        if delivery.on_ack is not None and not delivery.late:
            delivery.on_ack(delivery.ack)

    async def shut(self) -> None:
        """Closes everything, at once."""
        for delivery in self.deliveries:
            if delivery.timer is not None:
                delivery.timer.cancel()
        for one in list(self.connections):
            one.thawed.set()
            if one.open:
                with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                    await one.ws.close(code=WSCloseCode.GOING_AWAY)
