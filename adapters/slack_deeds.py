"""What people do beside asking: buttons, dialogs, the shortcut, the app's home.

Rule: who clicks is judged anew for every click; a button only says which answer is meant.
"""

from __future__ import annotations

import asyncio
import json
import logging

from adapters import slack_views as views
from adapters.slack_blocks import layout, notification, shared
from adapters.slack_calls import Identity, Json, SlackCalls, SlackRefused, SlackUnsure
from adapters.slack_dialogs import SlackDialogs, channel_of
from adapters.slack_hearing import SlackHearing
from adapters.slack_manifest import suggested
from adapters.slack_people import SlackPeople
from adapters.slack_posts import EVENT_TYPE
from adapters.slack_settings import SlackSettings
from adapters.slack_words import SlackWords
from bot.asked import Asked, Person, Place
from bot.desk import Desk
from bot.errors import BotError
from bot.inbox import Entry
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)

PRESENT_S = 1.5
"""How long it may take to find out whether the bot is in a channel, before a dialog must be answered."""


class SlackDeeds:
    """Does what is clicked in the workspace of `identity`."""

    def __init__(
        self,
        calls: SlackCalls,
        desk: Desk,
        people: SlackPeople,
        hearing: SlackHearing,
        dialogs: SlackDialogs,
        settings: SlackSettings,
        identity: Identity,
    ) -> None:
        self._calls = calls
        self._desk = desk
        self._people = people
        self._hearing = hearing
        self._dialogs = dialogs
        self._settings = settings
        self._identity = identity
        self._shared: set[str] = set()

    # Buttons

    async def action(self, body: Json) -> None:
        """Does what the button says. Raises `DeliveryFailed` when Slack cannot be asked."""
        clicked = body["actions"][0]
        name, _, number = str(clicked.get("action_id", "")).partition(":")
        value = str(clicked.get("value") or "")
        match name:
            case "feedback":
                await self._vote(body, *_pair(value))
            case "passage" if number.isdigit():
                await self._show_passage(body, value, int(number))
            case "share":
                await self._share(body, value)
            case "stop":
                person, _ = await self._who(body)
                if not await self._desk.stop(value, person):
                    await self._dialogs.tell(body, (await self._words(value)).say("not_allowed"))
            case "home_sync":
                await self._sync(body)

    async def _vote(self, body: Json, id: str, verdict: str) -> None:
        if verdict not in ("up", "down"):
            return
        words = await self._words(id)
        opening = (
            asyncio.create_task(self._dialogs.open(body, views.reason_view(id, channel_of(body), words)))
            if verdict == "down"
            else None
        )
        person, place = await self._who(body)
        noted = await self._desk.vote(id, person, place, "up" if verdict == "up" else "down")
        view = await opening if opening else None
        if not noted and view is not None:
            await self._dialogs.replace(
                view, views.message_view(words.say("why_title"), words.say("not_allowed"), words)
            )
        elif view is None:
            await self._dialogs.tell(body, words.say("thanks" if noted else "not_allowed"))

    async def _show_passage(self, body: Json, id: str, number: int) -> None:
        words = await self._words(id)
        title = words.say("passage", number=number)
        view = await self._dialogs.open(body, views.message_view(title, words.say("loading"), words))
        if view is None:
            return
        person, place = await self._who(body)
        passage = await self._desk.passage(id, number, person, place)
        if passage is None:
            shown = views.message_view(title, words.say("passage_gone"), words)
        else:
            shown = views.passage_view(
                number,
                words,
                title=passage.title,
                location=passage.location,
                url=passage.url,
                text=passage.chunk.text,
                updated_at=passage.updated_at,
            )
        await self._dialogs.replace(view, shown)

    async def _share(self, body: Json, id: str) -> None:
        entry = await self._desk.entry(id)
        if entry is None or entry.reply is None or id in self._shared:
            return
        words = SlackWords(entry.asked.text)
        person, place = await self._who(body, fresh=True)
        if not await self._desk.may_share(id, person, place):
            await self._dialogs.tell(body, words.say("not_shared"))
            return
        self._shared.add(id)
        try:
            await self._show_everyone(body, entry, words)
        except SlackRefused as error:
            self._shared.discard(id)
            log.info("question %s was not shared: %s", id, error)
            away = error.code in ("not_in_channel", "channel_not_found")
            await self._dialogs.tell(body, words.say("not_in_channel" if away else "gone_wrong"))
            return
        except DeliveryFailed:
            self._shared.discard(id)
            await self._dialogs.tell(body, words.say("gone_wrong"))
            raise
        whole = layout(entry.reply, words)
        kept = [block for block in whole.blocks(len(whole.bodies) - 1) if block["type"] != "actions"]
        await self._dialogs.respond(
            body, {"replace_original": True, "text": words.say("shared"), "blocks": kept}
        )

    async def _show_everyone(self, body: Json, entry: Entry, words: SlackWords) -> None:
        assert entry.reply is not None
        channel, first = channel_of(body), None
        name = await self._people.named(self._identity.team, str(body["user"]["id"]))
        whole = shared(entry.reply, name, words)
        for part in range(len(whole.bodies)):
            payload = {"id": entry.id, "part": f"shared{part}"}
            try:
                posted = await self._calls.call(
                    "chat.postMessage",
                    channel=channel,
                    thread_ts=first,
                    text=notification(whole.bodies[part]),
                    blocks=whole.blocks(part),
                    metadata={"event_type": EVENT_TYPE, "event_payload": payload},
                )
            except SlackUnsure:
                if not await self._stands(channel, payload):
                    raise
                return
            first = first or str(posted["ts"])

    async def _stands(self, channel: str, payload: Json) -> bool:
        answer = await self._calls.read(
            "conversations.history", channel=channel, limit=30, include_all_metadata=True
        )
        rows = [row.get("metadata") or {} for row in answer.get("messages", [])]
        return any(row.get("event_payload") == payload for row in rows)

    # Dialogs

    async def accept(self, body: Json) -> None:
        """Accepts the question of a dialog that was sent. Raises as `Desk.ask`."""
        view = body["view"]
        if view.get("callback_id") != "ask":
            return
        facts = json.loads(view.get("private_metadata") or "{}")
        values = view["state"]["values"]
        chosen = values.get("private", {}).get("private", {}).get("selected_options") or []
        channel = str(facts["channel"])
        alone = bool(chosen) or not await self._present(channel)
        asked = Asked(
            platform="slack",
            team=self._identity.team,
            channel=channel,
            user=str(body["user"]["id"]),
            text=str(values["question"]["question"].get("value") or ""),
            way="shortcut",
            at=self._calls.clock.now()
            + 1.0,  # it is known to the second below; what stands there came before
            thread=str(facts["thread"]),
            private=alone or self._desk.channel(f"slack:channel:{channel}").private,
            reply={"response_url": str(facts.get("response_url") or "")},
        )
        await self._desk.ask(asked, keys=[f"slack:view:{view['id']}"])
        self._hearing.asks(asked.conversation, asked.user)

    async def view(self, body: Json) -> None:
        """Does what a dialog is for that is no question. Raises `DeliveryFailed`."""
        view = body["view"]
        if view.get("callback_id") != "reason":
            return
        facts = json.loads(view.get("private_metadata") or "{}")
        reason = str(view["state"]["values"]["reason"]["reason"].get("value") or "").strip()
        if reason:
            user = str(body["user"]["id"])
            person = await self._people.person(self._identity.team, user)
            place = await self._people.place(self._identity.team, str(facts["channel"]), user)
            await self._desk.vote(str(facts["id"]), person, place, "down", reason)

    async def shortcut(self, body: Json) -> None:
        """Opens the dialog that asks about a message."""
        message = body.get("message") or {}
        text = self._hearing.words(str(message.get("text") or ""))
        facts = {
            "channel": channel_of(body),
            "thread": str(message.get("thread_ts") or message.get("ts") or ""),
            "response_url": str(body.get("response_url") or ""),
        }
        await self._dialogs.open(body, views.ask_view(text, facts, SlackWords(text)))

    async def _present(self, channel: str) -> bool:
        try:
            return await asyncio.wait_for(self._people.present(channel), PRESENT_S)
        except (DeliveryFailed, TimeoutError):
            return False

    # The app's home

    async def opened(self, event: Json) -> None:
        """Shows the home, or suggests questions where the messages were opened. Raises `DeliveryFailed`."""
        if event.get("tab") == "messages":
            await self._suggest(str(event.get("channel") or ""))
        elif event.get("tab") == "home":
            await self._publish(str(event["user"]))

    async def _suggest(self, channel: str) -> None:
        if self._settings.prompts and channel:
            try:
                # With a thread the call shows nothing in the agent view.
                await self._calls.call(
                    "assistant.threads.setSuggestedPrompts",
                    channel_id=channel,
                    prompts=suggested(self._settings.prompts),
                )
            except SlackRefused as error:
                log.info("no questions are suggested: %s", error)

    async def _sync(self, body: Json) -> None:
        person, _ = await self._who(body)
        try:
            line = await self._desk.sync(person)
        except BotError as error:
            line = str(error)
        await self._publish(str(body["user"]["id"]), line=line or SlackWords().say("admins_only"))

    async def _publish(self, user: str, *, line: str = "") -> None:
        person = await self._people.person(self._identity.team, user)
        alone = Place(frozenset(), direct=True, viewers=(person,))
        view = views.home_view(
            self._desk.sources(person, alone),
            SlackWords(),
            command=self._settings.ask_command,
            stays_here=self._settings.stays_here,
            status=await self._desk.status(person),
            line=line,
        )
        try:
            await self._calls.call("views.publish", user_id=user, view=view)
        except SlackRefused as error:
            log.info("the home was not shown: %s", error)

    # What they share

    async def _words(self, id: str) -> SlackWords:
        entry = await self._desk.entry(id)
        return SlackWords(entry.asked.text if entry else "")

    async def _who(self, body: Json, *, fresh: bool = False) -> tuple[Person, Place]:
        user, channel = str(body["user"]["id"]), channel_of(body)
        person = await self._people.person(self._identity.team, user, fresh=fresh)
        if not channel:
            return person, Place(frozenset(), direct=True)
        return person, await self._people.place(self._identity.team, channel, user, fresh=fresh)


def _pair(value: str) -> tuple[str, str]:
    id_, _, verdict = value.partition(":")
    return id_, verdict
