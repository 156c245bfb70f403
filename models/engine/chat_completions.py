"""What is said to an OpenAI-compatible server, and what its replies mean.

Rule: values in, values out; nothing here waits, and nothing that a server says is taken to be well
formed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.engine.generator import Sampling, Turn
from models.errors import ModelUnavailable

Program = Literal["llama-server", "vllm", "other"]
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|context (length|size|window)|prompt is too long", re.I
)
_LISTED = 8
_WRONGS = 3
_STOPS = 4  # as many as OpenAI's own server takes; the answer is cut at each of them here anyway
_WORDS = re.compile(r"[A-Z]?[a-z]+|\s+|[^\x00-\x7f]|.", re.DOTALL)
_A_TURN = 8
_A_PROMPT = 40  # a template may bring a system message of its own


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server told about itself. `name` is the model to ask for, `names` is all it can be asked for.

    `context_tokens` is None where it does not tell.
    """

    name: str
    names: tuple[str, ...]
    program: Program
    context_tokens: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them."""

    prompt: int
    reused: int
    completion: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event of an answer said. `last` is set where nothing comes after it, `idle` where it only kept the
    connection alive."""

    text: str = ""
    finished: Literal["stop", "length"] | None = None
    usage: Usage | None = None
    last: bool = False
    idle: bool = False


def offer_of(models: object, props: object, wanted: str | None, server: str) -> Offer:
    """What the replies of /v1/models and, if there is one, /props offer.

    Raises ModelUnavailable, naming what `server` offers, when that is not what is `wanted`; None wants
    the only one.
    """
    by_name: dict[str, object] = {}  # some list a model twice
    for row in _list(_at(models, "data")):
        if isinstance(name := _at(row, "id"), str):
            by_name.setdefault(name, row)
    rows = list(by_name.values())
    names = tuple(dict.fromkeys(name for row in rows for name in _names(row)))
    if not rows:
        raise ModelUnavailable(f"{server} offers no model")
    if wanted is None:  # a LoRA of vLLM names the model it belongs to, and is no choice of its own
        found = [row for row in rows if not isinstance(_at(row, "parent"), str)]
        if len(found) != 1:
            raise ModelUnavailable(f"{server} offers several models, name one of them: {listed(names)}")
    else:  # Ollama's names may be said without their tag
        found = [row for row in rows if {wanted, f"{wanted}:latest"} & set(_names(row))]
        if not found:
            raise ModelUnavailable(f"{server} has no model {wanted!r}; it offers {listed(names)}")
    row = found[0]
    limits = [
        _whole(_at(row, "max_model_len")),
        _whole(_at(row, "meta", "n_ctx")),
        _whole(_at(props, "default_generation_settings", "n_ctx")),
    ]
    program: Program = "other"
    if _at(row, "owned_by") == "llamacpp" or limits[2] > 0:
        program = "llama-server"
    elif _at(row, "owned_by") == "vllm" or limits[0] > 0:
        program = "vllm"
    told = [limit for limit in limits if limit > 0]
    return Offer(wanted or str(_at(row, "id")), names, program, min(told) if told else None)


