"""Values of the configuration that have a form of their own: times, crontabs, names of people and places.

Rule: each check gives the value back as it is written, or says in one clause what it should be.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from bot.access import READER

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CRON = re.compile(r"[\w*/,-]+( [\w*/,-]+){4}")
_USER = re.compile(r"slack:user:[A-Z0-9]{2,32}|discord:user:[0-9]{1,20}")
_CHANNEL = re.compile(r"slack:channel:[A-Z0-9]{2,32}|discord:channel:[0-9]{1,20}")
_GUILD = re.compile(r"[0-9]{1,20}")


def duration(text: str) -> str:
    """A time such as "90s", "15m", "1h", "2d", or "off"."""
    seconds(text)
    return text


def seconds(text: str) -> float | None:
    """The seconds of a duration; None for "off". Raises ValueError."""
    if text == "off":
        return None
    found = _DURATION.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError('it should be a time such as "90s", "15m", "1h", "2d", or "off"')
    return float(int(found[1]) * _SECONDS[found[2]])


def cron(text: str) -> str:
    """Five fields of a crontab, as far as their signs go; the scheduler knows the ranges."""
    if not _CRON.fullmatch(text):
        raise ValueError(
            'it should be five fields: minute, hour, day, month, weekday, such as "30 6 * * mon-fri"'
        )
    return text


def reader(text: str) -> str:
    """Who may read a collection."""
    if not READER.fullmatch(text):
        raise ValueError(
            'it should be "everyone", or slack: or discord: with team, guild, channel, user, group or role '
            'and its id, such as "slack:channel:C0123456789"'
        )
    return text


def user(text: str) -> str:
    """One person of a chat platform."""
    if not _USER.fullmatch(text):
        raise ValueError('it should be a person, such as "slack:user:U0123456789" or "discord:user:123"')
    return text


def channel(text: str) -> str:
    """One channel of a chat platform."""
    if not _CHANNEL.fullmatch(text):
        raise ValueError(
            'it should be a channel, such as "slack:channel:C0123456789" or "discord:channel:123"'
        )
    return text


def guild(text: str) -> str:
    """The id of a Discord server."""
    if not _GUILD.fullmatch(text):
        raise ValueError('it should be the id of a Discord server in quotes, such as "123456789012345678"')
    return text


def place(text: str) -> str:
    """The path of a file or folder, which need not be there."""
    if "\0" in text:
        raise ValueError("no path may hold the sign NUL; take it out")
    try:
        Path(text).expanduser()
    except RuntimeError:
        home = text.partition("/")[0]
        raise ValueError(f"nobody's home folder is known here as {home!r}; write the whole path") from None
    return text


def proxy(text: str) -> str:
    """The address of a proxy, without a password: secrets never stand in the configuration."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or "@" in text or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("a proxy should be like http://proxy.example.org:3128, without a name or password")
    return text
