"""Questions and passages made into near misses: the topic is there, the asked detail is not.

Rule: what is changed is one name, number or word of the question, or the one sentence that answers it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from knowledge.sentences import sentence_spans

_NAME = re.compile(r"(?<!^)(?<![.?!:\"“] )\b[A-Z][\w’'-]+(?: (?:of |the |de )?[A-Z][\w’'-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_OPPOSITES = """first/last most/least largest/smallest biggest/smallest highest/lowest more/fewer more/less
before/after earliest/latest oldest/youngest longest/shortest increase/decrease increased/decreased
north/south east/west northern/southern eastern/western minimum/maximum male/female men/women allowed/forbidden
higher/lower larger/smaller older/younger early/late best/worst won/lost win/lose begin/end began/ended
start/stop started/stopped major/minor internal/external public/private upper/lower inside/outside left/right
positive/negative strong/weak stronger/weaker common/rare many/few always/never with/without old/new
paid/unpaid full-time/part-time monthly/yearly weekly/daily rich/poor buy/sell bought/sold support/oppose
supported/opposed accept/reject accepted/rejected majority/minority open/closed join/leave"""
_OTHER: dict[str, list[str]] = {}
for _pair in _OPPOSITES.split():
    _one, _two = _pair.split("/")
    _OTHER.setdefault(_one, []).append(_two)
    _OTHER.setdefault(_two, []).append(_one)
_NEGATED = re.compile(r"\b(did|does|do|was|were|is|are|can|could|has|have|had|will|would|should)\b")


def names(text: str) -> list[str]:
    """What looks like a name in running text: capitalised words that do not begin a sentence."""
    return list(dict.fromkeys(_NAME.findall(text)))


def changed(question: str, passage: str, elsewhere: Sequence[str], choice: random.Random) -> str | None:
    """`question` with one name, number or word exchanged, so that `passage` no longer answers it; None where
    nothing can be. `elsewhere` are names of the same document that may take another's place."""
    ways = [_other_word, _other_number, _other_name]
    choice.shuffle(ways)
    for way in ways:
        found = way(question, passage, elsewhere, choice)
        if found is not None and found != question:
            return found
    return _denied(question) if choice.random() < 0.3 else None


def without_answer(text: str, begin: int, end: int) -> str | None:
    """`text` without the sentences that `begin` to `end` touches; None where little is left."""
    kept = "".join(text[low:high] for low, high in sentence_spans(text) if high <= begin or low >= end)
    return kept.strip() if len(kept.strip()) >= 60 else None


def _other_word(question: str, _passage: str, _names: Sequence[str], choice: random.Random) -> str | None:
    found = [match for match in re.finditer(r"[\w-]+", question) if match[0].lower() in _OTHER]
    if not found:
        return None
    match = choice.choice(found)
    other = choice.choice(_OTHER[match[0].lower()])
    return f"{question[: match.start()]}{other}{question[match.end() :]}"


def _other_number(question: str, passage: str, _names: Sequence[str], choice: random.Random) -> str | None:
    found = list(_NUMBER.finditer(question))
    if not found:
        return None
    match = choice.choice(found)
    digits = match[0]
    numbers: list[str] = _NUMBER.findall(passage)
    there = [number for number in numbers if len(number) == len(digits) and number != digits]
    if there and choice.random() < 0.5:
        other = choice.choice(there)
    else:
        place = choice.randrange(len(digits) // 2, len(digits))
        while not digits[place].isdigit():
            place -= 1
        other = digits[:place] + str((int(digits[place]) + choice.randrange(1, 9)) % 10) + digits[place + 1 :]
    return question[: match.start()] + other + question[match.end() :]


def _other_name(question: str, passage: str, elsewhere: Sequence[str], choice: random.Random) -> str | None:
    found = [match for match in _NAME.finditer(question) if match.start()]
    if not found:
        return None
    match = choice.choice(found)
    same_length = [
        name
        for name in elsewhere
        if name.count(" ") == match[0].count(" ") and name not in question and match[0] not in name
    ]
    absent = [name for name in same_length if name not in passage]
    pool = absent if absent and choice.random() < 0.6 else same_length
    if not pool:
        return None
    return question[: match.start()] + choice.choice(pool) + question[match.end() :]


def _denied(question: str) -> str | None:
    match = _NEGATED.search(question)
    if match is None or " not " in question or "n't" in question:
        return None
    rest = question[match.end() :]
    words = rest.split(" ")
    place = 2 if len(words) > 3 and match[0] in {"did", "does", "do", "can", "could", "will", "would"} else 1
    return question[: match.end()] + " ".join([*words[:place], "not", *words[place:]])
