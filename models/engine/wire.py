"""What the parent and the model's child process say to each other: one JSON object a line.

Rule: both sides speak only through the values below; a line that is none of them is a WireError,
and the first line of a child names its version, so that two versions never half understand each
other. Parent to child: Load once, then Count, Generate, Prepare, Offer and Cancel in any order. Child to
parent: Ready once, then for each request any number of Pieces and exactly one end, which is a Piece
with `finished`, a Number, or a Failure; and Alive whenever work goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from models.engine.generator import Role, Turn
from models.engine.settings import EnginePlan, Lora

VERSION = 3
Finish = Literal["stop", "length", "cancelled", "deadline"]


class WireError(ValueError):
    """A line that is not part of the protocol."""


@dataclass(frozen=True, slots=True)
class Load:
    """The first line the child gets."""

    plan: EnginePlan


@dataclass(frozen=True, slots=True)
class Count:
    """Asks for the tokens of a prompt."""

    id: int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Generate:
    """Asks for an answer. `deadline_s` counts from the moment the child reads the line.

    `begun` is what a child that died had written of the answer; the pieces go on after it.
    """

    id: int
    turns: tuple[Turn, ...]
    max_tokens: int
    deadline_s: float | None = None
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    grammar: str | None = None
    audience: str = ""
    lora: str | None = None
    begun: str = ""
    avoid: str = ""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Asks that the blocks of a prompt be read ahead, when there is nothing else to do."""

    id: int
    turns: tuple[Turn, ...]
    lora: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Names a LoRA that requests may ask for from now on; has no reply."""

    lora: Lora


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ends a request; it still gets its end."""

    id: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded. `template` says where the chat template came from."""

    version: int
    context_tokens: int
    template: Literal["model", "chatml"]
    load_s: float


@dataclass(frozen=True, slots=True)
class Alive:
    """The child has made progress that has no text yet."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer; the fields mean what they mean in `Delta`."""

    id: int
    text: str
    prompt_tokens: int
    reused_tokens: int
    completion_tokens: int
    finished: Finish | None = None
    avoided: float | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """The end of a Count (tokens) or a Prepare (blocks that were read)."""

    id: int
    value: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a request that cannot be met, or, with `id` None, of the child's own loading.

    "died" is what the parent itself tells to the requests of a child that is gone.
    """

    id: int | None
    error: Literal["too_long", "unavailable", "broken", "died"]
    message: str


Request: TypeAlias = Load | Count | Generate | Prepare | Offer | Cancel
Reply: TypeAlias = Ready | Alive | Piece | Number | Failure

_REQUESTS: Mapping[str, type[Request]] = {
    kind.__name__: kind for kind in (Load, Count, Generate, Prepare, Offer, Cancel)
}
_REPLIES: Mapping[str, type[Reply]] = {kind.__name__: kind for kind in (Ready, Alive, Piece, Number, Failure)}
_ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def encode(message: Request | Reply) -> bytes:
    """One line with its newline, ASCII only, whatever characters the texts hold."""
    return json.dumps({"say": type(message).__name__, **asdict(message)}).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """The inverse of `encode` for what the parent says; raises WireError."""
    name, fields = _fields(line)
    try:
        if "turns" in fields:
            fields["turns"] = tuple(_turn(turn) for turn in fields["turns"])
        if "plan" in fields:
            plan = fields["plan"]
            plan["loras"] = tuple(Lora(**lora) for lora in plan["loras"])
            fields["plan"] = EnginePlan(**plan)
        if name == Offer.__name__:
            fields["lora"] = Lora(**fields["lora"])
        if "stop" in fields:
            fields["stop"] = tuple(fields["stop"])
        return _REQUESTS[name](**fields)
    except (KeyError, TypeError) as error:
        raise WireError(f"not a request: {line[:80]!r}") from error


def decode_reply(line: bytes) -> Reply:
    """The inverse of `encode` for what the child says; raises WireError."""
    name, fields = _fields(line)
    try:
        return _REPLIES[name](**fields)
    except (KeyError, TypeError) as error:
        raise WireError(f"not a reply: {line[:80]!r}") from error


def _turn(fields: dict[str, Any]) -> Turn:
    blocks = tuple((int(start), int(end)) for start, end in fields["blocks"])
    return Turn(_ROLES[fields["role"]], fields["text"], blocks)


def _fields(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise WireError(f"not a line of JSON: {line[:80]!r}") from error
    if not isinstance(fields, dict):
        raise WireError(f"not an object: {line[:80]!r}")
    return str(fields.pop("say", "")), fields
