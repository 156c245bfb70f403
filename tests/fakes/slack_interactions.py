"""How people use what the app shows: commands, shortcuts, buttons, modals.

Rule: payloads are those that Slack publishes; what an acknowledgement asks for is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from tests.fakes import slack_methods as methods
from tests.fakes.slack_limits import check_view
from tests.fakes.slack_shapes import block_id, message_object, view_object
from tests.fakes.slack_sockets import Delivery, EnvelopeKind, Sockets
from tests.fakes.slack_web import respond
from tests.fakes.slack_world import APP, TEAM, Json, Pass, Refused, View, World

_NAMES = {"im": "directmessage", "private": "privategroup"}


class Interactions:
    """What is pressed, typed and sent off; each deed is callable from any thread.

    A deed that names what is not there raises KeyError, because it is the test that is wrong then.
    """

    world: World
    sockets: Sockets

    def command(self, user: str, channel: str, command: str, text: str = "") -> Delivery:
        """Types a slash command; it works in channels that the app is not in."""
        with self.world.lock:
            place = self.world.channels[channel]
            given = Pass(user, channel, self.world.clock.now())
            sender = self.world.users[user]
            payload = {
                "token": "verification-token",
                "team_id": TEAM,
                "team_domain": self.world.teams[TEAM].domain,
                "channel_id": channel,
                "channel_name": _NAMES.get(place.kind, place.name),
                "user_id": user,
                "user_name": sender.name,
                "command": command,
                "text": text,
                "api_app_id": APP,
                "is_enterprise_install": "false",
                "response_url": self._response_url(given),
                "trigger_id": self._trigger(given),
            }
            return self._interact("slash_commands", payload, given)

    def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Delivery:
        """Uses a message shortcut on a message; it works in channels that the app is not in."""
        with self.world.lock:
            message = self.world.written(channel, ts)
            given = Pass(user, channel, self.world.clock.now(), ts)
            payload = self._about(user, "message_action", given) | {
                "channel": self._channel_named(channel),
                "callback_id": callback_id,
                "action_ts": self.world.next_ts(),
                "message_ts": ts,
                "message": message_object(self.world, message),
                "response_url": self._response_url(given),
            }
            return self._interact("interactive", payload, given)

    def click(self, user: str, channel: str, ts: str, action_id: str, value: Any = None) -> Delivery:
        """Presses a button of a message or chooses from it; with `value` another one than it has.

        An `action_id` that no element has is sent as a forged button's.
        """
        with self.world.lock:
            message = self.world.written(channel, ts)
            given = Pass(user, channel, self.world.clock.now(), ts)
            alone = message.ephemeral_for is not None
            container: Json = {
                "type": "message",
                "message_ts": ts,
                "channel_id": channel,
                "is_ephemeral": alone,
            } | ({"thread_ts": message.thread_ts} if message.thread_ts else {})
            payload = self._about(user, "block_actions", given) | {
                "api_app_id": APP,
                "container": container,
                "channel": self._channel_named(channel),
                "state": {"values": {}},
                "response_url": self._response_url(given),
                "actions": [self._action(message.blocks, action_id, value)],
            }
            if not alone:
                payload["message"] = message_object(self.world, message)
            return self._interact("interactive", payload, given)

    def click_view(self, user: str, view_id: str, action_id: str, value: Any = None) -> Delivery:
        """Presses a button of a modal or of the home tab."""
        with self.world.lock:
            view = self.world.views[view_id]
            given = Pass(user, "", self.world.clock.now(), view=view_id)
            payload = self._about(user, "block_actions", given) | {
                "api_app_id": APP,
                "container": {"type": "view", "view_id": view_id},
                "view": view_object(view),
                "actions": [self._action(view.body["blocks"], action_id, value)],
            }
            return self._interact("interactive", payload, given)

    def submit_view(self, user: str, view_id: str, values: Mapping[str, Any]) -> Delivery:
        """Sends a modal off; `values` are by action_id, text, an option's value or a list of these.

        What the acknowledgement asks for is done: errors stand in the view's `errors`, else it closes.
        """
        with self.world.lock:
            view = self.world.views[view_id]
            for block in view.body["blocks"]:
                element = block.get("element", {})
                if block["type"] == "input" and element.get("action_id") in values:
                    typed = _typed(element, values[element["action_id"]])
                    view.state.setdefault(_named(block), {})[element["action_id"]] = typed
            given = Pass(user, "", self.world.clock.now(), view=view_id)
            payload = self._about(user, "view_submission", given)
            payload |= {"api_app_id": APP, "view": view_object(view), "response_urls": []}
            delivery = Delivery("interactive", payload, on_ack=lambda ack: self._submitted(view, ack))
            return self.sockets.deliver(delivery)

    def close_view(self, user: str, view_id: str) -> Delivery | None:
        """Closes a modal without sending it; the app hears of it only where the view says so."""
        with self.world.lock:
            view = self.world.views[view_id]
            view.open = False
            if not view.body.get("notify_on_close"):
                return None
            payload = self._about(user, "view_closed", Pass(user, "", self.world.clock.now()))
            del payload["trigger_id"]
            closed = {"api_app_id": APP, "view": view_object(view), "is_cleared": False}
            return self.interact(payload | closed)

    def interact(self, payload: Json, kind: EnvelopeKind = "interactive") -> Delivery:
        """Sends any payload of an interaction or a command, as it stands."""
        with self.world.lock:
            return self.sockets.deliver(Delivery(kind, payload))

    def _trigger(self, given: Pass) -> str:
        ident = f"{self.world.new_id('')}.{TEAM}.{uuid.uuid4().hex}"
        self.world.triggers[ident] = given
        return ident

    def _response_url(self, given: Pass) -> str:
        key = uuid.uuid4().hex
        self.world.response_urls[key] = Pass(given.user, given.channel, given.made, given.message_ts)
        return f"{self.world.url.removesuffix('api/')}respond/{key}"

    def _channel_named(self, ident: str) -> Json:
        channel = self.world.channels[ident]
        return {"id": ident, "name": _NAMES.get(channel.kind, channel.name)}

    def _about(self, user: str, kind: str, given: Pass) -> Json:
        sender = self.world.users[user]
        return {
            "type": kind,
            "team": {"id": TEAM, "domain": self.world.teams[TEAM].domain},
            "user": {"id": user, "username": sender.name, "name": sender.name, "team_id": sender.team_id},
            "token": "verification-token",
            "trigger_id": self._trigger(given),
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _interact(self, kind: EnvelopeKind, payload: Json, given: Pass) -> Delivery:
        def answered(ack: Json) -> None:
            if kind == "slash_commands" and (ack.get("text") or ack.get("blocks")):
                with self.world.lock:
                    respond(self.world, given, ack)

        return self.sockets.deliver(Delivery(kind, payload, on_ack=answered))

    def _action(self, blocks: list[Json], action_id: str, value: Any) -> Json:
        block, element = _element(blocks, action_id)
        action: Json = {
            "type": element.get("type", "button"),
            "action_id": action_id,
            "block_id": _named(block),
        }
        action["action_ts"] = self.world.next_ts()
        if action["type"].endswith(("select", "checkboxes", "radio_buttons", "overflow")):
            return action | _typed(element, value)
        if action["type"] == "feedback_buttons":
            value = value if value is not None else element["positive_button"]["value"]
        told = {"value": value if value is not None else element.get("value")}
        return action | told | ({"text": element["text"]} if "text" in element else {})

    def _submitted(self, view: View, ack: Json) -> None:
        with self.world.lock:
            asked = ack.get("response_action")
            try:
                if asked == "errors":
                    view.errors = ack["errors"]
                elif asked == "update":
                    methods.replace_view(self.world, view, check_view(ack["view"], "modal"))
                elif asked == "push":
                    methods.push_view(self.world, view, check_view(ack["view"], "modal"))
                else:
                    view.open = False
            except Refused as refused:
                view.errors = {"": refused.code}


def _element(blocks: list[Json], action_id: str) -> tuple[Json, Json]:
    """The block and the element with this action_id, empty ones where there is none."""
    for block in blocks:
        inner = [*block.get("elements", []), block.get("accessory") or {}, block.get("element") or {}]
        for one in inner:
            if isinstance(one, dict) and one.get("action_id") == action_id:
                return block, one
        if block.get("child_blocks") and (found := _element(block["child_blocks"], action_id))[1]:
            return found
    return {}, {}


def _named(block: Json) -> str:
    return str(block.get("block_id") or block_id(str(block)))


def _typed(element: Json, value: Any) -> Json:
    """The state of an input element that holds `value`."""
    kind = element["type"]
    if kind in ("checkboxes", "multi_static_select"):
        chosen = [one for one in element["options"] if one["value"] in value]
        return {"type": kind, "selected_options": chosen}
    if kind in ("static_select", "radio_buttons", "overflow"):
        chosen = [one for one in element["options"] if one["value"] == value]
        return {"type": kind, "selected_option": chosen[0] if chosen else None}
    if kind.startswith("multi_"):
        return {"type": kind, f"selected_{kind.split('_')[1]}": list(value)}
    if kind.endswith("_select"):
        return {"type": kind, f"selected_{kind.removesuffix('_select').removesuffix('s')}": value}
    return {"type": kind, "value": value}
