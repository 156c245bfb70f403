"""The numbers and names that an answer must have to be the right one.

Rule: a fact is a word with a digit or a capital letter; which of two numbers is meant is never a matter of degree.
"""

from __future__ import annotations

import re

from bot.words import FUNCTION_WORDS

_FACT = re.compile(r"\d+(?:[.,:/]\d+)*\w*|\b[A-ZÀ-ÖØ-Þ][\w’'-]*")


def key_facts(reference: str) -> list[str]:
    """The numbers and the words with a capital letter of `reference`, each once, without its function words."""
    found = dict.fromkeys(_FACT.findall(reference))
    return [fact for fact in found if fact.casefold() not in FUNCTION_WORDS["en"]]
