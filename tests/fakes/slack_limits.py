"""What Slack refuses for its size, its shape or its frequency.

Rule: limits are those of the published references; a check answers with Slack's own error code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.slack_world import Json, Refused

TEXT = 40_000
MARKDOWN = 12_000
_TIER_2, _TIER_3, _TIER_4 = 20, 50, 100

TIERS = {
    "apps.connections.open": 1,
    "chat.startStream": _TIER_2,
    "chat.stopStream": _TIER_2,
    "conversations.list": _TIER_2,
    "reactions.remove": _TIER_2,
    "usergroups.list": _TIER_2,
    "usergroups.users.list": _TIER_2,
    "users.list": _TIER_2,
    "agents.sessions.rename": _TIER_3,
    "agents.sessions.setStatus": _TIER_3,
    "assistant.threads.setSuggestedPrompts": _TIER_3,
    "assistant.threads.setTitle": _TIER_3,
    "bots.info": _TIER_3,
    "chat.delete": _TIER_3,
    "chat.update": _TIER_3,
    "conversations.history": _TIER_3,
    "conversations.info": _TIER_3,
    "conversations.open": _TIER_3,
    "conversations.replies": _TIER_3,
    "reactions.add": _TIER_3,
    "assistant.threads.setStatus": 60,
    "chat.postMessage": 60,
    "chat.appendStream": _TIER_4,
    "chat.postEphemeral": _TIER_4,
    "conversations.members": _TIER_4,
    "files.info": _TIER_4,
    "users.info": _TIER_4,
    "views.open": _TIER_4,
    "views.publish": _TIER_4,
    "views.push": _TIER_4,
    "views.update": _TIER_4,
    "auth.test": 600,
    "chat.getPermalink": 600,
}
"""Calls a minute."""

_PER_CHANNEL = {"chat.postMessage", "assistant.threads.setStatus"}
_AT_ONCE = {"apps.connections.open": 10, "chat.postMessage": 3}
_ELEMENTS = {"context": 10, "actions": 25, "context_actions": 5}
_TYPES = set(
    "actions alert card carousel container context context_actions divider file header image input markdown "
    "plan rich_text section table task_card video".split()
)


@dataclass(slots=True)
class _Bucket:
    left: float
    filled: float


@dataclass(slots=True)
class Rates:
    """Token buckets, one for each method, for some one a channel; `tiers` may be changed at any time.

    A minute's calls may come at once, but for chat.postMessage three and for apps.connections.open ten.
    """

    tiers: dict[str, int] = field(default_factory=lambda: dict(TIERS))
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def seconds_to_wait(self, method: str, arguments: Json, now: float) -> int:
        """0 where the call may be made, and counts it."""
        tier = self.tiers.get(method)
        if tier is None:
            return 0
        place = str(arguments.get("channel") or arguments.get("channel_id")) if method in _PER_CHANNEL else ""
        most = float(_AT_ONCE.get(method, tier))
        bucket = self._buckets.setdefault((method, place), _Bucket(most, now))
        bucket.left = min(most, bucket.left + (now - bucket.filled) * tier / 60)
        bucket.filled = now
        if bucket.left >= 1:
            bucket.left -= 1
            return 0
        return max(1, math.ceil((1 - bucket.left) * 60 / tier))


def check_markdown(text: object) -> str:
    if not isinstance(text, str):
        raise Refused("invalid_arguments")
    if len(text) > MARKDOWN:
        raise Refused("msg_too_long")
    return text


def check_blocks(blocks: object, *, most: int = 50) -> list[Json]:
    """The blocks, if a message (or, with `most` 100, a view) may have them.

    Raises:
        Refused: `invalid_blocks` with every fault named, or `msg_blocks_too_long`.
    """
    if not isinstance(blocks, list) or not all(isinstance(one, dict) for one in blocks):
        raise Refused("invalid_blocks_format")
    faults: list[str] = [f"no more than {most} items allowed"] if len(blocks) > most else []
    named = [one["block_id"] for one in blocks if one.get("block_id")]
    if len(named) != len(set(named)):
        faults.append("`block_id` already exists")
    for n, block in enumerate(blocks):
        faults.extend(f"[json-pointer:/blocks/{n}] {fault}" for fault in _faults(block))
    if faults:
        told = [f"[ERROR] {fault}" for fault in faults]
        raise Refused("invalid_blocks", errors=faults, response_metadata={"messages": told})
    if sum(len(one["text"]) for one in blocks if one["type"] == "markdown") > MARKDOWN:
        raise Refused("msg_blocks_too_long")
    return blocks


def check_view(view: object, kind: str) -> Json:
    """The view, if it may be shown as a `kind` of `modal` or `home`."""
    if not isinstance(view, dict) or view.get("type") != kind:
        raise Refused("invalid_arguments")
    faults: list[str] = []
    if kind == "modal":
        faults += _text(view.get("title"), 24, "title", plain=True)
        for name in ("submit", "close"):
            faults += _text(view[name], 24, name, plain=True) if view.get(name) else []
        if not view.get("submit") and any(one.get("type") == "input" for one in view.get("blocks", [])):
            faults.append("missing required field: submit")
    faults += _longest(view.get("private_metadata"), 3000, "private_metadata")
    faults += _longest(view.get("callback_id"), 255, "callback_id")
    if faults:
        raise Refused(
            "invalid_arguments", response_metadata={"messages": [f"[ERROR] {one}" for one in faults]}
        )
    check_blocks(view.get("blocks"), most=100)
    return view


def check_chunks(chunks: object) -> list[Json]:
    """The chunks of a stream, if it takes them."""
    if not isinstance(chunks, list):
        raise Refused("invalid_chunks")
    for chunk in chunks:
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if kind == "markdown_text" and isinstance(chunk.get("text"), str):
            check_markdown(chunk["text"])
        elif kind == "task_update" and chunk.get("id") and isinstance(chunk.get("title"), str):
            if len(chunk["title"]) > 256 or chunk.get("status") not in (
                "pending",
                "in_progress",
                "complete",
                "error",
            ):
                raise Refused("invalid_chunks")
        elif kind == "blocks":
            check_blocks(chunk.get("blocks"))
        elif kind != "plan_update" or not isinstance(chunk.get("title"), str):
            raise Refused("invalid_chunks")
    return chunks


def _faults(block: Json) -> list[str]:
    kind = block.get("type")
    if kind not in _TYPES:
        return [f"unsupported type: {kind}"]
    faults = _longest(block.get("block_id"), 255, "block_id")
    check = _CHECKS.get(str(kind))
    return faults + (check(block) if check is not None else [])


def _container(block: Json) -> list[str]:
    inner = block.get("child_blocks", [])
    faults = ["no more than 10 items allowed"] if len(inner) > 10 else []
    return faults + [fault for one in inner for fault in _faults(one)]


def _table(block: Json) -> list[str]:
    rows = block.get("rows", [])
    fits = rows and len(rows) <= 100 and all(len(row) <= 20 for row in rows)
    return [] if fits else ["no more than 100 rows of 20 cells allowed"]


def _has(name: str, kind: type) -> Callable[[Json], list[str]]:
    return lambda block: (
        [] if block.get(name) and isinstance(block[name], kind) else [f"missing required field: {name}"]
    )


def _section(block: Json) -> list[str]:
    faults: list[str] = []
    fields = block.get("fields")
    if block.get("text") is None and not fields:
        faults.append("missing required field: text")
    if block.get("text") is not None:
        faults += _text(block["text"], 3000, "text")
    if fields is not None:
        faults += ["no more than 10 items allowed [fields]"] if len(fields) > 10 else []
        faults += [fault for one in fields for fault in _text(one, 2000, "fields")]
    return faults + (_element(block["accessory"]) if block.get("accessory") else [])


def _element_list(block: Json) -> list[str]:
    kind = block["type"]
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        return ["missing required field: elements"]
    faults = [f"no more than {_ELEMENTS[kind]} items allowed"] if len(elements) > _ELEMENTS[kind] else []
    actions = [one.get("action_id") for one in elements if one.get("action_id")]
    if len(actions) != len(set(actions)):
        faults.append("`action_id` already exists")
    for one in elements:
        if kind == "context":
            known = one.get("type") in ("mrkdwn", "plain_text")
            faults += _text(one, 3000, "elements") if known else []
            faults += (
                []
                if known or one.get("type") in ("image", "user")
                else [f"unsupported type: {one.get('type')}"]
            )
        elif kind == "context_actions" and one.get("type") not in ("feedback_buttons", "icon_button"):
            faults.append(f"unsupported type: {one.get('type')}")
        else:
            faults += _element(one)
    return faults


def _element(element: Any) -> list[str]:
    if not isinstance(element, dict) or not element.get("type"):
        return ["missing required field: element"]
    kind = element["type"]
    faults = _longest(element.get("action_id"), 255, "action_id")
    if kind in ("button", "icon_button"):
        faults += _text(element.get("text"), 75, "text", plain=True)
        faults += _longest(element.get("value"), 2000, "value") + _longest(element.get("url"), 3000, "url")
        if element.get("style") not in (None, "primary", "danger"):
            faults.append("invalid style")
    elif kind == "feedback_buttons":
        for name in ("positive_button", "negative_button"):
            faults += _text(element.get(name, {}).get("text"), 75, name, plain=True)
            faults += _longest(element.get(name, {}).get("value"), 2000, name)
    elif kind == "plain_text_input" and not 0 < int(element.get("max_length") or 3000) <= 3000:
        faults.append("max_length out of range")
    options = element.get("options", [])
    faults += ["no more than 100 items allowed [options]"] if len(options) > 100 else []
    for one in options:
        faults += _text(one.get("text"), 75, "options") + _longest(one.get("value"), 150, "value")
    return faults


def _text(value: Any, most: int, name: str, *, plain: bool = False) -> list[str]:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return [f"missing required field: {name}"]
    if value.get("type") not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        return [f"unsupported type: {value.get('type')} [{name}]"]
    if not value["text"]:
        return [f"must be more than 0 characters [{name}]"]
    return _longest(value["text"], most, name)


def _longest(value: Any, most: int, name: str) -> list[str]:
    if value is not None and (not isinstance(value, str) or len(value) > most):
        return [f"must be less than {most + 1} characters [{name}]"]
    return []


_CHECKS: dict[str, Callable[[Json], list[str]]] = {
    "section": _section,
    "header": lambda block: _text(block.get("text"), 150, "text", plain=True),
    "markdown": _has("text", str),
    "image": _has("alt_text", str),
    "rich_text": _has("elements", list),
    "carousel": _has("elements", list),
    "input": lambda block: (
        _text(block.get("label"), 2000, "label", plain=True) + _element(block.get("element"))
    ),
    "container": _container,
    "table": _table,
} | dict.fromkeys(_ELEMENTS, _element_list)
