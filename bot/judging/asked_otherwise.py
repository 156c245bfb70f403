"""Questions as people type them: key words only, all small letters, or with a sentence before them.

Rule: what is asked for stays the same, so that whatever answers the question answers it in its new form.
"""

from __future__ import annotations

import random
import re

OTHERWISE = 0.3
"""The share of questions that are asked in another form."""

_WEAK = frozenset(
    """a an the is are was were be been do does did has have had will would can could may might shall should
    what which who whom whose when where how why in on at of for to by with from that this it its there and or
    as their his her""".split()
)
_ASKING = frozenset("who whom whose when where why how".split())
_BEFORE = (
    "I am new here.",
    "I could not find it anywhere.",
    "A customer wants to know.",
    "A colleague asked me this.",
    "Somebody told me about it yesterday.",
    "We talked about this in the meeting.",
    "I have to write it down for my team.",
    "It is urgent.",
    "Hello everybody!",
    "Quick question:",
)
_ASKED = (
    "Could you tell me: {}",
    "Do you know {}",
    "I would like to know {}",
    "Please tell me {}",
    "I need to know {}",
    "{} I have to know it today.",
    "{} Thanks!",
)


def asked_otherwise(question: str, choice: random.Random) -> str:
    """`question` in another form; as it is where it has too few words for one."""
    words = re.findall(r"\S+", question)
    if len(words) < 4:
        return question
    return choice.choice((_key_words, _small, _after_a_sentence, _asked))(question, words, choice)


def _key_words(question: str, words: list[str], choice: random.Random) -> str:
    bare = [word.strip("?,.!\"'") for word in words]
    kept = [word for word in bare if word.lower() not in _WEAK or word.lower() in _ASKING]
    if len(kept) < 3:
        return question
    text = " ".join(kept)
    return text.lower() if choice.random() < 0.7 else text


def _small(question: str, _words: list[str], _choice: random.Random) -> str:
    return question.rstrip(" ?").lower()


def _after_a_sentence(question: str, _words: list[str], choice: random.Random) -> str:
    return f"{choice.choice(_BEFORE)} {question}"


def _asked(question: str, words: list[str], choice: random.Random) -> str:
    form = choice.choice(_ASKED)
    first = words[0]
    small = first.lower() if first.lower() in _WEAK | _ASKING else first
    return form.format(question if form.startswith("{}") else small + question[len(first) :])
