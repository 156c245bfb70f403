"""A REST call as it came, and the table of what answers it.

Rule: a route is written as Discord's documentation writes it, each id as "{}".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart call; `field` is its name there, as "files[0]"."""

    field: str
    filename: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A call before it is answered; `parts` are the ids in its path, in order."""

    method: str
    path: str
    route: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    json: Any = None
    uploads: tuple[Upload, ...] = ()

    def number(self, place: int) -> int:
        """The id at `place` of the path; 0, which nothing has, where it is none."""
        return int(self.parts[place]) if self.parts[place].isdecimal() else 0

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object, empty where there is none."""
        return self.json if isinstance(self.json, dict) else {}


@dataclass(slots=True)
class Call:
    """A call with its answer; `at` is a moment of the monotonic clock, `fault` what was done to it."""

    asked: Asked
    at: float
    fault: object = "ok"
    status: int = 0
    answer: Any = None

    @property
    def method(self) -> str:
        return self.asked.method

    @property
    def path(self) -> str:
        return self.asked.path

    @property
    def route(self) -> str:
        return self.asked.route

    @property
    def json(self) -> Any:
        return self.asked.json


Answering = Callable[[Asked], tuple[int, Any]]


@dataclass(slots=True)
class Routes:
    """Finds what answers a call; a route with fewer ids goes before one with more."""

    table: dict[str, Answering] = field(default_factory=dict)
    _patterns: list[tuple[str, re.Pattern[str]]] = field(default_factory=list)

    def add(self, routes: Mapping[str, Answering]) -> None:
        self.table.update(routes)
        pattern = [(route, re.compile(re.escape(route).replace(r"\{\}", "([^/]+)"))) for route in self.table]
        self._patterns = sorted(pattern, key=lambda row: row[0].count("{}"))

    def find(self, method: str, path: str) -> tuple[str, tuple[str, ...]]:
        """The route of a path and the ids in it; the path itself where no route is known."""
        for route, pattern in self._patterns:
            if found := pattern.fullmatch(f"{method} {path}"):
                return route, tuple(unquote(part) for part in found.groups())
        return f"{method} {path}", ()
