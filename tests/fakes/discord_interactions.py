"""The REST routes of interactions: the first response, the original message and the followups.

Rule: a first response comes within 3 seconds and once; the token holds for 15 minutes.
"""

from __future__ import annotations

import time
from typing import Any

from tests.fakes import discord_shapes as shapes
from tests.fakes.discord_calls import Answering, Asked
from tests.fakes.discord_events import Events
from tests.fakes.discord_limits import check_choices, check_modal
from tests.fakes.discord_messages import Messages
from tests.fakes.discord_refusal import Form, refusal
from tests.fakes.discord_world import EPHEMERAL, Interaction, Message, World

Json = dict[str, Any]
Reply = tuple[int, Any]
FIRST_RESPONSE_S, TOKEN_S = 3.0, 900.0
FOLLOWUPS_OF_USER_INSTALLS = 5
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5

_ALLOWED = {
    COMMAND: (4, 5, 9),
    COMPONENT: (4, 5, 6, 7, 9),
    AUTOCOMPLETE: (8,),
    MODAL_SUBMIT: (4, 5, 6, 7),
}


class Interactions:
    """Answers for /interactions and /webhooks; `first_response_s` says how fast the bot was."""

    def __init__(self, world: World, events: Events, messages: Messages) -> None:
        self._world = world
        self._events = events
        self._messages = messages
        self.first_response_s: dict[int, float] = {}

    def routes(self) -> dict[str, Answering]:
        one = "/webhooks/{}/{}/messages/{}"
        return {
            "POST /interactions/{}/{}/callback": self._respond,
            "POST /webhooks/{}/{}": self._follow_up,
            f"GET {one}": lambda asked: (200, shapes.message(self._message(asked), self._world)),
            f"PATCH {one}": self._edit,
            f"DELETE {one}": self._delete,
        }

    def _respond(self, asked: Asked) -> Reply:
        one = self._world.interactions.get(asked.number(0))
        if one is None or one.token != asked.parts[1]:
            raise refusal(10062)
        self.first_response_s.setdefault(one.id, time.monotonic() - one.sent_at)
        if one.answered is not None:
            raise refusal(40060)
        if self._world.now_s() - one.made_s > FIRST_RESPONSE_S:
            raise refusal(10062)
        kind, body = asked.body.get("type"), asked.body.get("data") or {}
        if kind not in _ALLOWED[one.kind] or (kind in (6, 7) and one.message is None):
            form = Form()
            form.wrong(
                "type", "INTERACTION_CALLBACK_INVALID_TYPE", f"{kind} is no response to type {one.kind}."
            )
            form.close()
        message = self._first(one, kind, asked, body)
        one.answered = kind
        if asked.query.get("with_response", "").lower() not in ("1", "true"):
            return 204, None
        return 200, self._told(one, kind, message)

    def _first(self, one: Interaction, kind: int, asked: Asked, body: Json) -> Message | None:
        """Does what a response of this type does; the message that it made or changed."""
        if kind in (4, 5):
            return self._original(one, asked, body, loading=kind == 5)
        if kind in (6, 7):
            assert one.message is not None
            one.original = one.message
            return self._messages.edit(one.message, asked, body) if kind == 7 else one.message
        if kind == 8:
            check_choices(body.get("choices") or [])
            one.choices = body.get("choices") or []
        if kind == 9:
            check_modal(body)
            one.modal = body
        return None

    def _original(self, one: Interaction, asked: Asked, body: Json, *, loading: bool) -> Message:
        hidden = (body.get("flags") or 0) & EPHEMERAL
        one.original = self._messages.create(
            one.channel,
            asked,
            {} if loading else body,
            ephemeral_to=one.user.id if hidden else None,
            made_by=one,
            flags=hidden,
            loading=loading,
        )
        self._events.message("MESSAGE_CREATE", one.original)
        return one.original

    def _told(self, one: Interaction, kind: int, message: Message | None) -> Json:
        told: Json = {"id": str(one.id), "type": one.kind}
        resource: Json = {"type": kind}
        if message is not None:
            told |= {
                "response_message_id": str(message.id),
                "response_message_loading": message.loading,
                "response_message_ephemeral": message.ephemeral_to is not None,
            }
            if kind in (4, 7):
                resource["message"] = shapes.message(message, self._world)
        return {"interaction": told, "resource": resource}

    def _running(self, asked: Asked) -> Interaction:
        """The interaction of a webhook's token, while that holds."""
        one = self._world.by_token.get(asked.parts[1])
        if asked.number(0) != self._world.bot.id or (one is not None and one.answered is None):
            raise refusal(10015)
        if one is None or self._world.now_s() - one.made_s > TOKEN_S:
            raise refusal(50027)
        return one

    def _message(self, asked: Asked) -> Message:
        one = self._running(asked)
        made = one.followups if one.original is None else [one.original, *one.followups]
        if asked.parts[2] == "@original":
            found = one.original
        else:
            found = next((message for message in made if message.id == asked.number(2)), None)
        if found is None or found.deleted:
            raise refusal(10008)
        return found

    def _edit(self, asked: Asked) -> Reply:
        message = self._messages.edit(self._message(asked), asked, asked.body)
        return 200, shapes.message(message, self._world)

    def _delete(self, asked: Asked) -> Reply:
        self._messages.delete(self._message(asked))
        return 204, None

    def _follow_up(self, asked: Asked) -> Reply:
        one, body = self._running(asked), asked.body
        if one.original is not None and one.original.loading and one.answered == 5:
            # The first followup takes the place of "is thinking"; who sees it was settled with that.
            message = self._messages.edit(one.original, asked, body)
            return 200, shapes.message(message, self._world)
        guild = one.channel.guild
        outside = one.by_user_install and (guild is None or not guild.has_bot)
        if outside and len(one.followups) >= FOLLOWUPS_OF_USER_INSTALLS:
            raise refusal(40094)
        hidden = (body.get("flags") or 0) & EPHEMERAL
        message = self._messages.create(
            one.channel,
            asked,
            body,
            ephemeral_to=one.user.id if hidden else None,
            made_by=one,
            flags=hidden,
        )
        one.followups.append(message)
        self._events.message("MESSAGE_CREATE", message)
        return 200, shapes.message(message, self._world)
