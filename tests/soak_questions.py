"""Kills the whole program again and again while people ask, and counts what became of each question.

    python tests/soak_questions.py slack --questions 1000 --kills 200 --seed 1
    python tests/soak_questions.py discord --questions 1000 --kills 200 --seed 1

The real `groundling serve` runs beside a fake platform with redelivery, duplicates and API faults. It is
killed (SIGKILL) at random moments, and as soon as a chosen step is seen in its database. In the end, with
the faults over, each question must have exactly one visible outcome. The run is repeatable by its seed as
far as two processes on one machine are. Answers are quotes, so that the time goes into the steps.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

STEPS = ("waiting", "answering", "noted", "delivering", "done")
"""What can be seen of a question in the database: stored, begun, its post noted, its reply stored, done."""

QUESTIONS = (
    "How many days of annual leave are there?",
    "Until when may days be carried over?",
    "When does the car park close?",
    "What is the rate for a bicycle?",
    "Is there a company nursery?",
)


class Town(Protocol):
    """A fake platform with people in it."""

    environment: dict[str, str]
    section: str

    def connected(self) -> bool:
        """Whether the bot hears what is said now."""
        ...

    def greet(self) -> None:
        """Everybody writes to the bot directly for the first time; it has to be up for that, because a
        direct channel that it never heard of cannot be read back."""
        ...

    def ask(self, number: int, chance: random.Random) -> None:
        """Somebody asks question `number`; some are heard more than once."""
        ...

    def wait_hours(self, data: Path) -> None:
        """Makes a kill seem hours away from the one before to what counts them in `data`."""
        ...

    def outcomes(self) -> dict[int, list[str]]:
        """The bot's visible posts for each question asked so far."""
        ...

    def calm(self) -> None:
        """Ends all faults."""
        ...


class SlackTown:
    section = '[slack]\nenabled = true\n[[collection]]\nname = "main"\nreaders = ["everyone"]\n'

    def __init__(self, stack: ExitStack, seed: int, share: float) -> None:
        from tests.fakes.slack import FakeSlack

        self.slack = stack.enter_context(FakeSlack.running())
        self.slack.sockets.retry_after_s = (3.0, 8.0, 20.0)
        self.slack.faults(
            share=share,
            seed=seed,
            kinds=[429, 500, "ratelimited", "drop_before", "drop_after", "done_then_500", "html_503"],
        )
        self.environment = self.slack.environment
        self.asked: dict[int, tuple[str, str]] = {}

    def ask(self, number: int, chance: random.Random) -> None:
        from tests.fakes.slack import ADA, BEN, GENERAL

        user, text = chance.choice((ADA, BEN)), f"{QUESTIONS[number % len(QUESTIONS)]} (case {number})"
        if chance.random() < 0.3:
            ts = self.slack.direct(user, text)
            self.asked[number] = (self.slack.direct_channel(user), ts)
        else:
            ts = self.slack.mention(user, GENERAL, text)
            self.asked[number] = (GENERAL, ts)
        if chance.random() < 0.3:
            again = chance.choice(self.slack.deliveries[-8:])
            self.slack.redeliver(again, new_id=chance.random() < 0.5)

    def connected(self) -> bool:
        return bool(self.slack.sockets.open())

    def greet(self) -> None:
        from tests.fakes.slack import ADA, BEN

        for number, user in enumerate((ADA, BEN)):
            self.asked[-1 - number] = (self.slack.direct_channel(user), self.slack.direct(user, QUESTIONS[0]))

    def wait_hours(self, data: Path) -> None:
        pass

    def outcomes(self) -> dict[int, list[str]]:
        found = {}
        for number, (channel, ts) in list(self.asked.items()):
            found[number] = [message.shown for message in self.slack.answers(channel, ts)]
        return found

    def calm(self) -> None:
        self.slack.faults(share=0.0, seed=0, kinds=[])


