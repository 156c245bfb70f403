"""The whole program with its real model, from a mention to a cited answer and a stored vote, on each platform."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.discord import TOKEN, FakeDiscord
from tests.fakes.slack import ADA, BEN, GENERAL, FakeSlack
from tests.served import serving

QUESTION = "How many days of annual leave does every employee have?"
ANSWER_S = 120.0


@pytest.fixture
def project(synced: Path, tmp_path: Path) -> Path:
    """A synced project of one's own, whose documents every member may read."""
    folder = tmp_path / "a project"
    shutil.copytree(synced, folder)
    return folder


def configure(folder: Path, section: str) -> None:
    file = folder / "groundling.toml"
    file.write_text(
        f'{file.read_text()}\n[web]\nport = 0\n[schedule]\nwatch = false\n[[collection]]\nname = "main"\n'
        f'readers = ["everyone"]\n{section}'
    )


def rows(folder: Path, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "data" / "groundling.sqlite") as database:
        return database.execute(statement).fetchall()


def test_slack_from_a_mention_to_a_stored_vote(project: Path) -> None:
    configure(project, "[slack]\nenabled = true\n")
    with FakeSlack.running() as slack, serving(project, environment=slack.environment) as served:
        slack.wait_for(lambda: slack.sockets.open(), ANSWER_S)
        ts = slack.mention(ADA, GENERAL, QUESTION)
        slack.wait_for(
            lambda: "25 days" in "".join(one.shown for one in slack.answers(GENERAL, ts)), ANSWER_S
        )
        slack.wait_for(lambda: rows(project, "select 1 from questions where outcome = 'answered'"), ANSWER_S)
        (answer,) = slack.answers(GENERAL, ts)
        assert "[1]" in answer.shown
        assert "Annual leave" in answer.shown
        assert answer.pings == []
        assert slack.status(GENERAL, ts) == ""
        assert max(slack.acks.values()) < 3

        ((question,),) = rows(project, "select id from questions")
        slack.click(BEN, GENERAL, answer.ts, "feedback", f"{question}:down")
        slack.wait_for(lambda: rows(project, "select verdict from votes") == [("down",)])

        follow_up = slack.post(ADA, GENERAL, "And how many may be carried over?", thread_ts=ts)
        slack.wait_for(lambda: len(slack.answers(GENERAL, ts)) == 2, ANSWER_S)
        slack.wait_for(
            lambda: len(rows(project, "select 1 from questions where outcome = 'answered'")) == 2, ANSWER_S
        )
        assert "five days" in slack.answers(GENERAL, ts)[1].shown
        assert follow_up > ts

        served.signal(signal.SIGTERM)
        assert served.ended() == 0
        assert slack.bot_token not in served.log
        assert "annual leave" not in served.log.lower(), "no question and no answer stands in the log"


def test_discord_from_a_mention_to_a_stored_vote(project: Path) -> None:
    with FakeDiscord.running() as discord:
        configure(project, f'[discord]\nenabled = true\nguilds = ["{discord.guild.id}"]\n')
        environment = {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_URL": discord.api_url,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
        }
        with serving(project, environment=environment) as served:
            discord.wait_for(discord.connected, ANSWER_S)
            discord.mention(discord.ada, discord.general, QUESTION)
            discord.wait_for(
                lambda: rows(project, "select 1 from questions where outcome = 'answered'"), ANSWER_S
            )
            # A mention in a channel is answered in a thread of its own.
            (answer,) = [
                one
                for one in discord.run_on_loop(lambda: list(discord.world.messages.values()))
                if one.author.id == discord.bot.id and one.content and not one.deleted
            ]
            assert "25 days" in answer.text
            assert "[1]" in answer.text
            assert "Annual leave" in answer.text
            assert answer.previews == []
            assert answer.allowed_mentions == {"parse": []}

            vote = next(one for one in answer.custom_ids if "down" in one)
            discord.click(discord.bob, answer.id, vote)
            discord.wait_for(lambda: rows(project, "select verdict from votes") == [("down",)])

            discord.slash(discord.bob, discord.general, "ask", {"question": "When does the car park close?"})
            discord.wait_for(
                lambda: any("21:30" in one.text for one in discord.seen_by(discord.bob)), ANSWER_S
            )

            served.signal(signal.SIGTERM)
            assert served.ended() == 0
            assert TOKEN not in served.log
            assert "car park" not in served.log, "no question and no answer stands in the log"
