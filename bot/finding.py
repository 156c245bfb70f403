"""What a check of an installation found.

Rule: whoever reads it need not know the check; the line says how it is, and the mend when it is not well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and one line that says so; with the mend when it is not well."""

    name: str
    state: State
    line: str
