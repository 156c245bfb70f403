"""Answers one request with a loaded model, a step at a time.

Rule: each `next` of a running request is one batch of the prompt or one token, so that whoever drives
it can look for cancellations between any two. How a prompt is cut into batches depends on the prompt
alone, and only whole batches that were cut alike are reused: a reused prefix gives the very same
answer as a fresh reading.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.engine.generator import Turn
from models.engine.growing_text import GrowingText
from models.engine.llama import Llama, Logits, StoppedError
from models.engine.template import ChatTemplate, Span
from models.engine.wire import Alive, Failure, Finish, Generate, Number, Piece, Reply, Score

SCORED_ROWS = 32  # logits of this many tokens are held at once while scoring


class TooLongError(ValueError):
    """Prompt and answer do not fit the context together."""


@dataclass(frozen=True, slots=True)
class Watch:
    """When a request has to end early: at `deadline` (of time.monotonic) or when `cancelled` says so.

    `alive` is told that work goes on, often.
    """

    deadline: float | None
    cancelled: Callable[[], bool]
    alive: Callable[[], None]

    def verdict(self) -> Finish | None:
        if self.cancelled():
            return "cancelled"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "deadline"
        return None

    def must_stop(self) -> bool:
        """Asked in the middle of a batch."""
        self.alive()
        return self.verdict() is not None


class Model:
    """A loaded model that reads prompts and answers them, one request at a time."""

    def __init__(self, llama: Llama, template: ChatTemplate) -> None:
        self._llama = llama
        self._template = template
        self._cuts: tuple[int, ...] = ()  # where the batches of the prompt in the context end

    def count(self, turns: Sequence[Turn]) -> int:
        """Tokens of the prompt."""
        return len(self._prompt(turns)[0])

    def generate(self, request: Generate, watch: Watch) -> Iterator[Reply]:
        """Alive while the prompt is read, then Pieces; the last one has `finished`."""
        tokens, head = self._prompt(request.turns)
        self._check_room(len(tokens), request.max_tokens)
        reading = self._read(tokens, head, watch)
        reused = len(self._llama.held)
        answer = _Answer(request.id, prompt_tokens=len(tokens), reused_tokens=reused, stops=request.stop)
        for logits in reading:
            row = logits
            yield Alive()
        if verdict := watch.verdict():
            yield answer.end(verdict)
            return
        draw = np.random.default_rng(request.seed)
        while True:
            token = _chosen(row[-1], request, draw)
            if self._llama.ends(token):
                yield answer.end("stop")
                return
            piece = answer.add(self._llama.bytes_of(token))
            if answer.stopped:
                yield answer.end("stop", piece)
                return
            if answer.completion_tokens >= request.max_tokens:
                yield answer.end("length", piece)
                return
            if verdict := watch.verdict():
                yield answer.end(verdict, piece)
                return
            yield answer.piece(piece)
            row = self._llama.read([token])

    def score(self, request: Score, watch: Watch) -> Iterator[Reply]:
        """Alive until the Number: the mean log-probability a token, in nats, of the continuation."""
        tokens, head = self._prompt(request.turns)
        wanted = self._llama.tokenize(request.continuation, control=False)
        if not wanted:
            yield Failure(request.id, "unavailable", "an empty continuation has no probability")
            return
        self._check_room(len(tokens), len(wanted))
        total = 0.0
        for row in self._read(tokens, head, watch):
            last = row
            yield Alive()
        if watch.verdict():
            yield Number(request.id, float("nan"))
            return
        total += _log_probability(last, wanted[:1])
        for start in range(1, len(wanted), SCORED_ROWS):
            targets = wanted[start : start + SCORED_ROWS]
            given = wanted[start - 1 : start - 1 + len(targets)]
            total += _log_probability(self._llama.read(given, rows=len(given)), targets)
            yield Alive()
        yield Number(request.id, total / len(wanted))

    def _prompt(self, turns: Sequence[Turn]) -> tuple[list[int], int]:
        """The prompt's tokens, and how many of them belong to its head."""
        prompt = self._template.render(turns)
        opening = self._llama.opening_token()
        tokens = self._tokens(prompt.spans)
        head = _shared(tokens, self._tokens(prompt.head))
        if opening is not None and tokens[:1] != [opening]:
            return [opening, *tokens], head + 1
        return tokens, head

    def _tokens(self, spans: Sequence[Span]) -> list[int]:
        return [token for span in spans for token in self._llama.tokenize(span.text, control=span.control)]

    def _check_room(self, prompt: int, answer: int) -> None:
        room = self._llama.context_tokens
        if prompt + answer > room:
            raise TooLongError(
                f"the prompt has {prompt:,} tokens and the answer may have {answer:,}, but the context "
                f"holds {room:,}: shorten the question or raise the context in the configuration"
            )

    def _read(self, tokens: Sequence[int], head: int, watch: Watch) -> Iterator[Logits]:
        """Reads what the context does not hold already; yields the logits of each batch's last token.

        Ends early when `watch` has a verdict, also in the middle of a batch.
        """
        cuts = _cuts(len(tokens), head, self._llama.batch_tokens)
        common = _shared(tokens, self._llama.held)
        reused = 0
        for new, old in zip(cuts[:-1], self._cuts, strict=False):
            if new != old or new > common:
                break
            reused = new
        self._llama.keep(reused)
        self._cuts = cuts
        return self._batches(tokens, watch, [cut for cut in (0, *cuts) if cut >= len(self._llama.held)])

    def _batches(self, tokens: Sequence[int], watch: Watch, cuts: Sequence[int]) -> Iterator[Logits]:
        for start, end in itertools.pairwise(cuts):
            if watch.verdict():
                return
            try:
                yield self._llama.read_or_stop(tokens[start:end], stop=watch.must_stop)
            except StoppedError:
                return


