"""Votes by LoRA: counted where an answer names one, and compared only where there are enough."""

from __future__ import annotations

import pytest

from bot.answer import Answer
from bot.asked import Asked
from bot.inbox import Entry
from bot.journal import Vote
from bot.lora_votes import Votes, count_votes, differences
from bot.platform import Reply
from models.engine.generator import ModelIdentity

HOUSE = "a" * 64


def voted(verdict: str, lora: str | None, *, channel: str = "C1", model: bool = True) -> tuple[Entry, Vote]:
    identity = ModelIdentity("model", "b" * 64, "house" if lora else None, lora) if model else None
    answer = Answer("?", "!", "answered", "en", "model", model=identity)
    asked = Asked("slack", "T1", channel, "U1", "?", "mention", 0.0)
    entry = Entry("q", 1, asked, 1, None, Reply("q", "answer", "!", answer), "answered")
    return entry, Vote("q", "slack:user:U1", "up" if verdict == "up" else "down", "")


def test_votes_are_counted_by_the_lora_of_the_answer() -> None:
    pairs = [voted("up", HOUSE), voted("up", HOUSE), voted("down", HOUSE), voted("down", None)]
    assert count_votes(pairs) == [Votes(HOUSE, "house", 2, 1), Votes(None, "no LoRA", 0, 1)]


def test_answers_without_a_model_and_of_other_channels_do_not_count() -> None:
    pairs = [voted("up", HOUSE), voted("up", HOUSE, channel="C2"), voted("up", None, model=False)]
    assert count_votes(pairs, channel="slack:channel:C1") == [Votes(HOUSE, "house", 1, 0)]


def test_few_votes_are_said_to_be_few() -> None:
    (found,) = differences([Votes(None, "no LoRA", 30, 10), Votes(HOUSE, "house", 19, 0)])
    assert found.few
    (found,) = differences([Votes(None, "no LoRA", 30, 10), Votes(HOUSE, "house", 20, 0)])
    assert not found.few


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)],
)
def test_difference_is_that_of_the_paper(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    # Newcombe 1998, table II, examples (a) and (b), his method 10.
    votes = [Votes(name, name, up, of - up) for name, (up, of) in (("b", other), ("a", one))]
    (found,) = differences(votes)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)
