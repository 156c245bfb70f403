"""Scores whether a passage answers a question, and whether it carries a sentence.

Rule: loaded with the first call, never from the network; one thread and bfloat16 where the processor has it.
"""

from __future__ import annotations

import importlib.resources
import math
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import EmbedderUnavailable
from models.judge.calibration import Calibration, read_calibration
from models.judge.pairs import Pair, PairTokens

if TYPE_CHECKING:
    from torch import Tensor

BATCH_TOKENS = 2048
SMALLEST_BATCH = 256
MOST_WORKERS = 2
REMEMBERED = 1024
"""So many of the latest pairs keep their log-odds."""

LONGEST = 24
"""The words that answer are at most so many tokens."""

_ANSWERS, _SUPPORTS = 0, 1


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a passage, from `start` to `end`, and the log-likelihood that these are the answer."""

    start: int
    end: int
    log_likelihood: float


class Judge:
    """A small reader of question and passage together, made from the embedding model in `base` and what
    `file` says differs from it; without `file` the one that ships with the program.

    Raises `EmbedderUnavailable` with the first call when either cannot be used.
    """

    def __init__(self, base: Path, file: Path | None = None) -> None:
        self._base = base
        self._file = file or shipped()
        self._weights: dict[str, Tensor] | None = None
        self._tokens: PairTokens | None = None
        self._calibration: Calibration | None = None
        self._noted = False
        self._remembered: dict[tuple[int, str, str], float] = {}
        self._lock = threading.Lock()

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How surely each of `texts` answers `query`, 0 to 1, in their order; what a Reranker does."""
        return [_likelihood(logit) for logit in self.answers([query] * len(texts), texts)]

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        """The log-odds that each passage answers the question at its place. A passage reads as
        `models.judge.pairs.shown` puts it."""
        return self._judged(questions, passages, _ANSWERS)

    def supports(self, sentences: Sequence[str], passages: Sequence[str]) -> list[float]:
        """The log-odds that each passage carries the sentence at its place."""
        return self._judged(sentences, passages, _SUPPORTS)

    def points(self, question: str, passages: Sequence[str]) -> list[Span]:
        """Where each of `passages`, below its first line, has the words that answer `question` the likeliest."""
        with self._lock:
            weights, tokens = self._loaded()
            pairs = tokens.pairs([question] * len(passages), passages)
            try:
                return [_pointed(weights, pair, text) for pair, text in zip(pairs, passages, strict=True)]
            except RuntimeError as error:
                raise EmbedderUnavailable(f"the judge {self._file} failed: {error}") from error

    @property
    def calibration(self) -> Calibration | None:
        """What its log-odds are worth beside the evidence, as its file says."""
        if not self._noted:
            from models.judge.file import CALIBRATION_KEY, note_of

            self._calibration = read_calibration(note_of(self._file).get(CALIBRATION_KEY))
            self._noted = True
        return self._calibration

    def load(self) -> None:
        """Loads the weights now instead of with the first call."""
        with self._lock:
            self._loaded()

    def _judged(self, questions: Sequence[str], passages: Sequence[str], head: int) -> list[float]:
        """What is asked twice, first for the order of passages and then for the answer, is read once."""
        asked = [(head, question, passage) for question, passage in zip(questions, passages, strict=True)]
        with self._lock:
            fresh = list(dict.fromkeys(one for one in asked if one not in self._remembered))
            if fresh:
                weights, tokens = self._loaded()
                pairs = tokens.pairs([one[1] for one in fresh], [one[2] for one in fresh])
                try:
                    read = _read(weights, pairs, head)
                except RuntimeError as error:
                    raise EmbedderUnavailable(f"the judge {self._file} failed: {error}") from error
                self._remembered.update(zip(fresh, read, strict=True))
            logits = [self._remembered[one] for one in asked]
            while len(self._remembered) > REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
        return logits

    def _loaded(self) -> tuple[dict[str, Tensor], PairTokens]:
        if self._weights is None or self._tokens is None:
            from models.judge.file import load_weights
            from models.processor import fastest_dtype

            self._tokens = PairTokens(self._base)
            self._weights = load_weights(self._file, self._base, fastest_dtype())
        return self._weights, self._tokens


def shipped() -> Path:
    """The file of the judge that ships with the program; it may not be there."""
    return Path(str(importlib.resources.files("models.judge"))) / "judge.safetensors"


def _read(weights: dict[str, Tensor], pairs: Sequence[Pair], head: int) -> list[float]:
    """Batches of rows of about the same length, so that little is padding, each by one thread, side by side:
    threads that share a small batch wait for each other after every layer."""
    order = sorted(range(len(pairs)), key=lambda place: len(pairs[place].ids))
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    most = max(SMALLEST_BATCH, min(BATCH_TOKENS, sum(len(pair.ids) for pair in pairs) // workers + 1))
    batches = [[order[place] for place in run] for run in _batches([len(pairs[p].ids) for p in order], most)]
    logits = [0.0] * len(pairs)

    def judged(places: list[int]) -> None:
        for place, logit in zip(
            places, _logits(weights, [pairs[place] for place in places], head), strict=True
        ):
            logits[place] = logit

    if workers == 1 or len(batches) == 1:
        for places in batches:
            judged(places)
    else:
        with ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:
            list(pool.map(judged, batches))
    return logits


def _logits(weights: dict[str, Tensor], pairs: Sequence[Pair], head: int) -> list[float]:
    import torch

    from models.judge.network import read_rows, tensors

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            ids, kinds, there = tensors(pairs)
            return [float(logit) for logit in read_rows(weights, ids, kinds, there)[:, head].tolist()]
    finally:
        torch.set_num_threads(before)


def _pointed(weights: dict[str, Tensor], pair: Pair, text: str) -> Span:
    import torch

    from models.judge.network import read, tensors

    body = text.find("\n") + 1
    inside = [place for place, (start, end) in enumerate(pair.offsets) if body <= start < end]
    if not inside:
        return Span(body, body, -math.inf)
    with torch.inference_mode():
        span = torch.log_softmax(read(weights, *tensors([pair])).span[0], dim=0)
        there = span[pair.passage_from + torch.tensor(inside)]
        both = there[:, None, 0] + there[None, :, 1]
        places = torch.arange(len(inside))
        length = places[None, :] - places[:, None]
        both = both.masked_fill((length < 0) | (length >= LONGEST), -math.inf)
        best, place = both.flatten().max(dim=0)
    first, last = divmod(int(place), len(inside))
    return Span(pair.offsets[inside[first]][0], pair.offsets[inside[last]][1], float(best))


def _batches(lengths: Sequence[int], most: int) -> list[range]:
    """Runs of ascending `lengths` of at most `most` tokens, padding counted."""
    found, start = [], 0
    for stop in range(1, len(lengths) + 1):
        if stop == len(lengths) or lengths[stop] * (stop + 1 - start) > most:
            found.append(range(start, stop))
            start = stop
    return found


def _likelihood(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else 1 - 1 / (1 + math.exp(logit))
