"""Every message survives its line, and a line that is no message is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.generator import Turn
from models.engine.settings import EnginePlan, Lora
from models.engine.wire import (
    Alive,
    Cancel,
    Count,
    Failure,
    Generate,
    Load,
    Number,
    Offer,
    Piece,
    Prepare,
    Ready,
    Reply,
    Request,
    WireError,
    decode_reply,
    decode_request,
    encode,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(ANY_TEXT)
def test_every_request_survives_its_line(text: str) -> None:
    turns = (Turn("system", text), Turn("user", text[::-1] + "xy", ((0, 1), (1, 2))))
    loras = (Lora("voice", "/models/ö.gguf", "0" * 64, 0.5),)
    plan = EnginePlan("/models/ä.gguf", 4096, 2, 0, "q8_0", "auto", 256, repack=True, loras=loras)
    requests: list[Request] = [
        Load(plan),
        Count(1, turns),
        Generate(2, turns, 64, 1.5, ("\n", text), 0.7, 0.9, 3, 'root ::= "a"', text, "voice"),
        Prepare(3, turns, None),
        Offer(loras[0]),
        Cancel(2),
    ]
    for request in requests:
        line = encode(request)
        assert line.count(b"\n") == 1
        assert decode_request(line) == request


@given(ANY_TEXT)
def test_every_reply_survives_its_line(text: str) -> None:
    replies: list[Reply] = [
        Ready(1, 4096, "model", 0.4),
        Alive(),
        Piece(2, text, 10, 5, 1, "stop"),
        Number(3, 5),
        Failure(None, "broken", text),
    ]
    for reply in replies:
        assert decode_reply(encode(reply)) == reply


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"llama_decode: failed\n",
        b"[]\n",
        b"{}\n",
        b'{"say": "Piece"}\n',
        b'{"say": "Nap", "id": 1}\n',
    ],
)
def test_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        decode_reply(line)
    with pytest.raises(WireError):
        decode_request(line)


def test_turn_of_an_unknown_role_is_refused() -> None:
    with pytest.raises(WireError):
        decode_request(b'{"say": "Count", "id": 1, "turns": [{"role": "root", "text": "x"}]}\n')
