"""Secrets from the environment.

Rule: no message shows any of a secret's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.errors import ConfigError


def secret(name: str, environment: Mapping[str, str]) -> str | None:
    """The text of the variable `name`, or of the file that `name`_FILE names; None where neither is set.

    White space around it is no part of it. Raises ConfigError when both are set, when it is empty, and
    when the file cannot be read.
    """
    text, file = environment.get(name), environment.get(f"{name}_FILE")
    if text is not None and file is not None:
        raise ConfigError(f"{name} and {name}_FILE are both set; take one away")
    if text is None and file is None:
        return None
    if file is not None:
        try:
            text = Path(file).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{name}_FILE names {file}, which cannot be read: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"{name}_FILE names {file}, which is not text") from None
    if not (text or "").strip():
        raise ConfigError(f"{name if file is None else file} is empty; put the secret there, or unset it")
    return (text or "").strip()
