"""The HTTP server in front of it all: reads a call, lets it fail as told, answers and records it.

Rule: every call is recorded, with what was done to it; JSON goes out as exactly "application/json".
"""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import formatdate
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord_calls import Asked, Call, Routes, Upload
from tests.fakes.discord_faults import Answer, Buckets, Faults, Kind
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_refusal import Refusal, plain, refusal
from tests.fakes.discord_world import World

API = "/api/v10"
_BY_TOKEN = ("/webhooks/", "/interactions/")
_BODY_BYTES = 25 * 1024 * 1024


class Server:
    """Listens on a free port of this machine; `dark` refuses everything, as a network that is away."""

    def __init__(self, world: World, gateway: Gateway, routes: Routes, token: str) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self.buckets = Buckets()
        self.dark = False
        self.origin = ""
        self._world = world
        self._gateway = gateway
        self._routes = routes
        self._token = token
        self._runner: web.AppRunner | None = None
        routes.add({"GET /attachments/{}/{}/{}": self._file})

    def knows(self, route: str) -> bool:
        return route in self._routes.table

    async def start(self) -> None:
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_get("/gateway", self._socket)
        app.router.add_get("/gateway/resume", self._socket)
        app.router.add_route("*", "/{path:.*}", self._called)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.origin = self._world.origin = f"http://127.0.0.1:{port}"
        self._gateway.url = f"ws://127.0.0.1:{port}/gateway"

    async def stop(self) -> None:
        assert self._runner is not None
        for socket in list(self._gateway.sockets):
            socket.abort()
        await self._runner.cleanup()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.dark:
            return _dropped(request)
        return await self._gateway.serve(request)

    async def _called(self, request: web.Request) -> web.StreamResponse:
        at = time.monotonic()
        if self.dark:
            return _dropped(request)
        asked = await self._asked(request)
        call = Call(asked, at, self.faults.next(asked.route))
        self.calls.append(call)
        if isinstance(call.fault, tuple) and call.fault[0] == "slow":
            await asyncio.sleep(call.fault[1])
        if call.fault == "drop_before":
            return _dropped(request)
        instead = None if call.fault == "500_after" else self.faults.answer(_kind(call))
        answer = instead or self._answer(asked, request)
        if call.fault == "500_after":
            answer = self.faults.answer("500_after") or answer
        answer.headers["Date"] = formatdate(self._world.now_s(), usegmt=True)
        call.status, call.answer = answer.status, answer.body
        if call.fault == "drop_after":
            return _dropped(request)
        if call.fault == "broken":
            return _response(Answer(200, b'{"id": "1", "content'))
        return _response(answer)

    async def _asked(self, request: web.Request) -> Asked:
        path = request.raw_path.split("?")[0].removeprefix(API)
        route, parts = self._routes.find(request.method, path)
        body, uploads = await _read(request)
        return Asked(request.method, path, route, parts, dict(request.query), body, tuple(uploads))

    def _answer(self, asked: Asked, request: web.Request) -> Answer:
        known = asked.route in self._routes.table
        by_token = asked.path.startswith(_BY_TOKEN)
        if not (by_token or asked.path.startswith("/attachments/") or self._allowed(request)):
            return Answer(401, plain(401).body())
        if not known:
            return Answer(404, plain(404).body())
        limited, headers = self.buckets.spend(asked.route, "/".join(asked.parts[: 2 if by_token else 1]))
        if limited is not None:
            return limited
        try:
            if asked.json is ...:
                raise refusal(50109)
            status, body = self._routes.table[asked.route](asked)
        except Refusal as error:
            # 429 without a Via header would be taken for a ban by the network in front.
            via = {"Via": "1.1 google"} if error.status == 429 else {}
            return Answer(error.status, error.body(), headers | via)
        return Answer(status, body, headers)

    def _allowed(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bot {self._token}"

    def _file(self, asked: Asked) -> tuple[int, Any]:
        file = self._world.files.get(asked.number(1))
        if file is None:
            return 404, "This content is no longer available."
        return 200, file


def _kind(call: Call) -> Kind:
    return call.fault if isinstance(call.fault, (int, str, tuple)) else "ok"


async def _read(request: web.Request) -> tuple[Any, list[Upload]]:
    """The JSON of a call, `...` where it is none, and its files."""
    if not request.content_type.startswith("multipart/"):
        text = await request.read()
        return (_json(text) if text else None), []
    body: Any = {}
    uploads = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read())
        if part.name == "payload_json":
            body = _json(content)
        else:
            media_type = part.headers.get("Content-Type", "application/octet-stream")
            uploads.append(Upload(part.name or "", part.filename or "", content, media_type))
    return body, uploads


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return ...


def _response(answer: Answer) -> web.Response:
    body = answer.body
    if body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    if isinstance(body, str):
        return web.Response(status=answer.status, text=body, content_type="text/html", headers=answer.headers)
    if isinstance(body, (dict, list, bytes)):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **answer.headers}
        return web.Response(status=answer.status, body=content, headers=headers)
    return web.Response(body=body.content, headers={"Content-Type": body.media_type})


def _dropped(request: web.Request) -> web.Response:
    """Ends the connection without a word; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
