"""Turns in rotation: what is told about the order is what happens."""

from __future__ import annotations

import random

from models.engine.round_robin import RoundRobin


def taken(line: RoundRobin[str]) -> list[str]:
    items = []
    while (item := line.take()) is not None:
        items.append(item)
    return items


def test_askers_take_turns_and_one_askers_items_keep_their_order() -> None:
    line = RoundRobin[str]()
    for asker, item in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")]:
        line.join(asker, item)

    assert line.order() == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert taken(line) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_new_asker_comes_after_the_turns_of_those_who_wait() -> None:
    line = RoundRobin[str]()
    for asker, item in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2")]:
        line.join(asker, item)
    assert line.take() == "a1"
    line.join("c", "c1")

    assert taken(line) == ["b1", "a2", "c1", "b2"]


def test_an_item_in_two_lines_is_taken_once_at_its_first_turn() -> None:
    line = RoundRobin[str]()
    for asker, item in [("a", "a1"), ("a", "a2"), ("a", "both"), ("b", "both"), ("b", "b2")]:
        line.join(asker, item)

    assert taken(line) == ["a1", "both", "a2", "b2"]


def test_removed_items_leave_no_empty_turn() -> None:
    line = RoundRobin[str]()
    for asker, item in [("a", "a1"), ("b", "b1"), ("c", "c1")]:
        line.join(asker, item)
    line.remove("b1")
    line.remove("never there")

    assert taken(line) == ["a1", "c1"]
    assert line.take() is None


def test_order_and_places_hold_whatever_joins_and_leaves() -> None:
    chance = random.Random(7)
    line = RoundRobin[int]()
    for _ in range(2000):
        match chance.randrange(4):
            case 0 | 1:
                asker, item = chance.choice("abcde"), chance.randrange(40)
                place = line.place(asker, item)
                line.join(asker, item)
                assert line.order().index(item) + 1 == place
            case 2:
                line.remove(chance.randrange(40))
            case 3:
                order = line.order()
                assert line.take() == (order[0] if order else None)
                assert line.order() == order[1:]


def test_a_newcomer_stands_before_those_who_are_having_a_turn() -> None:
    line = RoundRobin[str]()
    line.join("idle", "idle 1")
    line.join("heavy", "heavy 1")
    line.join("heavy", "heavy 2", now={"heavy"})
    assert line.place("light", "light 1", now={"heavy"}) == 2
    line.join("light", "light 1", now={"heavy"})
    line.join("late", "late 1", now={"heavy"})
    line.join("more", "more 1", now={"heavy", "more"})
    assert line.order() == ["idle 1", "light 1", "late 1", "heavy 1", "more 1", "heavy 2"]
    assert taken(line) == ["idle 1", "light 1", "late 1", "heavy 1", "more 1", "heavy 2"]
