"""The image's recipe and its composition: nothing secret goes in, little may be done inside, and what they name is there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bot.cli.root import root
from bot.cli.serve import LEAVE_S
from bot.config_serving import LimitsSection, WebSection
from bot.serving import CLOSE_S
from bot.tokens import NAMES

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["groundling"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their words, comments left out and lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, rest.strip())
        for line in joined.splitlines()
        if line.strip()
        for word, _, rest in [line.partition(" ")]
    ]


def stage() -> list[tuple[str, str]]:
    """The instructions of the last stage, which is what is shipped."""
    found = instructions()
    begins = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    return found[begins:]


def argument(word: str) -> list[str]:
    """The one exec form of an instruction of the last stage."""
    (found,) = [rest for name, rest in stage() if name == word]
    given: list[str] = json.loads(found[found.index("[") :])
    return given


def copied() -> set[str]:
    """What is copied out of the checkout."""
    names = [rest.split() for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    return {name for words in names for name in words[:-1]}


def test_every_instruction_is_one() -> None:
    known = {"FROM", "RUN", "ARG", "ENV", "WORKDIR", "COPY", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK"}
    assert {word for word, _ in instructions()} <= known | {"ENTRYPOINT", "CMD"}


def test_image_runs_as_a_user_of_its_own_and_writes_to_the_data_volume() -> None:
    users = [rest for word, rest in stage() if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])
    assert argument("VOLUME") == ["/data"]
    command = argument("CMD")
    assert command[command.index("--data") + 1] == "/data"


def test_image_starts_a_command_that_exists() -> None:
    assert argument("ENTRYPOINT") == ["groundling"]
    name, *options = argument("CMD")
    command = root.get_command(click.Context(root), name)
    assert command is not None
    command.make_parser(click.Context(command)).parse_args(args=list(options))


def test_health_check_asks_where_the_page_is() -> None:
    (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", argument("HEALTHCHECK")[-1])
    assert asked == (str(WebSection().port), "/healthz")
    assert WebSection().host == "127.0.0.1"


def test_everything_that_is_installed_is_copied_and_let_through_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    wanted |= {
        "pyproject.toml",
        "constraints.txt",
        project["project"]["readme"],
        *project["project"]["license-files"],
    }
    assert copied() == wanted
    assert all((ROOT / name).exists() for name in wanted)
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == wanted


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yml", ".dockerignore"])
def test_no_secret_stands_in_any_of_the_files(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r"xox[a-z]-|xapp-", text)
    for name in NAMES:
        assert not re.search(rf"{name}\s*[:=]", text), f"{name} may only be given as a file"


def test_composition_gives_every_token_as_a_file() -> None:
    files = {name: path for name, path in SERVICE["environment"].items() if name.endswith("_FILE")}
    assert files == SERVICE["environment"]
    assert {name.removesuffix("_FILE") for name in files} <= set(NAMES)
    assert {path.removeprefix("/run/secrets/") for path in files.values()} == set(SERVICE["secrets"])
    assert set(SERVICE["secrets"]) <= set(COMPOSE["secrets"])
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_composition_lets_the_bot_do_little() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICE["security_opt"]
    assert not {"privileged", "ports", "network_mode", "pid", "devices", "cap_add", "user"} & set(SERVICE)
    writable = [mount.split(":") for mount in SERVICE["volumes"] if not mount.endswith(":ro")]
    assert writable == [["data", "/data"]]
    assert "data" in COMPOSE["volumes"]
    assert SERVICE["mem_limit"]


def test_composition_waits_as_long_as_the_bot_takes_to_end() -> None:
    seconds = int(SERVICE["stop_grace_period"].removesuffix("s"))
    interrupted = 5.0
    assert seconds > LimitsSection().drain_seconds + interrupted + CLOSE_S + LEAVE_S


def test_composition_mounts_what_the_image_reads() -> None:
    mounts = {mount.split(":")[1] for mount in SERVICE["volumes"]}
    command = argument("CMD")
    assert str(Path(command[command.index("--config") + 1]).parent) in mounts
    assert "/tmp" in SERVICE["tmpfs"]


def test_keys_are_those_of_the_compose_specification() -> None:
    known = {
        *("build", "image", "restart", "init", "stop_grace_period", "read_only", "cap_drop", "security_opt"),
        *("tmpfs", "volumes", "environment", "secrets", "mem_limit", "pids_limit", "logging"),
    }
    assert set(SERVICE) <= known
    assert set(COMPOSE) == {"services", "volumes", "secrets"}
