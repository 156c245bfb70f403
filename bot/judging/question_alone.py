"""How well a guess from a question's words alone tells whether it has an answer, and how to learn nothing from that.

Rule: whoever writes questions for a page writes those that it answers in another manner than those that it does not. The
people who ask later do not know which is which, so a judge must not learn the manner.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bot.evaluation.golden import GoldenQuestion
from bot.judging.report import auc

FOLDS = 6
LEAST = 4
"""Words and pairs of words that fewer questions hold say nothing."""

STEPS = 150
RATE = 0.1
PENALTY = 2e-3

SURELY = 0.1
"""This share of the questions, those that the guess is most wrong about, is kept in any case."""

_PIECE = re.compile(r"\w+|[^\w\s]")


def guesses(sets: Mapping[str, Sequence[GoldenQuestion]]) -> dict[tuple[str, str], float]:
    """The likelihood that a question has an answer, by its set and its id, guessed from its words and pairs of
    words by a logistic regression over the other sets. Only of questions about a document; one set alone is 0.5."""
    asked = [(name, one) for name in sorted(sets) for one in sets[name] if one.documents]
    pieces = [_pieces(one.ask) for _, one in asked]
    counts = Counter(piece for found in pieces for piece in found)
    places = {
        piece: place for place, piece in enumerate(sorted(one for one in counts if counts[one] >= LEAST))
    }
    rows = np.repeat(np.arange(len(asked)), [sum(piece in places for piece in found) for found in pieces])
    columns = np.array(
        [places[piece] for found in pieces for piece in found if piece in places], dtype=np.intp
    )
    answerable = np.array([one.answerable for _, one in asked], dtype=np.float64)
    fold = np.array([sorted(sets).index(name) % FOLDS for name, _ in asked])
    found = np.full(len(asked), 0.5)
    for one in range(FOLDS):
        learned, held = fold != one, fold == one
        if learned.any() and held.any():
            weights = _fitted(rows, columns, answerable, learned, len(places))
            found[held] = _likelihoods(rows, columns, weights, len(asked))[held]
    return {(name, one.id): float(guess) for (name, one), guess in zip(asked, found, strict=True)}


def told(sets: Mapping[str, Sequence[GoldenQuestion]]) -> float:
    """The AUC with which the words of a question alone tell whether it has an answer: 0.5 where they say nothing."""
    likelihoods = guesses(sets)
    of = {True: list[float](), False: list[float]()}
    for name, asked in sets.items():
        for one in asked:
            if one.documents:
                of[one.answerable].append(likelihoods[name, one.id])
    return auc(of[True], of[False])


def levelled(
    sets: Mapping[str, Sequence[GoldenQuestion]], choice: random.Random
) -> frozenset[tuple[str, str]]:
    """The questions to learn from, by set and id: the surer and righter the guess, the more seldom, so that among those
    that are left both kinds weigh the same wherever the guess is the same, and the words alone say little."""
    answerable = {(name, one.id): one.answerable for name in sets for one in sets[name]}
    wrong = {key: 1 - guess if answerable[key] else guess for key, guess in guesses(sets).items()}
    if not wrong:
        return frozenset()
    bound = float(np.quantile(list(wrong.values()), 1 - SURELY))
    return frozenset(key for key, share in wrong.items() if choice.random() * bound < share)


def _pieces(ask: str) -> list[str]:
    words = _PIECE.findall(ask.lower())
    return list(dict.fromkeys([*words, *(" ".join(pair) for pair in itertools.pairwise(words))]))


def _fitted(
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    answerable: npt.NDArray[np.float64],
    learned: npt.NDArray[np.bool_],
    width: int,
) -> npt.NDArray[np.float64]:
    """One weight for each piece and one for all, by descent along the gradient with a penalty on their squares."""
    weights = np.zeros(width + 1)
    step = np.full(width + 1, 1e-8)
    for _ in range(STEPS):
        wrong = np.where(learned, _likelihoods(rows, columns, weights, len(answerable)) - answerable, 0.0)
        wrong /= learned.sum()
        slope = np.append(np.bincount(columns, wrong[rows], minlength=width), wrong.sum()) + PENALTY * weights
        step += slope**2
        weights -= RATE * slope / np.sqrt(step)
    return weights


def _likelihoods(
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    weights: npt.NDArray[np.float64],
    count: int,
) -> npt.NDArray[np.float64]:
    logits = weights[-1] + np.bincount(rows, weights[columns], minlength=count)
    return np.asarray(1 / (1 + np.exp(-logits)))
