"""The log: one line a record, and no secret in any of them."""

from __future__ import annotations

import logging

import pytest

from bot.logs import HIDDEN, Line

SECRET = "s3cret-of-the-model"
PASSWORD = "of-the-proxy%21"
SLACK = "xoxb-111111111111-222222222222-abcdefghijklmnopqrstuvwx"
APP = "xapp-1-A0123456789-1234567890123-abcdef0123456789"
DISCORD = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123456789_-"


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("bot.x", logging.INFO, "x.py", 1, message, arguments, trace)
    return Line([SECRET, ""]).format(record)


@pytest.mark.parametrize(
    "text",
    [
        f"key {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"token={SLACK}",
        f"{APP}",
        f"headers {{'Authorization': 'Bot {DISCORD}'}}",
        f"407, message='Proxy Authentication Required', url='http://svc:{PASSWORD}@10.0.0.7:3128'",
        f"https://{PASSWORD}@proxy.example.org",
        f"opening wss://wss-primary.slack.com/link/?ticket={SECRET}0c2a&app_id=1",
    ],
)
def test_no_line_shows_a_secret_whoever_logs_it(text: str) -> None:
    told = line("%s", text)
    assert HIDDEN in told
    for secret in (SECRET, SLACK, APP, DISCORD, PASSWORD):
        assert secret not in told


def test_secret_in_a_traceback_is_hidden_and_the_traceback_is_one_line() -> None:
    try:
        raise ValueError(f"refused {SECRET}\nsecond line")
    except ValueError as error:
        told = line("it failed", error=error)
    assert SECRET not in told
    assert "\n" not in told
    assert "ValueError: refused ***\\nsecond line" in told


def test_record_cannot_forge_another_line_or_move_the_cursor() -> None:
    told = line("name %s", "a\r\n2026 ERROR forged\x1b[2J\u2028\u202e")
    assert told.isprintable()
    assert "a\\r\\n2026 ERROR forged\\x1b[2J\\u2028\\u202e" in told


def test_what_is_no_secret_stays_readable() -> None:
    plain = "question mfrggzdfmztwq2lk: answered in 1.25 s, handbook:product/sluice-release-notes.html Grüße"
    plain += " http://127.0.0.1:8466/healthz <ada@example.org> git@example.org:a/b"
    assert line(plain).endswith(f"INFO bot.x: {plain}")
