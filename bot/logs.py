"""Logging while the bot serves: one line a record on standard error.

Rule: no line shows a secret, whoever logs it; the program's own lines hold ids, sizes and times, never
the text of a question or a document.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable

OWN = ("adapters", "bot", "knowledge", "models")
"""The packages whose lines are wanted; of everything else only warnings are."""

HIDDEN = "***"

_TOKENS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|xwfp-[\w-]+"  # Slack
    r"|(?<![\w-])[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}"  # Discord
    r"|(?<=://)[^\s/@'\"]+(?=@)"  # who logs in at a proxy
    r"|(?<=ticket=)[^&\s\"']+|(?<=Bearer )\S+|(?<=Bot )\S{20,}"
)


class Line(logging.Formatter):
    """Formats a record as one line without `secrets` and whatever looks like a token."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        # The longest first, where one is a part of another.
        self._secrets = sorted({text for text in secrets if text}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _TOKENS.sub(HIDDEN, text)
        return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def set_up(*, verbose: bool, secrets: Iterable[str]) -> None:
    """Sends every record to standard error. `verbose` adds the program's own details, and never those of
    the vendors' libraries, which print what they send."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in ("slack_sdk", "slack_bolt", "discord", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What the scheduler says of every run is said by the run.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
