"""How soon people see something: acknowledgements and first signs under load, and the bot's own overhead.

    python tests/measure_chat.py slack
    python tests/measure_chat.py discord

The real `groundling serve` with the real model answers on all cores while 200 questions come within ten
seconds; then a few come one by one, so that what lies between the model's first words and their being
visible can be seen alone. Prints one JSON value.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.soak_questions import QUESTIONS, DiscordTown, Program, SlackTown, prepare  # noqa: E402

MODEL = '[model]\nquote = "never"\nparallel = 2\n'


class Street(Protocol):
    """A platform where questions are asked by mention, and watched."""

    def ask(self, text: str, *, command: bool = False) -> object:
        """Somebody asks, by a mention or, where that differs, a slash command; what the question is known by."""
        ...

    def connected(self) -> bool:
        """Whether the bot hears it."""
        ...

    def visible_s(self, question: object, *, words: bool) -> float | None:
        """Seconds until the bot showed anything for the question, or `words` of its answer."""
        ...

    def acknowledged_s(self) -> list[float]:
        """Seconds until each event or command was acknowledged."""
        ...


class SlackStreet:
    def __init__(self, stack: ExitStack) -> None:
        self.town = SlackTown(stack, 1, 0.0)

    def connected(self) -> bool:
        return self.town.connected()

    def ask(self, text: str, *, command: bool = False) -> object:
        from tests.fakes.slack import ADA, GENERAL

        asked = time.time()
        return self.town.slack.mention(ADA, GENERAL, text), asked

    def visible_s(self, question: object, *, words: bool) -> float | None:
        assert isinstance(question, tuple)
        ts, asked = question
        signs = ("assistant.threads.setStatus", "agents.sessions.setStatus", "reactions.add")
        methods = ("chat.startStream", "chat.postMessage", *(() if words else signs))
        for call in self.town.slack.calls:
            of = (call.arguments.get("thread_ts"), call.arguments.get("timestamp"))
            if call.method in methods and ts in of and call.done:
                return float(call.at - asked)
        return None

    def acknowledged_s(self) -> list[float]:
        return list(self.town.slack.sockets.acks.values())


class DiscordStreet:
    def __init__(self, stack: ExitStack) -> None:
        self.town = DiscordTown(stack, 1, 0.0)

    def connected(self) -> bool:
        return self.town.connected()

    def ask(self, text: str, *, command: bool = False) -> object:
        discord, asked = self.town.discord, time.monotonic()
        if command:
            return discord.slash(discord.ada, discord.general, "ask", {"question": text}).id, None
        return str(discord.mention(discord.ada, discord.general, text).id), asked

    def visible_s(self, question: object, *, words: bool) -> float | None:
        assert isinstance(question, tuple)
        id_, asked = question
        if asked is None:
            return self.town.discord.first_response_s.get(id_)
        for call in self.town.discord.calls:
            mine = f"/{id_}/" in call.path and "/messages" in call.path and call.method in ("POST", "PATCH")
            text = str((call.json or {}).get("content", "")) if mine else ""
            if text and (not words or "[1]" in text):
                return float(call.at - asked)
        return None

    def acknowledged_s(self) -> list[float]:
        return list(self.town.discord.first_response_s.values())


def share(values: list[float], part: float) -> float:
    """The value below which `part` of them lie."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3)


def spread(values: list[float]) -> dict[str, float]:
    """How `values` are spread; empty for none."""
    if not values:
        return {}
    parts = {f"p{part}": share(values, part / 100) for part in (50, 95, 99)}
    return {"n": len(values), **parts, "max": round(max(values), 3)}


def overheads(street: Street, program: Program, count: int) -> list[float]:
    """Milliseconds from a question to its first visible words, less those until the words were made."""
    found = []
    for number in range(count):
        done = program.states()["done"]
        question = street.ask(QUESTIONS[number % 4] + f" (alone {number})")
        await_(lambda: program.states()["done"] > done, 120)  # noqa: B023
        ((reply,),) = program.rows(
            "select reply from questions where reply is not null order by number desc limit 1"
        )
        timings = json.loads(str(reply))["answer"]["timings"]
        made = timings["first_words_ms"]  # None where the words came all at once, when they were checked
        visible = street.visible_s(question, words=True)
        if visible is not None:
            found.append(visible * 1000 - (timings["total_ms"] if made is None else made))
    return found


def await_(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until `condition` holds."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise SystemExit(f"it took more than {seconds} s")
        time.sleep(0.02)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("platform", choices=["slack", "discord"])
    options.add_argument("--events", type=int, default=200)
    options.add_argument("--within-s", type=float, default=10.0)
    options.add_argument("--alone", type=int, default=15)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="measure "))
    print(f"in {folder}", file=sys.stderr)
    with ExitStack() as stack:
        street: Street = SlackStreet(stack) if chosen.platform == "slack" else DiscordStreet(stack)
        section = street.town.section  # type: ignore[attr-defined]
        prepare(folder, section, model=MODEL)
        program = Program(folder, street.town.environment, threads=None)  # type: ignore[attr-defined]
        program.start()
        await_(street.connected, 180)
        street.ask(QUESTIONS[0])
        await_(lambda: program.states()["done"] == 1, 180)
        alone = overheads(street, program, chosen.alone)
        began, asked = time.time(), []
        for number in range(chosen.events):
            time.sleep(max(0.0, began + number * chosen.within_s / chosen.events - time.time()))
            text = QUESTIONS[number % len(QUESTIONS)] + f" (case {number})"
            asked.append(street.ask(text, command=number % 2 == 1))
        await_(lambda: program.states()["done"] == chosen.events + chosen.alone + 1, 1800)
        signs = [street.visible_s(one, words=False) for one in asked]
        report = {
            "questions": chosen.events,
            "first_sign_s": spread([one for one in signs if one is not None]),
            "without_a_sign": signs.count(None),
            "acknowledged_s": spread(street.acknowledged_s()),
            "overhead_ms": spread(alone),
            "outcomes": dict(program.rows("select outcome, count(*) from questions group by 1")),  # type: ignore[arg-type]
            "exit": program.stop(),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
