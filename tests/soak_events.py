"""Many events with random faults through one adapter in one process: what is lost, and what grows.

python tests/soak_events.py slack --events 10000
python tests/soak_events.py discord --events 10000

Rule: the platform lives in this process and the bot in another, so that only the bot's own memory counts. It
prints one object of JSON; sizes are taken while nothing is open.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypedDict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_world import Channel, Message
from tests.fakes.slack import ADA, BEN, FakeSlack
from tests.soak_process import Bot, Size

MOST_OPEN = 60
PAUSE_S = 0.01
"""Between two events, so that the bot hears of one while it is news."""

QUESTIONS = (
    "How much notice do I have to give?",
    "Wie lange ist die Frist?",
    "And for managers? :tada:",
    "?",
)
ROTATE = 400
"""So many events happen in one channel; then there is a new one, and the connection has its own trouble."""


class SoakTown(Protocol):
    """People on a platform that fails. `where` tells the bot of it."""

    where: dict[str, str]

    def event(self, number: int, chance: random.Random) -> None:
        """Somebody does something."""
        ...

    def trouble(self, number: int, chance: random.Random) -> None:
        """Something happens to the connection."""
        ...

    def calm(self) -> None:
        """Nothing fails any more."""
        ...

    def outcomes(self) -> dict[str, int]:
        """How many answers each question has that should have one."""
        ...


class SlackTown:
    """A workspace with Ada and Ben."""

    def __init__(self, stack: ExitStack, seed: int, share: float) -> None:
        self.slack = stack.enter_context(FakeSlack.running())
        self.slack.sockets.retry_after_s = (3.0, 8.0, 20.0)
        kinds = [(429, "0.2"), 500, "drop_before", "drop_after", "done_then_500", "html_503"]
        self.slack.faults(share=share, seed=seed, kinds=kinds)
        self.where = {"url": self.slack.url}
        self._channel = self.slack.add_channel("c0", [ADA, BEN])
        self._recent: collections.deque[tuple[str, str, str]] = collections.deque(maxlen=20)
        self._asked: collections.Counter[tuple[str, str]] = collections.Counter()

    def event(self, number: int, chance: random.Random) -> None:
        slack, user, text = self.slack, chance.choice((ADA, BEN)), f"{chance.choice(QUESTIONS)} ({number})"
        kind, here = chance.random(), self._channel
        if kind < 0.3 or not self._recent:
            self._ask(user, here, slack.mention(user, here, text))
        elif kind < 0.4:
            self._ask(user, slack.direct_channel(user), slack.direct(user, text))
        elif kind < 0.45:
            user, channel, ts = chance.choice(self._recent)
            slack.post(user, channel, text, ts)
            self._asked[channel, ts] += 1
        elif kind < 0.5:
            slack.command(user, here, "/ask", text)
        elif kind < 0.65:
            slack.post(user, here, f"<@{ADA}> {text}")
        elif kind < 0.72:
            user, channel, ts = self._recent[-1]
            slack.edit(user, channel, ts, f"{text} edited")
        elif kind < 0.75:
            user, channel, ts = self._recent.pop()
            del self._asked[channel, ts]  # its answer may stand already, or never come
            slack.delete(user, channel, ts)
        elif kind < 0.9:
            slack.redeliver(chance.choice(slack.deliveries[-8:]), new_id=chance.random() < 0.5)
        elif kind < 0.95:
            _, channel, ts = chance.choice(self._recent)
            slack.react(user, channel, ts, "eyes")
        else:
            slack.open_home(user)

    def _ask(self, user: str, channel: str, ts: str) -> None:
        self._recent.append((user, channel, ts))
        self._asked[channel, ts] += 1

    def trouble(self, number: int, chance: random.Random) -> None:
        self._channel = self.slack.add_channel(f"c{number}", [ADA, BEN])
        match chance.randrange(4):
            case 0:
                self.slack.disconnect("refresh_requested", closes_after=0.2)
            case 1:
                self.slack.sockets.reset()
            case 2:
                self.slack.sockets.close()
            case _:
                self.slack.refuse_tickets(1)
                self.slack.disconnect("warning", closes_after=0.5)

    def calm(self) -> None:
        self.slack.faults(share=0.0, seed=0, kinds=[])

    def outcomes(self) -> dict[str, int]:
        return {
            f"{channel} {ts}": len(self.slack.answers(channel, ts)) - expected + 1
            for (channel, ts), expected in self._asked.items()
        }


class DiscordTown:
    """A server with Ada and Bob."""

    def __init__(self, stack: ExitStack, seed: int, share: float) -> None:
        self.discord = discord = stack.enter_context(FakeDiscord.running())
        discord.faults(share, seed, [429, 500, 503, "drop_before", "drop_after", "500_after", "html"])
        self.where = {
            "origin": discord.server.origin,
            "gateway": discord.gateway_url,
            "guild": str(discord.guild.id),
        }
        self._channel = discord.general
        self._recent: collections.deque[Message] = collections.deque(maxlen=20)
        self._asked: dict[int, Message] = {}
        self._new_sessions = 3  # more would have to wait, as Discord allows a thousand a day

    def event(self, number: int, chance: random.Random) -> None:
        discord, text = self.discord, f"{chance.choice(QUESTIONS)} ({number})"
        user = chance.choice((discord.ada, discord.bob))
        kind, here = chance.random(), self._channel
        if kind < 0.3 or not self._recent:
            self._ask(discord.mention(user, here, text))
        elif kind < 0.4:
            self._ask(discord.direct(user, text))
        elif kind < 0.5:
            discord.slash(user, here, "ask", {"question": text})
        elif kind < 0.65:
            discord.post(user, here, f"{discord.ada.mention} {text}")
        elif kind < 0.72:
            discord.edit(self._recent[-1].id, f"{self._recent[-1].content} edited")
        elif kind < 0.75:
            gone = self._recent.pop()
            del self._asked[gone.id]
            discord.delete(gone.id)
        elif kind < 0.9:
            discord.deliver_again(chance.choice(self._recent))
        else:
            seen = chance.choice(self._recent)
            discord.react(seen.author, seen.id, "👀")

    def _ask(self, message: Message) -> None:
        self._recent.append(message)
        self._asked[message.id] = message

    def trouble(self, number: int, chance: random.Random) -> None:
        discord = self.discord
        self._archive(self._channel)
        self._channel = discord.add_channel(discord.guild, f"c{number}")
        kind = chance.randrange(4)
        if kind == 0 and self._new_sessions:
            self._new_sessions -= 1
            discord.invalidate(resumable=False)
        elif kind == 1:
            discord.abort_gateway()
        else:
            discord.reconnect()

    def _archive(self, channel: Channel) -> None:
        """Discord lets a thread rest after a day; a day lies between two channels."""

        def archive() -> None:
            for one in self.discord.world.channels.values():
                if one.parent is channel and not one.archived:
                    one.archived = True
                    self.discord.events.channel("THREAD_UPDATE", one)

        self.discord.run_on_loop(archive)

    def calm(self) -> None:
        self.discord.no_more_faults()

    def outcomes(self) -> dict[str, int]:
        found: collections.Counter[int] = collections.Counter()
        bot = self.discord.bot
        for message in self.discord.run_on_loop(lambda: list(self.discord.world.messages.values())):
            if message.author is bot and not message.deleted and message.text:
                # A mention is answered in the thread at its message, which has the message's id.
                found[message.reference or message.channel.id] += 1
        return {str(id_): found[id_] for id_ in self._asked}


class Report(TypedDict):
    """What came of a run: sizes after the `first` events, after all `events`, and with everything closed."""

    platform: str
    events: int
    first: int
    lost: int
    doubled: int
    questions: dict[str, int]
    early: Size
    late: Size
    grown_mb: float
    closed: Size
    minutes: float


TOWNS = {"slack": SlackTown, "discord": DiscordTown}


def soak(platform: str, folder: Path, *, events: int, first: int, seed: int, faults: float) -> Report:
    """One run in `folder`; sizes are compared from event `first` on."""
    chance, began = random.Random(seed), time.monotonic()
    with ExitStack() as stack:
        town: SoakTown = TOWNS[platform](stack, seed, faults)
        bot = Bot(platform, town.where, folder)
        stack.callback(bot.kill)
        early = bot.size()
        for number in range(1, events + 1):
            town.event(number, chance)
            time.sleep(PAUSE_S)
            if number % 10 == 0:
                bot.wait(most_open=MOST_OPEN)
            if number % ROTATE == 0:
                town.trouble(number, chance)
            if number == first:
                bot.wait(most_open=0)
                early = bot.size()
        town.calm()
        bot.wait(most_open=0)
        counts = _settled(town, bot)
        late = bot.size()
        outcomes = collections.Counter(town.outcomes().values())
        return {
            "platform": platform,
            "events": events,
            "lost": sum(count for answers, count in outcomes.items() if answers < 1),
            "doubled": sum(count for answers, count in outcomes.items() if answers > 1),
            "questions": counts,
            "first": first,
            "early": early,
            "late": late,
            "grown_mb": round(late["rss_mb"] - early["rss_mb"], 1),
            "closed": bot.end(),
            "minutes": round((time.monotonic() - began) / 60, 1),
        }


def _settled(town: SoakTown, bot: Bot, seconds: float = 60.0) -> dict[str, int]:
    """The counts once every question has its answer, or none came for so long."""
    ends = time.monotonic() + seconds
    while min(town.outcomes().values(), default=1) < 1 and time.monotonic() < ends:
        time.sleep(0.5)
    bot.wait(most_open=0)
    return bot.counts()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("platform", choices=sorted(TOWNS))
    options.add_argument("--events", type=int, default=10_000)
    options.add_argument("--first", type=int, default=2_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--faults", type=float, default=0.1)
    options.add_argument("--folder", type=Path)
    chosen = options.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak "))
    folder.mkdir(parents=True, exist_ok=True)
    report = soak(
        chosen.platform,
        folder,
        events=chosen.events,
        first=chosen.first,
        seed=chosen.seed,
        faults=chosen.faults,
    )
    print(json.dumps(report, indent=2))
    sys.exit(bool(report["lost"] or report["doubled"]))


if __name__ == "__main__":
    main()
