"""The program with its model behind a server, from the configuration to the answer."""

from __future__ import annotations

import json
from pathlib import Path

from models.engine.scripted import ScriptedGenerator
from tests.conftest import Groundling
from tests.openai_server import CHAT, OpenAiServer

QUESTION = "How many days of annual leave does every employee have?"
SAID = "Every employee has 25 days of annual leave a year [1]."


def configured(folder: Path, synced: Path, url: str) -> tuple[str, ...]:
    """The options that take the synced documents and the model of `url`."""
    file = folder / "groundling.toml"
    documents = synced / "documents"
    file.write_text(
        f'[[source]]\nname = "handbook"\nkind = "folder"\npath = "{documents}"\n\n'
        f'[model]\nkind = "server"\nurl = "{url}"\n'
    )
    return ("--config", str(file), "--data", str(synced / "data"))


def test_question_is_answered_by_the_server(synced: Path, tmp_path: Path, groundling: Groundling) -> None:
    with OpenAiServer(lambda: ScriptedGenerator(SAID)) as server:
        options = configured(tmp_path, synced, server.url)
        done = groundling("ask", QUESTION, "--json", *options, cwd=tmp_path)
        asked = server.chats()
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["voice"]) == ("answered", "model")
    assert "25 days of annual leave" in answer["text"]
    assert len(asked) == 1
    assert QUESTION in asked[0].body["messages"][-1]["content"]


def test_question_is_answered_in_quotes_where_the_server_fails(
    synced: Path, tmp_path: Path, groundling: Groundling
) -> None:
    with OpenAiServer(lambda: ScriptedGenerator(SAID), key="sk-1") as server:
        options = configured(tmp_path, synced, server.url)
        done = groundling("ask", QUESTION, "--json", *options, cwd=tmp_path)
        assert [asked.path for asked in server.asked if asked.path == CHAT] == []
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["voice"] == "quotes"
    assert "asks for a key (401)" in answer["note"]


def test_doctor_and_models_say_that_a_server_answers(
    synced: Path, tmp_path: Path, groundling: Groundling
) -> None:
    options = configured(tmp_path, synced, "http://127.0.0.1:9")
    done = groundling("doctor", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout.decode()
    assert b"the only one of http://127.0.0.1:9, with no key; not asked" in done.stdout
    done = groundling("models", "list", *options, cwd=tmp_path)
    assert done.returncode == 0
    assert b"The configuration names http://127.0.0.1:9, which answers." in done.stderr
