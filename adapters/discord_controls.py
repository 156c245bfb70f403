"""The buttons below answers, and the form in which somebody says what was wrong.

Rule: a button counts only on a message of the bot that shows it, and what it does is judged anew by the
desk; so it works after any restart, and a made-up one does nothing.
"""

from __future__ import annotations

import time

from adapters import discord_blocks as blocks
from adapters.discord_alone import place_of
from adapters.discord_blocks import Post, Pressed
from adapters.discord_events import Used
from adapters.discord_markup import plain
from adapters.discord_people import People
from adapters.discord_rest import Refused, Rest
from adapters.discord_words import Words
from adapters.snowflakes import snowflake
from bot.desk import Desk
from bot.inbox import Entry


class Controls:
    """Does what the buttons say."""

    def __init__(self, desk: Desk, people: People, rest: Rest) -> None:
        self._desk = desk
        self._people = people
        self._rest = rest

    async def press(self, used: Used) -> None:
        """Does what a button stands for."""
        found = blocks.pressed(used.custom_id)
        words = Words("", locale=used.locale)
        if found is None or used.custom_id not in used.shown:
            await self._say(used, words.say("not_there"))
            return
        match found.press:
            case "up" | "down":
                await self._vote(used, found, words)
            case "passage":
                await self._passage(used, found, words)
            case "share":
                await self._share(used, found, words)
            case "stop":
                await self._stop(used, found, words)
            case "more":
                await self._more(used, found, words)

    async def reason(self, used: Used, id: str) -> None:
        """Takes the form that follows a vote against an answer."""
        words = Words("", locale=used.locale)
        person = await self._people.person(used.where.guild, used.user)
        voted = await self._desk.vote(id, person, place_of(used), "down", used.text("text").strip() or None)
        await self._say(used, words.say("thanks" if voted else "not_there"))

    async def _vote(self, used: Used, found: Pressed, words: Words) -> None:
        person = await self._people.person(used.where.guild, used.user)
        verdict = "up" if found.press == "up" else "down"
        if not await self._desk.vote(found.id, person, place_of(used), verdict):  # type: ignore[arg-type]
            await self._say(used, words.say("not_there"))
        elif verdict == "up":
            await self._say(used, words.say("thanks"))
        else:
            title, label = words.say("what_was_wrong"), words.say("reason")
            form = blocks.form(f"gl:reason:{found.id}", title, label, required=False)
            await self._rest.show_form(used.id, used.token, form)

    async def _passage(self, used: Used, found: Pressed, words: Words) -> None:
        await self._rest.respond(used.id, used.token, "wait", ephemeral=True)
        person = await self._people.person(used.where.guild, used.user, since=time.monotonic())
        passage = await self._desk.passage(found.id, found.number, person, place_of(used))
        if passage is None:
            post = Post(words.say("not_there"))
        else:
            post = blocks.passage(passage.title, passage.location, passage.chunk.text)
        await self._rest.edit_original(used.token, post)

    async def _share(self, used: Used, found: Pressed, words: Words) -> None:
        await self._rest.respond(used.id, used.token, "wait", ephemeral=True)
        person = await self._people.person(used.where.guild, used.user, since=time.monotonic())
        place = await self._people.place(used.where, since=time.monotonic())
        entry = await self._desk.entry(found.id)
        done = False
        if entry is not None and await self._desk.may_share(found.id, person, place):
            done = await self._post_shared(used, entry)
        await self._rest.edit_original(used.token, Post(words.say("thanks" if done else "not_there")))

    async def _post_shared(self, used: Used, entry: Entry) -> bool:
        assert entry.reply is not None
        words = Words(entry.asked.text)
        head = f"{words.say('shared', name=plain(used.name))}\n{blocks.quoted(entry.asked.text)}"
        here = used.where.channel
        try:
            there = await self._rest.messages(here, after=snowflake(entry.asked.at))
            known = {one.content for one in there if one.author == self._rest.bot}
            for number, text in enumerate(blocks.written(entry.reply, words, head=head)):
                if text not in known:
                    await self._rest.send(here, Post(text), nonce=f"{entry.id}s{number}")
        except Refused:
            return False
        return True

    async def _stop(self, used: Used, found: Pressed, words: Words) -> None:
        person = await self._people.person(used.where.guild, used.user)
        if await self._desk.stop(found.id, person):
            await self._rest.respond(used.id, used.token, "nothing")
        else:
            await self._say(used, words.say("not_there"))

    async def _more(self, used: Used, found: Pressed, words: Words) -> None:
        await self._rest.respond(used.id, used.token, "wait", ephemeral=True)
        person = await self._people.person(used.where.guild, used.user, since=time.monotonic())
        entry = await self._desk.readable(found.id, person, place_of(used))
        if entry is None or entry.reply is None:
            post = Post(words.say("not_there"))
        else:
            post = blocks.page(entry.reply, found.number, Words(entry.asked.text))
        await self._rest.edit_original(used.token, post)

    async def _say(self, used: Used, text: str) -> None:
        await self._rest.respond(used.id, used.token, "message", post=Post(text), ephemeral=True)
