"""What a question's words alone tell of whether it has an answer, and that nothing is learned from it."""

from __future__ import annotations

import random

import pytest

from bot.evaluation.golden import GoldenQuestion
from bot.judging.question_alone import guesses, levelled, told

TOPICS = ("the gate", "the boat", "the lamp", "the hall", "the van", "the desk", "the oven", "the key")


def _sets(
    manners: tuple[str, str], share: float, *, sets: int = 9, each: int = 60
) -> dict[str, list[GoldenQuestion]]:
    """Questions of which the answerable are asked in the first of two manners with the likelihood `share`, the
    others in the second."""
    choice = random.Random(4)
    found = {}
    for number in range(sets):
        asked = []
        for place in range(each):
            answerable = place % 2 == 0
            usual = choice.random() < share
            manner = manners[0] if answerable == usual else manners[1]
            asked.append(_question(f"q{place}", f"{manner} {choice.choice(TOPICS)}?", answerable))
        found[f"set {number}"] = asked
    return found


def _question(name: str, ask: str, answerable: bool) -> GoldenQuestion:
    facts = (("x",),) if answerable else ()
    return GoldenQuestion(id=name, ask=ask, answerable=answerable, facts=facts, documents=("a:b.md",))


def _manner_of(questions: list[GoldenQuestion], manner: str, *, answerable: bool) -> float:
    mine = [one for one in questions if one.answerable is answerable]
    return sum(one.ask.startswith(manner) for one in mine) / len(mine)


def test_words_that_tell_are_found_and_weigh_the_same_among_what_is_left() -> None:
    sets = _sets(("Until when may I use", "What is the phone number of"), 0.75)
    assert 0.65 < told(sets) < 0.85
    left = levelled(sets, random.Random(1))
    kept = [one for name, asked in sets.items() for one in asked if (name, one.id) in left]
    everything = [one for asked in sets.values() for one in asked]
    assert 0.4 < len(kept) / len(everything) < 0.9

    def lean(questions: list[GoldenQuestion]) -> float:
        return _manner_of(questions, "Until", answerable=True) - _manner_of(
            questions, "Until", answerable=False
        )

    assert lean(everything) > 0.3
    assert abs(lean(kept)) < 0.15


def test_where_the_words_say_nothing_everything_is_learned_from() -> None:
    sets = _sets(("Until when may I use", "Until when may I use"), 0.5, sets=1)
    assert set(guesses(sets).values()) == {0.5}
    assert told(sets) == 0.5
    assert len(levelled(sets, random.Random(1))) == 60
    assert levelled({}, random.Random(1)) == frozenset()


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_set_is_guessed_from_the_others_alone(share: float) -> None:
    """What tells in one set only tells nothing of the others, and is not known of itself."""
    sets = _sets(("When may I use", "When may I use"), 0.5, sets=6)
    own = _sets(("Zebra who uses", "Yonder who owns"), share, sets=1)
    found = guesses({**sets, "zz": own["set 0"]})
    of_it = [found["zz", one.id] for one in own["set 0"]]
    assert max(of_it) - min(of_it) < 0.25
