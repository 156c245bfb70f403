"""The HTTP side of the fake: Web API calls, response_urls, files.

Rule: every call is recorded with its answer before the answer leaves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from tests.fakes.slack_chat import flag
from tests.fakes.slack_events import announce, announce_change, announce_deletion
from tests.fakes.slack_faults import DONE, DROPPED, SILENT, Fault, Faults
from tests.fakes.slack_limits import TEXT, Rates, check_blocks
from tests.fakes.slack_methods import METHODS, scope_for
from tests.fakes.slack_shapes import message_object
from tests.fakes.slack_world import APP, BOT_ID, BOT_USER, Json, Message, Pass, Refused, World

_USES, _LIFE_S = 5, 1800.0


@dataclass(frozen=True, slots=True)
class Call:
    """One Web API call as it came; `done` says whether it was carried out, `answer` what was sent.

    `at` is a moment of the fake's clock, in seconds. A dropped or silent call has no `status`.
    """

    method: str
    arguments: Json
    token: str | None
    at: float
    status: int | None
    answer: Json
    fault: Fault = None
    done: bool = True


class WebApi:
    """Answers calls out of the world; `limits` switches the rate limits on."""

    def __init__(self, world: World, bot_token: str, app_token: str, open_socket: Callable[[], str]) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self.rates = Rates()
        self.limits = False
        self.ending: asyncio.Event | None = None
        self._world = world
        self._tokens = {"bot": bot_token, "app": app_token}
        self._open_socket = open_socket

    def routes(self) -> list[web.RouteDef]:
        return [
            *(web.route(verb, "/api/{method}", self._call) for verb in ("GET", "POST")),
            web.post("/respond/{key}", self._respond),
            web.get("/files/{id}/{tail:.*}", self._file),
        ]

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments, token = await _arguments(request)
        with self._world.lock:
            now = self._world.clock.now()
            fault = self.faults.take(method)
            status, answer, done = 200, _fault_answer(fault), fault is None or fault in DONE
            headers = {"x-oauth-scopes": ",".join(sorted(self._world.scopes)), "x-slack-req-id": f"{now:.6f}"}
            headers["Date"] = formatdate(now, usegmt=True)
            if fault == "message_not_in_streaming_state":
                self._end_stream(arguments)
            if done:
                status, answer = self._carry_out(method, arguments, token)
            if fault is not None and fault not in DONE:
                status = fault[0] if isinstance(fault, tuple) else fault if isinstance(fault, int) else 200
            status = {"done_then_500": 500, "html_503": 503}.get(str(fault), status)
            if status == 429:
                wait = fault[1] if isinstance(fault, tuple) else str(answer.pop("retry_after", 1))
                headers |= {"Retry-After": wait} if wait else {}
            leaves = fault not in SILENT and fault not in DROPPED
            self.calls.append(
                Call(method, arguments, token, now, status if leaves else None, answer, fault, done)
            )
        if fault in SILENT:
            assert self.ending is not None
            await self.ending.wait()
        if not leaves:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if fault in ("html", "html_503"):
            return web.Response(
                status=status, text="<html>Something went wrong</html>", content_type="text/html"
            )
        return web.json_response(answer if status in (200, 429) else {}, status=status, headers=headers)

    def _carry_out(self, method: str, arguments: Json, token: str | None) -> tuple[int, Json]:
        try:
            self._check_token(method, token)
            if method not in METHODS and method != "apps.connections.open":
                raise Refused("unknown_method", req_method=method)
            if self.limits and (
                wait := self.rates.seconds_to_wait(method, arguments, self._world.clock.now())
            ):
                return 429, {"ok": False, "error": "ratelimited", "retry_after": wait}
            if method == "apps.connections.open":
                return 200, {"ok": True, "url": self._open_socket()}
            if (scope := scope_for(self._world, method, arguments)) and scope not in self._world.scopes:
                raise Refused("missing_scope", needed=scope, provided=",".join(sorted(self._world.scopes)))
            return 200, {"ok": True} | METHODS[method][0](self._world, arguments)
        except Refused as refused:
            return 200, {"ok": False, "error": refused.code} | refused.more

    def _check_token(self, method: str, token: str | None) -> None:
        if not token:
            raise Refused("not_authed")
        if token not in self._tokens.values():
            raise Refused("invalid_auth")
        if (method == "apps.connections.open") != (token == self._tokens["app"]):
            raise Refused("not_allowed_token_type")
        if self._world.token_error is not None:
            raise Refused(self._world.token_error)

    def _end_stream(self, arguments: Json) -> None:
        message = self._world.find(str(arguments.get("channel")), arguments.get("ts"))
        if message is not None and message.stream is not None:
            message.stream.state = "expired"

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        arguments, _ = await _arguments(request)
        with self._world.lock:
            now = self._world.clock.now()
            fault = self.faults.take("response_url")
            given = self._world.response_urls.get(request.match_info["key"])
            try:
                if fault is not None:
                    raise Refused(str(fault))
                if given is None or now - given.made > _LIFE_S:
                    raise Refused("expired_url")
                if given.used >= _USES:
                    raise Refused("used_url")
                given.used += 1
                respond(self._world, given, arguments)
                status, answer = 200, {"ok": True}
            except Refused as refused:
                status, answer = 404, {"ok": False, "error": refused.code}
                status = fault if isinstance(fault, int) else status
            self.calls.append(
                Call("response_url", arguments, None, now, status, answer, fault, fault is None)
            )
        return web.json_response(answer, status=status)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        id_, token = request.match_info["id"], request.headers.get("Authorization", "")
        self.calls.append(Call("file", {"id": id_}, token, self._world.clock.now(), 200, {}))
        file = self._world.files.get(id_)
        known = token == f"Bearer {self._tokens['bot']}"
        if not known or "files:read" not in self._world.scopes:
            return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mimetype)


def respond(world: World, given: Pass, arguments: Json) -> None:
    """Does what a post to a response_url, or text in an acknowledgement, asks for.

    Raises:
        Refused: the blocks are not valid, or there is nothing to say.
    """
    message = world.find(given.channel, given.message_ts)
    before = message_object(world, message) if message else {}
    if flag(arguments.get("delete_original")):
        if message is not None:
            message.deleted = True
            if message.ephemeral_for is None:
                announce_deletion(world, message, before)
        return
    blocks = check_blocks(arguments["blocks"]) if arguments.get("blocks") else []
    text = str(arguments.get("text") or "")[:TEXT]
    if not text and not blocks:
        raise Refused("no_text")
    if flag(arguments.get("replace_original")) and message is not None:
        message.text, message.blocks, message.markdown = text, blocks, None
        message.versions.append(text)
        if message.ephemeral_for is None:
            announce_change(world, message, before)
        return
    told = Message(given.channel, world.next_ts(), BOT_USER, text, None, BOT_ID, APP, blocks=blocks)
    told.thread_ts = (
        world.thread(given.channel, arguments.get("thread_ts")) if arguments.get("thread_ts") else None
    )
    told.unfurl_links, told.unfurl_media = (
        flag(arguments.get("unfurl_links")),
        flag(arguments.get("unfurl_media")),
    )
    told.ephemeral_for = None if arguments.get("response_type") == "in_channel" else given.user
    world.store(told)
    if told.ephemeral_for is None:
        announce(world, told)


def _fault_answer(fault: Fault) -> Json:
    if isinstance(fault, str):
        return {"ok": False, "error": fault}
    return {"ok": False, "error": "ratelimited"} if fault == 429 or isinstance(fault, tuple) else {}


async def _arguments(request: web.Request) -> tuple[Json, str | None]:
    """What was asked, from the query and a JSON or form body, and the token."""
    asked: Json = {name: _read(value) for name, value in request.query.items()}
    if request.content_type == "application/json":
        body = json.loads(await request.text() or "{}")
        asked |= {name: value for name, value in body.items() if value is not None}
    elif request.method == "POST":
        form = await request.post()
        asked |= {name: _read(value) for name, value in form.items() if isinstance(value, str)}
    token = asked.pop("token", None)
    bearer = request.headers.get("Authorization", "")
    return asked, bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else token


def _read(value: str) -> object:
    """A form's field; objects and lists are written as JSON in it."""
    if value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
