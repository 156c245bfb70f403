"""A Slack workspace on loopback sockets: the Web API, Socket Mode, and the people who use it.

Rule: the app under test speaks to it by its unmodified SDK alone; a test speaks to it by these methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from tests.fakes.slack_faults import Fault
from tests.fakes.slack_interactions import Interactions
from tests.fakes.slack_people import People
from tests.fakes.slack_sockets import Delivery, Reason, Sockets
from tests.fakes.slack_web import Call, WebApi
from tests.fakes.slack_world import (
    ADA,
    APP,
    BEN,
    BOT_ID,
    BOT_USER,
    GENERAL,
    TEAM,
    Json,
    Message,
    View,
    World,
)

__all__ = ["ADA", "APP", "BEN", "BOT_ID", "BOT_USER", "GENERAL", "SCOPES", "TEAM", "FakeSlack"]

SCOPES = frozenset(
    "app_mentions:read assistant:write channels:history channels:read chat:write commands files:read "
    "groups:history groups:read im:history im:read im:write mpim:history mpim:read reactions:read "
    "reactions:write usergroups:read users:read".split()
)

T = TypeVar("T")


class FakeSlack(People, Interactions):
    """A workspace with the app, Ada and Ben, all three in the public channel GENERAL.

    `async with FakeSlack()` serves it in the running loop, `with FakeSlack.running()` in a thread of its
    own. `url` is for the SDK's `base_url`. Settings are those of `world` (subscriptions, scopes,
    token_error, stream_window_s, echoes), of `sockets` (redelivery, what happens while none is open)
    and `limits`, the rate limits, off at first.
    """

    def __init__(self, *, bot_token: str = "xoxb-fake-token", app_token: str = "xapp-fake-token") -> None:
        self.world = World()
        self.sockets = Sockets()
        self.world.publish = self.event
        self.bot_token = bot_token
        self.app_token = app_token
        self.world.scopes = set(SCOPES)
        self.api = WebApi(self.world, bot_token, app_token, self.sockets.ticket)
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        site = web.Application(client_max_size=16 * 2**20)
        site.add_routes([*self.api.routes(), web.get("/link/", self.sockets.connect)])
        self.sockets.loop = asyncio.get_running_loop()
        self.api.ending = asyncio.Event()
        self._runner = web.AppRunner(site, handler_cancellation=True, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        place = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = self.world.url = f"http://{place}/api/"
        self.sockets.url = f"ws://{place}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self.api.ending is not None
        self.api.ending.set()
        await self.sockets.shut()
        await self._runner.cleanup()

    @classmethod
    @contextlib.contextmanager
    def running(
        cls, *, bot_token: str = "xoxb-fake-token", app_token: str = "xapp-fake-token"
    ) -> Iterator[Self]:
        """Serves a workspace in a thread of its own, for an app in another process."""
        slack = cls(bot_token=bot_token, app_token=app_token)
        ready, ending = threading.Event(), asyncio.Event()

        async def serve() -> None:
            async with slack:
                ready.set()
                await ending.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield slack
        finally:
            slack.sockets.soon(ending.set)
            thread.join(30)

    @property
    def environment(self) -> dict[str, str]:
        """What a process that is to use this workspace finds in its environment."""
        return {
            "SLACK_API_URL": self.url,
            "SLACK_BOT_TOKEN": self.bot_token,
            "SLACK_APP_TOKEN": self.app_token,
        }

    @property
    def calls(self) -> list[Call]:
        """Every Web API call so far, posts to response_urls among them under `response_url`."""
        return self.api.calls

    @property
    def acks(self) -> dict[str, float]:
        """Seconds from an envelope's first sending to its acknowledgement, by envelope id."""
        return self.sockets.acks

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything the app was to hear, in order, with its sendings and its acknowledgement."""
        return self.sockets.deliveries

    @property
    def limits(self) -> bool:
        return self.api.limits

    @limits.setter
    def limits(self, on: bool) -> None:
        self.api.limits = on

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def visible(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """The messages everybody in the channel sees, the oldest first; of one thread with its root."""
        with self.world.lock:
            return self.world.visible(channel, thread_ts)

    def answers(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """Those of the visible messages that the app wrote."""
        return [one for one in self.visible(channel, thread_ts) if one.bot_id == BOT_ID]

    def ephemerals(self, channel: str, user: str) -> list[Message]:
        """What the app showed to this user alone, and has not taken away."""
        with self.world.lock:
            return [
                one for one in self.world.messages[channel] if one.ephemeral_for == user and not one.deleted
            ]

    def open_views(self, user: str) -> list[View]:
        """The modals this user sees, the topmost last."""
        with self.world.lock:
            views = self.world.views.values()
            return [one for one in views if one.user == user and one.open and one.body["type"] == "modal"]

    def home(self, user: str) -> View | None:
        """What the app has published on this user's home tab."""
        return self.world.homes.get(user)

    def status(self, channel: str, thread_ts: str) -> str:
        """What stands below the thread as the assistant's status; empty for nothing."""
        told = self.world.statuses.get((channel, thread_ts))
        return str(told[-1]["status"]) if told else ""

    def session(self, channel: str, thread_ts: str) -> str | None:
        """The status of the thread's agent session."""
        session = self.world.sessions.get((channel, thread_ts))
        return session.status if session else None

    def advance(self, seconds: float) -> None:
        """Puts the fake's clock forward: streams end, trigger_ids and response_urls expire, rates refill."""
        with self.world.lock:
            self.world.clock.ahead += seconds

    def fail(self, method: str, faults: Sequence[Fault]) -> None:
        """Lets the next calls of `method` (any for `*`) fail, one fault a call; see `slack_faults.Fault`.

        `response_url` stands for posts to these.
        """
        with self.world.lock:
            self.api.faults.plan(method, faults)

    def faults(
        self,
        *,
        share: float,
        seed: int = 0,
        kinds: Sequence[Fault] = (429, 500, "ratelimited", "drop_before", "drop_after"),
        spared: Sequence[str] = ("auth.test", "apps.connections.open"),
    ) -> None:
        """Lets a share of all calls fail, chosen by the seed; a share of 0 ends it."""
        with self.world.lock:
            self.api.faults.by_chance(share, seed, kinds, spared)

    def redeliver(self, delivery: Delivery, *, new_id: bool = False) -> None:
        """Sends an envelope once more, as it was or under a new envelope id."""
        self.sockets.redeliver(delivery, new_id=new_id)

    def disconnect(self, reason: Reason, *, closes_after: float | None = None) -> None:
        """Sends disconnect frames on all connections, and closes these after so many seconds."""
        self.sockets.disconnect(reason, closes_after=closes_after)

    def refuse_tickets(self, count: int) -> None:
        """Answers the next websocket handshakes with 403."""
        self.sockets.refusals = count

    async def until(self, predicate: Callable[[], T], seconds: float = 10.0) -> T:
        """Waits in the loop until `predicate` is true and returns what it gave.

        Raises:
            TimeoutError: it did not become true in time; the message tells the last calls.
        """
        end = time.monotonic() + seconds
        while not (value := self._asked(predicate)):
            if time.monotonic() > end:
                raise TimeoutError(self._story())
            await asyncio.sleep(0.01)
        return value

    def wait_for(self, predicate: Callable[[], T], seconds: float = 30.0) -> T:
        """The same for a thread other than the loop's."""
        end = time.monotonic() + seconds
        while not (value := self._asked(predicate)):
            if time.monotonic() > end:
                raise TimeoutError(self._story())
            time.sleep(0.02)
        return value

    def _asked(self, predicate: Callable[[], T]) -> T:
        with self.world.lock:
            return predicate()

    def _story(self) -> str:
        calls = [f"{one.method}({_short(one.arguments)}) -> {_short(one.answer)}" for one in self.calls[-12:]]
        told = [
            f"{one.kind} sent {len(one.sendings)}x, acked {one.acked_after}" for one in self.deliveries[-6:]
        ]
        return "\n".join(["waited in vain; last calls:", *calls, "last deliveries:", *told])


def _short(value: Json) -> str:
    text = str(value)
    return text if len(text) < 160 else text[:157] + "..."
