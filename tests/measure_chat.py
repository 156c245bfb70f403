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
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.soak_questions import QUESTIONS, DiscordTown, Program, SlackTown, prepare  # noqa: E402

MODEL = '[model]\nquote = "never"\nparallel = 2\n'


def share(values: list[float], part: float) -> float:
    """The value below which `part` of them lie."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3)


def spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        "n": len(values),
        "p50": share(values, 0.5),
        "p95": share(values, 0.95),
        "p99": share(values, 0.99),
        "max": round(max(values), 3),
    }


def slack_signs(town: SlackTown, sent: dict[int, float]) -> list[float]:
    """Seconds from each question to the first call that shows anything for it."""
    calls = town.slack.calls
    found = []
    for number, (channel, ts) in town.asked.items():
        signs = [
            call.time - sent[number]
            for call in calls
            if call.method
            in (
                "assistant.threads.setStatus",
                "agents.sessions.setStatus",
                "chat.postMessage",
                "chat.startStream",
                "reactions.add",
            )
            and call.arguments.get("channel", call.arguments.get("channel_id")) == channel
            and ts in (call.arguments.get("thread_ts"), call.arguments.get("timestamp"))
        ]
        if signs:
            found.append(min(signs))
    return found


def discord_signs(town: DiscordTown, sent: dict[int, float]) -> list[float]:
    """Seconds from each question to the bot's first post about it."""
    found = []
    for number, message in town.asked.items():
        made = [
            call.time - sent[number]
            for call in town.discord.calls
            if call.route == "POST /channels/{}/messages"
            and (call.json or {}).get("message_reference", {}).get("message_id") == str(message.id)  # type: ignore[attr-defined]
        ]
        if made:
            found.append(min(made))
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("platform", choices=["slack", "discord"])
    options.add_argument("--events", type=int, default=200)
    options.add_argument("--within-s", type=float, default=10.0)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="measure "))
    with ExitStack() as stack:
        town = (SlackTown if chosen.platform == "slack" else DiscordTown)(stack, 1, 0.0)
        prepare(folder, town.section, model=MODEL)
        program = Program(folder, town.environment, threads=None)
        program.start()
        _await(lambda: _one(town, -1) or True, 1)
        _await(lambda: program.states()["done"] >= 1, 180)
        sent = {}
        began = time.time()
        for number in range(chosen.events):
            while time.time() - began < number * chosen.within_s / chosen.events:
                time.sleep(0.001)
            sent[number] = time.time()
            town.ask_plainly(number, QUESTIONS[number % len(QUESTIONS)] + f" (case {number})")
        _await(
            lambda: (
                sum(program.states().values()) >= chosen.events + 1
                and program.states()["done"] >= chosen.events + 1
            ),
            900,
        )
        signs = slack_signs(town, sent) if isinstance(town, SlackTown) else discord_signs(town, sent)
        report: dict[str, object] = {
            "questions": chosen.events,
            "first_sign_s": spread(signs),
            "without_a_sign": chosen.events - len(signs),
            "outcomes": program.outcomes(),
        }
        if isinstance(town, SlackTown):
            report["acknowledged_s"] = spread(list(town.slack.acks.values()))
        report["overhead_ms"] = spread(overheads(town, program, 20))
        report["exit"] = program.stop()
    print(json.dumps(report, indent=2))


def overheads(town: SlackTown | DiscordTown, program: Program, count: int) -> list[float]:
    """Milliseconds from a question to its first visible words, less those until the words were made."""
    found = []
    for number in range(10_000, 10_000 + count):
        asked_at, done = time.time(), program.states()["done"]
        town.ask_plainly(number, QUESTIONS[number % 4] + f" (alone {number})")
        _await(lambda: program.states()["done"] > done, 120)  # noqa: B023
        words = program.first_words_ms()
        visible = town.first_words_at(number)
        if words is not None and visible is not None:
            found.append((visible - asked_at) * 1000 - words)
    return found


def _one(town: SlackTown | DiscordTown, number: int) -> None:
    town.ask_plainly(number, QUESTIONS[0])


def _await(condition: object, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > ends:
            raise SystemExit("it took too long")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
