"""Discord's gateway: sessions over WebSockets, with heartbeats, resuming, and all the ways to be thrown out.

Rule: a session keeps its events while its socket is gone, so that a resume replays exactly what was missed;
what happens when there is no session is lost.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_world import World

GUILDS, GUILD_MEMBERS, PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, GUILD_REACTIONS, DIRECT_MESSAGES, DIRECT_REACTIONS = 1 << 9, 1 << 10, 1 << 12, 1 << 13
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT
_ENDING_CODES = (4003, 4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014)
_KNOWN_INTENTS = (1 << 26) - 1

Data = dict[str, Any]
Made = Callable[[int], Data]
"""Makes an event's data for a session with these intents."""


@dataclass(slots=True)
class Session:
    """What one IDENTIFY began; `gone_at` is when its socket left it."""

    id: str
    shard: int
    shards: int
    intents: int
    sequence: int = 0
    kept: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=1000))
    socket: Socket | None = None
    gone_at: float = 0.0


@dataclass(slots=True, eq=False)
class Socket:
    """A connection; what is put into `outbox` is sent in order."""

    request: web.Request
    web_socket: web.WebSocketResponse
    outbox: asyncio.Queue[str | tuple[int, str]] = field(default_factory=asyncio.Queue)
    session: Session | None = None
    closing: bool = False
    held: list[str] = field(default_factory=list)

    def send(self, op: int, data: object = None) -> None:
        self.outbox.put_nowait(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int, reason: str = "") -> None:
        self.closing = True
        self.outbox.put_nowait((code, reason))

    def abort(self) -> None:
        """Ends the connection as a pulled plug does: no close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Gateway:
    """Serves sockets and hands events to the sessions that have asked for them."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token
        self.url = ""
        self.sessions: dict[str, Session] = {}
        self.sockets: list[Socket] = []
        self.identifies: list[Data] = []
        self.resumes: list[Data] = []
        self.heartbeats = 0
        self.privileged = 0
        self.heartbeat_ms = 41250
        self.shards = 1
        self.shards_required = False
        self.resume_window_s = 90.0
        self.silent = False
        self.refusing = 0

    def dispatch(
        self, event: str, data: Data | Made, *, guild_id: int | None = None, intents: int = 0
    ) -> list[Session]:
        """Sends an event to each session of its shard that has one of `intents` (all, for 0)."""
        reached = []
        for session in list(self.sessions.values()):
            shard = (guild_id >> 22) % session.shards if guild_id else 0
            if session.shard == shard and (not intents or session.intents & intents):
                self._put(session, event, data(session.intents) if callable(data) else data)
                reached.append(session)
        return reached

    def _put(self, session: Session, event: str, data: object) -> None:
        session.sequence += 1
        frame = json.dumps({"op": 0, "t": event, "s": session.sequence, "d": data})
        session.kept.append((session.sequence, frame))
        if session.socket is not None:
            session.socket.held.append(frame)
            self._flush(session.socket)

    def _flush(self, socket: Socket) -> None:
        if not self.silent:
            for frame in socket.held:
                socket.outbox.put_nowait(frame)
            socket.held.clear()

    def keep_silent(self, *, silent: bool) -> None:
        """Neither hears nor speaks while `silent`; what there was to say is said afterwards."""
        self.silent = silent
        for socket in self.sockets:
            self._flush(socket)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection from its first frame to its end."""
        if self.refusing:
            self.refusing -= 1
            return web.Response(status=503)
        web_socket = web.WebSocketResponse(autoping=True, max_msg_size=1 << 16)
        await web_socket.prepare(request)
        socket = Socket(request, web_socket)
        self.sockets.append(socket)
        sending = asyncio.create_task(self._send(socket))
        socket.send(10, {"heartbeat_interval": self.heartbeat_ms, "_trace": []})
        try:
            while (message := await web_socket.receive()).type is WSMsgType.TEXT:
                self._heard(socket, message.data)
            # A client that says goodbye ends its session; any other end leaves it open to a resume.
            if message.type is WSMsgType.CLOSE and message.data in (1000, 1001) and not socket.closing:
                self._drop(socket)
        finally:
            sending.cancel()
            self._left(socket)
        return web_socket

    async def _send(self, socket: Socket) -> None:
        while True:
            frame = await socket.outbox.get()
            try:
                if isinstance(frame, str):
                    await socket.web_socket.send_str(frame)
                else:
                    await socket.web_socket.close(code=frame[0], message=frame[1].encode())
                    return
            except ConnectionError:
                return

    def _left(self, socket: Socket) -> None:
        self.sockets.remove(socket)
        session = socket.session
        if session is None or session.socket is not socket:
            return
        session.socket, session.gone_at = None, time.monotonic()

    def _drop(self, socket: Socket) -> None:
        if socket.session is not None:
            self.sessions.pop(socket.session.id, None)

    def close(self, socket: Socket, code: int, reason: str) -> None:
        """Closes a connection; some codes end its session too."""
        if code in _ENDING_CODES:
            self._drop(socket)
        socket.close(code, reason)

    def _heard(self, socket: Socket, text: str) -> None:
        if self.silent:
            return
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError):
            socket.close(4002, "Error while decoding payload.")
            return
        if op == 1:
            self.heartbeats += 1
            socket.send(11)
        elif op == 2:
            self._identify(socket, data)
        elif op == 6:
            self._resume(socket, data)
        elif op not in (3, 4, 8, 31):
            socket.close(4001, "Unknown opcode.")
        elif socket.session is None:
            socket.close(4003, "Not authenticated.")
        elif op == 8:
            self._members(socket.session, data)

    def _identify(self, socket: Socket, data: Data) -> None:
        self.identifies.append(data)
        shard, shards = data.get("shard") or (0, 1)
        intents = data.get("intents", 0)
        said = self._objection(socket, data, shard, shards, intents)
        if said is not None:
            socket.close(*said)
            return
        session = Session(uuid.uuid4().hex, shard, shards, intents, socket=socket)
        socket.session = self.sessions[session.id] = session
        self._forget_left()
        inside = [guild for guild in self._world.guilds.values() if guild.has_bot]
        mine = [guild for guild in inside if (guild.id >> 22) % shards == shard]
        ready = {
            "v": 10,
            "user": shapes.user(self._world.bot) | {"verified": True, "mfa_enabled": False, "email": None},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in mine],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url + "/resume",
            "shard": [shard, shards],
            "application": {"id": str(self._world.bot.id), "flags": 0},
            "private_channels": [],
        }
        self._put(session, "READY", ready)
        if intents & GUILDS:
            for guild in mine:
                members = bool(intents & GUILD_MEMBERS)
                self._put(session, "GUILD_CREATE", shapes.guild(guild, self._world, members=members))

    def _objection(
        self, socket: Socket, data: Data, shard: int, shards: int, intents: int
    ) -> tuple[int, str] | None:
        """The close code for an IDENTIFY that is not taken."""
        if socket.session is not None:
            return 4005, "Already authenticated."
        if data.get("token") != self._token:
            return 4004, "Authentication failed."
        if socket.request.query.get("v", "10") not in ("9", "10"):
            return 4012, "Invalid API version."
        if not 0 <= shard < shards:
            return 4010, "Invalid shard."
        if self.shards_required and shards < self.shards:
            return 4011, "Sharding required."
        if intents & ~_KNOWN_INTENTS:
            return 4013, "Invalid intent(s)."
        if intents & PRIVILEGED & ~self.privileged:
            return 4014, "Disallowed intent(s)."
        return None

    def _resume(self, socket: Socket, data: Data) -> None:
        self.resumes.append(data)
        if data.get("token") != self._token:
            socket.close(4004, "Authentication failed.")
            return
        session = self.sessions.get(data.get("session_id", ""))
        expired = session and session.socket is None and self._too_long(session)
        if session is None or expired:
            socket.send(9, data=False)
            return
        seen = data.get("seq") or 0
        if seen > session.sequence:
            socket.close(4007, "Invalid seq.")
            return
        if session.kept and session.kept[0][0] > seen + 1:
            del self.sessions[session.id]
            socket.send(9, data=False)
            return
        session.socket, socket.session = socket, session
        for sequence, frame in session.kept:
            if sequence > seen:
                socket.outbox.put_nowait(frame)
        self._put(session, "RESUMED", {"_trace": []})

    def _too_long(self, session: Session) -> bool:
        return time.monotonic() - session.gone_at > self.resume_window_s

    def _forget_left(self) -> None:
        for session in list(self.sessions.values()):
            if session.socket is None and self._too_long(session):
                del self.sessions[session.id]

    def _members(self, session: Session, data: Data) -> None:
        """Answers a request for members, in one chunk."""
        guild = self._world.guilds[int(data["guild_id"])]
        wanted = data.get("user_ids")
        ids = {int(one) for one in (wanted if isinstance(wanted, list) else [wanted] if wanted else [])}
        query = data.get("query")
        found = [
            member
            for member in guild.members.values()
            if member.user.id in ids or (query is not None and member.user.name.startswith(query))
        ]
        chunk = {
            "guild_id": str(guild.id),
            "members": [shapes.member(member) for member in found[: data.get("limit") or None]],
            "not_found": [str(one) for one in ids - guild.members.keys()],
            "chunk_index": 0,
            "chunk_count": 1,
        }
        nonce = {"nonce": data["nonce"]} if "nonce" in data else {}
        self._put(session, "GUILD_MEMBERS_CHUNK", chunk | nonce)

    def connected(self, shard: int | None = None) -> list[Socket]:
        """The sockets with a running session, of one shard or of all."""
        return [
            socket
            for socket in self.sockets
            if socket.session and (shard is None or socket.session.shard == shard)
        ]
