"""What people thought of the answers of each LoRA, and whether the difference is more than chance.

Rule: an answer belongs to the LoRA that was in force when it was given, whoever's words it is made of in the
end; too few votes are said to be too few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from bot.inbox import Entry
from bot.journal import Vote

FEW = 20
"""With fewer votes on one side nothing is said of a difference."""

_Z = 1.959964  # of 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes on the answers of `lora` (a sha256; None: the bare model), last known as `name`."""

    lora: str | None
    name: str
    up: int
    down: int

    @property
    def count(self) -> int:
        """All votes."""
        return self.up + self.down

    @property
    def interval(self) -> tuple[float, float]:
        """The share of upvotes with 95 % sureness (Wilson 1927)."""
        n, share = self.count, self.up / max(1, self.count)
        if n == 0:
            return 0.0, 1.0
        middle = share + _Z**2 / (2 * n)
        around = _Z * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
        return (middle - around) / (1 + _Z**2 / n), (middle + around) / (1 + _Z**2 / n)


@dataclass(frozen=True, slots=True)
class VoteDifference:
    """The share of upvotes of `one` less that of `other`, with its 95 % interval; `few` where there are too few
    votes to tell anything."""

    one: Votes
    other: Votes
    mean: float
    low: float
    high: float
    few: bool


def count_votes(pairs: Iterable[tuple[Entry, Vote]], *, channel: str | None = None) -> list[Votes]:
    """The votes by LoRA, those with most votes first; only of `channel` ("slack:channel:C1") where it is given.
    Answers without a model count for none."""
    up: Counter[str | None] = Counter()
    down: Counter[str | None] = Counter()
    names: dict[str | None, str] = {}
    for entry, vote in pairs:
        model = entry.reply.answer.model if entry.reply and entry.reply.answer else None
        here = f"{entry.asked.platform}:channel:{entry.asked.channel}"
        if model is None or (channel is not None and channel != here):
            continue
        lora = model.lora_sha256 or model.lora
        names[lora] = model.lora or "no LoRA"
        (up if vote.verdict == "up" else down)[lora] += 1
    found = [Votes(lora, name, up[lora], down[lora]) for lora, name in names.items()]
    return sorted(found, key=lambda votes: (-votes.count, votes.name))


def differences(votes: Sequence[Votes]) -> list[VoteDifference]:
    """Each of `votes` against the first one."""
    return [_difference(one, votes[0]) for one in votes[1:]]


def _difference(one: Votes, other: Votes) -> VoteDifference:
    """Newcombe's interval for two independent shares, out of their Wilson intervals (1998, his method 10)."""
    share, rest = one.up / max(1, one.count), other.up / max(1, other.count)
    (low, high), (low_of_other, high_of_other) = one.interval, other.interval
    mean = share - rest
    return VoteDifference(
        one,
        other,
        mean,
        mean - sqrt((share - low) ** 2 + (high_of_other - rest) ** 2),
        mean + sqrt((high - share) ** 2 + (rest - low_of_other) ** 2),
        few=min(one.count, other.count) < FEW,
    )
