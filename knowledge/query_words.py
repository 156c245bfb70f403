"""Which words of a question are worth looking for.

Rule: only words that carry nothing in a question are left out, and never all of them.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\S+")
_EDGES = re.compile(r"^\W+|\W+$")

# English only: in other languages the index's own weighting of frequent words has to do.
_FUNCTION_WORDS = frozenset(
    """
    a about am an and any are as at be been being but by can could did do does for from had has have
    how i if in into is it its me my of on or our should so some than that the their them then there
    these they this those to was we were what when where which who whom whose why will with would you
    your
    """.split()
)


def content_words(query: str, *, at_most: int) -> str:
    """`query` without English function words, at most `at_most` characters; as it is where nothing else is left.

    Words written in capitals stay ("IT", "US"): they are names.
    """
    query = query[:at_most]
    words = [word for word in _WORD.findall(query) if not _empty(word)]
    return " ".join(words) if words else query


def _empty(word: str) -> bool:
    bare = _EDGES.sub("", word)
    return bare.lower() in _FUNCTION_WORDS and not (len(bare) > 1 and bare.isupper())
