"""The secrets that serving needs: read from the environment, and kept from logs and child processes.

Rule: a token is read here and nowhere else, and no child process inherits one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from bot.errors import ConfigError
from bot.secret import secret

NAMES = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_TOKEN", "GROUNDLING_MODEL_KEY")


def token(name: str, section: str, environment: Mapping[str, str] = os.environ) -> str:
    """The token `name`, which the enabled `section` needs. Raises `ConfigError` that names the variable."""
    found = secret(name, environment)
    if found is None:
        raise ConfigError(f"[{section}] is enabled, but {name} is not set; set it, or {name}_FILE")
    return found


def texts(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The texts of all secrets that are set and can be read, to be kept out of logs."""
    found = []
    for name in NAMES:
        # One that cannot be read is told by whoever needs it.
        with contextlib.suppress(ConfigError):
            found.append(secret(name, environment))
    return [text for text in found if text is not None]


def without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` as a child process gets it."""
    hidden = {*NAMES, *(f"{name}_FILE" for name in NAMES)}
    return {name: value for name, value in environment.items() if name not in hidden}
