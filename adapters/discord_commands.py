"""The slash commands, the message command and the form behind it.

Rule: the desk judges who may; a command that is not a question is answered to its user alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime

from adapters import discord_blocks as blocks
from adapters.discord_alone import Answer, answer_alone, place_of
from adapters.discord_blocks import Post
from adapters.discord_events import Used
from adapters.discord_hearing import Hearing
from adapters.discord_markup import plain
from adapters.discord_people import People
from adapters.discord_rest import ALREADY_ANSWERED, Refused, Rest
from adapters.discord_settings import DiscordSettings
from adapters.discord_words import Words
from bot.asked import Asked, Person, Place, Way
from bot.channel_store import KEYS
from bot.channels import ChannelSettings
from bot.desk import Desk
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)

_TEXT, _YES_NO = 3, 5
_MOST_CHOICES = 25
_MOST_OPENINGS = 1000


def _option(
    name: str,
    description: str,
    german: str,
    *,
    kind: int = _TEXT,
    required: bool = False,
    most: int | None = None,
    complete: bool = False,
    choices: tuple[str, ...] = (),
) -> Mapping[str, object]:
    found: dict[str, object] = {"type": kind, "name": name, "description": description}
    found["description_localizations"] = {"de": german}
    found["required"] = required
    if most is not None:
        found |= {"min_length": 1, "max_length": most}
    if complete:
        found["autocomplete"] = True
    if choices:
        found["choices"] = [{"name": one, "value": one} for one in choices]
    return found


def _command(
    name: str, description: str, german: str, *options: Mapping[str, object]
) -> Mapping[str, object]:
    return {
        "type": 1,
        "name": name,
        "description": description,
        "description_localizations": {"de": german},
        "options": list(options),
        **_EVERYWHERE,
    }


# Only where the bot was added to a server, and in direct messages: never carried elsewhere by a person.
_EVERYWHERE: Mapping[str, object] = {"integration_types": [0], "contexts": [0, 1]}

_COLLECTION = _option(
    "collection", "Search only this collection", "Nur in dieser Sammlung suchen", complete=True
)
ASK_ABOUT = "Ask about this"
SAVE = "Save as reviewed answer"

COMMANDS: tuple[Mapping[str, object], ...] = (
    _command(
        "ask",
        "Ask a question; the answer comes from your team's documents",
        "Eine Frage stellen; die Antwort kommt aus den Dokumenten des Teams",
        _option("question", "What you want to know", "Was Sie wissen möchten", required=True, most=4000),
        _COLLECTION,
        _option("private", "Only you see the answer", "Nur Sie sehen die Antwort", kind=_YES_NO),
    ),
    _command("sources", "Where the answers come from", "Woher die Antworten kommen"),
    _command(
        "search",
        "Find passages in the documents",
        "Stellen in den Dokumenten finden",
        _option("query", "What to look for", "Wonach gesucht wird", required=True, most=1000),
        _COLLECTION,
    ),
    _command(
        "sync",
        "Bring the documents up to date (administrators)",
        "Die Dokumente neu einlesen (Verwaltung)",
        _option("source", "Only this source", "Nur diese Quelle", complete=True),
    ),
    _command("status", "How the bot is (administrators)", "Wie es dem Bot geht (Verwaltung)"),
    _command(
        "settings",
        "How the bot answers in this channel (administrators)",
        "Wie der Bot in diesem Kanal antwortet (Verwaltung)",
        _option("key", "What to set", "Was eingestellt wird", choices=KEYS),
        _option("value", 'The new value; "default" sets it back', "Der neue Wert", most=400),
    ),
    _command(
        "reviewed",
        "Answers that wait for approval (administrators)",
        "Antworten, die auf Freigabe warten (Verwaltung)",
    ),
    _command("forget-me", "Delete your questions and their answers", "Ihre Fragen und Antworten löschen"),
    {"type": 3, "name": ASK_ABOUT, "name_localizations": {"de": "Dazu fragen"}, **_EVERYWHERE},
    {"type": 3, "name": SAVE, "name_localizations": {"de": "Als geprüfte Antwort sichern"}, **_EVERYWHERE},
)


def commands_hash(application: str) -> str:
    """What changes when the commands do."""
    return hashlib.sha256(f"{application} {json.dumps(COMMANDS)}".encode()).hexdigest()


class Commands:
    """Does what the commands say."""

    def __init__(
        self, desk: Desk, people: People, rest: Rest, hearing: Hearing, settings: DiscordSettings
    ) -> None:
        self._desk = desk
        self._people = people
        self._rest = rest
        self._hearing = hearing
        self._settings = settings
        self._openings: OrderedDict[str, asyncio.Future[str | None]] = OrderedDict()
        self._refreshing: set[asyncio.Task[object]] = set()
        self._beside: dict[str, Answer] = {
            "sources": self._sources,
            "search": self._search,
            "sync": self._sync,
            "status": self._status,
            "settings": self._set,
            "forget-me": self._forget,
        }

    async def opened(self, interaction: str) -> str | None:
        """The id of the message that answered an interaction, "" where it is not known; None where it was
        not answered, or not by this process."""
        opening = self._openings.get(interaction)
        return None if opening is None else await asyncio.shield(opening)

    async def command(self, used: Used) -> None:
        """Does a command."""
        if used.command == "ask":
            private = used.options.get("private", self._settings.private)
            named = used.text("collection")
            collections = (named,) if named else ()
            await self._ask(used, used.text("question"), "command", bool(private), collections)
        elif used.command == ASK_ABOUT:
            words = _words(used)
            title, label = words.say("ask_about"), words.say("your_question")
            form = blocks.form(f"gl:about:{used.target}", title, label, value=used.pointed)
            await self._rest.show_form(used.id, used.token, form)
        elif used.command in self._beside:
            await answer_alone(used, self._beside[used.command], rest=self._rest, people=self._people)

    async def about(self, used: Used) -> None:
        """Takes the form in which a question about a message was written."""
        await self._ask(used, used.text("text"), "shortcut", self._settings.private, ())

    async def complete(self, used: Used) -> None:
        """Offers names for the option that is being typed; from memory, for nobody waits for a network here."""
        person, place = self._at_once(used)
        if used.focused == "source":
            names = [line.name for line in self._desk.sources(person, place)]
        else:
            names = self._desk.collections(person, place)
        typed = used.text(used.focused).casefold()
        found = [name for name in names if typed in name.casefold() and len(name) <= 100]
        await self._rest.offer(used.id, used.token, found[:_MOST_CHOICES])

    def _at_once(self, used: Used) -> tuple[Person, Place]:
        place = place_of(used)
        if used.where.guild:
            return self._people.met(used.where.guild, used.user, used.roles or ()), place
        person = self._people.remembered(used.user)
        if person.standing == "unknown":
            # The next letter finds what this one could not wait for.
            task: asyncio.Task[object] = asyncio.create_task(self._learn(used.user))
            self._refreshing.add(task)
            task.add_done_callback(self._refreshing.discard)
        return person, place

    async def _learn(self, user: str) -> None:
        try:
            await self._people.person("", user)
        except DeliveryFailed as error:
            log.info("a person could not be looked up: %s", error)

    # Questions

    async def _ask(
        self, used: Used, text: str, way: Way, private: bool, collections: tuple[str, ...]
    ) -> None:
        if used.id in self._openings:
            return  # a gateway that resumes may tell it twice
        where = used.where
        private = bool(where.guild) and (private or self._channel(used).private)
        asked = Asked(
            "discord",
            where.guild,
            where.root,
            used.user,
            text,
            way if where.guild else "direct",
            used.at,
            thread=where.channel if where.parent or not where.guild else "",
            private=private,
            collections=collections,
            reply={"channel": where.channel, "interaction": used.id, "token": used.token},
        )
        if used.where.guild:
            self._people.met(used.where.guild, used.user, used.roles or ())
        opening = self._begin(used.id)
        answered: str | None = None
        try:
            self._hearing.note(used.id)
            id_ = await self._desk.ask(asked, keys=[f"discord:interaction:{used.id}"])
            if id_ is not None:
                words = Words(text)
                first = blocks.sign(id_, words.searching(1), words)
                answered = await self._open(used, first, private)
        finally:
            opening.set_result(answered)

    def _begin(self, interaction: str) -> asyncio.Future[str | None]:
        opening = self._openings[interaction] = asyncio.get_running_loop().create_future()
        if len(self._openings) > _MOST_OPENINGS:
            self._openings.popitem(last=False)
        return opening

    async def _open(self, used: Used, first: Post, private: bool) -> str | None:
        """The first response, within the three seconds that Discord waits."""
        for pause in (0.2, 0.4, 0.8, 0.0):
            try:
                return await self._rest.respond(used.id, used.token, "message", post=first, ephemeral=private)
            except Refused as error:
                if error.code == ALREADY_ANSWERED:
                    return ""  # it was taken, only its answer was lost
                log.warning("a command was not answered in time (%s); it goes on as a message", error)
                return None
            except DeliveryFailed as error:
                log.info("a command's first response has to wait: %s", error)
                await asyncio.sleep(pause)
        return None

    # Beside questions

    async def _sources(self, used: Used, person: Person, place: Place) -> Post:
        words, rows = _words(used), []
        for line in self._desk.sources(person, place):
            day = datetime.fromtimestamp(line.synced_at, UTC).date().isoformat() if line.synced_at else None
            when = day or words.say("never")
            rows.append(words.say("source", name=plain(line.name), documents=line.documents, when=when))
        return blocks.lines(rows or [words.say("no_sources")])

    async def _search(self, used: Used, person: Person, place: Place) -> Post:
        named = used.text("collection")
        within = {named} if named else None
        found = await self._desk.search(used.text("query"), person, place, collections=within)
        rows = [
            f"**{plain(one.title)}**{' › ' + plain(one.location) if one.location else ''}\n"
            f"> {plain(one.chunk.text[:300])}"
            for one in found
        ]
        return blocks.lines(rows or [_words(used).say("found_nothing")])

    async def _sync(self, used: Used, person: Person, _place: Place) -> Post:
        line = await self._desk.sync(person, used.text("source") or None)
        return blocks.lines([_words(used).say("for_admins") if line is None else plain(line)])

    async def _status(self, used: Used, person: Person, _place: Place) -> Post:
        text = await self._desk.status(person)
        if text is None:
            return blocks.lines([_words(used).say("for_admins")])
        return blocks.lines([plain(line) for line in text.splitlines()])

    async def _set(self, used: Used, person: Person, _place: Place) -> Post:
        words, channel = _words(used), f"discord:channel:{used.where.root}"
        if not self._desk.is_admin(person):
            return blocks.lines([words.say("for_admins")])
        if not (used.text("key") and used.text("value")):
            return blocks.lines(
                [f"{plain(name)}: {plain(value)}" for name, value in self._channel(used).as_typed()]
            )
        line = await self._desk.set_channel(person, channel, used.text("key"), used.text("value"))
        return blocks.lines([words.say("for_admins") if line is None else plain(line)])

    async def _forget(self, used: Used, person: Person, _place: Place) -> Post:
        count = await self._desk.forget(person)
        return blocks.lines([_words(used).say("forgotten", count=count)])

    def _channel(self, used: Used) -> ChannelSettings:
        return self._desk.channel(f"discord:channel:{used.where.root}")


def _words(used: Used) -> Words:
    return Words("", locale=used.locale)
