"""Whether the tokens are good for a start.

Rule: what is wrong is told once, with the variable, the scope and the page that mends it, and never with
any of a token's text.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters.slack_calls import Identity, SlackCalls, SlackRefused
from adapters.slack_manifest import FULL_SCOPES, NEEDED_SCOPES
from adapters.slack_settings import SlackSettings
from bot.errors import ConfigError
from bot.platform import DeliveryFailed

log = logging.getLogger(__name__)

PAGE = "https://api.slack.com/apps"

T = TypeVar("T")


async def checked(calls: SlackCalls, bot_token: str, app_token: str, *, settings: SlackSettings) -> Identity:
    """Who the bot is. Where Slack cannot be reached it is asked again, ever more slowly.

    Raises `ConfigError` for a token that Slack does not take, and for a scope without which nothing works.
    """
    for name, token, start, where in (
        ("SLACK_BOT_TOKEN", bot_token, "xoxb-", "OAuth & Permissions, Bot User OAuth Token"),
        ("SLACK_APP_TOKEN", app_token, "xapp-", "Basic Information, App-Level Tokens"),
    ):
        if not token.startswith(start):
            raise ConfigError(f"{name} should begin with {start}; copy it from {PAGE} (your app, {where})")
    ask = functools.partial(calls.identity, fresh=True)
    identity = await _answer(ask, settings, "SLACK_BOT_TOKEN", "OAuth & Permissions")
    _check_scopes(identity)
    await _answer(calls.check_app_token, settings, "SLACK_APP_TOKEN", "Basic Information, App-Level Tokens")
    return identity


async def _answer(ask: Callable[[], Awaitable[T]], settings: SlackSettings, variable: str, where: str) -> T:
    began, pause = time.monotonic(), 0.25
    while True:
        try:
            return await asyncio.wait_for(ask(), settings.connect_timeout_s)
        except SlackRefused as error:
            if error.code == "missing_scope":
                needed = error.needed or "connections:write"
                raise ConfigError(
                    f"{variable} lacks the scope {needed}; add it at {PAGE} (your app, {where})"
                ) from None
            raise ConfigError(
                f"Slack does not take {variable} ({error.code}); make a new one at {PAGE} (your app, {where})"
            ) from None
        except (DeliveryFailed, TimeoutError) as error:
            log.warning("Slack cannot be reached (%s); trying again", error or "no answer")
            wait = max(pause, error.after_s if isinstance(error, DeliveryFailed) else 0.0)
            await asyncio.sleep(min(wait, 30.0))
            pause = min(pause * 2, 30.0)
            if time.monotonic() - began > settings.connect_timeout_s:
                log.error("Slack has not been reachable for %.0f s", time.monotonic() - began)


def _check_scopes(identity: Identity) -> None:
    if identity.scopes is None:
        return
    missing = sorted(NEEDED_SCOPES - identity.scopes)
    if missing:
        raise ConfigError(
            f"SLACK_BOT_TOKEN lacks the scope {', '.join(missing)}; add it at {PAGE} (your app, OAuth & "
            "Permissions, Bot Token Scopes), then reinstall the app"
        )
    for scope in sorted(FULL_SCOPES.keys() - identity.scopes):
        log.warning("without the scope %s the bot cannot do this: %s", scope, FULL_SCOPES[scope])
