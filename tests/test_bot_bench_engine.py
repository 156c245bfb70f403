"""The engine's measurement asks what it says, of everybody the same, and its tuning survives a damaged file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.bench_engine import EngineBench, EngineLoad, EngineRow, ratios
from bot.bench_library import LibraryArm
from bot.bench_load import SYSTEM, Load, made_load
from bot.bench_plot import plot
from bot.bench_tune import Tried, fastest, thread_counts, tune
from bot.cli.options import write_json
from models.engine.generator import ModelIdentity, Turn
from models.engine.process import LocalModel
from models.engine.settings import EngineSettings
from models.engine.tuned import keep, tuned
from models.gguf import read_header
from models.hardware import plan
from models.weights import BUNDLED_SHA256, bundled_path, sha256_of
from tests.conftest import ROOT, Groundling
from tests.tiny_base import write_tiny_base

SHA = "ab" * 32


@dataclass
class FakeServer:
    """Speaks as much of llama-server's protocol as an answer of `tokens` words needs; keeps what it was asked."""

    slots: int | None = 2
    broken: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *arguments: object) -> None:
                return

            def do_GET(self) -> None:
                about: object = {"data": [{"id": "a-model"}]}
                if self.path == "/props" and fake.slots is not None:
                    about = {"total_slots": fake.slots, "default_generation_settings": {"n_ctx": 1536}}
                elif self.path != "/v1/models":
                    self.send_error(404)
                    return
                self._send("application/json", json.dumps(about).encode())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(body)
                if fake.broken:
                    self.send_error(500, "out of memory")
                    return
                pieces: list[object] = [{"choices": [{"delta": {"role": "assistant", "content": None}}]}]
                pieces += [{"choices": [{"delta": {"content": "word "}}]}] * body["max_tokens"]
                counts = {"completion_tokens": body["max_tokens"], "prompt_tokens": 870}
                pieces.append(
                    {"choices": [], "usage": {**counts, "prompt_tokens_details": {"cached_tokens": 40}}}
                )
                lines = [b"data: " + json.dumps(piece).encode() for piece in pieces]
                self._send("text/event-stream", b"\n\n".join([*lines, b"data: [DONE]", b""]))

            def _send(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def weights() -> Path:
    path = bundled_path()
    assert path is not None
    return path


def blocks_of(turns: tuple[Turn, ...]) -> list[str]:
    """The passages; the numbers before them are blocks too."""
    return [turn.text[start:end] for turn in turns for start, end in turn.blocks[1::2]]


def row(arm: str, seconds: float) -> EngineRow:
    return EngineRow(arm, 4, 16, seconds, 100, 100 / seconds, seconds / 4, seconds / 2, 1600, 80, None)


def test_the_load_is_the_same_every_time_and_another_part_asks_other_questions() -> None:
    assert made_load(6) == made_load(6)
    assert made_load(6, part=4).pool == made_load(6, part=8).pool
    assert not set(made_load(6, part=4).questions) & set(made_load(6, part=8).questions)
    assert made_load(6, seed=8).pool != made_load(6).pool


def test_blocks_are_exactly_the_passages_and_the_numbers_before_them() -> None:
    load = made_load(20, pool=12)
    for turns in load.questions:
        system, user = turns
        assert (system.text, system.blocks) == (SYSTEM, ())
        passages = blocks_of(turns)
        assert len(set(passages)) == 4
        assert set(passages) <= set(load.pool)
        for number, (start, end) in enumerate(user.blocks[::2], start=1):
            assert user.text[start:end] == f"\n\n[{number}] "
        rest = user.text[user.blocks[-1][1] :]
        assert rest.startswith("\n\nQuestion: ")


def test_few_passages_are_asked_for_often_and_a_warming_pass_shows_them_all() -> None:
    load = made_load(300)
    uses = [sum(passage in blocks_of(turns) for turns in load.questions) for passage in load.pool]
    assert uses[0] > 3 * uses[20]
    assert min(uses) > 0
    shown = [block for turns in load.over_the_pool() for block in blocks_of(turns)]
    assert sorted(shown) == sorted(load.pool)


def test_the_load_has_the_sizes_of_real_questions() -> None:
    async def counts(load: Load) -> tuple[int, list[int], list[int], list[int]]:
        model = LocalModel(weights())

        async def count(role: Any, text: str) -> int:
            turns = [Turn("system", "")] if role == "user" else []
            empty = await model.count_tokens([*turns, Turn(role, "")])
            return await model.count_tokens([*turns, Turn(role, text)]) - empty

        try:
            return (
                await count("system", SYSTEM),
                [await count("user", passage) for passage in load.pool],
                [await count("user", turns[1].text.split("Question: ")[1]) for turns in load.questions],
                [await model.count_tokens(turns) for turns in load.questions],
            )
        finally:
            await model.close()

    system, passages, questions, whole = asyncio.run(counts(made_load(8)))
    assert 28 <= system <= 40
    assert all(185 <= count <= 215 for count in passages)
    assert all(14 <= count <= 26 for count in questions)
    assert all(820 <= count <= 940 for count in whole)


def test_every_arm_is_asked_the_same_and_reported(tmp_path: Path, groundling: Groundling) -> None:
    wanted = ["--concurrency", "2", "--questions", "2", "--pool", "3", "--tokens", "8", "--json"]
    with FakeServer().running() as server:
        done = groundling(
            *("bench", "engine", *wanted, "--against", server.url + "/v1/", "--plot", "engine.png"),
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    rows = {row["arm"]: row for row in report["rows"]}
    assert list(rows) == ["cold", "warm", "server"]
    for one in rows.values():
        assert (one["concurrency"], one["questions"]) == (2, 2)
        assert 0 < one["tokens"] <= 16
        assert 0 < one["first_p50_s"] <= one["first_p95_s"] <= one["total_s"]
    assert rows["server"]["prompt_tokens"] == 1740
    assert rows["server"]["reused_tokens"] == 80
    assert rows["cold"]["prompt_tokens"] > 2 * 600
    assert rows["cold"]["memory_mb"] > 20
    assert {(ratio["ours"], ratio["peer"]) for ratio in report["ratios"]} == {
        ("cold", "server"),
        ("warm", "server"),
    }
    assert (report["sha256"], report["tokens"]) == (BUNDLED_SHA256, 8)
    made = made_load(2, pool=3, part=2)
    measured = [body for body in server.asked if body["max_tokens"] == 8]
    assert sorted(body["messages"][1]["content"] for body in measured) == sorted(
        turns[1].text for turns in made.questions
    )
    assert all(body["ignore_eos"] and body["cache_prompt"] and body["n_predict"] == 8 for body in measured)
    assert tmp_path.joinpath("engine.png").read_bytes().startswith(b"\x89PNG")


def test_what_only_llama_server_knows_is_sent_to_nothing_else(tmp_path: Path, groundling: Groundling) -> None:
    wanted = ["--concurrency", "1", "--questions", "1", "--pool", "2", "--tokens", "2", "--no-warm"]
    with FakeServer(slots=None).running() as server:
        done = groundling("bench", "engine", *wanted, "--against", server.url, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert b"cold to server: total" in done.stdout
    assert b"warm" not in done.stdout
    assert {"ignore_eos", "cache_prompt", "n_predict"}.isdisjoint(server.asked[-1])


@pytest.mark.parametrize("repack", [True, False])
def test_the_bare_library_answers_in_its_own_process(repack: bool) -> None:
    settings = EngineSettings(context_tokens=512, threads=1)
    planned = plan(weights(), read_header(weights()), settings)
    if repack and not planned.repack:
        pytest.skip("llama.cpp cannot repack weights on this processor")

    async def ask() -> tuple[list[int], int | None, int | None]:
        arm = LibraryArm(replace(planned, repack=repack))
        try:
            await arm.start()
            pid = arm.pid
            turns = made_load(1, pool=1, passages=1).questions[0]
            both = await asyncio.gather(
                arm.ask(turns, tokens=4, asker="a"), arm.ask(turns, tokens=3, asker="b")
            )
            return [one.completion_tokens for one in both], pid, both[0].prompt_tokens
        finally:
            await arm.close()

    tokens, pid, prompt = asyncio.run(ask())
    assert tokens == [4, 3]
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    assert prompt is None


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--concurrency", "1,x"], 2, "1,4,8,16"),
        (["--concurrency", "0"], 2, "1,4,8,16"),
        (["--concurrency", "4", "--questions", "2"], 2, "--questions"),
        (["--against", "server"], 2, "no address"),
        (
            ["--against", "http://127.0.0.1:1", "--concurrency", "1", "--pool", "2"],
            1,
            "is the server running?",
        ),
        (["--plot", "missing/engine.png"], 2, "no folder"),
        (["--plot", "engine.txt"], 2, ".png"),
        (["--tune", "--threads", "2"], 2, "--threads"),
        (["--context", "256", "--concurrency", "1", "--questions", "1", "--pool", "4"], 2, "--context"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], code: int, told: str, tmp_path: Path, groundling: Groundling
) -> None:
    done = groundling("bench", "engine", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert told in line


def test_server_that_fails_ends_the_measurement_in_one_line(tmp_path: Path, groundling: Groundling) -> None:
    wanted = ["--concurrency", "1", "--questions", "1", "--pool", "2", "--tokens", "2", "--no-warm"]
    with FakeServer(broken=True).running() as server:
        done = groundling("bench", "engine", *wanted, "--against", server.url, cwd=tmp_path)
    assert done.returncode == 1
    assert [line for line in done.stderr.decode().splitlines() if "answers 500" in line] != []
    assert "Traceback" not in done.stderr.decode()


def test_missing_matplotlib_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    script = (
        "import sys\nsys.modules['matplotlib'] = None\n"
        "sys.argv = ['groundling', 'bench', 'engine', '--plot', 'engine.png']\n"
        "from bot.__main__ import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == "groundling: --plot needs matplotlib; install it with: pip install 'groundling[plot]'\n"
    )


def test_ratios_are_ours_to_the_peer_at_the_same_concurrency() -> None:
    (one, other) = ratios([row("cold", 8.0), row("warm", 2.0), row("server", 4.0)])
    assert (one.ours, one.total, one.first_p50, one.first_p95, one.tokens_per_s) == ("cold", 2, 2, 2, 0.5)
    assert (other.ours, other.peer, other.total) == ("warm", "server", 0.5)


def test_a_peer_that_wrote_nothing_leaves_json_that_every_reader_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    silent = replace(row("server", 4.0), tokens=0, tokens_per_s=0.0)
    write_json(ratios([row("cold", 8.0), silent]))

    def refused(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    (told,) = json.loads(capsys.readouterr().out, parse_constant=refused)
    assert (told["total"], told["tokens_per_s"]) == (2, None)


def test_open_number_of_questions_fills_whole_rounds() -> None:
    assert [EngineLoad().questions_at(at_once) for at_once in (1, 3, 4, 8, 16)] == [16, 18, 16, 16, 32]
    assert EngineLoad(questions=5).questions_at(4) == 5


def test_a_picture_is_drawn_of_any_arms(tmp_path: Path) -> None:
    rows = (row("cold", 8.0), row("library", 9.0))
    bench = EngineBench("a model", SHA, "a processor", 2, 2, 1536, 40, 64, 7, rows, tuple(ratios(rows)), ())
    plot(bench, tmp_path / "engine.svg")
    assert tmp_path.joinpath("engine.svg").stat().st_size > 1000


def test_tuning_tries_threads_then_batches(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "tiny.gguf")
    identity = ModelIdentity("tiny", sha256_of(base))
    lines: list[str] = []
    found = tune(
        base,
        identity,
        EngineSettings(context_tokens=4096),
        questions=1,
        tokens=2,
        batches=(256,),
        progress=lines.append,
    )
    assert (found.threads, found.batch_tokens) in {(one.threads, one.batch_tokens) for one in found.tried}
    assert found.batch_tokens == 256
    assert all(one.read_s > 0 for one in found.tried)
    assert lines


def test_smaller_values_win_when_they_are_as_good() -> None:
    assert fastest([Tried(1, 64, 3.0, 1.0), Tried(2, 64, 2.0, 1.01), Tried(4, 64, 2.0, 1.0)]) == (2, 64)
    assert [thread_counts(cores) for cores in (1, 4, 9, 64)] == [
        [1],
        [1, 2, 3, 4],
        [1, 3, 5, 7, 9],
        [1, 17, 32, 48, 64],
    ]


def test_kept_values_fill_only_what_is_left_open(tmp_path: Path) -> None:
    file = tmp_path / "data" / "engine.json"
    keep(file, SHA, threads=3, batch_tokens=64)
    keep(file, "cd" * 32, threads=1, batch_tokens=512)
    keep(file, SHA, threads=2, batch_tokens=128)
    found = tuned(EngineSettings(), file, SHA)
    assert (found.threads, found.batch_tokens) == (2, 128)
    assert tuned(EngineSettings(threads=7), file, SHA) == EngineSettings(threads=7, batch_tokens=128)
    assert tuned(EngineSettings(batch_tokens=32), file, SHA).batch_tokens == 32
    assert tuned(EngineSettings(), file, "cd" * 32).batch_tokens == 512
    assert tuned(EngineSettings(), file, "ef" * 32) == EngineSettings()
    assert [one.name for one in file.parent.iterdir()] == ["engine.json"]


@pytest.mark.parametrize("key", ["cpu", "cores"])
def test_values_of_another_processor_are_not_taken(key: str, tmp_path: Path) -> None:
    file = tmp_path / "engine.json"
    keep(file, SHA, threads=2, batch_tokens=128)
    held = json.loads(file.read_text())
    held["tuned"][0][key] = {"cpu": "another", "cores": 999}[key]
    file.write_text(json.dumps(held))
    assert tuned(EngineSettings(), file, SHA) == EngineSettings()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 2, "tuned": []}',
        '{"version": 1, "tuned": 3}',
        '{"version": 1, "tuned": [1, null, {}]}',
        "[" * 100_000,
        "\x00\ud7ff",
    ],
)
def test_damaged_file_is_no_file_and_is_written_anew(text: str, tmp_path: Path) -> None:
    file = tmp_path / "engine.json"
    file.write_text(text)
    assert tuned(EngineSettings(), file, SHA) == EngineSettings()
    keep(file, SHA, threads=2, batch_tokens=128)
    assert tuned(EngineSettings(), file, SHA).threads == 2


@pytest.mark.parametrize("value", [0, -1, True, "2", 1.5, None, 10**9])
@pytest.mark.parametrize("key", ["threads", "batch_tokens"])
def test_value_that_makes_no_sense_is_not_taken(key: str, value: object, tmp_path: Path) -> None:
    file = tmp_path / "engine.json"
    keep(file, SHA, threads=2, batch_tokens=128)
    held = json.loads(file.read_text())
    held["tuned"][0][key] = value
    file.write_text(json.dumps(held))
    assert tuned(EngineSettings(), file, SHA) == EngineSettings()
