"""Questions with answers that the team has given or approved itself: reviewed answers, and the journal.

Rule: what somebody voted down, asked in private or wanted forgotten is never learned from; who asked and
who voted stays behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot import curated
from bot.finetuning.grounded import Pair
from bot.inbox import Entry
from bot.journal import Vote
from bot.phrasing import gist, normal

CURATED = "curated"
JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Learned:
    """What the journal teaches: pairs of voted-up and of corrected answers, and how many were left out why."""

    pairs: tuple[Pair, ...]
    left_out: Mapping[str, int]


def curated_pairs(kept: Sequence[curated.Pair], licence: str) -> list[Pair]:
    """A pair for each phrasing of each approved answer, for the readers of its collection."""
    return [
        Pair(phrasing, pair.answer, CURATED, licence, collections=frozenset({pair.collection}))
        for pair in kept
        if pair.state == "approved"
        for phrasing in pair.phrasings
    ]


def journal_pairs(
    entries: Sequence[Entry], votes: Sequence[Vote], kept: Sequence[curated.Pair], licence: str
) -> Learned:
    """The answers that somebody voted up and nobody down; and for a question that was answered otherwise,
    the answer that was approved for it since. `entries` are in the order in which they came."""
    verdicts: dict[str, set[str]] = {}
    for vote in votes:
        verdicts.setdefault(vote.question, set()).add(vote.verdict)
    pairs: list[Pair] = []
    left_out = {"asked in private": 0, "voted down": 0, "without a vote": 0}
    asked_before: dict[str, list[Entry]] = {}
    for entry in entries:
        asked = entry.asked
        private = asked.private or asked.way == "direct"
        before = tuple(asked_before.get(asked.conversation, ())) if asked.conversation else ()
        earlier = tuple(one.asked.text for one in before)
        if asked.conversation and asked.text and not private:
            asked_before.setdefault(asked.conversation, []).append(entry)
        answer = entry.reply.answer if entry.reply is not None else None
        if answer is None or not asked.text or answer.voice == "curated":
            continue
        if private:
            left_out["asked in private"] += 1
        elif (right := _approved(asked.text, kept)) is not None:
            readers = frozenset({right.collection})
            mine = frozenset({entry.id})
            pairs.append(
                Pair(asked.text, right.answer, JOURNAL, licence, collections=readers, questions=mine)
            )
        elif (verdict := verdicts.get(entry.id, set())) == {"up"}:
            readers = frozenset(citation.collection for citation in answer.citations)
            mine = frozenset(one.id for one in (*before, entry))
            pairs.append(Pair(asked.text, answer.text, JOURNAL, licence, earlier, readers, questions=mine))
        else:
            left_out["voted down" if verdict else "without a vote"] += 1
    return Learned(tuple(pairs), {reason: count for reason, count in left_out.items() if count})


def _approved(text: str, kept: Sequence[curated.Pair]) -> curated.Pair | None:
    """The approved pair that asks what `text` asks: in its words, or with its gist."""
    approved = [pair for pair in kept if pair.state == "approved"]
    for alike in (normal, gist):
        wanted = alike(text)
        for pair in approved:
            if wanted and any(alike(phrasing) == wanted for phrasing in pair.phrasings):
                return pair
    return None
