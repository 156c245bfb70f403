"""A Discord on this machine: REST and gateway, driven by an unmodified discord.py, steered by tests.

Rule: what a test does and sees here is what people do and see; it can be asked from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.fakes.discord_calls import Call
from tests.fakes.discord_faults import Kind
from tests.fakes.discord_gateway import Socket
from tests.fakes.discord_people import People, on_loop
from tests.fakes.discord_server import API
from tests.fakes.discord_world import (
    CATEGORY,
    FORUM,
    SYSTEM,
    TEXT,
    VIEW_CHANNEL,
    Channel,
    Guild,
    Member,
    Message,
    Role,
    User,
)

T = TypeVar("T")
KINDS = {"text": TEXT, "forum": FORUM, "category": CATEGORY}
TOKEN = "MTIzNDU2Nzg5.test.a-bot-token-for-tests-only"


class FakeDiscord(People):
    """A Discord with one guild, `guild`, its channel `general`, and the people `ada` (owner) and `bob` in it.

    Enter it with `async with` inside a loop, or with `running()` beside a program of its own. `calls` is
    every REST call, `api_url` and `gateway_url` are where to point a client.
    """

    def __init__(self, token: str = TOKEN) -> None:
        super().__init__(token)
        self.bot = self.world.bot
        self.ada = self.world.add_user("ada")
        self.bob = self.world.add_user("bob")
        self.guild = self.world.add_guild("Team", self.ada)
        self.add_member(self.guild, self.bob)
        self.general = self.world.add_channel(self.guild, "general")

    async def __aenter__(self) -> Self:
        self.loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.stop()
        self.loop = None

    @classmethod
    @contextlib.contextmanager
    def running(cls, token: str = TOKEN) -> Iterator[Self]:
        """A Discord in a thread of its own."""
        discord, ready, ends = cls(token), threading.Event(), asyncio.Event()

        async def serve() -> None:
            async with discord:
                ready.set()
                await ends.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="discord", daemon=True)
        thread.start()
        assert ready.wait(30)
        loop = discord.loop
        assert loop is not None
        try:
            yield discord
        finally:
            loop.call_soon_threadsafe(ends.set)
            thread.join(30)

    @property
    def api_url(self) -> str:
        return self.server.origin + API

    @property
    def gateway_url(self) -> str:
        return self.gateway.url

    @property
    def calls(self) -> list[Call]:
        return self.server.calls

    @property
    def first_response_s(self) -> dict[int, float]:
        """Seconds from each interaction to its first response."""
        return self.interactions.first_response_s

    @property
    def identifies(self) -> int:
        return len(self.gateway.identifies)

    @property
    def resumes(self) -> int:
        return len(self.gateway.resumes)

    @property
    def unmet_faults(self) -> dict[str, list[Kind]]:
        """Faults that were asked for by `fail` and that no call has met yet."""
        return self.server.faults.waiting

    @property
    def invalid_requests(self) -> int:
        """Calls answered with 401, 403 or 429; Discord bans an address after 10,000 in ten minutes."""
        return sum(call.status in (401, 403, 429) for call in self.calls)

    def called(self, route: str) -> list[Call]:
        """The calls of one route, as "POST /channels/{}/messages"."""
        return [call for call in list(self.calls) if call.route == route]

    def wait_for(self, predicate: Callable[[], T], seconds: float = 10.0) -> T:
        """What `predicate` gives as soon as it is true; AssertionError after `seconds`. Not for the loop's thread."""
        assert threading.get_ident() != self._thread, "a loop cannot wait for itself: use until()"
        ends_at = time.monotonic() + seconds
        while not (found := predicate()):
            assert time.monotonic() < ends_at, self._late(seconds)
            time.sleep(0.01)
        return found

    async def until(self, predicate: Callable[[], T], seconds: float = 10.0) -> T:
        """`wait_for` for a test that runs in the loop."""
        ends_at = time.monotonic() + seconds
        while not (found := predicate()):
            assert time.monotonic() < ends_at, self._late(seconds)
            await asyncio.sleep(0.005)
        return found

    def _late(self, seconds: float) -> str:
        latest = [f"{call.method} {call.path} {call.fault} {call.status}" for call in self.calls[-8:]]
        return f"not within {seconds} s; the latest calls were {latest}"

    @on_loop
    def visible(self, channel: Channel) -> list[Message]:
        """What everybody in `channel` sees, oldest first."""
        return [message for message in self.world.in_channel(channel) if message.kind not in SYSTEM]

    @on_loop
    def seen_by(self, user: User, channel: Channel | None = None) -> list[Message]:
        """What only `user` sees, oldest first."""
        return [
            message
            for message in self.world.messages.values()
            if message.ephemeral_to == user.id and not message.deleted and channel in (None, message.channel)
        ]

    def answers(self, channel: Channel) -> list[str]:
        """The texts of the bot's messages that everybody in `channel` sees."""
        return [message.text for message in self.visible(channel) if message.author is self.bot]

    @on_loop
    def direct_channel(self, user: User) -> Channel:
        """Where `user` and the bot write to each other."""
        return self.world.direct_channel(user)

    @on_loop
    def advance(self, seconds: float) -> None:
        """Moves Discord's clock ahead: interactions and messages grow older by this."""
        self.world.ahead_s += seconds

    @on_loop
    def add_user(self, name: str, *, guild: Guild | None = None, bot: bool = False) -> User:
        """Somebody new, in `guild` where one is given."""
        user = self.world.add_user(name, bot=bot)
        if guild is not None:
            self.add_member(guild, user)
        return user

    @on_loop
    def add_guild(
        self, name: str, owner: User, *, has_bot: bool = True, guild_id: int | None = None
    ) -> Guild:
        """A guild; with `has_bot` the bot is added to it there and then."""
        guild = self.world.add_guild(name, owner, has_bot=has_bot, guild_id=guild_id)
        if has_bot:
            self.events.guild("GUILD_CREATE", guild)
        return guild

    @on_loop
    def add_member(self, guild: Guild, user: User) -> None:
        """`user` joins `guild`."""
        member = guild.members[user.id] = Member(user, self.world.now_s())
        self.events.member("GUILD_MEMBER_ADD", guild, member)

    @on_loop
    def remove_member(self, guild: Guild, user: User) -> None:
        """`user` leaves `guild`, or is thrown out; of the bot this is told as the guild's going."""
        member = guild.members.pop(user.id)
        if user is self.bot:
            guild.has_bot = False
            self.events.guild("GUILD_DELETE", guild)
        else:
            self.events.member("GUILD_MEMBER_REMOVE", guild, member)

    @on_loop
    def add_role(
        self, guild: Guild, name: str, *members: User, permissions: int = 0, bot: User | None = None
    ) -> Role:
        """A role, given to `members`; Discord's own for the program `bot`."""
        managed = bot.id if bot else None
        role = Role(self.world.snowflake(), name, permissions, len(guild.roles), managed)
        guild.roles[role.id] = role
        self.events.role("GUILD_ROLE_CREATE", guild, role.id)
        for user in members:
            self.grant(guild, user, role)
        return role

    @on_loop
    def remove_role(self, guild: Guild, role: Role) -> None:
        """Takes a role away, from all who have it."""
        del guild.roles[role.id]
        for member in guild.members.values():
            member.roles.discard(role.id)
        self.events.role("GUILD_ROLE_DELETE", guild, role.id)

    @on_loop
    def grant(self, guild: Guild, user: User, role: Role) -> None:
        """Gives `role` to `user`."""
        guild.members[user.id].roles.add(role.id)
        self.events.member("GUILD_MEMBER_UPDATE", guild, guild.members[user.id])

    @on_loop
    def withdraw(self, guild: Guild, user: User, role: Role) -> None:
        """Takes `role` from `user`."""
        guild.members[user.id].roles.discard(role.id)
        self.events.member("GUILD_MEMBER_UPDATE", guild, guild.members[user.id])

    @on_loop
    def add_channel(
        self, guild: Guild, name: str, *, kind: str = "text", only: Sequence[User | Role] | None = None
    ) -> Channel:
        """A channel of the kind "text", "forum" or "category"; with `only` just those see it, and the owner."""
        channel = self.world.add_channel(guild, name, kind=KINDS[kind])
        if only is not None:
            self._keep_to(channel, only)
        self.events.channel("CHANNEL_CREATE", channel)
        return channel

    @on_loop
    def keep_to(self, channel: Channel, only: Sequence[User | Role]) -> None:
        """From now on just `only` see `channel`."""
        self._keep_to(channel, only)
        self.events.channel("CHANNEL_UPDATE", channel)

    def _keep_to(self, channel: Channel, only: Sequence[User | Role]) -> None:
        assert channel.guild is not None
        channel.overwrites = {channel.guild.id: (0, VIEW_CHANNEL)}
        channel.overwrites |= {one.id: (VIEW_CHANNEL, 0) for one in only}

    @on_loop
    def forbid(self, channel: Channel, permission: int) -> None:
        """Denies the bot `permission` in `channel`."""
        allow, deny = channel.overwrites.get(self.bot.id, (0, 0))
        channel.overwrites[self.bot.id] = (allow & ~permission, deny | permission)
        self.events.channel("CHANNEL_UPDATE", channel)

    @on_loop
    def remove_channel(self, channel: Channel) -> None:
        """Takes a channel or thread away."""
        self.messages.remove_channel(channel)

    @on_loop
    def fail(self, route: str, kinds: Sequence[Kind]) -> None:
        """Lets the next calls of `route` fail, each of `kinds` on one call; LookupError for no known route."""
        if not self.server.knows(route):
            raise LookupError(f"there is no route {route!r}")
        self.server.faults.add(route, kinds)

    @on_loop
    def faults(self, share: float, seed: int, kinds: Sequence[Kind]) -> None:
        """Lets this share of all message calls fail, at random from `seed`."""
        self.server.faults.at_random(share, seed, kinds)

    @on_loop
    def no_more_faults(self) -> None:
        self.server.faults.clear()

    @on_loop
    def limit(self, route: str | None = None, most: int = 5, seconds: float = 5.0) -> None:
        """Sets a rate limit for a route and each channel or token, or Discord's usual ones for None."""
        if route is None:
            self.server.buckets.usual()
        else:
            self.server.buckets.limits[route] = (most, seconds)

    @on_loop
    def allow_intents(self, intents: int) -> None:
        """Grants privileged intents, which are refused with 4014 otherwise."""
        self.gateway.privileged |= intents

    @on_loop
    def connected(self, shard: int | None = None) -> list[Socket]:
        """The connections with a running session."""
        return self.gateway.connected(shard)

    @on_loop
    def reconnect(self, shard: int | None = None) -> None:
        """Asks the clients to connect again and resume (op 7)."""
        for socket in self.gateway.connected(shard):
            socket.send(7)

    @on_loop
    def invalidate(self, *, resumable: bool, shard: int | None = None) -> None:
        """Tells the clients that their session is invalid (op 9), for good unless `resumable`."""
        for socket in self.gateway.connected(shard):
            if not resumable and socket.session is not None:
                del self.gateway.sessions[socket.session.id]
            socket.send(9, data=resumable)

    @on_loop
    def close_gateway(self, code: int, reason: str = "", shard: int | None = None) -> None:
        """Closes the connections with a code; after 4007 and 4009 nothing can be resumed, after 4004 and 4010
        to 4014 a client may not come back."""
        for socket in self.gateway.connected(shard):
            self.gateway.close(socket, code, reason)

    @on_loop
    def abort_gateway(self, shard: int | None = None) -> None:
        """Ends the connections without a close frame."""
        for socket in self.gateway.connected(shard):
            socket.abort()

    @on_loop
    def forget_sessions(self) -> None:
        """No session can be resumed any more."""
        self.gateway.sessions.clear()

    @on_loop
    def keep_silent(self, *, silent: bool = True) -> None:
        """The gateway neither hears nor speaks, as over a link that is dead but not closed."""
        self.gateway.keep_silent(silent=silent)

    @on_loop
    def refuse_gateway(self, times: int) -> None:
        """The next `times` connections to the gateway get a 503."""
        self.gateway.refusing = times

    @on_loop
    def send_raw(self, text: str) -> None:
        """Sends a frame that is no payload at all."""
        for socket in self.gateway.connected():
            socket.outbox.put_nowait(text)

    @on_loop
    def go_dark(self) -> None:
        """Nothing can be reached any more, until `come_back`."""
        self.server.dark = True
        for socket in list(self.gateway.sockets):
            socket.abort()

    @on_loop
    def come_back(self) -> None:
        self.server.dark = False

    @on_loop
    def dispatch(self, event: str, data: Any, guild: Guild | None = None) -> None:
        """Sends any event as it stands, malformed ones too."""
        self.gateway.dispatch(event, data, guild_id=guild.id if guild else None)

    @on_loop
    def deliver_again(self, message: Message) -> None:
        """Sends a message's MESSAGE_CREATE once more, as a resume does that replays too much."""
        self.events.message("MESSAGE_CREATE", message)
