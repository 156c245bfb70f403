"""Which URLs may be live: those of the cited sources, letter for letter, and no others.

Rule: a URL that is not in the given set, or that could end the markup it stands in, is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from adapters.inert_text import clean

_SOUND = re.compile(r"https?://[^\s<>|\"`\\^{}\[\]]+", re.IGNORECASE)
_ENTITY = re.compile(r"&#?\w+;")
_BARE = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_CLOSING = ".,;:!?)]}'\"*_~”’»"


def live(url: str, links: Set[str]) -> bool:
    """Whether `url` is one of `links`, has the scheme http or https, and is whole in every dialect."""
    return url in links and bool(_SOUND.fullmatch(url)) and not _ENTITY.search(url) and clean(url) == url


def pieces(text: str, links: Set[str]) -> Iterator[tuple[str, bool]]:
    """`text` cut into pieces, each with whether it is a live URL written out."""
    done = 0
    for found in _BARE.finditer(text):
        url = found[0]
        while url and not live(url, links) and url[-1] in _CLOSING:
            url = url[:-1]
        if live(url, links):
            yield text[done : found.start()], False
            yield url, True
            done = found.start() + len(url)
    yield text[done:], False