class DiscordTown:
    def __init__(self, stack: ExitStack, seed: int, share: float) -> None:
        from tests.fakes.discord import TOKEN, FakeDiscord

        self.discord = stack.enter_context(FakeDiscord.running())
        self.section = (
            f'[discord]\nenabled = true\nguilds = ["{self.discord.guild.id}"]\n'
            '[[collection]]\nname = "main"\nreaders = ["everyone"]\n'
        )
        self.discord.faults(
            share=share, seed=seed, kinds=[429, 500, 503, "drop_before", "drop_after", "500_after", "html"]
        )
        self.environment = {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_URL": self.discord.api_url,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
        }
        self.asked: dict[int, object] = {}

    def ask(self, number: int, chance: random.Random) -> None:
        user = chance.choice((self.discord.ada, self.discord.bob))
        text = f"{QUESTIONS[number % len(QUESTIONS)]} (case {number})"
        message = (
            self.discord.direct(user, text)
            if chance.random() < 0.3
            else self.discord.mention(user, self.discord.general, text)
        )
        self.asked[number] = message
        if chance.random() < 0.3:
            self.discord.deliver_again(message)

    def connected(self) -> bool:
        return self.discord.run_on_loop(lambda: bool(self.discord.connected()))

    def greet(self) -> None:
        for number, user in enumerate((self.discord.ada, self.discord.bob)):
            self.asked[-1 - number] = self.discord.direct(user, QUESTIONS[0])

    def wait_hours(self, data: Path) -> None:
        """Discord allows a thousand sessions a day, so the adapter spaces them."""
        file = data / "discord.json"
        with contextlib.suppress(FileNotFoundError, ValueError):  # killed while it wrote
            kept = json.loads(file.read_text(encoding="utf-8"))
            file.write_text(json.dumps({**kept, "identified": []}), encoding="utf-8")

    def outcomes(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {number: [] for number in self.asked}
        by_id = {message.id: number for number, message in self.asked.items()}  # type: ignore[attr-defined]
        for message in self.discord.run_on_loop(lambda: list(self.discord.world.messages.values())):
            # A mention is answered in the thread at its message, which has the message's id.
            target = message.reference if message.reference in by_id else message.channel.id
            mine = message.author.id == self.discord.bot.id and not message.deleted
            if mine and target in by_id and message.text:
                found[by_id[target]].append(message.text)
        return found

    def calm(self) -> None:
        self.discord.no_more_faults()


class Program:
    """`groundling serve`, started and killed."""

    def __init__(self, folder: Path, environment: dict[str, str], *, threads: int | None = 1) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        if threads is not None:
            self.environment["OMP_NUM_THREADS"] = str(threads)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.joinpath("serve.log").open("ab")

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve"], cwd=self.folder, env=self.environment, stderr=self.log
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def states(self) -> collections.Counter[str]:
        """How many questions are at each of `STEPS`."""
        file = self.folder / "data" / "groundling.sqlite"
        if not file.exists():
            return collections.Counter()
        try:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1) as database:
                rows = database.execute(
                    "select case when state = 'answering' and handle is not null then 'noted' else state end,"
                    " count(*) from questions group by 1"
                ).fetchall()
        except sqlite3.Error:
            return collections.Counter()
        return collections.Counter(dict(rows))

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What the database answers."""
        file = self.folder / "data" / "groundling.sqlite"
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5) as database:
            return database.execute(statement).fetchall()

    def await_step(self, step: str, seconds: float) -> bool:
        """Waits until one more question than now is at `step`."""
        before, ends = self.states()[step], time.monotonic() + seconds
        while time.monotonic() < ends:
            if self.states()[step] > before:
                return True
            time.sleep(0.002)
        return False


def prepare(folder: Path, section: str, *, model: str = '[model]\nkind = "none"\n') -> None:
    """A small synced project; answers are quotes unless `model` says otherwise."""
    documents = folder / "documents"
    documents.mkdir()
    documents.joinpath("leave.md").write_text(
        "# Annual leave\n\nEvery employee has 25 days of annual leave a year.\n\n"
        "## Carrying over\n\nUp to five days may be carried over until the end of March.\n"
    )
    documents.joinpath("parking.txt").write_text("The car park closes at 21:30 on every working day.\n")
    documents.joinpath("rates.csv").write_text("Item,Rate\nBicycle,0.20\nCar,0.45\n")
    folder.joinpath("groundling.toml").write_text(
        f"{model}[schedule]\nwatch = false\n[web]\nport = 0\n"
        f'[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n{section}'
    )
    subprocess.run(
        [sys.executable, "-m", "bot", "sync"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )


def run(
    town: Town, program: Program, *, questions: int, kills: int, seed: int, quiet_s: float
) -> dict[str, object]:
    """Asks, kills, waits, and says what became of the questions."""
    chance = random.Random(seed)
    asked, done_kills = 0, 0
    by_step: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    program.start()
    _await(town.connected, quiet_s, "it never connected")
    town.greet()
    _await(lambda: program.states()["done"] == 2, quiet_s, "not one answer")
    program.kill()
    while done_kills < kills:
        town.wait_hours(program.folder / "data")
        program.start()
        step = chance.choice((*STEPS, "random", "random"))
        share = max(1, round((questions - asked) / (kills - done_kills)))
        for _ in range(min(questions - asked, max(0, round(chance.gauss(share, share / 2))))):
            town.ask(asked, chance)
            asked += 1
            time.sleep(chance.random() * 0.05)
        if step == "random":
            time.sleep(chance.random() * 9)
        elif not program.await_step(step, 40):
            step = "late"
        assert program.process is not None
        assert program.process.poll() is None, "the program ended by itself; see serve.log"
        program.kill()
        by_step[step] += 1
        done_kills += 1
        if done_kills % 10 == 0:
            minutes = (time.monotonic() - began) / 60
            print(
                f"{done_kills} kills, {asked} questions, {minutes:.1f} min, {dict(program.states())}",
                file=sys.stderr,
                flush=True,
            )
    town.wait_hours(program.folder / "data")
    program.start()
    for number in range(asked, questions):
        town.ask(number, chance)
    town.calm()
    report = _settled(lambda: _report(town, program, questions), quiet_s)
    status = program.stop()
    return {
        **report,
        "kills": done_kills,
        "kills_at": dict(by_step),
        "exit": status,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def _report(town: Town, program: Program, questions: int) -> dict[str, object]:
    outcomes = town.outcomes()
    counts = collections.Counter(len(posts) for posts in outcomes.values())
    shown = [posts[0] for posts in outcomes.values() if len(posts) == 1]
    return {
        "questions": questions,
        "lost": counts[0],
        "doubled": sum(count for number, count in counts.items() if number > 1),
        "unfinished": sum(count for state, count in program.states().items() if state != "done"),
        "failures": sum("reference" in text for text in shown),
        "examples": {str(n): posts for n, posts in outcomes.items() if len(posts) != 1}
        and dict(list({str(n): posts for n, posts in outcomes.items() if len(posts) != 1}.items())[:5]),
    }


def _settled(report: Callable[[], dict[str, object]], seconds: float) -> dict[str, object]:
    """The report once nothing is open any more, or after `seconds`."""
    ends = time.monotonic() + seconds
    while True:
        found = report()
        if (not found["lost"] and not found["unfinished"]) or time.monotonic() > ends:
            return found
        time.sleep(1)


def _await(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise SystemExit(f"{otherwise} in {seconds:.0f} s; see serve.log")
        time.sleep(0.1)


def soak(
    platform: str, folder: Path, *, questions: int, kills: int, seed: int, faults: float, quiet_s: float
) -> dict[str, object]:
    """One run in `folder`."""
    with ExitStack() as stack:
        towns: dict[str, Callable[[ExitStack, int, float], Town]] = {
            "slack": SlackTown,
            "discord": DiscordTown,
        }
        town = towns[platform](stack, seed, faults)
        prepare(folder, town.section)
        program = Program(folder, town.environment)
        return run(town, program, questions=questions, kills=kills, seed=seed, quiet_s=quiet_s)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("platform", choices=["slack", "discord"])
    options.add_argument("--questions", type=int, default=1000)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--faults", type=float, default=0.3)
    options.add_argument("--quiet-s", type=float, default=600)
    options.add_argument("--folder", type=Path)
    chosen = options.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak "))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"in {folder}", file=sys.stderr)
    report = soak(
        chosen.platform,
        folder,
        questions=chosen.questions,
        kills=chosen.kills,
        seed=chosen.seed,
        faults=chosen.faults,
        quiet_s=chosen.quiet_s,
    )
    print(json.dumps(report, indent=2, ensure_ascii=False))
    sys.exit(bool(report["lost"] or report["doubled"] or report["unfinished"]))


if __name__ == "__main__":
    main()
