"""A system message that somebody reads is known to all who begin with it."""

from __future__ import annotations

import gc
from typing import cast

from models.engine.context import Context
from models.engine.ended import EndedPrompts
from models.engine.prompts import Part, Prompt
from models.engine.sequences import MOST_PREFIXES, Sequences


def prompt(number: int) -> Prompt:
    return Prompt((Part((number, 1, 2)),), head=1)


def sequences() -> Sequences:
    return Sequences(cast("Context", None), EndedPrompts(0), lora=None, count=1, most_idle=1)


def test_system_message_in_use_is_one_however_many_come_after_it() -> None:
    """A block that waits for it may be wanted by a later question too."""
    known = sequences()
    used = known.prefix(prompt(0))
    for number in range(1, 2 * MOST_PREFIXES):
        known.prefix(prompt(number))
    assert used is not None
    assert known.prefix(prompt(0)) is used


def test_system_messages_that_nobody_uses_are_forgotten_but_for_the_last() -> None:
    known = sequences()
    for number in range(2 * MOST_PREFIXES):
        prefix = known.prefix(prompt(number))
        assert prefix is not None
        prefix.state = b"read"
    del prefix
    gc.collect()
    last, first = known.prefix(prompt(2 * MOST_PREFIXES - 1)), known.prefix(prompt(0))
    assert last is not None
    assert last.state == b"read"
    assert first is not None
    assert first.state is None


def test_prompt_without_a_system_message_has_no_prefix() -> None:
    assert sequences().prefix(Prompt((Part((1, 2)),), head=0)) is None
