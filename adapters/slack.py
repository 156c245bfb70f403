"""Slack: hears questions over Socket Mode and shows the answers.

Rule: what is a question is on disk before Slack is told that it arrived; everything else follows after.
"""

from __future__ import annotations

import asyncio
import logging
import re
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

from adapters.slack_blocks import told
from adapters.slack_calls import Identity, Json, SlackCalls, SlackRefused, vendor_log
from adapters.slack_check import checked
from adapters.slack_commands import SlackCommands, aside
from adapters.slack_deeds import SlackDeeds
from adapters.slack_delivery import SlackDelivery
from adapters.slack_dialogs import SlackDialogs
from adapters.slack_events import changed
from adapters.slack_hearing import SlackHearing
from adapters.slack_missed import SlackMissed
from adapters.slack_people import SlackPeople
from adapters.slack_posts import EVENT_TYPE, SlackPosts
from adapters.slack_private import PrivateDelivery
from adapters.slack_reviewed import SlackReviewed
from adapters.slack_reviewed_views import SAVE
from adapters.slack_settings import SlackSettings
from adapters.slack_signs import Surface
from adapters.slack_socket import SlackSockets
from adapters.slack_thread import written_before
from adapters.slack_words import SlackWords
from bot.asked import Asked, Person, Place
from bot.desk import Desk
from bot.platform import Delivery, DeliveryFailed, Handle, NoteHandle, Reply, Turn

log = logging.getLogger(__name__)

LISTENS_S = 30.0
"""How often it is noted that the bot listens."""

_ANY = re.compile(".*", re.DOTALL)
_REVIEWED = re.compile("^reviewed:")


