"""Reviewed answers in Discord: a message is proposed as one, and administrators approve what was proposed.

Rule: one person alone sees any of it, and who may is judged anew when a form is sent or a button pressed.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from adapters import discord_reviewed_blocks as blocks
from adapters.discord_alone import answer_alone, place_of
from adapters.discord_blocks import Post
from adapters.discord_events import Used
from adapters.discord_markup import plain
from adapters.discord_people import People
from adapters.discord_rest import Rest
from adapters.discord_reviewed_blocks import Typed
from adapters.discord_words import Words
from adapters.inert_text import clean
from adapters.reviewed import ReviewedWords, decided, kept
from bot.asked import Person, Place
from bot.curated_draft import PHRASING_CHARACTERS
from bot.desk import Desk

_MOST_KEPT = 200


class Reviewed:
    """Proposes and approves."""

    def __init__(self, desk: Desk, people: People, rest: Rest) -> None:
        self._desk = desk
        self._people = people
        self._rest = rest
        self._refused: OrderedDict[tuple[str, str], Typed] = OrderedDict()

    async def open(self, used: Used) -> None:
        """Shows the form that makes a message a reviewed answer, to somebody who may propose one."""
        words = _words(used)
        collections = self._desk.collections(await self._person(used), place_of(used))
        if not collections:
            await self._say(used, words.say("not_proposed"))
            return
        question = await self._question(used)
        only = collections[0] if len(collections) == 1 else ""
        typed = Typed(used.target, question, clean(used.pointed), only)
        await self._rest.show_form(used.id, used.token, blocks.save_form(typed, collections, words))

    async def save(self, used: Used, target: str) -> None:
        """Takes the form about the message `target`; where it is wrong, a button brings it back as it was."""
        typed = Typed(target, used.text("question"), used.text("answer"), used.text("collection").strip())
        propose, again = partial(self._propose, typed), partial(self._again, typed, used)
        await answer_alone(used, propose, rest=self._rest, people=self._people, failed=again)

    async def waiting(self, used: Used) -> None:
        """Shows what waits, to an administrator."""
        await answer_alone(used, self._listed, rest=self._rest, people=self._people)

    async def press(self, used: Used) -> None:
        """Does what a button stands for."""
        found = blocks.pressed(used.custom_id)
        if found is None or used.custom_id not in used.shown:
            await self._say(used, Words("", locale=used.locale).say("not_there"))
        elif found[0] == "again":
            await self._open_again(used, found[1])
        else:
            await answer_alone(used, self._decide, rest=self._rest, people=self._people, first="nothing")

    # Proposing

    async def _propose(self, typed: Typed, used: Used, person: Person, place: Place) -> Post:
        words = _words(used)
        pair = await self._desk.propose(
            typed.question, typed.answer, person, place, collection=typed.collection
        )
        if pair is None:
            return self._again(typed, used, words.say("not_proposed"))
        line = kept(pair, words)
        if pair.state == "proposed" and self._desk.is_admin(person):
            return blocks.proposals([pair], [line], words)
        return Post(plain(line))

    def _again(self, typed: Typed, used: Used, line: str) -> Post:
        self._refused[used.user, used.id] = typed
        if len(self._refused) > _MOST_KEPT:
            self._refused.popitem(last=False)
        return blocks.again(used.id, line, _words(used))

    async def _open_again(self, used: Used, id: str) -> None:
        typed = self._refused.get((used.user, id))
        if typed is None:
            await self._say(used, Words("", locale=used.locale).say("not_there"))
            return
        collections = self._desk.collections(await self._person(used), place_of(used))
        form = blocks.save_form(typed, collections, _words(used))
        await self._rest.show_form(used.id, used.token, form)

    async def _question(self, used: Used) -> str:
        """What the bot was asked where the thread began, on one line; Discord tells nothing of other beginnings."""
        entry = await self._desk.known(f"discord:{used.where.parent}:{used.where.channel}")
        return " ".join(clean(entry.asked.text).split())[:PHRASING_CHARACTERS] if entry else ""

    async def _person(self, used: Used) -> Person:
        """Who used it, as soon as can be: a form is shown within three seconds or never."""
        if used.where.guild:
            return self._people.met(used.where.guild, used.user, used.roles or ())
        return await self._people.person("", used.user)

    # Approving

    async def _listed(self, used: Used, person: Person, place: Place, *, line: str = "") -> Post:
        words, waiting = _words(used), await self._desk.proposals(person, place)
        if waiting is None:
            return Post(words.say("for_admins"))
        count = words.say("waiting", count=len(waiting)) if waiting else words.say("nothing_waits")
        return blocks.proposals(waiting, [line, count] if line else [count], words)

    async def _decide(self, used: Used, person: Person, place: Place) -> Post:
        found = blocks.pressed(used.custom_id)
        assert found is not None
        line = await decided(
            "approve" if found[0] == "approve" else "discard",
            found[1],
            desk=self._desk,
            person=person,
            place=place,
            words=_words(used),
        )
        return await self._listed(used, person, place, line=line)

    async def _say(self, used: Used, text: str) -> None:
        await self._rest.respond(used.id, used.token, "message", post=Post(text), ephemeral=True)


def _words(used: Used) -> ReviewedWords:
    return ReviewedWords("", locale=used.locale)
