"""What one person alone is shown: a first word within Discord's three seconds, then what it stood for.

Rule: whoever it is, is asked for anew; whatever goes wrong is said to them in one calm line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from adapters import discord_blocks as blocks
from adapters.discord_blocks import Post
from adapters.discord_events import Used
from adapters.discord_markup import plain
from adapters.discord_people import People
from adapters.discord_rest import Response, Rest
from adapters.discord_words import Words
from bot.asked import Person, Place
from bot.errors import BotError

log = logging.getLogger(__name__)

Answer = Callable[[Used, Person, Place], Awaitable[Post]]


def _line(text: str) -> Post:
    return blocks.lines([plain(text)])


async def answer_alone(
    used: Used,
    answer: Answer,
    *,
    rest: Rest,
    people: People,
    first: Response = "wait",
    failed: Callable[[str], Post] = _line,
) -> None:
    """Shows what `answer` makes, below the command or form, or, with "nothing" at `first`, in place of the
    pressed message; what `failed` makes of a line where that goes wrong. Raises as `Rest`."""
    await rest.respond(used.id, used.token, first, ephemeral=True)
    try:
        person = await people.person(used.where.guild, used.user, since=time.monotonic())
        post = await answer(used, person, place_of(used))
    except BotError as error:
        post = failed(f"{error}.")
    except Exception:
        log.exception("a %s failed", used.kind)
        post = failed(Words("", locale=used.locale).say("busy"))
    await rest.edit_original(used.token, post)


def place_of(used: Used) -> Place:
    """Where something was used; who else sees the place does not count for what one person is shown."""
    return Place(used.where.ids, direct=not used.where.guild)