class Slack:
    """One workspace. Implements `bot.platform.Platform`; `api_url` is another server than Slack's."""

    name = "slack"

    def __init__(
        self,
        desk: Desk,
        *,
        bot_token: str,
        app_token: str,
        settings: SlackSettings = SlackSettings(),
        api_url: str | None = None,
    ) -> None:
        self._desk = desk
        self._tokens = bot_token, app_token
        self._settings = settings
        self._calls = SlackCalls(bot_token, app_token, api_url=api_url, timeout_s=settings.call_timeout_s)
        self._people = SlackPeople(self._calls)
        self._dialogs = SlackDialogs(self._calls)
        self._surface = Surface(self._calls, settings)
        self._shown: weakref.WeakValueDictionary[str, SlackDelivery] = weakref.WeakValueDictionary()
        self._sockets: SlackSockets | None = None
        self._hearing: SlackHearing
        self._commands: SlackCommands
        self._deeds: SlackDeeds
        self._reviewed: SlackReviewed
        self._identity: Identity
        self._missed: SlackMissed

    @property
    def connected(self) -> bool:
        """See `Platform`."""
        return self._sockets is not None and self._sockets.connected

    async def serve(self) -> None:
        """See `Platform`."""
        self._identity = identity = await checked(self._calls, *self._tokens, settings=self._settings)
        desk, calls, people, settings = self._desk, self._calls, self._people, self._settings
        self._hearing = SlackHearing(desk, people, settings, identity, accepted=self._surface.accepted)
        self._commands = SlackCommands(desk, people, identity, command=settings.ask_command)
        self._deeds = SlackDeeds(calls, desk, people, self._hearing, self._dialogs, settings, identity)
        self._reviewed = SlackReviewed(calls, desk, people, self._hearing, self._dialogs, identity)
        self._missed = SlackMissed(calls, desk, self._hearing, settings, team=identity.team)
        marks = await self._missed.marks()
        self._sockets = SlackSockets(self._app(), calls, settings, back=self._read_missed)
        watching = asyncio.create_task(self._sockets.watch())
        try:
            self._surface.later(self._guarded(self._people.person(identity.team, identity.user)))
            self._surface.later(self._guarded(self._missed.read(marks)))
            while not watching.done():
                # After a gap the mark is left where it was until the reading back has taken it.
                listening = self._sockets.listening
                if listening:
                    await self._guarded(self._missed.listen())
                await asyncio.wait([watching], timeout=LISTENS_S if listening else 0.5)
            await watching
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def close(self) -> None:
        """See `Platform`."""
        await self._surface.close()
        await self._calls.close()

    async def who(self, asked: Asked, *, since: float | None = None) -> tuple[Person, Place]:
        """See `Platform`."""
        return await self._people.both(asked.team, asked.channel, asked.user, since=since)

    async def before(self, asked: Asked) -> tuple[Turn, ...]:
        """See `Platform`."""
        if not asked.thread or asked.way == "command":
            return ()
        return await written_before(self._calls, self._people, asked)

    def delivery(self, id: str, asked: Asked, handle: Handle | None, note: NoteHandle) -> Delivery:
        """See `Platform`."""
        new = id in self._surface.accepted
        self._surface.accepted.discard(id)
        if asked.private:
            return PrivateDelivery(self._calls, id, asked, handle, note)
        posts = SlackPosts(
            self._calls,
            id,
            team=asked.team,
            channel=asked.channel,
            thread=asked.thread or asked.message,
            user=asked.user,
            since=asked.message or f"{asked.at:.6f}",
            handle=handle,
            note=note,
            doubtful=not new and handle is None,
        )
        earlier = self._shown.get(id)
        shown = SlackDelivery(
            self._surface, asked, posts, earlier=earlier, undelivered=self._tell_undelivered
        )
        self._shown[id] = shown
        return shown

    # Hearing

    def _app(self) -> AsyncApp:
        identity = self._identity

        async def authorize() -> AuthorizeResult:
            return AuthorizeResult(
                enterprise_id=None,
                team_id=identity.team,
                bot_user_id=identity.user,
                bot_id=identity.bot_id,
                bot_token=self._tokens[0],
            )

        app = AsyncApp(
            name="groundling",
            client=self._calls.client(),
            authorize=authorize,
            logger=vendor_log(),
            # What is the bot's own is told apart in `heard`; that its message was deleted must be known.
            ignoring_self_events_enabled=False,
            request_verification_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
            attaching_function_token_enabled=False,
            attaching_conversation_kwargs_enabled=False,
        )
        app.use(self._accept)
        app.event(_ANY)(self._event)
        app.command(_ANY)(self._command)
        app.shortcut(SAVE)(self._acknowledged(self._reviewed.open))
        app.shortcut(_ANY)(self._acknowledged(self._deeds.shortcut))
        app.action(_REVIEWED)(self._acknowledged(self._reviewed.decide))
        app.action(_ANY)(self._acknowledged(self._deeds.action))
        app.view(SAVE)(self._save)
        app.view(_ANY)(self._acknowledged(self._deeds.view))
        return app

    async def _accept(self, body: dict[str, Any], next: Callable[[], Awaitable[object]]) -> None:
        """Puts a question on disk before anything is acknowledged; what is raised here keeps Slack sending."""
        event = body.get("event")
        if isinstance(event, dict) and event.get("type") in ("message", "app_mention"):
            heard = await self._hearing.message(event, keys=[f"slack:event:{body.get('event_id')}"])
            if heard is not None:
                self._surface.later(self._guarded(self._hearing.mark(heard)))
        elif "command" in body:
            await self._commands.accept(body, self._command_text(body))
        elif body.get("type") == "view_submission":
            await self._deeds.accept(body)
        await next()

    async def _event(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "message":
            await self._guarded(self._changed(event))
        elif kind == "app_home_opened":
            await self._guarded(self._deeds.opened(event))
        elif kind == "agent_session_stopped":
            await self._stopped(str(event.get("channel")), str(event.get("thread_ts")))
        elif kind == "app_rate_limited":
            log.warning("Slack holds events back: there were too many within an hour")

    async def _command(self, ack: Callable[..., Awaitable[object]], body: dict[str, Any]) -> None:
        text = self._command_text(body)
        words = SlackWords(text)
        if aside(text) is None:
            asked = told(words.say("asked", question=text[:300]))
            await ack(response_type="ephemeral", text=f"{asked}\n{words.say('looking')}")
            return
        await ack()
        await self._guarded(self._answer_aside(body, text))

    async def _answer_aside(self, body: Json, text: str) -> None:
        if aside(text) == ("reviewed", []):
            await self._reviewed.listed(body)
            return
        said = await self._commands.said(body, text)
        await self._dialogs.respond(body, {"text": told(said), "replace_original": False})

    async def _save(self, ack: Callable[..., Awaitable[object]], body: dict[str, Any]) -> None:
        """Acknowledges only what is kept: of a dialog without an answer Slack loses nothing that was typed."""

        async def answer() -> None:
            await ack(**await self._reviewed.saved(body))

        await self._guarded(answer())

    def _acknowledged(self, deed: Callable[[Json], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def listener(ack: Callable[..., Awaitable[object]], body: dict[str, Any]) -> None:
            await ack()
            await self._guarded(deed(body))

        return listener

    async def _changed(self, event: Json) -> None:
        change = changed(event, self._identity.team, self._identity.bot_id)
        if change is None:
            return
        if change.own:
            for shown in list(self._shown.values()):
                if shown.posts.stands(change.ts):
                    shown.halt()
                    await self._desk.withdraw(shown.key)
        elif change.text is None:
            await self._desk.withdraw(change.key)
        else:
            await self._desk.revise(change.key, self._hearing.words(change.text))

    async def _stopped(self, channel: str, thread: str) -> None:
        for shown in list(self._shown.values()):
            if shown.place == (channel, thread):
                shown.halt()
        await self._desk.stop_conversation(f"slack:{self._identity.team}:{channel}:{thread}")

    def _command_text(self, body: Json) -> str:
        return self._hearing.words(str(body.get("text") or ""))

    # Beside

    async def _read_missed(self) -> bool:
        """Begins to read back what was missed; False where it cannot be told since when."""
        try:
            marks = await self._missed.marks()
        except Exception:
            log.exception("what was missed cannot be read yet")
            return False
        self._surface.later(self._guarded(self._missed.read(marks)))
        return True

    async def _tell_undelivered(self, asked: Asked, reply: Reply, why: str) -> None:
        """Tells the asker in a direct message that the answer cannot stand where it was asked."""
        reasons = {"not_in_channel": "not_in_channel_why", "is_archived": "archived_why"}
        name = next((said for code, said in reasons.items() if code in why), None)
        if name is None and "restricted_action" in why:
            name = "restricted_why"
        if name is None or asked.channel.startswith("D"):
            return
        words = SlackWords(asked.text)
        text = words.say("undelivered", channel=asked.channel, why=words.say(name), reference=reply.reference)
        try:
            opened = await self._calls.call("conversations.open", users=asked.user)
            await self._calls.call(
                "chat.postMessage",
                channel=opened["channel"]["id"],
                text=text,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"id": reply.id, "part": "why"}},
            )
        except (SlackRefused, DeliveryFailed) as error:
            log.info("question %s: its asker was not told why: %s", reply.id, error)

    @staticmethod
    async def _guarded(work: Awaitable[object]) -> None:
        """Awaits `work`; what goes wrong is logged, without what people wrote, and ends nothing else."""
        try:
            await work
        except DeliveryFailed as error:
            log.warning("Slack could not be asked: %s", error)
        except Exception:
            log.exception("something that somebody did in Slack failed")
