"""Reviewed answers as every chat platform tells of them: the words, and what an administrator decides.

Rule: nothing here is of one platform; each shows what comes out of here in its own inert way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from adapters.words import TableWords
from bot.asked import Person, Place
from bot.curated import Pair
from bot.desk import Desk
from bot.errors import Failed, Gone

MOST = 5
"""So many proposals are shown at once."""

Decision = Literal["approve", "discard"]

_TEXTS = {
    "en": {
        "title": "Save as reviewed answer",
        "question": "Question",
        "phrasings": "Each line is one way to ask it.",
        "answer": "Answer",
        "collection": "Collection",
        "one_of": "Whose readers are given it: {names}",
        "propose": "Propose",
        "again": "Change it",
        "not_proposed": "You can propose an answer only for a collection that you may read.",
        "reviewed_already": "This is a reviewed answer already.",
        "nothing_waits": "No reviewed answer waits for approval.",
        "waiting": "Waiting for approval: {count}",
        "more": "The newest are shown; the others follow when these are settled.",
        "proposed_for": "For {collection}, proposed by {person}, {day}",
        "in_part": "Only a part is shown; the whole is in what this writes: groundling curated export",
        "approve": "Approve",
        "discard": "Discard",
        "approved": "Approved, and served from now on: {question}",
        "discarded": "Discarded: {question}",
        "settled": "This proposal waits no more: it was approved or discarded before.",
        "for_admins": "This is for administrators.",
        "gone_wrong": "That did not work just now. Please try again.",
    },
    "de": {
        "title": "Geprüfte Antwort sichern",
        "question": "Frage",
        "phrasings": "Jede Zeile ist eine Art, sie zu stellen.",
        "answer": "Antwort",
        "collection": "Sammlung",
        "one_of": "Deren Leser sie bekommen: {names}",
        "propose": "Vorschlagen",
        "again": "Ändern",
        "not_proposed": "Sie können eine Antwort nur für eine Sammlung vorschlagen, die Sie lesen dürfen.",
        "reviewed_already": "Das ist schon eine geprüfte Antwort.",
        "nothing_waits": "Keine geprüfte Antwort wartet auf Freigabe.",
        "waiting": "Auf Freigabe warten: {count}",
        "more": "Die neuesten werden gezeigt; die anderen folgen, wenn diese erledigt sind.",
        "proposed_for": "Für {collection}, vorgeschlagen von {person}, {day}",
        "in_part": "Nur ein Teil ist zu sehen; das Ganze steht in dem, was dies schreibt: groundling curated export",
        "approve": "Freigeben",
        "discard": "Verwerfen",
        "approved": "Freigegeben, und wird ab jetzt gegeben: {question}",
        "discarded": "Verworfen: {question}",
        "settled": "Dieser Vorschlag wartet nicht mehr: Er wurde schon freigegeben oder verworfen.",
        "for_admins": "Das ist für die Verwaltung.",
        "gone_wrong": "Das ging gerade nicht. Bitte versuchen Sie es noch einmal.",
    },
}


class ReviewedWords(TableWords):
    """For somebody who wrote or reads `text`, or whose platform is in the language `locale`."""

    def __init__(self, text: str, *, locale: str = "") -> None:
        super().__init__(_TEXTS, text, locale=locale)


def kept(pair: Pair, words: ReviewedWords) -> str:
    """What became of a proposal."""
    return words.proposed(pair.id) if pair.state == "proposed" else words.say("reviewed_already")


async def decided(
    decision: Decision, id: str, *, desk: Desk, person: Person, place: Place, words: ReviewedWords
) -> str:
    """Does what `person` decides about the proposal `id`; the line that says what was done, or why not."""
    try:
        pair = await (desk.approve if decision == "approve" else desk.discard)(person, place, id)
    except Gone:
        return words.say("settled")
    except Failed as error:
        return f"{error}."
    if pair is None:
        return words.say("for_admins")
    return words.say("approved" if decision == "approve" else "discarded", question=pair.phrasings[0][:200])


def shown_at_once(pairs: Sequence[Pair], size: Callable[[Pair], int], most: int) -> Sequence[Pair]:
    """The first of `pairs`, as many as have `most` of `size` together, and at least one."""
    count, taken = 0, 0
    for pair in pairs[:MOST]:
        taken += size(pair)
        if count and taken > most:
            break
        count += 1
    return pairs[:count]