def listed(names: Sequence[str]) -> str:
    """Names for a message: the first of them, each not too long."""
    shown = [repr(name if len(name) <= 80 else name[:77] + "...") for name in names[:_LISTED]]
    return ", ".join(shown) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def request(
    model: str,
    turns: Sequence[Turn],
    program: Program,
    *,
    max_tokens: int,
    stop: Sequence[str],
    sampling: Sampling,
) -> dict[str, object]:
    """The body that asks for an answer; what is not of the OpenAI protocol is told to those who know it."""
    body: dict[str, object] = {
        "model": model,
        "messages": messages(turns),
        "max_tokens": max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed % 2**31,  # llama-server takes 2**32 - 1 for "any"
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if stops := [clean(text) for text in stop if text][:_STOPS]:
        body["stop"] = stops
    if sampling.temperature > 0 and program != "other":
        body |= {"top_k": -1, "min_p": 0.0}  # off, for both have defaults that cut more than top_p says
    if sampling.grammar is not None:
        grammar = clean(sampling.grammar)
        body |= (
            # The first is what vLLM took before 0.12, the second since 0.11; each ignores the other.
            {"guided_grammar": grammar, "structured_outputs": {"grammar": grammar}}
            if program == "vllm"
            else {"grammar": grammar}
        )
    return body


def kept_apart(program: Program, audience: str, *, mixed: bool) -> dict[str, object]:
    """What keeps a server from using again for one audience what it read for another.

    vLLM keeps what it read by salt. llama-server cannot tell audiences apart, so where they are `mixed`
    it is asked to read each prompt anew.
    """
    if program == "vllm" and audience:
        return {"cache_salt": hashlib.sha256(clean(audience).encode()).hexdigest()}
    return {"cache_prompt": False} if program == "llama-server" and mixed else {}


def messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """The turns as the protocol writes them."""
    return [{"role": turn.role, "content": clean(turn.text)} for turn in turns]


def chunk_of(event: str, server: str) -> Chunk:
    """What an event of an answer says; raises ModelUnavailable for one that is broken or an error."""
    if event.strip() == "[DONE]":
        return Chunk(last=True)
    try:
        found: object = json.loads(event)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelUnavailable(f"{server} sent an event that is no JSON object")
    if (said := complaint(found)) is not None:
        raise ModelUnavailable(f"{server} gave up: {said[:200]}")
    choice = _at(found, "choices", 0)
    text, reason = _at(choice, "delta", "content"), _at(choice, "finish_reason")
    if reason in ("abort", "error"):
        raise ModelUnavailable(f"{server} gave the answer up")
    finished: Literal["stop", "length"] | None = None
    if isinstance(reason, str) and reason:
        finished = "length" if reason == "length" else "stop"
    usage = _usage(found)
    idle = not finished and usage is None and not _says_something(_at(choice, "delta"))
    return Chunk(clean(text) if isinstance(text, str) else "", finished, usage, idle=idle)


def _says_something(delta: object) -> bool:
    """Whether there is more in a piece than whose it is: text, or thoughts, which every server names its own way."""
    return isinstance(delta, dict) and any(value for key, value in delta.items() if key != "role")


def complaint(reply: object) -> str | None:
    """What a reply says went wrong, whatever its status; None where it says nothing of the kind."""
    error = _at(reply, "error")
    if error is None and _at(reply, "choices") is None:
        marked = _at(reply, "object") == "error" or _at(reply, "detail") is not None
        error = reply if marked else None
    return None if error in (None, False, "") else words_of(error) or "no reason given"


def words_of(error: object) -> str:
    """The server's own words in an error, in one line: a text, an object, or FastAPI's list of what is wrong."""
    detail = _at(error, "detail")
    found = detail if isinstance(detail, list | dict) else error
    wrongs = found if isinstance(found, list) else [found]
    return "; ".join(filter(None, map(_words, wrongs[:_WRONGS])))


def _words(error: object) -> str:
    if isinstance(error, str):
        return one_line(error)
    said = [_at(error, key) for key in ("message", "msg", "detail", "type", "code")]
    words = one_line(", ".join(dict.fromkeys(word for word in said if isinstance(word, str))))
    place = one_line(".".join(map(str, _list(_at(error, "loc")))))
    return f"{place}: {words}" if place else words


def one_line(text: str) -> str:
    """`text` in one line of printable characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def says_too_long(said: str) -> bool:
    """Whether a server's words for a refusal mean that the prompt does not fit its context."""
    return _TOO_LONG.search(said) is not None


def prompt_of(reply: object) -> str | None:
    """The prompt in llama-server's reply to /apply-template."""
    found = _at(reply, "prompt")
    return found if isinstance(found, str) else None


def tokens_in(reply: object) -> int | None:
    """How many tokens a reply to /tokenize counts, llama-server's or vLLM's."""
    count = _whole(_at(reply, "count"))
    return count or len(_list(_at(reply, "tokens"))) or None


def estimate(turns: Sequence[Turn]) -> int:
    """Tokens of a prompt from above, where the server does not count.

    For ordinary text in any language it is more than the tokenizer of SmolLM2 makes, which knows 49,000
    tokens, most of them English, and half as much again for English. Larger vocabularies make fewer.
    """
    return _A_PROMPT + sum(
        _A_TURN + math.ceil(sum(map(_tokens, _WORDS.findall(turn.text)))) for turn in turns
    )


def _tokens(word: str) -> float:
    """A word of small letters is one token and more where it is long; a sign is one or more by its bytes."""
    if word[-1].islower() and word.isascii():
        return 1 + max(0, len(word) - 3) / 1.7
    if word.isspace():
        return 0 if word == " " else 1 + len(word) // 4
    if word < "\u0250":
        return 1 if word.isascii() else 2  # a letter with an accent parts its word in two
    return {2: 1.2, 3: 2.0}.get(len(word.encode("utf-8", "replace")), 4.0)


def clean(text: str) -> str:
    """`text` without halves of characters, which no JSON reader takes."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _usage(event: dict[object, object]) -> Usage | None:
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    return Usage(
        _whole(_at(usage, "prompt_tokens")),
        _whole(_at(usage, "prompt_tokens_details", "cached_tokens")),
        _whole(_at(usage, "completion_tokens")),
    )


def _names(row: object) -> list[str]:
    return [name for name in (_at(row, "id"), *_list(_at(row, "aliases"))) if isinstance(name, str)]


def _at(value: object, *path: str | int) -> object:
    """What stands at `path` of parsed JSON; None where there is nothing."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        else:
            return None
    return value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _whole(value: object) -> int:
    """A whole number that is not negative; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
