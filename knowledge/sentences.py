"""Where sentences end, for any language, without a model.

Rule: spans cover the text without gaps or overlaps, so that nothing can be lost; time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A line break ends a sentence (a list has a line an item); so do the full stops of Chinese, Japanese
# and Thai-style scripts without a space after them, and those of the others with one.
_END = re.compile(
    r"""(?: [.!?…‽]+ ["'”’»)\]]* (?=\s)
          | [。！？｡．]+ [”’」』）】"']*
          | [؟۔।॥።၊။។]+ (?=\s|$)
          | \n )\s*""",
    re.VERBOSE,
)
_ABBREVIATION = re.compile(
    r"""(?: \b(?: Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|cf|No|Nr|Fig|Eq|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr|Jun|Jul
                |Aug|Sep|Sept|Oct|Nov|Dec|approx|ca|al|bzw|z\.B|d\.h|usw|Abs|Art|Hr|Fr|Sr|Sra|Mme|Mlle|M|p|pp|vol )
          | \b[A-Z] )\.$""",
    re.VERBOSE,
)


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """The sentences of `text` as (start, end), in order; white space belongs to the one before it."""
    start = 0
    for match in _END.finditer(text):
        if _goes_on(text, start, match):
            continue
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether this full stop is only that of an abbreviation, or the sentence goes on in lower case."""
    if "\n" in match.group() or match.end() == len(text):
        return False
    stop = match.group().rstrip()
    if text[match.end()].islower() and stop[0] in ".…":
        return True
    return (
        stop == "."
        and _ABBREVIATION.search(text, max(start, match.start() - 8), match.start() + 1) is not None
    )
