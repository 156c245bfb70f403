"""Discord's REST API as the adapter uses it, over discord.py's HTTP client, which keeps the rate limits.

Rule: whatever is posted or edited is made by one function, which lets nobody be called upon and no preview
be shown. Discord's errors leave as `DeliveryFailed` (again later) or `Refused` (never).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import discord
from discord.http import Route

from adapters.discord_blocks import Post
from adapters.discord_viewers import Overwrite, Role
from adapters.platform_clock import PlatformClock
from bot.errors import ConfigError
from bot.platform import DeliveryFailed

SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6

UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION = 10008, 10015, 10062
TOO_MANY_EDITS, ALREADY_ANSWERED, BAD_TOKEN, THREAD_THERE = 30046, 40060, 50027, 160004
NO_DIRECT = 50007

Response = Literal["message", "wait", "nothing"]
"""A message; a word that one follows; or, to a button, nothing that is seen."""

_RESPONSES: dict[Response, int] = {"message": 4, "wait": 5, "nothing": 6}
_CHOICES, _FORM = 8, 9

_FIRST_RESPONSE_S = 3.0
"""So long does Discord wait."""

_LONGEST_CALL_S = 90.0
"""With the waits for rate limits, of which discord.py takes none over 30 seconds."""

_MESSAGE = "/channels/{channel_id}/messages/{message_id}"
_ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"

PORTAL = "https://discord.com/developers/applications"


class Refused(Exception):
    """Discord will not do it. `code` is its own number for why, 0 where it gave none."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(f"{status} {code} {text}".strip())
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as Discord has it; `custom_ids` are those of its buttons."""

    id: str
    author: str
    content: str
    nonce: str
    custom_ids: frozenset[str]
    author_name: str = ""
    of_bot: bool = False


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """A channel of a server, as far as it says who can see it."""

    guild: str
    overwrites: tuple[Overwrite, ...]


class Rest:
    """The API with `token`, reached over `proxy` where there is one. `clock` is Discord's, as its answers
    tell. Open it before anything else."""

    def __init__(
        self, token: str, *, api_url: str | None = None, timeout_s: float = 15.0, proxy: str | None = None
    ) -> None:
        if api_url is not None:
            Route.BASE = api_url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._proxy = proxy
        self.clock = PlatformClock()
        self._client: discord.Client | None = None
        self._opening = asyncio.Lock()
        self.application = ""
        self.bot = ""

    async def open(self) -> None:
        """Logs in. Raises ConfigError when the token is wrong, DeliveryFailed when Discord is not there."""
        async with self._opening:
            if self._client is not None:
                return
            client = discord.Client(
                intents=discord.Intents(guilds=True),
                max_ratelimit_timeout=30.0,
                proxy=self._proxy,
                http_trace=self._dates(),
            )
            try:
                await asyncio.wait_for(client.login(self._token), self._timeout_s)
            except discord.LoginFailure:
                await client.close()
                raise ConfigError(wrong_token()) from None
            except (discord.HTTPException, discord.RateLimited, *_AWAY) as error:
                await client.close()
                raise DeliveryFailed(f"Discord cannot be reached: {_said(error)}", after_s=2.0) from None
            self.application = str(client.application_id)
            self.bot = str(client.user.id) if client.user else ""
            self._client = client

    def _dates(self) -> aiohttp.TraceConfig:
        """Sets the clock by each answer."""

        async def answered(
            _session: aiohttp.ClientSession, _context: object, told: aiohttp.TraceRequestEndParams
        ) -> None:
            self.clock.told(told.response.headers.get("Date", ""))

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(answered)
        return trace

    async def close(self) -> None:
        """Ends its connections."""
        if self._client is not None:
            await self._client.close()

    # What people see

    async def send(self, channel: str, post: Post, *, nonce: str, reply_to: str = "") -> str:
        """Posts in `channel`; the message's id. Within minutes, the same `nonce` is the same message."""
        body = _visible(post) | {"nonce": nonce, "enforce_nonce": True}
        if reply_to:
            body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        found = await self._call(
            "POST", "/channels/{channel_id}/messages", body=body, ids={"channel_id": channel}
        )
        return str(found["id"])

    async def edit(self, channel: str, message: str, post: Post) -> None:
        """Makes a message of the bot `post`."""
        ids = {"channel_id": channel, "message_id": message}
        await self._call("PATCH", _MESSAGE, body=_visible(post), ids=ids)

    async def edit_original(self, token: str, post: Post) -> None:
        """Makes the first response to an interaction `post`."""
        await self._call("PATCH", _ORIGINAL, body=_visible(post), ids=self._webhook(token))

    async def respond(
        self,
        interaction: str,
        token: str,
        response: Response,
        *,
        post: Post | None = None,
        ephemeral: bool = False,
    ) -> str:
        """The first response to an interaction; the id of the message that it made, if any."""
        flags = EPHEMERAL if ephemeral else 0
        data = {"flags": flags} if post is None else _visible(post, flags=flags)
        found = await self._answer(interaction, token, {"type": _RESPONSES[response], "data": data})
        return str(found["interaction"].get("response_message_id") or "")

    async def offer(self, interaction: str, token: str, names: Sequence[str]) -> None:
        """Offers names for an option that is being typed."""
        choices = [{"name": name, "value": name} for name in names]
        await self._answer(interaction, token, {"type": _CHOICES, "data": {"choices": choices}})

    async def show_form(self, interaction: str, token: str, form: Mapping[str, object]) -> None:
        """Shows a form as the first response."""
        await self._answer(interaction, token, {"type": _FORM, "data": form})

    async def _answer(self, interaction: str, token: str, body: Mapping[str, object]) -> Any:
        path = "/interactions/{webhook_id}/{webhook_token}/callback"
        ids = {"webhook_id": interaction, "webhook_token": token}
        params = {"with_response": "true"}
        return await self._call("POST", path, body=body, params=params, ids=ids, within_s=_FIRST_RESPONSE_S)

    def _webhook(self, token: str) -> Mapping[str, str]:
        return {"webhook_id": self.application, "webhook_token": token}

    async def delete(self, channel: str, message: str) -> None:
        """Takes a message away."""
        await self._call("DELETE", _MESSAGE, ids={"channel_id": channel, "message_id": message})

    async def delete_original(self, token: str) -> None:
        """Takes the first response to an interaction away."""
        await self._call("DELETE", _ORIGINAL, ids=self._webhook(token))

    async def original(self, token: str) -> Sent:
        """The first response to an interaction."""
        return _sent(await self._call("GET", _ORIGINAL, ids=self._webhook(token)))

    # Places

    async def open_thread(self, channel: str, message: str, name: str) -> str:
        """The thread at a message, opened if there is none; its id."""
        path = "/channels/{channel_id}/messages/{message_id}/threads"
        body = {"name": name, "auto_archive_duration": 1440}
        ids = {"channel_id": channel, "message_id": message}
        try:
            found = await self._call("POST", path, body=body, ids=ids)
        except Refused as error:
            if error.code != THREAD_THERE:
                raise
            return message  # a thread at a message has the message's id
        return str(found["id"])

    async def direct(self, user: str) -> str:
        """The channel between the bot and a person."""
        found = await self._call("POST", "/users/@me/channels", body={"recipient_id": user})
        return str(found["id"])

    async def messages(
        self, channel: str, *, after: str = "", before: str = "", limit: int = 100
    ) -> Sequence[Sent]:
        """Messages of a channel, oldest first: the first after one, or the last before one."""
        params = {"limit": str(limit)} | ({"after": after} if after else {"before": before})
        found = await self._call(
            "GET", "/channels/{channel_id}/messages", params=params, ids={"channel_id": channel}
        )
        return sorted((_sent(one) for one in found), key=lambda one: int(one.id))

    async def member(self, guild: str, user: str) -> frozenset[str] | None:
        """The roles of a member; None for somebody who is none."""
        path = "/guilds/{guild_id}/members/{member_id}"
        found = await self._known(path, {"guild_id": guild, "member_id": user})
        return None if found is None else frozenset(str(role) for role in found["roles"])

    async def roles(self, guild: str) -> tuple[Role, ...] | None:
        """All roles of a server; None where it is not the bot's to know."""
        found = await self._known("/guilds/{guild_id}/roles", {"guild_id": guild})
        if found is None:
            return None
        return tuple(
            Role(str(one["id"]), int(one["permissions"]), "bot_id" in (one.get("tags") or {}))
            for one in found
        )

    async def channel(self, channel: str) -> ChannelFacts | None:
        """A channel; None where it is gone, or not the bot's to see."""
        found = await self._known("/channels/{channel_id}", {"channel_id": channel})
        if found is None or "guild_id" not in found:
            return None
        overwrites = tuple(
            Overwrite(
                str(one["id"]),
                "member" if int(one["type"]) else "role",
                int(one["allow"]),
                int(one["deny"]),
            )
            for one in found.get("permission_overwrites") or ()
        )
        return ChannelFacts(str(found["guild_id"]), overwrites)

    async def set_commands(self, commands: Sequence[Mapping[str, object]]) -> None:
        """Makes these the application's commands, in place of all earlier ones."""
        path = "/applications/{application_id}/commands"
        await self._call("PUT", path, body=list(commands), ids={"application_id": self.application})

    async def _known(self, path: str, ids: Mapping[str, str]) -> Any:
        """What stands at `path`; None where there is nothing or the bot may not know."""
        try:
            return await self._call("GET", path, ids=ids)
        except Refused as error:
            if error.status in (403, 404):
                return None
            raise DeliveryFailed(str(error), after_s=5.0) from None

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        ids: Mapping[str, str] | None = None,
        within_s: float = _LONGEST_CALL_S,
    ) -> Any:
        await self.open()
        assert self._client is not None
        given: dict[str, Any] = {} if body is None else {"json": body}
        if params:
            given["params"] = params
        try:
            async with asyncio.timeout(within_s):
                return await self._client.http.request(Route(method, path, **(ids or {})), **given)
        except discord.RateLimited as error:
            raise DeliveryFailed("Discord's rate limit", after_s=error.retry_after) from None
        except discord.HTTPException as error:
            if error.status == 429 and error.code != TOO_MANY_EDITS:
                raise DeliveryFailed("Discord's rate limit", after_s=_retry_after(error)) from None
            if error.status >= 500:
                raise DeliveryFailed(_said(error), after_s=random.uniform(0.5, 1.5)) from None  # noqa: S311
            raise Refused(error.status, error.code, "") from None
        except _AWAY as error:
            raise DeliveryFailed(_said(error), after_s=random.uniform(0.5, 1.5)) from None  # noqa: S311


