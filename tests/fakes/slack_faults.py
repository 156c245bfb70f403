"""What goes wrong with a call to the Web API: planned for the next ones, or by chance with a seed.

Rule: a fault is consumed by one call; what it does is written in its name.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Fault = int | str | tuple[int, str] | None
"""What happens to one call:

- None: nothing.
- an HTTP status, with an empty body; 429 comes with `Retry-After: 1`. `(429, "2.5")` names another value of
  that header, `(429, "")` leaves it out.
- `drop_before`, `drop_after`: the connection is dropped before or after the call was carried out.
- `timeout`, `done_then_timeout`: no answer ever comes.
- `done_then_500`: carried out, and answered with a 500.
- `html`: HTTP 200 with a page instead of JSON. `html_503`: the same with a 503.
- any other text: `{"ok": false, "error": text}` with HTTP 200. `message_not_in_streaming_state` ends the
  stream as well, as it would be the case.
"""

DONE = ("drop_after", "done_then_timeout", "done_then_500")
SILENT = ("timeout", "done_then_timeout")
DROPPED = ("drop_before", "drop_after")


@dataclass(slots=True)
class Faults:
    """The plan of what fails; without one, nothing does."""

    planned: dict[str, deque[Fault]] = field(default_factory=dict)
    _share: float = 0.0
    _kinds: Sequence[Fault] = ()
    _spared: frozenset[str] = frozenset()
    _chance: random.Random = field(default_factory=random.Random)

    def plan(self, method: str, faults: Iterable[Fault]) -> None:
        """Puts `faults` before the next calls of `method`, or of any method where it is `*`, in order."""
        self.planned.setdefault(method, deque()).extend(faults)

    def by_chance(self, share: float, seed: int, kinds: Sequence[Fault], spared: Iterable[str]) -> None:
        """Lets `share` of all calls but those of `spared` methods fail in one of `kinds`."""
        self._share, self._kinds, self._spared = share, tuple(kinds), frozenset(spared)
        self._chance = random.Random(seed)

    def take(self, method: str) -> Fault:
        """What happens to this call."""
        for name in (method, "*"):
            if self.planned.get(name):
                return self.planned[name].popleft()
        if method in self._spared or not self._kinds or self._chance.random() >= self._share:
            return None
        return self._chance.choice(self._kinds)
