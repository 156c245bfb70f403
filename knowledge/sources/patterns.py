"""Which paths a list of patterns means, in the way of a .gitignore file.

Rule: a pattern without a slash matches a name at any depth; one with a slash matches from the root; one
that matches a folder matches everything below it; "!" takes paths out again, the last match decides. How
an accented letter is composed makes no difference: file systems and keyboards do it in two ways.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from wcmatch import glob
from wcmatch.glob import WcMatcher

_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX


class Patterns:
    """Patterns such as "*.md", "drafts/", "/archive/**" and "!keep.md"."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._rules: list[tuple[bool, WcMatcher[str]]] = []
        for line in map(_composed, lines):
            taken_out = line.startswith("!")
            wanted = _globs(line.removeprefix("!"))
            if wanted:
                self._rules.append((not taken_out, glob.compile(wanted, flags=_FLAGS)))

    def match(self, path: str) -> bool:
        """Whether `path` (relative, with "/" between names; a folder's ends in one) is meant."""
        meant, path = False, _composed(path)
        for kept, matcher in self._rules:
            if meant is not kept and matcher.match(path):
                meant = kept
        return meant


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _globs(pattern: str) -> list[str]:
    """The globs that `pattern` stands for: the thing itself, and everything below it when it is a folder."""
    only_folder = pattern.endswith("/")
    bare = pattern.strip("/")
    if not bare:
        return []
    anchored = "/" in pattern.rstrip("/")
    start = bare if anchored else f"**/{bare}"
    below = [f"{start}/", f"{start}/**"]
    return below if only_folder else [start, *below]
