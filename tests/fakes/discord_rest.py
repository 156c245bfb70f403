"""The REST routes of the application, its user, guilds, members, roles, and where the gateway is.

Rule: a guild that the bot is not in is an unknown one.
"""

from __future__ import annotations

from typing import Any

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_calls import Answering, Asked
from tests.fakes.discord_gateway import GUILD_MEMBERS, MESSAGE_CONTENT, PRESENCES, Gateway
from tests.fakes.discord_refusal import refusal
from tests.fakes.discord_world import THREADS, VIEW_CHANNEL, Guild, Member, World

Json = dict[str, Any]
Reply = tuple[int, Any]
_IDENTIFIES_A_DAY = 1000


class Rest:
    """Answers for /users, /applications, /guilds and /gateway."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._gateway = gateway

    def routes(self) -> dict[str, Answering]:
        return {
            "GET /users/@me": lambda _: (200, self._me()),
            "GET /users/@me/guilds": self._guilds,
            "POST /users/@me/channels": self._direct_channel,
            "GET /users/{}": self._user,
            "GET /oauth2/applications/@me": lambda _: (200, self._application()),
            "GET /applications/@me": lambda _: (200, self._application()),
            "GET /applications/{}": self._application_of,
            "GET /gateway": lambda _: (200, {"url": self._gateway.url}),
            "GET /gateway/bot": lambda _: (200, self._gateway_bot()),
            "GET /guilds/{}": lambda asked: (200, shapes.guild_settings(self._guild(asked))),
            "GET /guilds/{}/channels": self._channels,
            "GET /guilds/{}/threads/active": self._threads,
            "GET /guilds/{}/members": self._members,
            "GET /guilds/{}/members/{}": lambda asked: (200, shapes.member(self._member(asked))),
            "GET /guilds/{}/roles": self._roles,
            "GET /guilds/{}/roles/{}": self._role,
            "DELETE /users/@me/guilds/{}": self._leave,
        }

    def _me(self) -> Json:
        known = {"verified": True, "mfa_enabled": False, "email": None, "locale": "en-US"}
        return shapes.user(self._world.bot) | known

    def _application(self) -> Json:
        bot = self._world.bot
        owner = next((guild.owner for guild in self._world.guilds.values()), bot)
        # An app in few guilds carries the "limited" flag of each privileged intent that it may use.
        granted = ((PRESENCES, 1 << 13), (GUILD_MEMBERS, 1 << 15), (MESSAGE_CONTENT, 1 << 19))
        return {
            "id": str(bot.id),
            "name": bot.name,
            "icon": None,
            "description": "",
            "summary": "",
            "verify_key": "0" * 64,
            "bot_public": False,
            "bot_require_code_grant": False,
            "owner": shapes.user(owner),
            "team": None,
            "bot": shapes.user(bot),
            "flags": sum(flag for intent, flag in granted if self._gateway.privileged & intent),
            "approximate_guild_count": len(self._world.guilds),
            "approximate_user_install_count": 0,
            "integration_types_config": {"0": {}, "1": {}},
        }

    def _application_of(self, asked: Asked) -> Reply:
        if asked.number(0) != self._world.bot.id:
            raise refusal(50001)
        return 200, self._application()

    def _gateway_bot(self) -> Json:
        left = max(0, _IDENTIFIES_A_DAY - len(self._gateway.identifies))
        return {
            "url": self._gateway.url,
            "shards": self._gateway.shards,
            "session_start_limit": {
                "total": _IDENTIFIES_A_DAY,
                "remaining": left,
                "reset_after": 14400000,
                "max_concurrency": 1,
            },
        }

    def _user(self, asked: Asked) -> Reply:
        user = self._world.users.get(asked.number(0))
        if user is None:
            raise refusal(10013)
        return 200, shapes.user(user)

    def _direct_channel(self, asked: Asked) -> Reply:
        user = self._world.users.get(int(asked.body.get("recipient_id") or 0))
        if user is None:
            raise refusal(10013)
        if user is self._world.bot:
            raise refusal(50007)
        return 200, shapes.channel(self._world.direct_channel(user))

    def _guilds(self, _: Asked) -> Reply:
        inside = [guild for guild in self._world.guilds.values() if guild.has_bot]
        return 200, [
            {
                "id": str(guild.id),
                "name": guild.name,
                "icon": None,
                "banner": None,
                "owner": False,
                "permissions": str(guild.everyone.permissions),
                "features": [],
            }
            for guild in inside
        ]

    def _guild(self, asked: Asked) -> Guild:
        guild = self._world.guilds.get(asked.number(0))
        if guild is None or not guild.has_bot:
            raise refusal(10004)
        return guild

    def _channels(self, asked: Asked) -> Reply:
        guild = self._guild(asked)
        inside = [place for place in self._world.channels.values() if place.guild is guild]
        return 200, [shapes.channel(place) for place in inside if place.kind not in THREADS]

    def _threads(self, asked: Asked) -> Reply:
        guild, bot = self._guild(asked), self._world.bot
        threads = [
            place
            for place in self._world.channels.values()
            if place.guild is guild and place.kind in THREADS and not place.archived
        ]
        seen = [place for place in threads if self._world.can(bot, place, VIEW_CHANNEL)]
        mine = [shapes.thread_member(place, bot) for place in seen if bot.id in place.thread_members]
        return 200, {"threads": [shapes.channel(place) for place in seen], "members": mine}

    def _members(self, asked: Asked) -> Reply:
        guild = self._guild(asked)
        if not self._gateway.privileged & GUILD_MEMBERS:
            raise refusal(50001)
        after, limit = int(asked.query.get("after", 0)), int(asked.query.get("limit", 1))
        found = [guild.members[key] for key in sorted(guild.members) if key > after]
        return 200, [shapes.member(member) for member in found[:limit]]

    def _member(self, asked: Asked) -> Member:
        guild = self._guild(asked)
        member = guild.members.get(asked.number(1))
        if member is None:
            raise refusal(10007 if asked.number(1) in self._world.users else 10013)
        return member

    def _roles(self, asked: Asked) -> Reply:
        return 200, [shapes.role(role) for role in self._guild(asked).roles.values()]

    def _role(self, asked: Asked) -> Reply:
        role = self._guild(asked).roles.get(asked.number(1))
        if role is None:
            raise refusal(10011)
        return 200, shapes.role(role)

    def _leave(self, asked: Asked) -> Reply:
        guild = self._guild(asked)
        guild.has_bot = False
        guild.members.pop(self._world.bot.id, None)
        self._gateway.dispatch("GUILD_DELETE", {"id": str(guild.id)}, guild_id=guild.id)
        return 204, None
