"""Under which licence each source of rows may be learned from.

Rule: no source without a licence, and none whose licence forbids to change what it covers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.errors import WrongUse

_NO_CHANGES = re.compile(r"(?<![A-Za-z])ND(?![A-Za-z])|no[\s_-]?deriv", re.IGNORECASE)
_NONE = re.compile(r"unknown|none|no licen[cs]e|all rights reserved", re.IGNORECASE)


def licences_for(sources: Sequence[str], given: Sequence[str]) -> list[str]:
    """The licence of each of `sources`, in their order.

    `given` are licences with the source they are of ("index=own"), or without, in the order of the sources
    that no other names. Raises WrongUse in one line that says which is missing, too many, or forbids it.
    """
    if not sources:
        raise WrongUse(
            "give at least one source of rows, such as --squad FILE or --index, and a --licence for each"
        )
    named = dict(_named(one, sources) for one in given if _named(one, sources)[0])
    rest = [one.strip() for one in given if not _named(one, sources)[0]]
    wanting = [source for source in sources if source not in named]
    if len(rest) < len(wanting):
        lacking = wanting[len(rest)]
        raise WrongUse(
            f"name the licence of {lacking!r}, as in --licence {_quoted(lacking)}; there must be a --licence for each "
            "source, and 'own' is one"
        )
    if len(rest) > len(wanting):
        raise WrongUse(
            f"there is no source for the licence {rest[len(wanting)]!r}; there are: {', '.join(sources)}"
        )
    left = iter(rest)
    found = [named[source] if source in named else next(left) for source in sources]
    for source, licence in zip(sources, found, strict=True):
        _check(source, licence)
    return found


def _named(text: str, sources: Sequence[str]) -> tuple[str, str]:
    source, sign, licence = text.partition("=")
    return (source.strip(), licence.strip()) if sign and source.strip() in sources else ("", text)


def _quoted(source: str) -> str:
    text = f"{source}=own"
    return f"'{text}'" if " " in text else text


def _check(source: str, licence: str) -> None:
    if not licence or _NONE.fullmatch(licence):
        raise WrongUse(f"name the licence of {source!r}: without one nothing may be learned from it")
    if _NO_CHANGES.search(licence):
        raise WrongUse(
            f"the licence of {source!r}, {licence}, forbids to change the work, and training does; leave it out"
        )
