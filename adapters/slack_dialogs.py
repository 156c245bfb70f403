"""What one person alone is shown in Slack for a click or a command: a dialog, or a reply that goes with it.

Rule: whoever clicked sees it and nobody else; that Slack does not show it is logged, and stops nothing.
"""

from __future__ import annotations

import asyncio
import logging

from adapters.slack_calls import Json, SlackBusy, SlackCalls, SlackRefused
from adapters.slack_views import View
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)


class SlackDialogs:
    """Shows what belongs to an interaction, whose payload is `body`."""

    def __init__(self, calls: SlackCalls) -> None:
        self._calls = calls

    async def open(self, body: Json, view: View) -> str | None:
        """Opens a dialog; its id, or None where Slack did not open it."""
        try:
            opened = await self._calls.call("views.open", trigger_id=body.get("trigger_id"), view=view)
        except (SlackRefused, DeliveryFailed) as error:
            log.info("a dialog was not opened: %s", error)
            return None
        return str(opened["view"]["id"])

    async def replace(self, view: str, shown: View) -> None:
        """Shows `shown` in the dialog with the id `view`."""
        for _ in range(3):
            try:
                await self._calls.call("views.update", view_id=view, view=shown)
            except SlackRefused as error:
                log.info("a dialog was not changed: %s", error)
            except DeliveryFailed as error:
                await asyncio.sleep(min(error.after_s, 5.0))
                continue
            return

    async def tell(self, body: Json, text: str) -> None:
        """Says `text` where the button is."""
        thread = (body.get("message") or {}).get("thread_ts") or (body.get("container") or {}).get(
            "thread_ts"
        )
        more = {"thread_ts": thread} if thread else {}
        await self.respond(body, {"text": text, "replace_original": False, **more})

    async def respond(self, body: Json, message: Json) -> None:
        """Shows `message`."""
        url = str(body.get("response_url") or "")
        for _ in range(3 if url else 0):
            try:
                await self._calls.respond(url, {"response_type": "ephemeral", **message})
            except SlackBusy as error:
                await asyncio.sleep(min(error.after_s, 5.0))
                continue
            except (SlackRefused, DeliveryFailed) as error:
                log.info("a click was not answered: %s", error)
            return


def channel_of(body: Json) -> str:
    """The channel that an interaction was in; empty for one in a dialog or the app's home."""
    return str((body.get("channel") or {}).get("id") or (body.get("container") or {}).get("channel_id") or "")
