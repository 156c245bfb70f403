"""Differences between two ways of answering, with their intervals."""

from __future__ import annotations

import random

import pytest

from bot.evaluation.intervals import paired_difference


def test_an_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    chance = random.Random(1)
    held = 0
    for seed in range(200):
        shifts = [chance.gauss(0.1, 0.2) for _ in range(30)]
        ones = [shift + chance.gauss(0, 0.3) for shift in shifts for _ in range(5)]
        documents = [str(place // 5) for place in range(150)]
        found = paired_difference(ones, [0.0] * 150, documents, resamples=400, seed=seed)
        held += found.low <= 0.1 <= found.high
    assert 176 <= held <= 199  # 190 are expected; a bootstrap over 30 documents gives a little less


def test_questions_of_one_document_count_as_one() -> None:
    ones = [1.0] * 50 + [0.0] * 50
    alone = paired_difference(ones, [0.4] * 100, [str(n) for n in range(100)])
    together = paired_difference(ones, [0.4] * 100, ["a"] * 50 + ["b"] * 50)
    assert alone.mean == together.mean == pytest.approx(0.1)
    assert alone.high - alone.low < 0.25
    assert together.high - together.low == pytest.approx(1.0)
    assert not together.sure


def test_the_same_seed_gives_the_same_interval() -> None:
    ones, others = [1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]
    first = paired_difference(ones, others, list("abcd"), seed=3)
    assert first == paired_difference(ones, others, list("abcd"), seed=3)
    assert first.mean == pytest.approx(0.5)


def test_values_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="both ways"):
        paired_difference([1.0], [1.0, 0.0], ["a"])
    with pytest.raises(ValueError, match="both ways"):
        paired_difference([], [], [])
