"""Application commands: the REST routes that register them, and how a person's use of one becomes data.

Rule: a person can only use what was registered, with the options that were; anything else is LookupError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_calls import Answering, Asked
from tests.fakes.discord_limits import check_commands
from tests.fakes.discord_messages import Messages
from tests.fakes.discord_refusal import refusal
from tests.fakes.discord_world import Channel, Message, Role, User, World

Json = dict[str, Any]
Reply = tuple[int, Any]
CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
_GROUPS, _TEXT, _FILE = (1, 2), 3, 11


class Commands:
    """The commands of each scope: of one guild, or of all (None)."""

    def __init__(self, world: World, messages: Messages) -> None:
        self._world = world
        self._messages = messages
        self.scopes: dict[int | None, dict[int, Json]] = {}
        self.synced = 0

    def routes(self) -> dict[str, Answering]:
        table: dict[str, Answering] = {}
        for place in ("/applications/{}/commands", "/applications/{}/guilds/{}/commands"):
            table |= {
                f"GET {place}": lambda asked: (200, list(self._scope(asked).values())),
                f"PUT {place}": self._replace,
                f"POST {place}": self._add,
                f"GET {place}/{{}}": lambda asked: (200, self._one(asked)),
                f"PATCH {place}/{{}}": self._change,
                f"DELETE {place}/{{}}": self._remove,
            }
        return table

    def _guild_id(self, asked: Asked) -> int | None:
        if asked.number(0) != self._world.bot.id:
            raise refusal(50001)
        if "/guilds/" not in asked.path:
            return None
        guild = self._world.guilds.get(asked.number(1))
        if guild is None or not guild.has_bot:
            raise refusal(50001)
        return guild.id

    def _scope(self, asked: Asked) -> dict[int, Json]:
        return self.scopes.setdefault(self._guild_id(asked), {})

    def _one(self, asked: Asked) -> Json:
        found = self._scope(asked).get(int(asked.parts[-1]))
        if found is None:
            raise refusal(10063)
        return found

    def _replace(self, asked: Asked) -> Reply:
        guild_id, before = self._guild_id(asked), self._scope(asked)
        check_commands(asked.json)
        ids = {(known["type"], known["name"]): known["id"] for known in before.values()}
        made = [self._registered(body, guild_id, ids) for body in asked.json]
        self.scopes[guild_id] = {int(command["id"]): command for command in made}
        self.synced += 1
        return 200, made

    def _add(self, asked: Asked) -> Reply:
        guild_id, scope = self._guild_id(asked), self._scope(asked)
        ids = {(known["type"], known["name"]): known["id"] for known in scope.values()}
        made = self._registered(asked.body, guild_id, ids)
        check_commands([command for command in scope.values() if command["id"] != made["id"]] + [asked.body])
        known = int(made["id"]) in scope
        scope[int(made["id"])] = made
        return 200 if known else 201, made

    def _change(self, asked: Asked) -> Reply:
        changed = self._one(asked) | asked.body | {"version": str(self._world.snowflake())}
        check_commands([changed])
        self._scope(asked)[int(changed["id"])] = changed
        return 200, changed

    def _remove(self, asked: Asked) -> Reply:
        del self._scope(asked)[int(self._one(asked)["id"])]
        return 204, None

    def _registered(self, body: Json, guild_id: int | None, ids: Mapping[tuple[int, str], str]) -> Json:
        kind = body.get("type", CHAT_INPUT)
        told: Json = {
            "default_member_permissions": None,
            "dm_permission": True,
            "nsfw": False,
            "contexts": None,
            "integration_types": [0],
            **body,
            "id": ids.get((kind, body["name"])) or str(self._world.snowflake()),
            "application_id": str(self._world.bot.id),
            "version": str(self._world.snowflake()),
            "type": kind,
            "description": body.get("description") or "",
        }
        return told if guild_id is None else told | {"guild_id": str(guild_id)}

    def offered(self, user: User, channel: Channel, *, by_user_install: bool = False) -> list[Json]:
        """The commands that `user` finds in `channel`: a guild's own hide the global ones of their name."""
        guild = channel.guild
        own = self.scopes.get(guild.id, {}).values() if guild else ()
        named = {(command["type"], command["name"]) for command in own}
        everywhere = self.scopes.get(None, {}).values()
        found = [*own, *(one for one in everywhere if (one["type"], one["name"]) not in named)]
        may = self._world.permissions(user, channel)
        return [
            command
            for command in found
            if _in_context(command, channel)
            and (1 if by_user_install else 0) in (command.get("integration_types") or [0])
            and int(command.get("default_member_permissions") or 0) & ~may == 0
        ]

    def find(
        self, user: User, channel: Channel, name: str, kinds: Iterable[int], *, by_user_install: bool = False
    ) -> Json:
        for command in self.offered(user, channel, by_user_install=by_user_install):
            if command["name"] == name and command["type"] in kinds:
                return command
        raise LookupError(f"{user.name} is not offered {name!r} there")

    def used(
        self,
        command: Json,
        path: list[str],
        options: Mapping[str, object],
        channel: Channel,
        focused: str = "",
    ) -> Json:
        """The data of a slash command; `path` names its subcommands, `focused` the option still being typed."""
        told = _data(command)
        known: list[Json] = command.get("options") or []
        place = told
        for name in path:
            inner = next((one for one in known if one["name"] == name and one["type"] in _GROUPS), None)
            if inner is None:
                raise LookupError(f"there is no {name!r} in {command['name']!r}")
            place["options"] = [{"name": name, "type": inner["type"]}]
            place, known = place["options"][0], inner.get("options") or []
        resolved: Json = {}
        place["options"] = [
            self._option(known, name, value, channel, resolved, focused) for name, value in options.items()
        ]
        missing = [one["name"] for one in known if one.get("required") and one["name"] not in options]
        if missing and not focused:
            raise LookupError(f"{command['name']!r} needs {missing}")
        return told | {"resolved": resolved} if resolved else told

    def _option(
        self, known: list[Json], name: str, value: Any, channel: Channel, resolved: Json, focused: str
    ) -> Json:
        option = next((one for one in known if one["name"] == name and one["type"] not in _GROUPS), None)
        if option is None:
            raise LookupError(f"there is no option {name!r}")
        told: Json = {"name": name, "type": option["type"]}
        if name == focused:
            return told | {"value": value, "focused": True}
        choices = [choice["value"] for choice in option.get("choices") or []]
        if choices and value not in choices:
            raise LookupError(f"{value!r} is not one of {choices}")
        if option["type"] == _TEXT and not option.get("min_length", 0) <= len(value) <= option.get(
            "max_length", 6000
        ):
            raise ValueError(f"{name!r} may not be {len(value)} characters long")
        if option["type"] == _FILE:
            value = self._messages.keep_file(channel, *value)
            resolved.setdefault("attachments", {})[str(value.id)] = shapes.attachment(value)
        elif not isinstance(value, (str, int, float, bool)):
            self.resolve(value, channel, resolved)
        return told | {"value": str(value.id) if hasattr(value, "id") else value}

    def resolve(self, value: User | Role | Channel | Message, channel: Channel, resolved: Json) -> None:
        """Adds what `value` is to the data's resolved objects."""
        key = str(value.id)
        if isinstance(value, User):
            resolved.setdefault("users", {})[key] = shapes.user(value)
            member = channel.guild.members.get(value.id) if channel.guild else None
            if member is not None:
                shown = shapes.member(member, with_user=False)
                may = str(self._world.permissions(value, channel))
                resolved.setdefault("members", {})[key] = shown | {"permissions": may}
        elif isinstance(value, Role):
            resolved.setdefault("roles", {})[key] = shapes.role(value)
        elif isinstance(value, Channel):
            resolved.setdefault("channels", {})[key] = shapes.channel(value) | {"permissions": "0"}
        else:
            resolved.setdefault("messages", {})[key] = shapes.message(value, self._world)

    def pointed(self, command: Json, target: User | Message, channel: Channel) -> Json:
        """The data of a context menu's command."""
        resolved: Json = {}
        self.resolve(target, channel, resolved)
        return _data(command) | {"target_id": str(target.id), "resolved": resolved}


def _data(command: Json) -> Json:
    told: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
    return told | ({"guild_id": command["guild_id"]} if "guild_id" in command else {})


def _in_context(command: Json, channel: Channel) -> bool:
    contexts = command.get("contexts")
    if contexts is None:
        return channel.guild is not None or bool(command.get("dm_permission", True))
    return (0 if channel.guild else 1) in contexts
