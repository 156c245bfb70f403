"""The fake platforms serve other clients as well: @slack/bolt and discord.js, which know nothing of them.

These run where `GROUNDLING_PEERS` names a folder with the packages of tests/peers/package.json installed:
`make peers` does both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.discord import TOKEN, FakeDiscord
from tests.fakes.slack import ADA, GENERAL, FakeSlack

PEERS = Path(__file__).resolve().parent / "peers"
INSTALLED = os.environ.get("GROUNDLING_PEERS", "")

pytestmark = pytest.mark.skipif(
    not INSTALLED or shutil.which("node") is None,
    reason="other clients are not installed; make peers does it",
)


@contextmanager
def peer(script: str, environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Runs a script of tests/peers/ until the block ends; the block begins when it is connected."""
    # Modules are looked for beside the script, so it goes where they are.
    copy = Path(INSTALLED) / script
    shutil.copy(PEERS / script, copy)
    errors = folder / "errors.txt"
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            ["node", str(copy)], env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=sink
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n", errors.read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
    assert errors.read_text() == ""


def test_bolt_for_javascript_answers_streams_and_opens_views(tmp_path: Path) -> None:
    with FakeSlack.running() as slack, peer("slack.mjs", slack.environment, tmp_path):
        ts = slack.mention(ADA, GENERAL, "hello")
        slack.wait_for(lambda: any("seen" in one.shown for one in slack.answers(GENERAL, ts)))
        texts = [one.shown for one in slack.answers(GENERAL, ts)]
        assert ["edited" in texts[0], "stream" in texts[1], texts[2]] == [True, True, "seen 3"]
        assert slack.answers(GENERAL, ts)[0].metadata == {
            "event_type": "peer",
            "event_payload": {"about": ts},
        }
        slack.command(ADA, GENERAL, "/ask", "how long")
        slack.wait_for(
            lambda: [one.shown for one in slack.ephemerals(GENERAL, ADA)] == ["you asked how long"]
        )
        slack.click(ADA, GENERAL, slack.answers(GENERAL, ts)[0].ts, "press")
        (view,) = slack.wait_for(lambda: slack.open_views(ADA))
        slack.submit_view(ADA, view.id, {"reason": "it is wrong"})
        direct = slack.direct_channel(ADA)
        slack.wait_for(lambda: [one.shown for one in slack.answers(direct)] == ["because it is wrong"])
        slack.open_home(ADA)
        slack.wait_for(lambda: slack.home(ADA))
        assert max(slack.acks.values()) < 3


def test_bolt_for_javascript_comes_back_after_a_disconnect(tmp_path: Path) -> None:
    with FakeSlack.running() as slack, peer("slack.mjs", slack.environment, tmp_path):
        slack.disconnect("refresh_requested", closes_after=0.5)
        slack.wait_for(lambda: slack.sockets.opened >= 2)
        slack.command(ADA, GENERAL, "/ask", "again")
        slack.wait_for(lambda: slack.ephemerals(GENERAL, ADA))
        assert [one.shown for one in slack.ephemerals(GENERAL, ADA)] == ["you asked again"]


def test_discord_js_answers_commands_buttons_forms_and_mentions(tmp_path: Path) -> None:
    with FakeDiscord.running() as discord:
        environment = {"DISCORD_TOKEN": TOKEN, "DISCORD_API_URL": discord.api_url}
        with peer("discord.mjs", environment, tmp_path):
            ada, general = discord.ada, discord.general
            discord.slash(ada, general, "ask", {"question": "how long"})
            discord.wait_for(lambda: len(discord.seen_by(ada)) == 2)
            assert [one.content for one in discord.seen_by(ada)] == ["you asked how long", "more"]
            discord.click(ada, discord.seen_by(ada)[0].id, "press")
            discord.wait_for(lambda: any(one.modal for one in discord.world.interactions.values()))
            discord.submit_modal(ada, "why", {"reason": "it is wrong"})
            discord.wait_for(lambda: "because it is wrong" in [one.content for one in discord.seen_by(ada)])
            discord.mention(ada, general, "hello")
            discord.wait_for(lambda: discord.answers(general) == ["edited"])


def test_discord_js_resumes_after_its_gateway_closes(tmp_path: Path) -> None:
    with FakeDiscord.running() as discord:
        environment = {"DISCORD_TOKEN": TOKEN, "DISCORD_API_URL": discord.api_url}
        with peer("discord.mjs", environment, tmp_path):
            discord.reconnect()
            discord.wait_for(lambda: discord.resumes == 1, 30)
            discord.mention(discord.ada, discord.general, "hello")
            discord.wait_for(lambda: discord.answers(discord.general) == ["edited"])
            assert discord.identifies == 1
