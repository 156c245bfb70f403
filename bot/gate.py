"""Whether one way of answering may take another one's place, told by the same questions asked both ways.

Rule: nothing passes that is worse on any measure than chance explains, or that is no better where it should
be; time is shown and decides nothing. docs/decisions/016 says why the bounds are what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.evaluation.intervals import FEWEST, paired_difference

MARGIN = 0.05
"""A measure may be worse by so much at the lower end of its 95 % interval."""

MOST_LOST = 1
"""So many questions lost, less those won, are chance, whatever the interval of a small set says."""

Measure = Literal[
    "right",
    "right_answers",
    "right_refusals",
    "citations_resolved",
    "false_refusals",
    "squad_f1",
    "squad_refusals",
    "squad_false_refusals",
]

WORDS: Mapping[Measure, str] = {
    "right": "right answers and right refusals",
    "right_answers": "right answers",
    "right_refusals": "right refusals",
    "citations_resolved": "answers whose citations resolve",
    "false_refusals": "false refusals",
    "squad_f1": "overall F1 (SQuAD)",
    "squad_refusals": "right refusals (SQuAD)",
    "squad_false_refusals": "false refusals (SQuAD)",
}
"""Every measure for people, in the order in which they are shown and judged."""

LESS_IS_BETTER: frozenset[Measure] = frozenset({"false_refusals", "squad_false_refusals"})


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one question: the `values` (0 to 1) of the measures that it counts for. `document` is
    what other questions may be about too. `must` is a question that may not be lost. `ms` is how long it took."""

    id: str
    document: str
    must: bool
    values: Mapping[Measure, float]
    ms: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure over its `n` questions about `documents` documents, one way (`candidate`) and the other (`active`).

    `difference` is the first less the second, with its 95 % interval from `low` to `high`: drawn by document, or by question where
    the documents are fewer than `FEWEST`. `won` and `lost` count the questions that are better and worse with the candidate.
    """

    measure: Measure
    n: int
    documents: int
    candidate: float
    active: float
    difference: float
    low: float
    high: float
    won: int
    lost: int

    @property
    def worst(self) -> float:
        """How much better the candidate is at the least, with 95 % sureness; below 0 it may be worse."""
        return -self.high if self.measure in LESS_IS_BETTER else self.low

    def is_worse(self, margin: float = MARGIN) -> bool:
        """Whether it is worse than chance and `margin` explain."""
        sign = 1 if self.measure in LESS_IS_BETTER else -1
        lost = round(sign * self.difference * self.n, 6)  # questions, or shares of them
        return lost > MOST_LOST and self.worst < -margin

    @property
    def is_better(self) -> bool:
        """Whether the interval leaves out zero on the good side; about too few documents nothing is said to be better."""
        return self.worst > 0 and self.documents >= FEWEST


def compare(candidate: Sequence[Item], active: Sequence[Item]) -> list[Compared]:
    """Every measure over the questions that were asked both ways."""
    others = {item.id: item for item in active}
    pairs = [(item, others[item.id]) for item in candidate if item.id in others]
    found = []
    for measure in WORDS:
        some = [(a, b) for a, b in pairs if measure in a.values and measure in b.values]
        if some:
            found.append(_compared(measure, some))
    return found


def blocked(
    candidate: Sequence[Item],
    active: Sequence[Item],
    *,
    target: Measure = "right",
    margin: float = MARGIN,
    equal_is_enough: bool = False,
) -> str | None:
    """Why the candidate may not take the other's place, in one line that names the measure; None if it may."""
    reason = worsened(candidate, active, margin=margin)
    if reason is not None:
        return reason
    found = next((one for one in compare(candidate, active) if one.measure == target), None)
    if found is None:
        return f"{WORDS[target]} were not measured; evaluate with the questions for them"
    if found.is_better or equal_is_enough:
        return None
    if found.worst > 0:
        return (
            f"{_told(found)}: the questions are about {found.documents} documents, and from fewer than {FEWEST} nothing "
            "is sure; ask about more of them, or let --equal-is-enough"
        )
    return f"{_told(found)}: it is no better than chance explains"


def worsened(candidate: Sequence[Item], active: Sequence[Item], *, margin: float = MARGIN) -> str | None:
    """The first reason for which the candidate is worse, in one line; None if it is not."""
    others = {item.id: item for item in active}
    for item in candidate:
        other = others.get(item.id)
        if item.must and other is not None and item.values.get("right", 1.0) < other.values.get("right", 0.0):
            return f"the question {item.id!r}, which must be right, is right no more"
    # A part says more of what is wrong than the whole.
    for found in sorted(compare(candidate, active), key=lambda one: one.measure == "right"):
        if found.is_worse(margin):
            return f"{_told(found)}: it is worse"
    return None


def _told(found: Compared) -> str:
    name = WORDS[found.measure]
    shares = f"{found.candidate:.1%} against {found.active:.1%} of {found.n}"
    return (
        f"{name}: {shares}, difference {found.difference:+.1%} (95 % {found.low:+.1%} to {found.high:+.1%})"
    )


def _compared(measure: Measure, pairs: Sequence[tuple[Item, Item]]) -> Compared:
    ones = [a.values[measure] for a, _ in pairs]
    others = [b.values[measure] for _, b in pairs]
    about = [a.document for a, _ in pairs]
    documents = len(set(about))
    # A bootstrap over a few documents draws the same ones again, and is sure of everything.
    drawn = about if documents >= FEWEST else [a.id for a, _ in pairs]
    sure = paired_difference(ones, others, drawn)
    sign = -1 if measure in LESS_IS_BETTER else 1
    gains = [sign * (one - other) for one, other in zip(ones, others, strict=True)]
    return Compared(
        measure=measure,
        n=len(pairs),
        documents=documents,
        candidate=sum(ones) / len(ones),
        active=sum(others) / len(others),
        difference=sure.mean,
        low=sure.low,
        high=sure.high,
        won=sum(gain > 0 for gain in gains),
        lost=sum(gain < 0 for gain in gains),
    )
