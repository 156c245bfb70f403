"""`groundling slack manifest`, as it is run."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from adapters.slack_manifest import FULL_SCOPES
from bot.cli.slack import slack


def test_manifest_is_one_json_value(tmp_path: Path) -> None:
    folder = ["--config", str(tmp_path / "none.toml"), "--data", str(tmp_path)]
    full = CliRunner().invoke(slack, ["manifest", "--name", "Docs Bot", *folder])
    assert full.exit_code == 0, full.output
    assert json.loads(full.stdout)["display_information"]["name"] == "Docs Bot"
    minimal = CliRunner().invoke(slack, ["manifest", "--minimal", *folder])
    scopes = json.loads(minimal.stdout)["oauth_config"]["scopes"]["bot"]
    assert "channels:history" not in scopes
    assert CliRunner().invoke(slack, ["manifest", "--name", "x" * 36, *folder]).exit_code != 0


def test_every_scope_is_explained_in_the_guide() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "slack.md").read_text(encoding="utf-8")
    assert [scope for scope in FULL_SCOPES if f"`{scope}`" not in page] == []
