"""Discord's ids, which carry the moment at which they were made.

Source: Discord's developer documentation, "Snowflakes": milliseconds since 2015 in the upper 42 bits.
"""

from __future__ import annotations

EPOCH_S = 1420070400.0


def snowflake(seconds: float) -> str:
    """The first id of a moment, in seconds since 1970."""
    return str(max(0, int((seconds - EPOCH_S) * 1000)) << 22)


def moment(id: str) -> float:
    """When `id` was made, in seconds since 1970."""
    return (int(id) >> 22) / 1000 + EPOCH_S
