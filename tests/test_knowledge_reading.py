"""Whatever a document does to its reader, the caller gets one line and the next document is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from knowledge.documents import Block, Section
from knowledge.errors import Unreadable
from knowledge.reading import ReaderProcess, ReadingLimits

MB = 2**20
ROOT = Path(__file__).parent.parent

# Two thousand rows of cells that each span fifty columns and rows: minutes of work in a small file.
SLOW = (
    b"<table><tr>"
    + b"<td rowspan=50 colspan=50>x</td>" * 2000
    + b"</tr>"
    + b"<tr><td>a</td></tr>" * 3000
    + b"</table>"
)


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderProcess]:
    with ReaderProcess() as process:
        yield process


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "knowledge.readers.worker" in child.cmdline()]


def refusal(process: ReaderProcess, body: bytes, suffix: str = ".md") -> str:
    with pytest.raises(Unreadable) as caught:
        process.read(body, suffix=suffix)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def test_a_document_comes_back_as_it_was_read(reader: ReaderProcess) -> None:
    body = "---\ntitle: Leave ✓\ndate: 2024-05-01\n---\n# Sick\u200b leave\n\n> ten\n\n`x`\n\n    code\n".encode()
    reading = reader.read(body, suffix=".md")
    assert reading.title == "Leave ✓"
    assert reading.updated_at is not None
    assert reading.updated_at.isoformat() == "2024-05-01T00:00:00+00:00"
    assert reading.sections == (Section(("Sick leave",), (Block("ten"), Block("x"), Block("code", "code"))),)
    assert reading.notes == ("hidden text removed: 1 zero-width character",)


@pytest.mark.parametrize(
    ("body", "suffix", "reason"),
    [
        (b"", ".md", "empty"),
        (b"\n \n", ".md", "empty"),
        (b"<!-- only a comment -->", ".md", "no text inside"),
        (b"\x89PNG\r\n\x1a\n....", ".png", "not a format that can be read (image/png)"),
        (b"PK\x03\x04....", ".docx", "a damaged zip archive"),
        (b"[" * 300_000, ".json", "nested too deeply"),
        (b'{"cells": 1, "nbformat": 4', ".ipynb", "not valid JSON inside"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_worker_goes_on(
    reader: ReaderProcess, body: bytes, suffix: str, reason: str
) -> None:
    reader.read(b"before", suffix=".txt")
    before = workers()
    assert refusal(reader, body, suffix) == reason
    assert reader.read(b"after", suffix=".txt").sections[0].blocks == (Block("after"),)
    assert workers() == before


def test_lone_surrogates_and_nul_do_not_come_through(reader: ReaderProcess) -> None:
    reading = reader.read(b'{"a": "x\\ud800y\\u0000z", "title": "t\\udfff"}', suffix=".json")
    assert reading.title == "t"
    assert reading.sections[0].blocks[0].text.startswith("a: xyz")


def test_paragraph_that_is_written_as_a_heading_stays_text(reader: ReaderProcess) -> None:
    lines = [f"line {number} of the log" for number in range(400)]
    body = "\n".join([*lines, "---", "", "What follows.", "", "### Below", "", "More."]).encode()
    reading = reader.read(body, suffix=".md")
    assert reading.title is not None
    assert len(reading.title) <= 300
    assert [len(heading) <= 300 for section in reading.sections for heading in section.headings] == [True] * 3
    blocks = [block.text for section in reading.sections for block in section.blocks]
    assert blocks == [" ".join(lines), "What follows.", "More."]


def test_limits_of_a_reader_are_told_apart() -> None:
    assert ReaderProcess().limits == ReaderProcess(ReadingLimits()).limits
    assert ReaderProcess().limits != ReaderProcess(ReadingLimits(input_bytes=MB)).limits


def test_fifty_megabytes_in_one_line_are_refused(reader: ReaderProcess) -> None:
    body = b"word " * 10_000_000
    assert refusal(reader, body, ".md") == "larger than 32 MB, which is too much for text"
    assert refusal(reader, b"From: a\nTo: b\nSubject: c\n\n" + body, ".eml") == (
        "holds more than 16,000,000 characters of text"
    )


def test_a_file_over_the_input_limit_is_refused_without_a_worker() -> None:
    with ReaderProcess(ReadingLimits(input_bytes=MB)) as process:
        assert refusal(process, b"x" * (MB + 1)) == "larger than 1 MB"


def test_a_document_that_takes_too_long_is_given_up() -> None:
    with ReaderProcess(ReadingLimits(wall_s=1.0)) as process:
        process.read(b"warm", suffix=".html")
        assert refusal(process, SLOW, ".html") == "takes over 1 s to read"
        assert process.read(b"next", suffix=".md").sections


def test_a_document_that_computes_too_long_is_given_up_though_the_worker_is_old() -> None:
    with ReaderProcess(ReadingLimits(cpu_s=1, memory_bytes=4096 * MB)) as process:
        for _ in range(30):
            process.read(b"# Page\n\n" + b"word [a](b) *c*\n\n" * 2000, suffix=".md")
        assert refusal(process, SLOW, ".html") == "takes over 1 s of computing to read"
        assert process.read(b"next", suffix=".md").sections


def test_a_document_that_needs_too_much_memory_is_given_up() -> None:
    with ReaderProcess(ReadingLimits(memory_bytes=64 * MB)) as process:
        body = b"[" + b'{"a": [1, 2, 3]}, ' * 400_000 + b"1]"
        assert refusal(process, body, ".json") == "needs more than 64 MB"
        assert process.read(b"next", suffix=".md").sections


def test_a_worker_that_crashes_is_replaced() -> None:
    with ReaderProcess() as process:
        known = set(workers())
        process.read(b"warm", suffix=".html")
        (worker,) = set(workers()) - known
        timer = threading.Timer(0.3, lambda: os.kill(worker.pid, signal.SIGSEGV))
        timer.start()
        assert refusal(process, SLOW, ".html").startswith("crashes its reader (SIGSEGV)")
        timer.join()
        assert process.read(b"next", suffix=".md").sections


def test_a_worker_that_died_between_documents_is_replaced_unnoticed() -> None:
    with ReaderProcess() as process:
        known = set(workers())
        process.read(b"warm", suffix=".md")
        (worker,) = set(workers()) - known
        worker.kill()
        worker.wait(10)
        assert process.read(b"next", suffix=".md").sections


def test_a_worker_is_replaced_after_its_share_of_files() -> None:
    with ReaderProcess(ReadingLimits(files_per_worker=2)) as process:
        known = set(workers())
        seen = []
        for _ in range(5):
            process.read(b"text", suffix=".md")
            seen.extend(child.pid for child in set(workers()) - known)
    assert len(set(seen)) == 3
    assert not set(workers()) - known


def test_a_worker_does_not_outlive_its_parent() -> None:
    code = (
        "import os, psutil\n"
        "from knowledge.reading import ReaderProcess\n"
        "process = ReaderProcess()\n"
        "process.read(b'x', suffix='.md')\n"
        "print(psutil.Process().children()[0].pid, flush=True)\n"
        "os._exit(0)\n"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout
    deadline = time.monotonic() + 20
    while psutil.pid_exists(int(output)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(output))


def test_no_format_library_is_loaded_in_the_parent() -> None:
    libraries = (
        "lxml",
        "openpyxl",
        "pypdfium2",
        "docutils",
        "cmarkgfm",
        "yaml",
        "charset_normalizer",
        "striprtf",
    )
    code = f"import sys, knowledge.reading\nprint([name for name in {libraries!r} if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout
    assert output.strip() == b"[]"


def test_modules_and_secrets_around_the_program_do_not_reach_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("inspect.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    with ReaderProcess() as reader:
        assert reader.read(b"# Title\n\nText.\n", suffix=".md").title == "Title"
        environments = [str(worker.environ()) for worker in workers()]
        assert environments
        assert "xoxb-secret" not in "".join(environments)
