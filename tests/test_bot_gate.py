"""The gate: chance is let through, harm is not, and the line says which measure it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.gate import Item, blocked, compare, worsened


def items(right: str, *, must: str = "", answerable: int = 35) -> tuple[Item, ...]:
    """A question for each sign of `right`: "x" is right, "." is wrong; `must` names the numbers of some."""
    found = []
    for number, sign in enumerate(right):
        value = float(sign == "x")
        own = {"right_answers": value, "false_refusals": 1 - value} if number < answerable else {}
        own |= {} if number < answerable else {"right_refusals": value}
        values = {"right": value, "citations_resolved": 1.0, **own}
        found.append(Item(str(number), f"d{number}", str(number) in must.split(), values, 10))  # type: ignore[arg-type]
    return tuple(found)


BEFORE = "x" * 25 + "." * 10 + "x" * 8 + "." * 7


def changed(*, lost: tuple[int, ...] = (), won: tuple[int, ...] = ()) -> str:
    signs = list(BEFORE)
    for number in lost:
        assert signs[number] == "x"
        signs[number] = "."
    for number in won:
        assert signs[number] == "."
        signs[number] = "x"
    return "".join(signs)


def test_what_is_surely_better_passes() -> None:
    assert blocked(items(changed(won=(25, 26, 27, 28, 29))), items(BEFORE)) is None


def test_what_is_the_same_passes_only_where_that_is_enough() -> None:
    reason = blocked(items(BEFORE), items(BEFORE))
    assert reason is not None
    assert "right answers and right refusals: 66.0% against 66.0% of 50" in reason
    assert "no better than chance explains" in reason
    assert blocked(items(BEFORE), items(BEFORE), equal_is_enough=True) is None


def test_one_question_lost_of_a_small_set_is_chance_and_two_are_not() -> None:
    one, two = items(changed(lost=(40,))), items(changed(lost=(40, 41)))
    assert blocked(one, items(BEFORE), equal_is_enough=True) is None
    reason = blocked(two, items(BEFORE), equal_is_enough=True)
    assert reason is not None
    assert reason.startswith("right refusals: 40.0% against 53.3% of 15")


def test_gain_in_answers_does_not_pay_for_lost_refusals() -> None:
    both = items(changed(won=tuple(range(25, 35)), lost=(35, 36, 37)))
    reason = blocked(both, items(BEFORE))
    assert reason is not None
    assert reason.startswith("right refusals")


def test_more_false_refusals_are_named_as_such() -> None:
    # Right and wrong are even, but what was answered wrongly before is refused now.
    before = [Item(str(n), str(n), False, {"right": 0.0, "false_refusals": 0.0}, 1) for n in range(30)]  # noqa: FBT003
    now = [Item(str(n), str(n), False, {"right": 0.0, "false_refusals": float(n < 9)}, 1) for n in range(30)]  # noqa: FBT003
    reason = worsened(now, before)
    assert reason is not None
    assert reason.startswith("false refusals: 30.0% against 0.0% of 30")
    assert worsened(before, now) is None


def test_question_that_must_be_right_may_not_be_lost_whatever_is_won() -> None:
    better = changed(won=tuple(range(25, 33)), lost=(3,))
    assert blocked(items(better), items(BEFORE)) is None
    reason = blocked(items(better, must="3"), items(BEFORE, must="3"))
    assert reason == "the question '3', which must be right, is right no more"
    assert blocked(items(changed(won=tuple(range(25, 31))), must="33"), items(BEFORE, must="33")) is None


def test_many_questions_may_lose_as_much_as_the_margin_says() -> None:
    before = "x" * 400
    few, many = "." * 4 + "x" * 396, "." * 20 + "x" * 380
    assert worsened(items(few, answerable=400), items(before, answerable=400)) is None
    assert worsened(items(many, answerable=400), items(before, answerable=400)) is not None
    assert worsened(items(many, answerable=400), items(before, answerable=400), margin=0.1) is None


def test_target_that_was_not_measured_blocks() -> None:
    reason = blocked(items(BEFORE), items(BEFORE), target="squad_f1")
    assert reason == "overall F1 (SQuAD) were not measured; evaluate with the questions for them"


def test_only_questions_that_were_asked_both_ways_are_compared() -> None:
    (found, *_) = compare(items("xx..", answerable=4), items("x.", answerable=4))
    assert (found.n, found.won, found.lost) == (2, 1, 0)


def test_the_same_figures_come_out_every_time() -> None:
    ways = items(changed(won=(25, 27), lost=(1,))), items(BEFORE)
    assert compare(*ways) == compare(*ways)


def test_over_a_few_documents_nothing_is_surely_better_and_a_loss_is_no_less() -> None:
    def about(documents: int, right: str) -> tuple[Item, ...]:
        return tuple(
            replace(item, document=f"d{number % documents}")
            for number, item in enumerate(items(right, answerable=100))
        )

    before = "x" * 60 + "." * 40
    won = before.replace(".", "x", 8)
    reason = blocked(about(4, won), about(4, before))
    assert reason is not None
    assert "the questions are about 4 documents" in reason
    assert blocked(about(4, won), about(4, before), equal_is_enough=True) is None
    assert blocked(about(100, won), about(100, before)) is None
    lost = before.replace("x", ".", 8)
    for documents in (1, 4, 100):
        worse = worsened(about(documents, lost), about(documents, before))
        assert worse is not None
        assert "it is worse" in worse


@pytest.mark.parametrize("count", [1, 2])
def test_very_small_sets_are_compared_too(count: int) -> None:
    found = compare(items("x" * count), items("." * count))
    assert {one.n for one in found} == {count}
