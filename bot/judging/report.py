"""What a judge is worth on rows it never learned from.

Rule: every kind of near miss is counted apart; an easy one must not hide a hard one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.judging.rows import Row
from bot.likelihood import Judge

NEAR_MISSES = ("near miss", "near miss part")
REFUSED = 0.55
COUNTERPARTS: Mapping[str, tuple[str, ...]] = {
    "answer": (*NEAR_MISSES, "changed", "cut", "beside", "found"),
    "policy": ("other practice",),
    "rationale": ("unrelated claim", "other abstract"),
    "cell": ("row away", "column away"),
    "item": ("item away",),
    "heading": ("other heading",),
    "golden": ("golden found", "near miss golden", "outside golden", "unrelated"),
    "golden sentence": (
        "other golden sentence",
        "near miss golden sentence",
        "outside golden sentence",
        "unrelated sentence",
    ),
}
"""Which kinds of wrong passages are held against which kind of right ones."""


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """`auc` is how often a right passage scores above a wrong one, over all rows; `kinds` the same for each
    kind of wrong passage against its counterpart, with how many there are. `near_misses` is that of SQuAD's
    own; `false_refusals` the share of right passages below the bound that refuses `REFUSED` of those."""

    rows: int
    auc: float
    near_misses: float
    false_refusals: float
    kinds: Mapping[str, tuple[float, int]]


def report(rows: Sequence[Row], judge: Judge) -> JudgeReport:
    """Judges all `rows` that say whether they answer."""
    asked = [one for one in rows if one.answers is not None]
    logits = judge.answers([one.question for one in asked], [one.passage for one in asked])
    by_kind: dict[str, list[float]] = {}
    for one, logit in zip(asked, logits, strict=True):
        by_kind.setdefault(one.kind, []).append(logit)
    right = [logit for one, logit in zip(asked, logits, strict=True) if one.answers == 1]
    wrong = [logit for one, logit in zip(asked, logits, strict=True) if one.answers == 0]
    answers = by_kind.get("answer", [])
    near = sorted(logit for kind in NEAR_MISSES for logit in by_kind.get(kind, []))
    bound = near[int(REFUSED * len(near))] if near else 0.0
    return JudgeReport(
        rows=len(asked),
        auc=auc(right, wrong),
        near_misses=auc(answers, near),
        false_refusals=sum(logit < bound for logit in answers) / max(1, len(answers)),
        kinds={
            kind: (auc(by_kind.get(known, []), by_kind[kind]), len(by_kind[kind]))
            for known, kinds in COUNTERPARTS.items()
            for kind in kinds
            if kind in by_kind
        },
    )


def auc(right: Iterable[float], wrong: Iterable[float]) -> float:
    """How often one of `right` is above one of `wrong`, draws counting half; 0 without both."""
    marked = sorted([(score, 1) for score in right] + [(score, 0) for score in wrong])
    known = sum(label for _, label in marked)
    unknown = len(marked) - known
    if not known or not unknown:
        return 0.0
    above, below, place = 0.0, 0, 0
    while place < len(marked):
        end = place
        while end < len(marked) and marked[end][0] == marked[place][0]:
            end += 1
        ones = sum(label for _, label in marked[place:end])
        zeros = end - place - ones
        above += ones * (below + zeros / 2)
        below += zeros
        place = end
    return above / (known * unknown)
