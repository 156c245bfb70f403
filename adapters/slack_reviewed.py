"""Reviewed answers in Slack: a message is proposed as one, and administrators approve what was proposed.

Rule: one person alone sees any of it, and who may is judged anew when a dialog is sent or a button pressed.
"""

from __future__ import annotations

import asyncio
import logging

from adapters import slack_reviewed_views as views
from adapters.inert_text import clean
from adapters.reviewed import ReviewedWords, decided, kept
from adapters.slack_blocks import Block, notification
from adapters.slack_calls import Identity, Json, SlackCalls, SlackRefused
from adapters.slack_dialogs import SlackDialogs, channel_of
from adapters.slack_hearing import SlackHearing
from adapters.slack_people import SlackPeople
from adapters.slack_views import View, message_view
from adapters.slack_words import SlackWords
from bot.asked import Person, Place
from bot.desk import Desk
from bot.errors import WrongUse
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)

READ_S = 2.0
"""How long the dialog waits for the first message of a thread."""

_USER = "slack:user:"


class SlackReviewed:
    """Proposes and approves in the workspace of `identity`."""

    def __init__(
        self,
        calls: SlackCalls,
        desk: Desk,
        people: SlackPeople,
        hearing: SlackHearing,
        dialogs: SlackDialogs,
        identity: Identity,
    ) -> None:
        self._calls = calls
        self._desk = desk
        self._people = people
        self._hearing = hearing
        self._dialogs = dialogs
        self._identity = identity

    # Proposing

    async def open(self, body: Json) -> None:
        """Opens the dialog that makes a message a reviewed answer, for somebody who may propose one."""
        message = body.get("message") or {}
        answer = clean(self._hearing.words(str(message.get("text") or "")))
        words, title = SlackWords(answer), ReviewedWords(answer).say("title")
        view = await self._dialogs.open(body, message_view(title, words.say("loading"), words))
        if view is None:
            return
        try:
            shown = await self._save_view(body, message, answer)
        except DeliveryFailed as error:
            log.info("a dialog could not be filled: %s", error)
            shown = message_view(title, words.say("gone_wrong"), words)
        await self._dialogs.replace(view, shown)

    async def _save_view(self, body: Json, message: Json, answer: str) -> View:
        channel, words, close = channel_of(body), ReviewedWords(answer), SlackWords(answer)
        (person, place), question = await asyncio.gather(
            self._who(str(body["user"]["id"]), channel), self._question(channel, message)
        )
        collections = self._desk.collections(person, place)
        if not collections:
            return message_view(words.say("title"), words.say("not_proposed"), close)
        return views.save_view(question, answer, collections, channel, words, close)

    async def _question(self, channel: str, message: Json) -> str:
        """The words that the thread of `message` began with; none where they cannot be read soon."""
        thread = str(message.get("thread_ts") or "")
        if thread in ("", message.get("ts")):
            return ""
        try:
            async with asyncio.timeout(READ_S):
                found = await self._calls.read("conversations.replies", channel=channel, ts=thread, limit=1)
        except (SlackRefused, DeliveryFailed, TimeoutError) as error:
            log.info("the beginning of a thread was not read: %s", error)
            return ""
        first, *_ = found.get("messages") or [{}]
        return clean(self._hearing.words(str(first.get("text") or "")))

    async def saved(self, body: Json) -> Json:
        """Proposes what stands in a dialog that was sent. How the dialog is answered: by what was done, or by
        what is wrong in it, and then it stays with all that was typed."""
        question, answer, collection = views.typed(body["view"])
        channel, words, close = views.channel_in(body["view"]), ReviewedWords(answer), SlackWords(answer)
        try:
            person, place = await self._who(str(body["user"]["id"]), channel)
            pair = await self._desk.propose(question, answer, person, place, collection=collection)
        except WrongUse as error:
            return _wrong("answer" if "answer" in str(error) else "question", f"{error}.")
        except DeliveryFailed as error:
            log.info("a proposal could not be taken: %s", error)
            return _wrong("question", words.say("gone_wrong"))
        if pair is None:
            return _wrong("collection", words.say("not_proposed"))
        blocks = [views.line_block(kept(pair, words))]
        if pair.state == "proposed" and self._desk.is_admin(person):
            blocks += views.proposal_blocks(pair, await self._name(pair.proposed_by), words)
        return {"response_action": "update", "view": views.list_view(blocks, channel, words, close)}

    # Approving

    async def listed(self, body: Json) -> None:
        """Shows what waits, to an administrator who typed the command. Raises `DeliveryFailed`."""
        person, place = await self._who(str(body["user_id"]), str(body["channel_id"]))
        text = await self._newest(person, place)
        blocks = await self._list(person, place, ReviewedWords(text))
        await self._respond(body, blocks, replaces=False)

    async def decide(self, body: Json) -> None:
        """Does what the button of a proposal says, and shows what waits then. Raises `DeliveryFailed`."""
        clicked, view = body["actions"][0], body.get("view")
        channel = views.channel_in(view) if view else channel_of(body)
        person, place = await self._who(str(body["user"]["id"]), channel)
        text = await self._newest(person, place)
        words = ReviewedWords(text)
        line = await decided(
            "approve" if clicked["action_id"] == views.APPROVE else "discard",
            str(clicked.get("value") or ""),
            desk=self._desk,
            person=person,
            place=place,
            words=words,
        )
        blocks = await self._list(person, place, words, line=line)
        if view:
            shown = views.list_view(blocks, channel, words, SlackWords(text))
            await self._dialogs.replace(str(view["id"]), shown)
        else:
            await self._respond(body, blocks, replaces=True)

    async def _newest(self, person: Person, place: Place) -> str:
        """The question whose language the list is in."""
        waiting = await self._desk.proposals(person, place)
        return waiting[0].question if waiting else ""

    async def _list(
        self, person: Person, place: Place, words: ReviewedWords, *, line: str = ""
    ) -> list[Block]:
        waiting = await self._desk.proposals(person, place)
        if waiting is None:
            return [views.line_block(words.say("for_admins"))]
        names = {one: await self._name(one) for one in {pair.proposed_by for pair in waiting}}
        return [*([views.line_block(line)] if line else []), *views.list_blocks(waiting, names, words)]

    async def _respond(self, body: Json, blocks: list[Block], *, replaces: bool) -> None:
        text = notification(str(blocks[0]["text"]["text"]))
        await self._dialogs.respond(body, {"text": text, "blocks": blocks, "replace_original": replaces})

    # What they share

    async def _who(self, user: str, channel: str) -> tuple[Person, Place]:
        """Who it is now, and the channel; what is shown there is shown to them alone, so nobody else counts."""
        place = Place(frozenset({f"slack:channel:{channel}"}), direct=channel.startswith("D"))
        return await self._people.person(self._identity.team, user, fresh=True), place

    async def _name(self, proposed_by: str) -> str:
        if not proposed_by.startswith(_USER):
            return proposed_by
        return await self._people.named(self._identity.team, proposed_by.removeprefix(_USER))


def _wrong(field: str, why: str) -> Json:
    return {"response_action": "errors", "errors": {field: why}}