class _Answer:
    """The pieces of one answer, each with what the model has done so far."""

    def __init__(self, id_: int, *, prompt_tokens: int, reused_tokens: int, stops: Sequence[str]) -> None:
        self._id = id_
        self._prompt_tokens = prompt_tokens
        self._reused_tokens = reused_tokens
        self._text = GrowingText(stops)
        self.completion_tokens = 0

    @property
    def stopped(self) -> bool:
        return self._text.stopped

    def add(self, token: bytes) -> str:
        """The text that can be shown after one more token."""
        self.completion_tokens += 1
        return self._text.add(token)

    def piece(self, text: str, finished: Finish | None = None) -> Piece:
        return Piece(
            self._id, text, self._prompt_tokens, self._reused_tokens, self.completion_tokens, finished
        )

    def end(self, finished: Finish, text: str = "") -> Piece:
        """The last piece, with what was held back for a stop text that never came."""
        return self.piece(text + self._text.rest(), finished)


def _cuts(length: int, head: int, batch: int) -> tuple[int, ...]:
    """The ends of a prompt's batches: one falls on the end of its head, the last on its own end."""
    return tuple(
        sorted({*range(batch, head, batch), head, *range(head + batch, length, batch), length} - {0})
    )


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens the two begin with in common."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _chosen(row: Logits, request: Generate, draw: np.random.Generator) -> int:
    likeliest = int(np.argmax(row))
    if np.isnan(row[likeliest]):  # argmax finds the first NaN if there is any
        raise ArithmeticError("the model computed no numbers: the file is damaged")
    if request.temperature <= 0:
        return likeliest
    scaled = (row.astype(np.float64) - float(row[likeliest])) / request.temperature
    weights = np.exp(scaled)
    weights /= weights.sum()
    if request.top_p < 1:
        order = np.argsort(-weights, kind="stable")
        kept = int(np.searchsorted(np.cumsum(weights[order]), request.top_p)) + 1
        weights[order[kept:]] = 0.0
        weights /= weights.sum()
    return int(draw.choice(len(weights), p=weights))


def _log_probability(rows: Logits, targets: Sequence[int]) -> float:
    """The sum over the rows of the log-softmax at each row's target."""
    top = rows.max(axis=1)
    spread = np.log(np.exp(rows - top[:, None]).sum(axis=1, dtype=np.float64)) + top
    picked = rows[np.arange(len(targets)), np.asarray(targets)]
    return float((picked - spread).sum())
