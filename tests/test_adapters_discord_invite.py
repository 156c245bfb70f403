"""The address that adds the bot to a Discord server."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from adapters.discord_invite import PERMISSIONS, application_of, invite
from bot.cli.discord import discord
from bot.errors import WrongUse

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.notasecretnotasecretnotasecret"
ADMINISTRATOR, MANAGE = 1 << 3, (1 << 4) | (1 << 5) | (1 << 13) | (1 << 17) | (1 << 28) | (1 << 34)


def test_the_invitation_asks_for_little() -> None:
    asked = parse_qs(urlsplit(invite("123456789012345678")).query)
    assert asked["scope"] == ["bot applications.commands"]
    assert asked["client_id"] == ["123456789012345678"]
    assert asked["integration_type"] == ["0"]
    permissions = int(asked["permissions"][0])
    assert permissions == sum(PERMISSIONS.values())
    assert not permissions & (ADMINISTRATOR | MANAGE)


def test_a_token_names_its_application() -> None:
    assert application_of(TOKEN) == "123456789012345678"
    for wrong in ("", "xoxb-1", "ä", "MTIz.x.y", "a.b.c"):
        assert application_of(wrong) is None


def test_the_command_prints_the_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    found = CliRunner().invoke(discord, ["invite"])
    assert found.stdout.strip() == invite("123456789012345678")
    assert TOKEN not in found.output
    found = CliRunner().invoke(discord, ["invite", "--application", "7", "--json"])
    assert json.loads(found.stdout)["url"] == invite("7")
    for wrong in ("abc", "", "7&permissions=8"):
        found = CliRunner().invoke(discord, ["invite", "--application", wrong])
        assert isinstance(found.exception, WrongUse)
        assert "General Information > Application ID" in str(found.exception)


@pytest.mark.parametrize("token", ["nonsense", None])
def test_the_command_says_what_it_misses(monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("DISCORD_TOKEN", token)
    found = CliRunner().invoke(discord, ["invite"])
    assert isinstance(found.exception, WrongUse)
    assert "--application" in str(found.exception)
    assert "nonsense" not in str(found.exception)