def _visible(post: Post, *, flags: int = 0) -> dict[str, object]:
    """The one way for anything to become visible: nobody is called upon, and no preview is shown."""
    return {
        "content": post.content,
        "components": list(post.components),
        "flags": SUPPRESS_EMBEDS | flags,
        "allowed_mentions": {"parse": []},
    }


_AWAY = (aiohttp.ClientError, OSError, TimeoutError, ValueError, RuntimeError)
"""What is raised when a connection breaks, is closed, or what came over it is no JSON."""


def wrong_token() -> str:
    """What to do about a token that Discord does not know."""
    return (
        "Discord does not accept the token in DISCORD_TOKEN; make a new one under Bot > Reset Token "
        f"at {PORTAL}"
    )


def _retry_after(error: discord.HTTPException) -> float:
    try:
        return max(1.0, float(error.response.headers.get("Retry-After", "")))
    except ValueError:
        return 5.0


def _said(error: BaseException) -> str:
    """The kind of an error, without addresses: they hold the tokens of interactions."""
    status = f" {error.status}" if isinstance(error, discord.HTTPException) else ""
    return f"{type(error).__name__}{status}"


def _sent(found: Any) -> Sent:
    author = found.get("author") or {}
    return Sent(
        str(found["id"]),
        str(author.get("id", "")),
        str(found.get("content") or ""),
        str(found.get("nonce") or ""),
        frozenset(_custom_ids(found.get("components") or ())),
        str(author.get("global_name") or author.get("username") or ""),
        bool(author.get("bot")),
    )


def _custom_ids(components: Sequence[Any]) -> Sequence[str]:
    found: list[str] = []
    for one in components:
        if "custom_id" in one:
            found.append(str(one["custom_id"]))
        found += _custom_ids(one.get("components") or ())
    return found


discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody speaks here
logging.getLogger("discord").setLevel(logging.INFO)  # below that it writes whole payloads, tokens among them


class _WithoutTokens(logging.Filter):
    """discord.py names addresses where a rate limit holds it up; those of interactions hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "Discord's rate limit holds a call up", ()
        return True


logging.getLogger("discord.http").addFilter(_WithoutTokens())
