"""Makes up the questions that the engine is measured with: a shared system prompt, passages, a question.

Rule: shaped like the real prompts (`bot.prompt`), and the same seed gives the same questions on every
machine; nothing here says anything about quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.engine.generator import Turn

LOAD_SEED = 7
PASSAGES = 4
POOL = 40
ZIPF = 1.0  # the exponent: the passage of rank r is drawn in proportion to 1 / r

SYSTEM = (
    "You answer from numbered sources. Use only what the sources say. Write at least ten long sentences, "
    "and end each with the number of its source, like [1]."
)
_WORDS_A_PASSAGE = 168  # about 200 tokens

_NOUNS = "account address agreement archive badge budget building calendar car change claim client colleague contract copy cost country course customer date day deadline department desk device director document door email employee equipment event expense floor form garden group guest holiday hotel hour invoice key kitchen laptop leave letter list machine manager market meeting member message month morning network note number office order package page parking partner password payment period person phone plan policy printer price product project question receipt record region report request room rule salary school screen server signature site software station supplier system table task team test ticket time tool train travel trip vehicle visitor week window worker year"
_ADJECTIVES = "annual available blue broken central clear current daily digital early empty expensive external final formal free general green heavy important internal large late local long main medical missing modern monthly national new next old open personal possible private public quiet ready recent regional regular second senior short signed simple small special spare temporary useful valid weekly written yellow"
_VERBS = "accepts answers approves asks books brings calls cancels changes checks closes collects completes confirms covers delivers describes explains follows gives includes informs keeps leaves manages marks moves needs offers opens orders pays prepares prints provides reaches reads receives records replaces reports requests returns reviews sells sends shares shows signs starts stores supports takes tests updates uses visits"
_PLACES = "after before behind beside during for from in near on through under with without"
_QUESTIONS = (  # answered at length, so that a model seldom ends before it must
    "Repeat everything about the {a} {n} of the {b} {m} and the {c} {o} of the {q}.",
    "List all that is known about the {a} {n}, the {b} {m} and the {c} {o} of the {q}.",
)


@dataclass(frozen=True, slots=True)
class Load:
    """Questions over a pool of passages. A passage is its title, a line end and its text."""

    pool: tuple[str, ...]
    questions: tuple[tuple[Turn, ...], ...]

    def over_the_pool(self) -> list[tuple[Turn, ...]]:
        """Questions that between them show every passage of the pool, for warming up."""
        groups = [self.pool[start : start + PASSAGES] for start in range(0, len(self.pool), PASSAGES)]
        return [_turns(group, "Which of these sources is the longest one?") for group in groups]


def made_load(
    questions: int, *, pool: int = POOL, seed: int = LOAD_SEED, part: int = 0, passages: int = PASSAGES
) -> Load:
    """`questions` questions with `passages` different passages each, few of the pool often, many rarely.

    `part` gives other questions over the same pool.
    """
    texts = _pool(pool, seed)
    random = np.random.default_rng((seed, 1, part))
    weights = 1.0 / np.arange(1, pool + 1) ** ZIPF
    weights /= weights.sum()
    asked = []
    for _ in range(questions):
        ranks = random.choice(pool, size=min(passages, pool), replace=False, p=weights)
        asked.append(_turns([texts[rank] for rank in ranks], _question(random)))
    return Load(texts, tuple(asked))


def _pool(count: int, seed: int) -> tuple[str, ...]:
    random = np.random.default_rng((seed, 0))
    return tuple(_passage(random) for _ in range(count))


def _passage(random: np.random.Generator) -> str:
    title = f"{_one(_ADJECTIVES, random)} {_one(_NOUNS, random)}".capitalize()
    words = 0
    sentences: list[str] = []
    while words < _WORDS_A_PASSAGE:
        sentence = _sentence(random)
        words += len(sentence.split())
        sentences.append(sentence)
    return f"{title}\n{' '.join(sentences)}"


def _sentence(random: np.random.Generator) -> str:
    """Such as "The annual report covers the new building after the second week."."""
    things = [f"the {_one(_ADJECTIVES, random)} {_one(_NOUNS, random)}" for _ in range(3)]
    things[0] = things[0].capitalize()
    return f"{things[0]} {_one(_VERBS, random)} {things[1]} {_one(_PLACES, random)} {things[2]}."


def _question(random: np.random.Generator) -> str:
    form = _QUESTIONS[int(random.integers(len(_QUESTIONS)))]
    adjectives = {sign: _one(_ADJECTIVES, random) for sign in "abc"}
    nouns = {sign: _one(_NOUNS, random) for sign in "nmoq"}
    return form.format(**adjectives, **nouns)


def _one(words: str, random: np.random.Generator) -> str:
    known = words.split()
    return known[int(random.integers(len(known)))]


def _turns(passages: Sequence[str], question: str) -> tuple[Turn, ...]:
    """The layout of `bot.prompt`: each number and each passage is a block."""
    text = "Sources:"
    blocks = []
    for number, passage in enumerate(passages, start=1):
        for block in (f"\n\n[{number}] ", passage):
            blocks.append((len(text), len(text) + len(block)))
            text += block
    text += f"\n\nQuestion: {question}"
    return (Turn("system", SYSTEM), Turn("user", text, tuple(blocks)))
