"""Texts that are nearly the same, found without comparing each with each.

Rule: MinHash only proposes; what counts is the share of word triples that two texts really have in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bot.words import words

ALIKE = 0.7
"""The share of word triples (Jaccard) from which two texts are nearly the same."""

_HASHES, _BANDS = 64, 16
_PRIME = (1 << 31) - 1
_SIGNATURE = npt.NDArray[np.int64]


def near_duplicates(texts: Sequence[str], others: Sequence[str], *, alike: float = ALIKE) -> dict[int, int]:
    """The places of those `texts` that are nearly one of `others`, each with the place of that one.

    Bands of MinHash signatures (A. Broder, On the resemblance and containment of documents, 1997): with 16
    bands of 4, a pair that has 0.7 in common is proposed with a probability of 0.99.
    """
    known = [_triples(text) for text in others]
    buckets: dict[tuple[int, bytes], list[int]] = {}
    for place, triples in enumerate(known):
        for band in _bands(triples):
            buckets.setdefault(band, []).append(place)
    found: dict[int, int] = {}
    for place, text in enumerate(texts):
        triples = _triples(text)
        proposed = {other for band in _bands(triples) for other in buckets.get(band, ())}
        for other in sorted(proposed):
            if len(triples & known[other]) >= alike * len(triples | known[other]):
                found[place] = other
                break
    return found


def _triples(text: str) -> frozenset[int]:
    """The triples of words that follow each other, as numbers; of a shorter text all its words as one."""
    said = words(text)
    runs = [said[start : start + 3] for start in range(max(1, len(said) - 2))] if said else []
    return frozenset(_number(" ".join(run)) for run in runs)


def _number(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _PRIME


def _bands(triples: frozenset[int]) -> list[tuple[int, bytes]]:
    if not triples:
        return []
    signature = _signature(triples)
    size = _HASHES // _BANDS
    return [(band, signature[band * size : (band + 1) * size].tobytes()) for band in range(_BANDS)]


def _signature(triples: frozenset[int]) -> _SIGNATURE:
    """For each of the hash functions a*x + b the least value over `triples`."""
    chance = np.random.default_rng(0)
    factors = chance.integers(1, _PRIME, size=(_HASHES, 1), dtype=np.int64)
    added = chance.integers(0, _PRIME, size=(_HASHES, 1), dtype=np.int64)
    numbers = np.fromiter(sorted(triples), np.int64, len(triples))
    least: _SIGNATURE = ((factors * numbers + added) % _PRIME).min(axis=1)
    return least
