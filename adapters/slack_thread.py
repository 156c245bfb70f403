"""What people wrote in a thread before they asked the bot there.

Rule: a question knows its own thread and no other; words of others stand under their names.
"""

from __future__ import annotations

from adapters.slack_calls import SlackCalls, SlackRefused
from adapters.slack_events import heard, words_of
from adapters.slack_people import SlackPeople
from bot.asked import Asked
from bot.platform import Turn

MOST_MESSAGES = 12
MESSAGE_CHARACTERS = 600


async def written_before(calls: SlackCalls, people: SlackPeople, asked: Asked) -> tuple[Turn, ...]:
    """The last messages of the thread before `asked`, oldest first. Raises `DeliveryFailed`."""
    identity = await calls.identity()
    until = asked.message or f"{asked.at:.6f}"
    found: list[Turn] = []
    rows = calls.pages(
        "conversations.replies", "messages", channel=asked.channel, ts=asked.thread, latest=until, limit=200
    )
    try:
        async for row in rows:
            said = heard(row, asked.team, channel=asked.channel)
            if said is None or said.ts >= until or identity.user in said.addressed:
                continue
            text = words_of(said.text, bot=identity.user, name=people.called)[:MESSAGE_CHARACTERS]
            if text:
                found.append(Turn("user", f"{await people.named(asked.team, said.user)}: {text}"))
                del found[:-MOST_MESSAGES]
    except SlackRefused:
        return ()
    return tuple(found)
