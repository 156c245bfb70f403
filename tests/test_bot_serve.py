"""`groundling serve` as a process: it starts, tells how it is, syncs, takes over changes, and ends."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Groundling
from tests.served import Served, serving

QUIET = '\n[model]\nkind = "none"\n[schedule]\nevery = "off"\nwatch = false\n[web]\nport = 0\n'
READABLE = '\n[[collection]]\nname = "main"\nreaders = ["everyone"]\n'


@pytest.fixture
def home(synced: Path, tmp_path: Path) -> Path:
    """A synced project of the test's own, with a quiet configuration."""
    folder = tmp_path / "home"
    shutil.copytree(synced, folder, ignore=shutil.ignore_patterns("serve.lock"))
    configure(folder, QUIET)
    return folder


def configure(folder: Path, more: str) -> None:
    source = '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'
    folder.joinpath("groundling.toml").write_text(source + more)


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving(home) as running:
        yield running


def test_serve_without_a_platform_tells_how_it_is_and_ends_with_0(served: Served) -> None:
    served.until(lambda: served.get("/readyz")[0] == 200)
    served.until(lambda: served.get("/healthz")[1]["model"] == "none")
    status, health = served.get("/healthz")
    assert status == 200
    assert health["status"] == "ok"
    assert health["platforms"] == {}
    assert health["questions"] == {"open": 0}
    assert isinstance(health["index_version"], int)
    assert health["next_sync"] is None
    assert served.log.count("no chat platform is enabled") == 1
    served.signal(signal.SIGTERM)
    assert served.ended() == 0
    assert "Traceback" not in served.log


def test_sigint_ends_it_too_and_the_next_one_may_begin(home: Path) -> None:
    for _ in range(2):
        with serving(home) as served:
            served.until_logged("healthz")
            served.signal(signal.SIGINT)
            assert served.ended() == 0


def test_second_serve_on_the_same_data_folder_refuses_in_one_line(home: Path, groundling: Groundling) -> None:
    with serving(home) as served:
        served.until_logged("healthz")
        second = groundling("serve", cwd=home)
        assert second.returncode == 1
        told = second.stderr.decode().splitlines()
        assert len(told) == 1
        assert f"is served already (process {served.process.pid})" in told[0]
        elsewhere = groundling("sync", "--json", cwd=home)
        assert elsewhere.returncode == 0, "a sync by hand goes on beside it"


def test_serve_that_was_killed_leaves_nothing_that_keeps_the_next_from_starting(home: Path) -> None:
    with serving(home) as served:
        served.until_logged("healthz")
        served.signal(signal.SIGKILL)
        served.ended()
    with serving(home) as served:
        served.until_logged("healthz")
        served.signal(signal.SIGTERM)
        assert served.ended() == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[slack]\nenabled = "yes"\n', "slack.enabled = 'yes': it should be true or false"),
        ("[slack]\nenabled = true\n", "SLACK_BOT_TOKEN is not set; set it, or SLACK_BOT_TOKEN_FILE"),
        (
            "[discord]\nenabled = true\n[web]\nport = 0\n",
            "DISCORD_TOKEN is not set; set it, or DISCORD_TOKEN_FILE",
        ),
    ],
)
def test_wrong_configuration_ends_it_with_2_and_one_line_that_names_the_mend(
    home: Path, groundling: Groundling, more: str, said: str
) -> None:
    configure(home, more if "[web]" in more else more + "[web]\nport = 0\n")
    done = groundling("serve", cwd=home)
    last = done.stderr.decode().splitlines()[-1]
    assert done.returncode == 2, done.stderr.decode()
    assert last.startswith("groundling: ")
    assert said in last
    assert done.stderr.decode().count("nobody may read anything in chats") == more.count("enabled = true")
    assert "Traceback" not in done.stderr.decode()


