"""What goes wrong on the way to Discord when it is told to, and its rate limits.

Rule: a fault is spent on one call; random ones come from a seed; without either nothing fails.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord_refusal import plain, refusal

Kind = int | str | tuple[str, float]
"""A status (429 and 5xx as Discord sends them, other 4xx without a code, a published code above 1000);
"drop_before" and "drop_after" (the connection dies before or after the work is done); "500_after"
(done, then told that it failed); "html" (a 502 of a proxy); "broken" (200 with half a JSON);
"429_bare" (no Via header), "429_global", "429_shared"; ("429", seconds); ("slow", seconds); "ok"."""

MESSAGE_ROUTES = (
    "POST /channels/{}/messages",
    "PATCH /channels/{}/messages/{}",
    "DELETE /channels/{}/messages/{}",
    "POST /webhooks/{}/{}",
    "PATCH /webhooks/{}/{}/messages/{}",
    "POST /interactions/{}/{}/callback",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP; `body` None is an empty one, text is HTML, anything else JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Faults:
    """Faults listed by route, and a share of all message calls at random."""

    def __init__(self) -> None:
        self.pause_s = 0.05
        self._listed: dict[str, deque[Kind]] = {}
        self._random: random.Random | None = None
        self._share, self._kinds = 0.0, ("ok",)

    def add(self, route: str, kinds: Sequence[Kind]) -> None:
        self._listed.setdefault(route, deque()).extend(kinds)

    def at_random(self, share: float, seed: int, kinds: Sequence[Kind]) -> None:
        self._random, self._share, self._kinds = random.Random(seed), share, tuple(kinds)

    def clear(self) -> None:
        self._listed.clear()
        self._random = None

    @property
    def waiting(self) -> dict[str, list[Kind]]:
        """The listed faults that nothing has met yet."""
        return {route: list(kinds) for route, kinds in self._listed.items() if kinds}

    def next(self, route: str) -> Kind:
        """The fault for this call, "ok" for none."""
        if listed := self._listed.get(route):
            return listed.popleft()
        if self._random and route in MESSAGE_ROUTES and self._random.random() < self._share:
            return self._random.choice(self._kinds)
        return "ok"

    def answer(self, kind: Kind) -> Answer | None:
        """The error that stands in place of the call; None where the fault is of another sort."""
        if kind in (429, "429_bare", "429_global", "429_shared"):
            return limited(self.pause_s, str(kind).removeprefix("429").removeprefix("_") or "user")
        if isinstance(kind, tuple) and kind[0] == "429":
            return limited(kind[1], "user")
        if kind == "html":
            return Answer(502, "<html><head><title>502 Bad Gateway</title></head></html>")
        if kind == "500_after":
            return Answer(500, plain(500).body())
        if isinstance(kind, int):
            error = refusal(kind) if kind > 1000 else plain(kind)
            if error.status == 429:
                return Answer(429, error.body() | {"retry_after": self.pause_s}, {"Via": "1.1 google"})
            return Answer(error.status, error.body())
        return None


def limited(seconds: float, scope: str) -> Answer:
    """A 429; the scope "bare" is one of a proxy in front, which names no Via."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": scope == "global"}
    if scope == "bare":
        return Answer(429, body, {"Retry-After": str(int(seconds) + 1)})
    headers = {"Via": "1.1 google", "Retry-After": str(int(seconds) + 1), "X-RateLimit-Scope": scope}
    if scope == "global":
        headers |= {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
    else:
        headers |= {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": f"{seconds:.3f}"}
        headers |= {"X-RateLimit-Reset": f"{time.time() + seconds:.3f}"}
    return Answer(429, body, headers)


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


class Buckets:
    """Rate limits by route and major parameter, and one over all; off until they are set."""

    def __init__(self) -> None:
        self.limits: dict[str, tuple[int, float]] = {}
        self.all: tuple[int, float] | None = None
        self._windows: dict[tuple[str, str], _Window] = {}
        self._names: dict[str, str] = {}

    def usual(self) -> None:
        """What is seen of Discord's own limits: five messages or edits in five seconds, fifty calls a second."""
        self.limits = dict.fromkeys(MESSAGE_ROUTES[:5], (5, 5.0)) | {
            "DELETE /channels/{}/messages/{}": (5, 1.0)
        }
        self.all = (50, 1.0)

    def spend(self, route: str, major: str) -> tuple[Answer | None, dict[str, str]]:
        """Counts a call: the 429 that it gets where it is one too many, and the headers that it gets if not."""
        if self.all and not route.startswith("POST /interactions/"):
            window = self._window(("", ""), self.all[1])
            if window.used >= self.all[0]:
                return limited(window.ends_at - time.monotonic(), "global"), {}
            window.used += 1
        if route not in self.limits:
            return None, {}
        most, seconds = self.limits[route]
        window = self._window((route, major), seconds)
        left_s = max(window.ends_at - time.monotonic(), 0.001)
        name = self._names.setdefault(route, uuid.uuid4().hex)
        headers = {"X-RateLimit-Limit": str(most), "X-RateLimit-Bucket": name}
        if window.used >= most:
            refused = limited(left_s, "user")
            return Answer(429, refused.body, refused.headers | headers), {}
        window.used += 1
        headers |= {"X-RateLimit-Remaining": str(most - window.used)}
        headers |= {
            "X-RateLimit-Reset-After": f"{left_s:.3f}",
            "X-RateLimit-Reset": f"{time.time() + left_s:.3f}",
        }
        return None, headers

    def _window(self, key: tuple[str, str], seconds: float) -> _Window:
        window, now = self._windows.get(key), time.monotonic()
        if window is None or window.ends_at <= now:
            window = self._windows[key] = _Window(now + seconds)
        return window
