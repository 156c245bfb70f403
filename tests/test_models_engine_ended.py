"""What was read of ended prompts: whose it is, how much of it is kept, and what makes room."""

from __future__ import annotations

from models.engine.ended import Ended, EndedPrompts


def _put(kept: EndedPrompts, owner: str, tokens: str, size: int = 10) -> None:
    kept.put(Ended(owner, tuple(ord(sign) for sign in tokens), bytes(size)))


def _texts(kept: EndedPrompts, owner: str) -> list[str]:
    return ["".join(chr(token) for token in one.tokens if isinstance(token, int)) for one in kept.of(owner)]


def test_only_its_owner_goes_on_from_a_prompt() -> None:
    kept = EndedPrompts(100)
    _put(kept, "board", "abc")
    assert _texts(kept, "board") == ["abc"]
    assert _texts(kept, "guests") == []
    assert kept.has("board", [ord("a")])
    assert not kept.has("guests", [ord("a")])


def test_what_was_used_longest_ago_makes_room() -> None:
    kept = EndedPrompts(30)
    for text in ("a1", "b1", "c1"):
        _put(kept, "team", text)
    kept.used(kept.of("team")[0])
    _put(kept, "team", "d1")
    assert _texts(kept, "team") == ["c1", "a1", "d1"]


def test_a_conversation_is_kept_once_in_its_longest_form() -> None:
    kept = EndedPrompts(100)
    _put(kept, "team", "abc")
    _put(kept, "team", "x")
    _put(kept, "team", "abcde")
    _put(kept, "team", "ab")
    assert _texts(kept, "team") == ["x", "abcde"]


def test_a_state_larger_than_the_limit_pushes_nothing_out() -> None:
    kept = EndedPrompts(30)
    _put(kept, "team", "abc")
    _put(kept, "team", "x", size=31)
    assert _texts(kept, "team") == ["abc"]
    assert not EndedPrompts(0).keeps
