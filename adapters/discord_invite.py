"""The address that adds the bot to a server, with the least rights that it works with."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlencode

PERMISSIONS = {
    "View Channels": 1 << 10,
    "Send Messages": 1 << 11,
    "Read Message History": 1 << 16,
    "Create Public Threads": 1 << 35,
    "Send Messages in Threads": 1 << 38,
}
"""What the bot may do in a server, by the names that Discord shows."""

SCOPES = ("bot", "applications.commands")


def invite(application: str) -> str:
    """Where somebody who manages a server adds the application with this id to it."""
    query = urlencode(
        {
            "client_id": application,
            "scope": " ".join(SCOPES),
            "permissions": sum(PERMISSIONS.values()),
            "integration_type": 0,
        }
    )
    return f"https://discord.com/oauth2/authorize?{query}"


def application_of(token: str) -> str | None:
    """The id that a bot's token begins with, which is the application's; None for what is no such token.

    Applications made before August 2016 have another id than their bot.
    """
    first = token.partition(".")[0]
    try:
        text = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return text if text.isdecimal() and 17 <= len(text) <= 20 else None