def test_crontab_that_cannot_be_ends_it_with_2(home: Path, groundling: Groundling) -> None:
    configure(home, 'cron = "99 * * * *"\n[web]\nport = 0\n')
    done = groundling("serve", cwd=home)
    assert done.returncode == 2
    assert "[[source]] handbook: cron = '99 * * * *' cannot be" in done.stderr.decode()


def test_changed_configuration_is_taken_over_and_a_wrong_one_changes_nothing(home: Path) -> None:
    with serving(home) as served:
        served.until_logged("healthz")
        configure(home, QUIET + READABLE + '[access]\nadmins = ["slack:user:U01"]\n')
        served.until_logged("read groundling.toml anew")
        assert "restart to apply" not in served.log
        configure(home, QUIET + "[acess]\nguests = true\n")
        served.until_logged("unknown key 'acess'; did you mean 'access'?")
        assert "the configuration stays as it was" in served.log
        configure(home, QUIET + "[retrieval]\npassages = 3\n")
        served.until_logged("restart to apply: retrieval")
        served.signal(signal.SIGHUP)
        served.until_logged("read groundling.toml anew", times=3)
        served.signal(signal.SIGTERM)
        assert served.ended() == 0


def test_configuration_that_is_changed_while_it_starts_is_taken_over(home: Path) -> None:
    held = home / "token"  # is read when the configuration has been, and keeps whoever reads it
    os.mkfifo(held)
    with serving(home, environment={"SLACK_BOT_TOKEN_FILE": str(held)}) as served:
        token = served.until(lambda: opened_to_write(held))
        assert isinstance(token, int)
        configure(home, QUIET + READABLE)
        served.signal(signal.SIGHUP)
        os.close(token)
        served.until_logged("read groundling.toml anew")
        served.signal(signal.SIGTERM)
        assert served.ended() == 0


def opened_to_write(pipe: Path) -> int | None:
    """A descriptor, None where nobody reads the pipe yet."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_model_that_is_missing_is_told_and_everything_else_goes_on(home: Path) -> None:
    configure(home, QUIET.replace('kind = "none"', 'path = "nowhere.gguf"'))
    with serving(home) as served:
        served.until(lambda: str(served.get("/healthz")[1]["model"]).startswith("failed: "))
        served.until(lambda: served.get("/readyz")[0] == 200)
        served.signal(signal.SIGTERM)
        assert served.ended() == 0


def test_first_start_syncs_and_a_changed_folder_is_seen_by_the_running_process(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    configure(tmp_path, '\n[model]\nkind = "none"\n[web]\nport = 0\n')
    with serving(tmp_path, "--config", "./groundling.toml", "--data", "elsewhere") as served:
        status, why = served.get("/readyz")
        assert status == 503
        assert why["reason"] in ("starting", "there is no index yet")
        served.until_logged("synced handbook: 0 added")
        served.until(lambda: served.get("/readyz")[0] == 200)
        first = served.get("/healthz")[1]
        assert first["next_sync"] is not None
        documents.joinpath("leave.md").write_text("# Leave\n\nEvery employee has 25 days of annual leave.\n")
        served.until_logged("synced handbook: 1 added")
        served.until(lambda: served.get("/healthz")[1]["index_version"] != first["index_version"])
        served.signal(signal.SIGTERM)
        assert served.ended() == 0
        assert "annual leave" not in served.log
    assert tmp_path.joinpath("elsewhere", "index.lance").is_dir()
    assert not tmp_path.joinpath("data").exists()


def test_no_token_reaches_the_log_or_the_processes_that_it_starts(home: Path) -> None:
    from bot.tokens import texts, without_tokens

    given = {"SLACK_BOT_TOKEN": "xoxb-1-abc", "DISCORD_TOKEN_FILE": str(home / "token"), "PATH": os.defpath}
    home.joinpath("token").write_text("a.b.c\n")
    assert texts(given) == ["xoxb-1-abc", "a.b.c"]
    assert without_tokens(given) == {"PATH": os.defpath}
